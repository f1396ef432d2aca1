"""Why recorded workloads are as they are: three calls of v1 for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from reconciler.app.status.phases import NOT_ASKED
from reconciler.core.protocol.api_results import ApiResult, Described, Method, Occurrences
from reconciler.engine.refresh import unless_ended
from reconciler.report.status.explanation import StatusExplanation
from reconciler.report.status.status import Status

if TYPE_CHECKING:
    from reconciler.app.session import Session


async def explain(status: Status, session: Session, *, discovery: bool) -> StatusExplanation:
    """Look at one workload in the words of v1; raises UnreachableError where the run ends."""
    workload_id = status.row.id
    if workload_id is None:
        return StatusExplanation(status=status, unknown=("it has no id on the server",))
    if not discovery:
        return StatusExplanation(status=status, unknown=(NOT_ASKED,))

    async def ask(send: Callable[[str], Awaitable[ApiResult]]) -> ApiResult:
        with unless_ended():
            return await session.dispatcher.send(Method.GET, lambda _: send(workload_id))

    live = session.api.live
    described = await ask(live.describe)
    history, events = await ask(live.read_history), await ask(live.read_events)
    unknown = [
        f"{what}: {result.description}"
        for what, result, kind in (
            ("why it is pending", described, Described),
            ("its changes of phase", history, Occurrences),
            ("its events", events, Occurrences),
        )
        if not isinstance(result, kind)
    ]
    return StatusExplanation(
        status=status,
        pending=described.workload.pending if isinstance(described, Described) else (),
        history=history.occurrences if isinstance(history, Occurrences) else (),
        events=events.occurrences if isinstance(events, Occurrences) else (),
        unknown=tuple(unknown),
    )
