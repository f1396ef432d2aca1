"""Suppressions: diagnostics that a file, or reconciler.yaml for it, accepts, each with a reason.

In YAML that is a comment line of its own, which speaks for its whole file:

    # reconciler:ignore unknown-kind -- our administrators have registered it
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import field
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.globs import Pattern, selects
from reconciler.errors import Where
from reconciler.specs.rules.codes import CODES, make_diagnostic
from reconciler.specs.schema.compiled_schema import did_you_mean
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_text import SourceText
from reconciler.values import dataclass

MARK = "reconciler:ignore"

# One line at most: what follows on the next lines is a comment like any other.
_LINE = re.compile(rf"^[ \t]*#[ \t]*{MARK}(?![^ \t\r\n])[^\n]*", re.MULTILINE)


class Suppression(NamedTuple):
    """What is suppressed and why; `files` are paths from the root, none for the comment's own.

    A code is one of those documented, or `policy:NAME` for one policy alone.
    """

    codes: tuple[str, ...]
    files: tuple[Pattern, ...]
    reason: str
    where: Where


@dataclass(slots=True, kw_only=True)
class Suppressions:
    """What covers diagnostics: the suppressions of the configuration, and those read so far."""

    configured: Sequence[Suppression] = ()
    _written: dict[str, Sequence[Suppression]] = field(default_factory=dict)
    # By file and name: a comment speaks for its whole file, so those of one name work together.
    _effective: dict[str, frozenset[str]] = field(default_factory=dict)
    _used: set[tuple[Where | str, str]] = field(default_factory=set)

    def read(self, source: SourceText) -> Sequence[Suppression]:
        """Take note of what the comments of a file suppress."""
        if (known := self._written.get(source.file)) is not None:
            return known
        suppressions: list[Suppression] = []
        # JSON has no comments, and a text in base64 no lines that anybody sees. Most files hold no
        # such comment: looking for its text alone is much faster than the pattern.
        has_comments = source.notation != "json" and source.decoded_from is None
        for match in _LINE.finditer(source.text) if has_comments and MARK in source.text else ():
            written = match.group()
            codes, _, reason = written.partition(MARK)[2].partition("--")
            suppressions.append(
                Suppression(
                    codes=tuple(codes.replace(",", " ").split()),
                    files=(),
                    reason=reason.strip(),
                    where=source.where(match.end() - len(written.lstrip()), match.end()),
                )
            )
        # Nearly all files have none: a list and a set for each would weigh more than what is kept.
        self._written[source.file] = suppressions or ()
        if suppressions:
            names = map(_effective_names, suppressions)
            self._effective[source.file] = frozenset().union(*names)
        return self._written[source.file]

    def cover(self, source: SourceText, code: str, rule: str = "") -> bool:
        """Whether a diagnostic in a file is suppressed, which makes that suppression a used one."""
        names = {code, f"{code}:{rule}"} if rule else {code}
        used: set[tuple[Where | str, str]] = set()
        used.update(
            (source.file, name) for name in names.intersection(self._effective.get(source.file, ()))
        )
        for suppression in self.configured:
            effective = names & _effective_names(suppression)
            if effective and selects(suppression.files, source.file):
                used.update((suppression.where, name) for name in effective)
        self._used |= used
        return bool(used)

    def take_used(self) -> frozenset[tuple[Where | str, str]]:
        """The suppressions that covered something since this was asked the last time."""
        used = frozenset(self._used)
        self._used.clear()
        return used


def bad_suppressions(suppressions: Iterable[Suppression]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the suppressions themselves."""
    for suppression in suppressions:
        if not suppression.codes:
            yield _bad(suppression, "it names no code", f"# {MARK} CODE -- REASON")
        elif not suppression.reason:
            codes = quote(", ".join(suppression.codes))
            yield _bad(suppression, "it gives no reason", f"# {MARK} {codes} -- REASON")
        for code in suppression.codes:
            if problem := _problem(code):
                suppressible = (name for name, entry in CODES.items() if entry.suppressible)
                yield _bad(suppression, problem, did_you_mean(code, suppressible))


def unused_suppressions(
    suppressions: Iterable[Suppression], used: Collection[tuple[Where | str, str]]
) -> Iterator[Diagnostic]:
    """Yield the suppressions without use; for a run in which everything could be checked."""
    for suppression in suppressions:
        for code in suppression.codes:
            place = suppression.where if suppression.files else suppression.where.file
            if not _problem(code) and (place, code) not in used:
                message = f"there is nothing for '{code}' to suppress"
                where = suppression.where
                yield make_diagnostic("unused-suppression", message, where, hint="remove it")


def _effective_names(suppression: Suppression) -> set[str]:
    """The codes that a suppression covers; without a reason it covers none."""
    return {name for name in suppression.codes if suppression.reason and not _problem(name)}


def _problem(code: str) -> str:
    name = code.partition(":")[0]
    if name not in CODES or (":" in code and name != "policy"):
        return f"there is no code '{quote(code)}'"
    return "" if CODES[name].suppressible else f"'{name}' cannot be suppressed"


def _bad(suppression: Suppression, problem: str, hint: str) -> Diagnostic:
    message = f"this suppression has no effect: {problem}"
    return make_diagnostic("bad-suppression", message, suppression.where, hint=hint)
