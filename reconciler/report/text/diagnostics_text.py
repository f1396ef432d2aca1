"""Diagnostics as text: each on a line, with the line that it is about, and the verdict.

Apart from the other texts: a validation starts faster without what plans and applies import.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.file_names import under_prefix
from reconciler.report.text.color import ColorWriter, with_hint
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import number_of

if TYPE_CHECKING:
    from reconciler.report.text.code_frames import CodeFrames


class DiagnosticsText:
    """Renders diagnostics; `prefix` makes the name of a file a path from the working directory."""

    def __init__(self, paint: ColorWriter, *, prefix: str = "") -> None:
        self._paint = paint
        self._prefix = prefix

    def validation(
        self,
        diagnostics: Sequence[Diagnostic],
        workloads: int,
        files: int,
        frames: CodeFrames | None = None,
    ) -> str:
        """Every diagnostic, with the line that it is about if asked for, and the verdict."""
        verdict = self.verdict(diagnostics, workloads, files)
        return f"{self.diagnostics(diagnostics, frames)}\n{verdict}" if diagnostics else verdict

    def verdict(self, diagnostics: Sequence[Diagnostic], workloads: int, files: int) -> str:
        """The last line of a validation."""
        errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
        warnings = len(diagnostics) - errors
        counts = [f"{number_of(errors, 'error')}"] if errors else []
        counts += [f"{number_of(warnings, 'warning')}"] if warnings else []
        if not errors:
            specs = f"{number_of(workloads, 'workload')} in {number_of(files, 'file')}"
            counts.insert(0, f"{specs}: valid")
        return self._paint.bold(", ".join(counts) + ".")

    def diagnostics(
        self, diagnostics: Sequence[Diagnostic], frames: CodeFrames | None = None
    ) -> str:
        """Every diagnostic, each with its hint below it."""
        texts = []
        for diagnostic in diagnostics:
            colour = "red" if diagnostic.severity is Severity.ERROR else "yellow"
            where = diagnostic.where
            # As compilers write it: editors and terminals make a link of it.
            path = escape_terminal(under_prefix(self._prefix, where.file))
            place = f"{path}:{where.line}:{where.column}"
            severity = self._paint(f"{diagnostic.severity.value}:", colour)
            message = escape_terminal(diagnostic.message)
            text = f"{place}: {severity} {message} ({diagnostic.code})"
            if frames is not None and (frame := frames.draw(where)):
                (margin, line), (below, carets) = frame
                text = f"{text}\n{self._paint.dim(margin)}{line}"
                text = f"{text}\n{self._paint.dim(below)}{self._paint(carets, colour)}"
            texts.append(with_hint(text, diagnostic.hint))
        return "\n".join(texts)
