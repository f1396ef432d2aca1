"""What `.reconcilerignore` files leave out: gitignore patterns, the nearest file deciding."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.globs import BadPatternError, Pattern, read_pattern
from reconciler.errors import Where
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.fileaccess import ReadFailure
from reconciler.specs.source.source_text import decode

IGNORE_FILE = ".reconcilerignore"


class IgnoreRules(NamedTuple):
    """The patterns of one file; they speak about paths below its folder."""

    folder: str
    patterns: tuple[Pattern, ...]


def is_ignored(rules: tuple[IgnoreRules, ...], name: str, *, is_folder: bool) -> bool:
    """Whether a path below the root is left out; `rules` run from the root to its own folder."""
    for rule in reversed(rules):
        inside = name[len(rule.folder) :].lstrip("/")
        # As in git, the last line that means a path decides.
        for pattern in reversed(rule.patterns):
            if pattern.matches(inside, is_folder=is_folder):
                return not pattern.negated
    return False


def read_rules(
    data: bytes | ReadFailure, name: str, folder: str, diagnostics: list[Diagnostic]
) -> IgnoreRules | None:
    """Read the bytes of a `.reconcilerignore`; what is wrong with it is added to `diagnostics`."""
    if isinstance(data, ReadFailure):
        diagnostics.append(data.at(Where(file=name)))
        return None
    source = decode(data, name)
    if isinstance(source, Diagnostic):
        diagnostics.append(source)
        return None
    patterns: list[Pattern] = []
    start = 0
    for line in source.text.split("\n"):
        try:
            pattern = read_pattern(line)
            patterns += [pattern] if pattern else []
        except BadPatternError as error:
            where = source.where(start, start + len(line))
            message = f"{quote_value(line.rstrip())} is not a pattern: {error}"
            diagnostics.append(make_diagnostic("bad-ignore-file", message, where))
        start += len(line) + 1
    return IgnoreRules(folder=folder, patterns=tuple(patterns))
