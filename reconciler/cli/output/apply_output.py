"""Everyone who follows one apply: people, programs, a review, a page, monitoring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.output.apply_summary import tell_losses, tell_problems
from reconciler.cli.output.ci_reports import CiReports
from reconciler.cli.output.console import Console, explain
from reconciler.cli.output.html_pages import ApplyPage, emit_plan_page
from reconciler.cli.output.metrics_file import MetricsWriter
from reconciler.cli.output.progress_display import ApplyReporter

if TYPE_CHECKING:
    from reconciler.app.applying.applying import ApplyResult
    from reconciler.app.planning.planning import PlanResult
    from reconciler.app.planning.workspace import Workspace
    from reconciler.core.events import RequestEnded
    from reconciler.ports import Say, Trace
    from reconciler.report.next_step import Commands


class ApplyOutput:
    """Shown the plan, asked, told every event, and told how it ended; all in that order."""

    def __init__(
        self,
        console: Console,
        workspace: Workspace,
        options: dict[str, Any],
        meter: MetricsWriter,
        commands: Commands,
    ) -> None:
        self._console = console
        self._commands = commands
        self._workspace = workspace
        self._sure = options["yes"]
        self._meter = meter
        self._reporter = ApplyReporter(console, commands)
        self._reviews = CiReports.of(console, workspace, options, "apply")
        self._page = ApplyPage(console, workspace)
        self.say: Say = meter.listening(
            self._page.listening(self._reviews.listening(self._reporter.say))
        )

    @property
    def trace(self) -> Trace | None:
        """Who is told every request, if anybody draws them: there are many."""
        drawn = self._page.trace is not None or self._reporter.is_live
        return self._trace if drawn else None

    def _trace(self, request: RequestEnded) -> None:
        self._reporter.trace(request)
        if self._page.trace is not None:
            self._page.trace(request)

    @contextmanager
    def following(self) -> Iterator[None]:
        """While work is under way; whoever waits for a report gets one of what ends it early."""
        from reconciler.app.refused import GuardError

        with self._reviews.failures(), self._reporter:
            try:
                yield
            except GuardError as error:
                if error.planned is not None:
                    self._show(error.planned)
                    emit_plan_page(self._console, error.planned, self._workspace.prefix)
                raise

    def confirm(self, planned: PlanResult) -> bool:
        """Show the plan, and ask whether it is to be carried out unless that was said before."""
        self._show(planned)
        if planned.plan.changes and not self._sure:
            self._reporter.waiting("waiting for an answer")
            if not click.confirm("Apply this plan?", err=True):
                return False
        self._reporter.begin(len(planned.plan.changes), planned.plan)
        return True

    def _show(self, planned: PlanResult) -> None:
        """Where people read; a stream holds events only."""
        console, prefix = self._console, self._workspace.prefix
        self._meter.plan = planned.plan
        console.findings(planned.plan.diagnostics, prefix)
        if console.wants("text") and not (console.quiet and self._sure):
            shown = console.text(prefix, now=datetime.now(UTC)).plan(planned.plan)
            console.tell("text", f"{shown}\n")
        if planned.beyond:
            left = f"changes that the saved plan does not hold, and are left: {planned.beyond}"
            console.warn(left)

    def conclude(self, applied: ApplyResult) -> int:
        """Tell how it ended, in every form that was asked for; returns the exit code."""
        commands = self._commands
        tell_problems(self._console, applied, self._reporter.problems, self._workspace, commands)
        self._tell(applied)
        tell_losses(self._console, applied, commands)
        unreported = self._reviews.applied(applied, commands)
        self._page.emit(applied, commands)
        return applied.exit_code or unreported

    def _tell(self, applied: ApplyResult) -> None:
        from reconciler.core.events import Summary
        from reconciler.report.machine.documents import applied_document, to_text

        console, finished = self._console, applied.finished
        if finished is None:
            console.note("Nothing was changed.")
            return
        outcomes = self._reporter.outcomes
        console.emit(
            "json",
            lambda: to_text(
                applied_document(applied.planned.plan, finished, outcomes, commands=self._commands)
            ),
        )
        if applied.trouble is not None:
            explain(applied.trouble)
        if finished.stopped_by:
            kept = "not all of what is" if applied.unsaved else "everything"
            console.warn(f"stopped by {finished.stopped_by}; {kept} known is recorded")
        idle = finished.summary == Summary()
        if console.wants("text") and not (console.quiet and idle):
            console.tell("text", console.text().applied(finished.summary, finished.took))
        self._tell_unsaved(applied)

    def _tell_unsaved(self, applied: ApplyResult) -> None:
        """Known of the server, but not of the state: it must not be lost with the screen."""
        from reconciler.report.machine.documents import to_line, unsaved_document
        from reconciler.report.text.history import unsaved_text

        for row in applied.unsaved:
            self._console.warn(to_line(unsaved_document(row)))
        if applied.unsaved:
            self._console.warn(unsaved_text(applied.unsaved))
        if applied.unlogged:
            self._console.warn(f"the history of this run is not complete: {applied.unlogged}")
