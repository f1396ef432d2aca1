"""`-o html`: the pages of a plan and of an apply, for those who asked for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.app.planning.planning import PlanResult
from reconciler.app.planning.workspace import Workspace
from reconciler.cli.output.console import Console
from reconciler.core.history.timeline import Timeline
from reconciler.ports import EventListener, RequestListener
from reconciler.report.commands import Commands
from reconciler.report.html import UnsavedRecords, apply_page, plan_page

if TYPE_CHECKING:
    # A plan shows no apply, and need not load what carries one out.
    from reconciler.app.applying.applying import ApplyResult

FORMAT = "html"


def emit_plan_page(
    console: Console, planned: PlanResult, prefix: str, created_at: datetime | None = None
) -> None:
    """The plan and what refuses it; `created_at` is now, unless the plan was saved before."""
    console.emit(
        FORMAT,
        lambda: plan_page(
            planned.plan,
            planned.refusals,
            created_at=created_at or datetime.now(UTC),
            prefix=prefix,
            differences=planned.differences,
        ),
    )


class ApplyPage:
    """Follows one apply for the page about it; without anybody who wants one it does nothing."""

    def __init__(self, console: Console, workspace: Workspace) -> None:
        self._console = console
        self._workspace = workspace
        self._timeline = Timeline()

    @property
    def listener(self) -> EventListener | None:
        """Told every event, where somebody wants the page."""
        # A page remembers every request: without one, a large apply need not pay for that.
        return self._timeline.add if self._console.wants(FORMAT) else None

    @property
    def trace(self) -> RequestListener | None:
        """Told every request, where somebody wants the page."""
        return self._timeline.trace if self._console.wants(FORMAT) else None

    def emit(self, applied: ApplyResult, commands: Commands) -> None:
        """How it went; an apply that nobody agreed to has no page."""
        finished = applied.finished
        if finished is None:
            return
        losses = UnsavedRecords(
            unsaved=applied.unsaved, trouble=applied.trouble, unlogged=applied.unlogged
        )
        self._console.emit(
            FORMAT,
            lambda: apply_page(
                applied.planned.plan,
                finished,
                self._timeline,
                prefix=self._workspace.prefix,
                commands=commands,
                locate=applied.planned.loaded.locate,
                losses=losses,
            ),
        )
