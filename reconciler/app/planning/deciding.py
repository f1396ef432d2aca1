"""Decides about workloads as one server can carry it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.app.planning.endings import without_ended_gpus
from reconciler.app.planning.reading import ServerReading, read_server
from reconciler.app.planning.server_capability import PlanForServer, plan_for_server
from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.named_projects import NamedProjects
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.settings import Settings
from reconciler.app.status.refresh import tenant_of
from reconciler.core.model import Desired, Header, Live, Recorded
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.live import LiveWorkload

if TYPE_CHECKING:
    from reconciler.app.session import Session


def plan_target(
    settings: Settings,
    session: Session,
    header: Header,
    tenant_id: int | None = None,
    projects: Mapping[str, str] | None = None,
) -> PlanTarget:
    """The control plane and owner that a plan made now is for, and its `projects` by name."""
    return PlanTarget(
        url=session.target.url,
        stack=settings.stack,
        api_version=settings.api_version,
        tenant_id=header.target.tenant_id or tenant_id,
        projects=projects or {},
    )


async def decide_on_server(
    desired: Collection[Desired],
    rows: Collection[Recorded],
    live: Mapping[str, Live],
    listed: Mapping[str, LiveWorkload],
    *,
    workspace: Workspace,
    options: PlanOptions,
    session: Session,
    header: Header,
    read_at: datetime,
    at_work: str,
    projects: Mapping[str, str] | None = None,
) -> PlanForServer:
    """Decide about these workloads as this server can carry it out; `read_at` is its time."""
    settings = workspace.settings
    target = plan_target(settings, session, header, tenant_of(live), projects)

    def plan_with(can_update: CanUpdate) -> Plan:
        return make_plan(
            desired,
            rows,
            live,
            target=target,
            lineage=header.lineage,
            serial=header.serial,
            options=replace(
                options,
                can_update=can_update,
                keeps_removed=header.target.keeps_removed,
            ),
            listed=listed,
            now=read_at,
            at_work=at_work,
            diagnostics=workspace.diagnostics,
            rules=settings.rules,
        )

    return await plan_for_server(
        plan_with, settings, session, header.target, may_ask=options.refreshed
    )


async def plan_as_of_now(
    desired: Collection[Desired],
    rows: Sequence[Recorded],
    *,
    workspace: Workspace,
    session: Session,
    header: Header,
    options: PlanOptions,
    projects: ServerProjects,
    named: NamedProjects,
    at_work: str,
) -> tuple[ServerReading, PlanForServer]:
    """What the server says of these records, and what is decided by it, whatever was approved."""
    # The server may change a workload after it has answered: what is read from here on is as old
    # as this moment, however late its answer arrives.
    read_at = session.dispatcher.server.earliest()
    reading = ServerReading()
    if options.refreshed:
        reading = await read_server(
            desired,
            rows,
            projects,
            named.explained,
            session=session,
            workspace=workspace,
            header=header,
        )
    planned = await decide_on_server(
        desired,
        rows,
        reading.live,
        reading.listed,
        workspace=workspace,
        options=options,
        session=session,
        header=header,
        read_at=read_at,
        at_work=at_work,
        projects=named.meant,
    )
    if not options.refreshed:
        return reading, planned
    plan = await without_ended_gpus(
        planned.plan, reading.listed, session=session, settings=workspace.settings
    )
    return reading, replace(planned, plan=plan)
