"""Everyone who follows one apply: people, programs, a review, a page, monitoring."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.planning import PlanResult
from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError, OutdatedPlanError
from reconciler.cli.live.apply_reporter import ApplyReporter
from reconciler.cli.metrics.metrics_file import MetricsWriter
from reconciler.cli.output.apply_summary import list_problems, warn_of_losses
from reconciler.cli.output.ci_reports import CiReports
from reconciler.cli.output.console import Console, explain
from reconciler.cli.output.html_pages import ApplyPage, emit_plan_page
from reconciler.cli.output.plan_output import state_name
from reconciler.cli.output.question import ask
from reconciler.core.history.events import ActionEnded, Event, Summary
from reconciler.core.history.outcome import Succeeded
from reconciler.errors import ReconcilerError
from reconciler.ports import RequestListener
from reconciler.report.commands import Commands
from reconciler.report.machine.documents import (
    applied_document,
    to_line,
    to_text,
    unsaved_document,
)
from reconciler.report.text.formatting import target_text
from reconciler.report.text.history import unsaved_text


class ApplyOutput:
    """Shown the plan, asked, told every event, and told how it ended; all in that order."""

    def __init__(
        self,
        console: Console,
        workspace: Workspace,
        metrics: MetricsWriter,
        commands: Commands,
        *,
        markdown_limit: int,
        yes: bool,
    ) -> None:
        self._console = console
        self._commands = commands
        self._workspace = workspace
        self._state = state_name(workspace.settings.state)
        self._yes = yes
        self._metrics = metrics
        self._reporter = ApplyReporter(console, commands, concludes=True)
        self._reports = CiReports.of(console, workspace, markdown_limit, doing="apply")
        self._page = ApplyPage(console, workspace)
        # An apply that does nothing has results, all of them 0; other commands have none.
        metrics.results = Counter()
        listeners = (
            self._reporter.say,
            self._reports.listener,
            self._page.listener,
            metrics.listener,
        )
        self._listeners = tuple(listener for listener in listeners if listener is not None)

    def say(self, event: Event) -> None:
        """Tell everyone; the engine's hints do not know where the state is."""
        if isinstance(event, ActionEnded) and not isinstance(event.outcome, Succeeded):
            hint = self._commands.completed(event.outcome.hint)
            event = dataclasses.replace(
                event, outcome=dataclasses.replace(event.outcome, hint=hint)
            )
        for listener in self._listeners:
            listener(event)

    @property
    def tracers(self) -> Sequence[RequestListener]:
        """Those who are told every request, because they draw them: there are many."""
        live = self._reporter.trace if self._reporter.is_live else None
        return [trace for trace in (live, self._page.trace) if trace is not None]

    @contextmanager
    def following(self) -> Iterator[None]:
        """While work is under way; whoever waits for a report gets one of what ends it early."""
        try:
            # The reporter ends first, so that a failure is reported below the live view.
            with self._reports.failures(), self._reporter:
                try:
                    yield
                except (GuardError, OutdatedPlanError) as error:
                    if error.planned is not None:
                        self._show(error.planned)
                        emit_plan_page(self._console, error.planned, self._workspace.prefix)
                    raise
        except ReconcilerError:
            warn_of_losses(self._console, self._commands)
            raise

    def confirm(self, planned: PlanResult) -> bool:
        """Show the plan, and ask whether it is to be carried out unless that was said before."""
        self._show(planned)
        if planned.plan.changes and not self._yes:
            self._reporter.waiting("waiting for an answer")
            target = target_text(planned.plan, self._state)
            if not ask(f"{target}. Apply this plan?"):
                return False
        told = len(planned.plan.changes) + len(planned.plan.due_holds)
        self._reporter.begin(told, planned.plan)
        return True

    def _show(self, planned: PlanResult) -> None:
        """Where people read; a stream holds events only."""
        console, prefix = self._console, self._workspace.prefix
        self._metrics.plan = planned.plan
        console.diagnostics(planned.plan.diagnostics, prefix)
        # Who is asked has to see what about, however quiet the rest is.
        if console.wants("text") and not (console.quiet and self._yes):
            now = datetime.now(UTC)
            text = console.text(prefix, now=now, state=self._state).plan(planned.plan)
            console.stream("text", f"{text}\n")
        if planned.differences:
            console.warn(console.text(prefix, err=True).differences(planned.differences))
        if planned.beyond:
            console.warn(
                f"changes that are not in the saved plan, and are not applied: {planned.beyond}"
            )

    def conclude(self, applied: ApplyResult) -> int:
        """Tell how it ended, in every form that was asked for; returns the exit code."""
        console, commands, finished = self._console, self._commands, applied.finished
        # The verdict last: it is what a reader of a long log sees without scrolling.
        list_problems(console, applied, self._reporter.problems, self._workspace, commands)
        if finished is None:
            console.note("Nothing was changed.")
        else:
            ended = self._reporter.ended
            console.emit(
                "json",
                lambda: to_text(
                    applied_document(applied.planned.plan, finished, ended, commands=commands)
                ),
            )
            if applied.trouble is not None:
                explain(applied.trouble)
            if finished.stopped_by:
                extent = "not everything" if applied.unsaved else "everything"
                console.warn(f"stopped by {finished.stopped_by}; {extent} known is recorded")
            idle = finished.summary == Summary()
            if console.wants("text") and not (console.quiet and idle):
                console.stream("text", console.text().applied(finished.summary, finished.took))
            # Known of the server, but not of the state: it must not be lost with the screen.
            for row in applied.unsaved:
                console.warn(to_line(unsaved_document(row)))
            if applied.unsaved:
                console.warn(unsaved_text(applied.unsaved))
            if applied.unlogged:
                console.warn(f"the history of this run is not complete: {applied.unlogged}")
        unreported = self._reports.applied(applied, commands)
        self._page.emit(applied, commands)
        # After the last output: each of them may fail, and none keeps another from being written.
        warn_of_losses(console, commands, finished.run if finished else "")
        # What is done stays done: only a success is no success where its file is missing.
        return applied.exit_code or unreported or int(any(file for file in console.losses))
