"""The one form of every diagnostic, whichever check made it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from reconciler.errors import Where
from reconciler.values import dataclass


class Severity(StrEnum):
    """How bad a diagnostic is; only an error stops a run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """What is wrong at a place in a file that the user wrote.

    `code` is stable and documented, `pointer` an RFC 6901 JSON pointer into the document,
    `address` the workload where it is known.
    """

    severity: Severity
    code: str
    message: str
    where: Where
    hint: str = ""
    pointer: str = ""
    address: str = ""

    def to_json(self) -> dict[str, Any]:
        """The published form (`schemas/diagnostic.schema.json`)."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "hint": self.hint or None,
            "file": self.where.file,
            "line": self.where.line,
            "column": self.where.column,
            "end_line": self.where.end_line,
            "end_column": self.where.end_column,
            "pointer": self.pointer,
            "address": self.address or None,
        }


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Order diagnostics by place, so that the output does not depend on which check ran first."""
    return tuple(
        sorted(
            diagnostics,
            key=lambda d: (d.where.file, d.where.line, d.where.column, d.code, d.message),
        )
    )


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of the diagnostics must stop a run."""
    return any(d.severity is Severity.ERROR for d in diagnostics)


def up_to_error(diagnostics: Sequence[Diagnostic], count: int | None) -> Sequence[Diagnostic]:
    """The diagnostics up to the error of this number, counted from 1; None is all of them."""
    errors = [at for at, each in enumerate(diagnostics) if each.severity is Severity.ERROR]
    if count is None or len(errors) <= count:
        return diagnostics
    return diagnostics[: errors[count - 1] + 1]
