"""What `validate` shows, in the formats of people, programs and CI servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.cli.checkout import prefix_in_checkout
from reconciler.cli.output.console import Console, hidden_findings
from reconciler.cli.output.source_excerpts import terminal_excerpts
from reconciler.core.diagnostics import Diagnostic, Severity, up_to_error
from reconciler.core.secrets.rules import RedactionRules
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.diagnostics_text import DiagnosticsText
from reconciler.specs.checked import CheckedSpecs, display_name
from reconciler.specs.rules.codes import CODES


class ValidationOutput:
    """Shows diagnostics; those that stand in a checkout under a name that a forge knows."""

    def __init__(self, console: Console, rules: RedactionRules) -> None:
        self._console = console
        self._rules = rules
        self.is_plain = all(output.format in ("text", "json") for output in console.outputs)
        """Whether only formats were asked for whose reader opens files from here."""

    def note_hidden(self, whole: CheckedSpecs, part: CheckedSpecs, reason: str) -> None:
        """Say how many diagnostics are left out."""
        hidden = len(whole.diagnostics) - len(part.diagnostics)
        if hidden:
            subject = "1 finding is" if hidden == 1 else f"{hidden} findings are"
            self._console.note(f"{subject} not shown: {reason}")

    def note_unresolved(self, names: Sequence[str]) -> None:
        """Say which projects were not looked up."""
        if names:
            self._console.note(unresolved_note(names))

    def show(
        self, loaded: CheckedSpecs, root: Path, *, max_errors: int | None, fail_on: str
    ) -> None:
        """Show the diagnostics in every format, at most so many errors."""
        diagnostics = up_to_error(loaded.diagnostics, max_errors)
        named = _name_files(diagnostics, loaded.prefix)
        self.show_plain(named, len(loaded.workloads), loaded.files)
        if not self.is_plain:
            self._show_in_checkout(loaded, diagnostics, root, fail_on)
        hidden = len(loaded.diagnostics) - len(diagnostics)
        if hidden:
            self._console.note(hidden_findings(hidden))

    def show_plain(self, diagnostics: Sequence[Diagnostic], workloads: int, files: int) -> None:
        """The formats whose reader opens a file from the working directory."""
        console = self._console
        console.emit("json", lambda: _json_text(diagnostics))
        console.emit(
            "text",
            lambda: DiagnosticsText(console.paint()).validation(
                diagnostics,
                workloads,
                files,
                terminal_excerpts(self._rules) if console.has("text") else None,
            ),
        )

    def _show_in_checkout(
        self, loaded: CheckedSpecs, diagnostics: Sequence[Diagnostic], root: Path, fail_on: str
    ) -> None:
        """The formats of CI servers, which know files by their path in the checkout."""
        # Only here: a person waits for the text, and needs none of them.
        from reconciler.report.machine.documents import to_text
        from reconciler.report.machine.github import annotations_text
        from reconciler.report.machine.gitlab import code_quality_document
        from reconciler.report.machine.junit import junit_text
        from reconciler.report.machine.sarif import Rule, sarif_document

        console, prefix = self._console, prefix_in_checkout(root, loaded.prefix)
        named = _name_files(diagnostics, prefix)
        verdict = DiagnosticsText(ColorWriter()).verdict(named, len(loaded.workloads), loaded.files)
        rules = {
            name: Rule(meaning=code.meaning, severity=code.severity, suppressible=code.suppressible)
            for name, code in CODES.items()
        }
        # JUnit names the valid files as well: one without a test would look as if it was not read.
        own_files = loaded.own_files
        files = {display_name(own_files[key], prefix) for key in loaded.workloads}
        console.emit("github", lambda: annotations_text(named, verdict))
        console.emit("gitlab", lambda: to_text(code_quality_document(named)))
        console.emit("junit", lambda: junit_text(named, files, Severity(fail_on)))
        console.emit("sarif", lambda: to_text(sarif_document(named, rules)))


def _json_text(diagnostics: Sequence[Diagnostic]) -> str:
    from reconciler.report.machine.documents import diagnostics_document, to_text

    return to_text(diagnostics_document(diagnostics))


def unresolved_note(names: Sequence[str]) -> str:
    """What a command that asks no server says of the names of projects in the specs."""
    listed = ", ".join(names)
    return f"Not resolved: project {listed}; plan, apply and validate --server ask the server."


def _name_files(diagnostics: Sequence[Diagnostic], prefix: str) -> list[Diagnostic]:
    """The diagnostics with files named as paths from where the prefix begins."""
    return [
        replace(
            diagnostic,
            where=replace(diagnostic.where, file=display_name(diagnostic.where.file, prefix)),
        )
        for diagnostic in diagnostics
    ]
