"""What people read of findings: each in a line, with the line that it is about, and the verdict.

Apart from the other texts, since a validation needs nothing else of what a plan or an apply says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.text.color import ColorWriter, with_hint
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import number_of

if TYPE_CHECKING:
    from reconciler.report.text.code_frames import CodeFrames


class DiagnosticsText:
    """Renders findings; `prefix` before a file's name makes a path from the working directory."""

    def __init__(self, paint: ColorWriter, *, prefix: str = "") -> None:
        self._paint = paint
        self._prefix = prefix

    def validation(
        self,
        found: Sequence[Diagnostic],
        workloads: int,
        files: int,
        excerpts: CodeFrames | None = None,
    ) -> str:
        """Every finding, with the line that it is about if asked for, and the verdict."""
        verdict = self.verdict(found, workloads, files)
        return f"{self.diagnostics(found, excerpts)}\n{verdict}" if found else verdict

    def verdict(self, found: Sequence[Diagnostic], workloads: int, files: int) -> str:
        """The last line of a validation."""
        errors = sum(finding.severity is Severity.ERROR for finding in found)
        warnings = len(found) - errors
        counts = [f"{number_of(errors, 'error')}"] if errors else []
        counts += [f"{number_of(warnings, 'warning')}"] if warnings else []
        if not errors:
            specs = f"{number_of(workloads, 'workload')} in {number_of(files, 'file')}"
            counts.insert(0, f"{specs}: valid")
        return self._paint.bold(", ".join(counts) + ".")

    def diagnostics(self, found: Sequence[Diagnostic], excerpts: CodeFrames | None = None) -> str:
        """Every finding, each with its hint below it."""
        return "\n".join(self._diagnostic(finding, excerpts) for finding in found)

    def _diagnostic(self, finding: Diagnostic, excerpts: CodeFrames | None) -> str:
        colour = "red" if finding.severity is Severity.ERROR else "yellow"
        where = finding.where
        place = f"{escape_terminal(f'{self._prefix}{where.file}')}:{where.line}:{where.column}"
        severity = self._paint(f"{finding.severity.value}:", colour)
        message = f"{place}: {severity} {escape_terminal(finding.message)} ({finding.code})"
        if excerpts is not None and (drawn := excerpts.draw(where)):
            (margin, line), (below, carets) = drawn
            message = f"{message}\n{self._paint.dim(margin)}{line}"
            message = f"{message}\n{self._paint.dim(below)}{self._paint(carets, colour)}"
        return with_hint(message, finding.hint)
