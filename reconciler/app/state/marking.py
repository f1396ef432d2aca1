"""Puts our mark on workloads that were adopted, by an update that leaves their content alone."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.app.applying.applying import ApplyResult, run_plan
from reconciler.app.planning.deciding import plan_target
from reconciler.app.planning.planning import PlanResult
from reconciler.app.provenance import provenance_of
from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.core.diff.comparison import echo_of
from reconciler.core.model import Desired, Recorded, Remote
from reconciler.core.planning.actions import Reason, Update
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import Accepted
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import Marker
from reconciler.engine.run import ApplyOptions
from reconciler.errors import RefusedError, Where
from reconciler.ports import StateStore


def need_updates(settings: Settings) -> None:
    """Raise RefusedError for a server that is known not to change a workload in place."""
    if settings.capabilities.can_update is CanUpdate.NO:
        raise RefusedError(
            f"a server of version {settings.api_version} cannot change the mark of a workload",
            hint="without --mark it is recorded with the mark that it has; nothing was changed",
        )


async def mark_adopted(
    rows: Sequence[Recorded],
    store: StateStore,
    session: Session,
    settings: Settings,
    *,
    command: str,
) -> ApplyResult:
    """Mark what was recorded a moment ago; what fails is recorded as it is, and can be retried."""
    header = store.header
    actions: list[Update] = []
    for row in rows:
        ours = str(Marker(lineage=header.lineage, op=row.op, stack=settings.stack))
        answer = await session.api.read(row.id or "")
        if row.marker == ours or not isinstance(answer, Accepted):
            continue
        actions.append(_mark(row, answer.remote, ours))
    plan = Plan(
        target=plan_target(settings, session, header),
        lineage=header.lineage,
        serial=header.serial,
        actions=tuple(actions),
        provenance=provenance_of(settings.root),
    )
    planned = PlanResult(
        plan=plan, refusals=(), recorded=tuple(store.read()), tenant_id=header.target.tenant_id
    )
    options = ApplyOptions(wait=False)
    return await run_plan(planned, store, session, settings, options=options, command=command)


def _mark(row: Recorded, remote: Remote, ours: str) -> Update:
    """The update that puts a mark on a workload: what it declares is what it says now."""
    content = echo_of(remote)
    desired = Desired(
        address=row.address,
        source=Where(file=row.source),
        metadata=content["metadata"],
        manifest=content["manifest"],
        lifecycle=row.lifecycle,
    )
    return Update(
        address=row.address,
        reason=Reason.REQUESTED,
        detail="our mark is put on it",
        recorded=row,
        desired=desired,
        marks=ours,
    )
