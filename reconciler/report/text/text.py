"""Plans, diagnostics, refusals and the events of an apply, as lines of text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.report.text.color import ColorWriter, with_hint
from reconciler.report.text.diagnostics_text import DiagnosticsText
from reconciler.report.text.escape import escape_terminal

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.history.events import Event, Summary
    from reconciler.core.model import Recorded
    from reconciler.core.planning.guards import Refusal
    from reconciler.core.planning.plan import Plan
    from reconciler.core.review.plan_differences import EntryDifference
    from reconciler.errors import ReconcilerError
    from reconciler.report.text.applytext import ApplyText
    from reconciler.report.text.code_frames import CodeFrames
    from reconciler.report.text.plantext import PlanText


class Text:
    """Renders values as text; `colour` decides about escape sequences, nothing else does.

    `prefix` before a file's name makes a path from the working directory, `now` turns time stamps
    into ages, `state` names the state that a plan was made from.
    """

    # Every command has a Text, and most of them show one of a plan, an apply and a table at most:
    # each is loaded by its first use.

    def __init__(
        self,
        *,
        colour: bool = False,
        prefix: str = "",
        now: datetime | None = None,
        state: str = "",
    ) -> None:
        self._state = state
        self._paint = ColorWriter(colour=colour)
        self._prefix = prefix
        self._now = now
        self._diagnostics = DiagnosticsText(self._paint, prefix=prefix)

    def plan(self, plan: Plan, *, details: bool = True) -> str:
        """The whole plan; its last line is the verdict."""
        return self._plans().plan(plan, details=details)

    def verdict(self, plan: Plan) -> str:
        """The last line of a plan."""
        return self._plans().verdict(plan)

    def differences(self, differences: Sequence[EntryDifference]) -> str:
        """In which entries a plan is not the approved one."""
        return self._plans().differences(differences)

    def applied(self, summary: Summary, took: float) -> str:
        """The last line of an apply."""
        return self._apply.applied(summary, took)

    def event(self, event: Event, *, verbose: bool = False, brief: bool = False) -> str | None:
        """One line about something that happened, or None where it is not worth one."""
        return self._apply.event(event, verbose=verbose, brief=brief)

    def validation(
        self,
        diagnostics: Sequence[Diagnostic],
        workloads: int,
        files: int,
        frames: CodeFrames | None = None,
    ) -> str:
        """Every diagnostic, with the line that it is about if asked for, and the verdict."""
        return self._diagnostics.validation(diagnostics, workloads, files, frames)

    def records(
        self, rows: Iterable[Recorded], project_names: Mapping[str, str] | None = None
    ) -> str:
        """What the state records, by address, a line for each; `project_names` are those by id."""
        from reconciler.report.text.tables import records_text

        return records_text(rows, project_names or {})

    def diagnostics(
        self, diagnostics: Sequence[Diagnostic], frames: CodeFrames | None = None
    ) -> str:
        """Every diagnostic, each with its hint below it."""
        return self._diagnostics.diagnostics(diagnostics, frames)

    def refusals(self, refusals: Sequence[Refusal]) -> str:
        """Why an apply will not begin."""
        return "\n".join(
            with_hint(f"{self._error('refused')} {escape_terminal(refusal.message)}", refusal.hint)
            for refusal in refusals
        )

    def error(self, error: ReconcilerError) -> str:
        """Anything that ended a command."""
        where = f"{escape_terminal(str(error.where))}: " if error.where else ""
        message = escape_terminal(error.message, keep="\n")
        return with_hint(f"{where}{self._error('error')} {message}", error.hint)

    @cached_property
    def _apply(self) -> ApplyText:
        from reconciler.report.text.applytext import ApplyText

        return ApplyText(self._paint)

    def _plans(self) -> PlanText:
        from reconciler.report.text.plantext import PlanText

        return PlanText(self._paint, prefix=self._prefix, now=self._now, state=self._state)

    def _error(self, word: str) -> str:
        return self._paint(f"{word}:", "red")
