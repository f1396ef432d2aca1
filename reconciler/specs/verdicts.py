"""What is known of a file of specs once it is checked: small enough to keep, and to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.errors import Where
from reconciler.specs.rules.suppressions import Suppression


class ObjectReference(NamedTuple):
    """A field of a manifest that names another object, of a kind in the same API group."""

    path: Sequence[str]
    kind: str
    name: str


class SpecFacts(NamedTuple):
    """What the checks of a set have to know of one spec.

    `number` counts the documents of its file, `line` and `column` are where it begins. `project`
    and `name` are its address, both empty where that is not known; `named` is its project's name
    and cluster where a name gives it. `is_sound`: nothing is wrong with the
    spec by itself, policies aside. GPUs are counted only where a budget asks for them; numbers of
    `patches` are of those that it matches, `manifest` is the name and the real path of a file.
    """

    file: str
    number: int
    line: int
    column: int
    project: str = ""
    name: str = ""
    is_sound: bool = False
    group: str = ""
    kind: str = ""
    object_name: str = ""
    wave: int = 0
    references: Sequence[ObjectReference] = ()
    named: Sequence[str] = ()
    patches: Sequence[int] = ()
    manifest: Sequence[str] = ()
    gpus: float = 0.0
    gpus_known: bool = True

    @property
    def key(self) -> tuple[str, int]:
        """What no other spec of a run has."""
        return self.file, self.number

    @property
    def address(self) -> str:
        """Its address as it is written in diagnostics."""
        return f"{self.project}/{self.name}" if self.name else ""


# No spec begins in line 0, so that a place is never left out.
_USUAL_FACTS = SpecFacts("", 0, 0, 0)

# A file with a comment, or a place in the configuration, each with the code that was suppressed.
UsedSuppressions = frozenset[tuple[Where | str, str]]


class DocumentFindings(NamedTuple):
    """What was found in one document: by itself, and by the policies.

    `used` are the suppressions that covered something, `written` those in its files, by the names
    of these.
    """

    own: Sequence[Diagnostic] = ()
    policy: Sequence[Diagnostic] = ()
    used: UsedSuppressions = frozenset()
    written: Sequence[tuple[str, Sequence[Suppression]]] = ()

    def joined(self, policy: DocumentFindings | None) -> DocumentFindings:
        """The same with what policies found."""
        if policy is None:
            return self
        return self._replace(policy=(*self.policy, *policy.policy), used=self.used | policy.used)


NO_FINDINGS = DocumentFindings()


class FileVerdict(NamedTuple):
    """All that is known of a file: of its text and those it refers to, and of each document.

    A document that is no spec has no facts. `is_foreign`: none of them looks like a spec, or like a
    manifest.
    """

    text: Sequence[Diagnostic] = ()
    facts: Sequence[SpecFacts | None] = ()
    findings: Sequence[DocumentFindings] = ()
    is_foreign: bool = False

    def joined(
        self, file: str, policy_findings: Mapping[tuple[str, int], DocumentFindings]
    ) -> FileVerdict:
        """The same with what policies found."""
        findings = [
            each.joined(policy_findings.get((file, number)))
            for number, each in enumerate(self.findings)
        ]
        return self._replace(findings=findings)


def write_verdict(verdict: FileVerdict) -> tuple[list[Any], list[Any]]:
    """A verdict as JSON can hold it: the facts, and what was found, which may quote the file.

    The second is empty where nothing was found.
    """
    plain = [verdict.is_foreign, *(spec and _write_facts(spec) for spec in verdict.facts)]
    if not verdict.text and all(document == NO_FINDINGS for document in verdict.findings):
        return plain, []
    findings = [
        [
            _write_diagnostics(document.own),
            _write_diagnostics(document.policy),
            [[_write_place(place), code] for place, code in sorted(document.used, key=str)],
            [
                [
                    file,
                    [[each.codes, each.reason, _write_where(each.where)] for each in suppressions],
                ]
                for file, suppressions in document.written
            ],
        ]
        for document in verdict.findings
    ]
    return plain, [_write_diagnostics(verdict.text), findings]


def _write_facts(spec: SpecFacts) -> list[Any]:
    """All but the file, without those at the end that are as in most specs."""
    values = [*spec[1:]]
    # A list that is empty may be a tuple as well.
    while values[-1] == _USUAL_FACTS[len(values)] or not (values[-1] or _USUAL_FACTS[len(values)]):
        values.pop()
    return values


def read_verdict(file: str, plain: Sequence[Any], quoting: Sequence[Any]) -> FileVerdict:
    """The verdict on a file, as it was written."""
    is_foreign, *facts = plain
    read = [spec and SpecFacts(file, *spec) for spec in facts]
    if not quoting:
        return FileVerdict((), read, [NO_FINDINGS] * len(read), is_foreign)
    text, findings = quoting
    return FileVerdict(
        _read_diagnostics(text),
        read,
        [
            DocumentFindings(
                own=_read_diagnostics(own),
                policy=_read_diagnostics(policy),
                used=frozenset((_read_place(place), code) for place, code in used),
                written=[
                    (
                        name,
                        [Suppression(tuple(c), (), why, _read_where(at)) for c, why, at in entries],
                    )
                    for name, entries in written
                ],
            )
            for own, policy, used, written in findings
        ],
        is_foreign,
    )


def _read_where(written: Sequence[Any]) -> Where:
    file, line, column, end_line, end_column = written
    return Where(file=file, line=line, column=column, end_line=end_line, end_column=end_column)


def _write_place(place: Where | str) -> Any:
    return place if isinstance(place, str) else _write_where(place)


def _write_where(where: Where) -> list[Any]:
    return [where.file, where.line, where.column, where.end_line, where.end_column]


def _read_place(written: Any) -> Where | str:
    return written if isinstance(written, str) else _read_where(written)


def _write_diagnostics(diagnostics: Sequence[Diagnostic]) -> list[Any]:
    return [
        [
            diagnostic.severity,
            diagnostic.code,
            diagnostic.message,
            diagnostic.hint,
            diagnostic.pointer,
            diagnostic.address,
            _write_where(diagnostic.where),
        ]
        for diagnostic in diagnostics
    ]


def _read_diagnostics(written: Sequence[Any]) -> list[Diagnostic]:
    return [
        Diagnostic(
            severity=Severity(severity),
            code=code,
            message=message,
            hint=hint,
            pointer=pointer,
            address=address,
            where=_read_where(where),
        )
        for severity, code, message, hint, pointer, address, where in written
    ]
