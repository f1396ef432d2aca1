"""A plan as text and as JSON, whether it was just made or saved before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reconciler.app.planning.planning import PlanResult
from reconciler.cli.output.console import Console
from reconciler.core.states.places import FilePlace, StatePlace


def state_name(place: StatePlace) -> str:
    """A state as somebody in the current folder would write it."""
    if isinstance(place, FilePlace) and place.path.is_relative_to(Path.cwd()):
        return str(place.path.relative_to(Path.cwd()))
    return str(place)


def show_plan(
    console: Console,
    planned: PlanResult,
    prefix: str,
    created_at: datetime | None = None,
    *,
    state: str = "",
) -> None:
    """Diagnostics and refusals beside the plan, the plan to wherever it was asked for.

    `created_at` is now, unless the plan was saved before; `state` names the state it is about.
    """
    console.diagnostics(planned.plan.diagnostics, prefix)
    now = datetime.now(UTC)
    created_at = created_at or now
    if console.wants("json"):
        from reconciler.report.machine.documents import plan_document, to_text

        console.emit("json", lambda: to_text(plan_document(planned.plan, created_at)))
    console.emit("text", lambda: console.text(prefix, now=now, state=state).plan(planned.plan))
    if planned.refusals:
        console.warn(console.text(err=True).refusals(planned.refusals))
