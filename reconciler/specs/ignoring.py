"""What `.reconcilerignore` files leave out: gitignore patterns, the nearest file deciding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.codes import finding
from reconciler.specs.fileaccess import Trouble, read_bytes
from reconciler.specs.pages import Page, decode

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".reconcilerignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The patterns of one file; they speak about paths below its folder."""

    folder: str
    patterns: GitIgnoreSpec


def is_ignored(rules: tuple[Rules, ...], name: str, *, is_folder: bool) -> bool:
    """Whether a path below the root is left out; `rules` run from the root to its own folder."""
    for one in reversed(rules):
        inside = name[len(one.folder) :].lstrip("/") + ("/" if is_folder else "")
        verdict = one.patterns.check_file(inside).include
        if verdict is not None:
            return verdict
    return False


def read_rules(path: Path, name: str, folder: str, found: list[Diagnostic]) -> Rules | None:
    """Read a `.reconcilerignore`; what is wrong with it is added to `found`."""
    data = read_bytes(path)
    if isinstance(data, Trouble):
        found.append(data.at(Where(file=name)))
        return None
    page = decode(data, name)
    if isinstance(page, Diagnostic):
        found.append(page)
        return None
    return Rules(folder=folder, patterns=_patterns(page, found))


def _patterns(page: Page, found: list[Diagnostic]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    good: list[str] = []
    start = 0
    for line in page.text.splitlines(keepends=True):
        pattern = line.rstrip("\r\n")
        try:
            GitIgnoreSpec.from_lines([pattern])
            good.append(pattern)
        except ValueError:
            where = page.where(start, start + len(pattern))
            found.append(finding("bad-ignore-file", f"'{pattern}' is not a pattern", where))
        start += len(line)
    return GitIgnoreSpec.from_lines(good)
