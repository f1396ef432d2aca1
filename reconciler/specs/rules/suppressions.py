"""Findings that a file, or reconciler.yaml for it, declares to be known, each with a reason.

In YAML that is a comment line of its own, which speaks for its whole file:

    # reconciler:ignore unknown-kind -- our administrators have registered it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.discovery.globs import Pattern, selects
from reconciler.specs.rules.codes import CODES, make_diagnostic
from reconciler.specs.schema.compiled_schema import did_you_mean
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_text import SourceText

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
    """All suppressions of a run, and which of them were of use."""

    configured: Sequence[Suppression] = ()
    _written: dict[str, list[Suppression]] = field(default_factory=dict)
    # By file and name: a comment speaks for its whole file, so those of one name work together.
    _effective: dict[str, set[str]] = field(default_factory=dict)
    _used: set[tuple[Where | str, str]] = field(default_factory=set)

    def read(self, page: SourceText) -> None:
        """Take note of what the comments of a page suppress."""
        if page.file not in self._written:
            self._written[page.file] = list(_read(page))
            self._effective[page.file] = {
                name for one in self._written[page.file] for name in _effective_names(one)
            }

    def cover(self, page: SourceText, code: str, rule: str = "") -> bool:
        """Whether a finding in a page is suppressed, which makes that suppression a used one."""
        names = {code, f"{code}:{rule}"} if rule else {code}
        used: set[tuple[Where | str, str]] = set()
        used.update((page.file, name) for name in names & self._effective.get(page.file, set()))
        for one in self.configured:
            effective = names & _effective_names(one)
            if effective and selects(one.files, page.file):
                used.update((one.where, name) for name in effective)
        self._used |= used
        return bool(used)

    def findings(self) -> Iterator[Diagnostic]:
        """What is wrong with the suppressions themselves."""
        for one in self._all():
            if not one.codes:
                yield _bad(one, "it names no code", f"# {MARK} CODE -- REASON")
            elif not one.reason:
                codes = quote(", ".join(one.codes))
                yield _bad(one, "it gives no reason", f"# {MARK} {codes} -- REASON")
            for code in one.codes:
                if problem := _problem(code):
                    yield _bad(one, problem, did_you_mean(code, _suppressible()))

    def unused(self) -> Iterator[Diagnostic]:
        """What is suppressed but not found; for a run in which everything could be checked."""
        for one in self._all():
            for code in one.codes:
                place = one.where if one.files else one.where.file
                if not _problem(code) and (place, code) not in self._used:
                    message = f"there is nothing for '{code}' to suppress"
                    yield make_diagnostic(
                        "unused-suppression", message, one.where, hint="remove it"
                    )

    def _all(self) -> Iterator[Suppression]:
        yield from self.configured
        for written in self._written.values():
            yield from written


def _read(page: SourceText) -> Iterator[Suppression]:
    # JSON has no comments, and a text in base64 no lines that anybody sees.
    if MARK not in page.text or page.notation == "json" or page.decoded_from is not None:
        return
    for found in _LINE.finditer(page.text):
        written = found.group()
        codes, _, reason = written.partition(MARK)[2].partition("--")
        yield Suppression(
            codes=tuple(codes.replace(",", " ").split()),
            files=(),
            reason=reason.strip(),
            where=page.where(found.end() - len(written.lstrip()), found.end()),
        )


def _effective_names(suppression: Suppression) -> set[str]:
    """The codes that a suppression covers; without a reason it covers none."""
    return {name for name in suppression.codes if suppression.reason and not _problem(name)}


def _problem(code: str) -> str:
    name = code.partition(":")[0]
    if name not in CODES or (":" in code and name != "policy"):
        return f"there is no code '{quote(code)}'"
    return "" if CODES[name].suppressible else f"'{name}' cannot be suppressed"


def _suppressible() -> Iterator[str]:
    return (name for name, code in CODES.items() if code.suppressible)


def _bad(suppression: Suppression, problem: str, hint: str) -> Diagnostic:
    return make_diagnostic(
        "bad-suppression", f"this suppression is of no use: {problem}", suppression.where, hint=hint
    )
