"""Reads what tells whether recorded workloads are over: the lists of what lives and of late."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.app.settings import Settings
from reconciler.app.status.phases import read_phases, read_removed
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.durations import parse_duration
from reconciler.core.json_pointer import join_steps
from reconciler.core.model import Address, Desired, Live, Own, Recorded, Remote
from reconciler.core.planning.actions import Delete, Replace, Update
from reconciler.core.planning.effects import without_ended
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.live import LiveWorkload
from reconciler.kinds.registry import runs_to_completion

if TYPE_CHECKING:
    from reconciler.app.session import Session


async def read_what_is_over(
    rows: Collection[Recorded],
    specs: Mapping[Address, Desired],
    live: Mapping[str, Live],
    *,
    session: Session,
    settings: Settings,
) -> tuple[Mapping[str, LiveWorkload], list[Diagnostic]]:
    """What the lists say of workloads that may be over, by id: one request a project and page.

    Only projects are listed in which a lifecycle asks for it, or a job is missing. A list that
    cannot be looked at says nothing, and has a warning. Raises UnreachableError, and GuardError for
    another tenant.
    """
    discovery = settings.discovery
    ending = {
        row.address.project
        for row in rows
        if row.own is Own.ACCEPTED
        and isinstance(live.get(row.id or ""), Remote)
        and (desired := specs.get(row.address)) is not None
        and desired.lifecycle.may_end
    }
    phases = await read_phases(ending, session, discovery=discovery)
    removed = await read_removed(rows, live, session, discovery=discovery)
    return {**phases.listed, **removed}, _warn_of_unseen(specs.values(), phases.unlisted)


async def without_ended_gpus(
    plan: Plan, listed: Mapping[str, LiveWorkload], *, session: Session, settings: Settings
) -> Plan:
    """A plan in which what has ended asks for no GPUs; `listed` is what was listed for it already.

    Asked for beside that are the projects in which the plan ends or changes a job that asks for
    some: what cannot be looked at counts as asking. Raises UnreachableError, and GuardError for
    another tenant.
    """
    unlisted = {
        action.address.project
        for action in plan.changes
        if isinstance(action, Delete | Replace | Update)
        and action.gpus.before > 0.0
        and runs_to_completion(action.recorded.spec.get("manifest", {}))
        and action.id not in listed
    }
    phases = await read_phases(unlisted, session, discovery=settings.discovery)
    listed = {**phases.listed, **listed}
    return replace(plan, actions=tuple(without_ended(a, listed) for a in plan.actions))


def _warn_of_unseen(desired: Iterable[Desired], unlisted: Mapping[str, str]) -> list[Diagnostic]:
    """Name each project in which nobody can tell what is over, at the first line that asks."""
    first: dict[str, Desired] = {}
    for spec in desired:
        if spec.lifecycle.may_end and spec.address.project in unlisted:
            first.setdefault(spec.address.project, spec)
    return [
        Diagnostic(
            severity=Severity.WARNING,
            code="ends-not-seen",
            message=f"what is over in project {project} was not looked at, so that nothing is "
            f"ended there: {unlisted[project]}",
            where=spec.source,
            hint="let the login list workloads, and leave discovery on",
            address=str(spec.address),
        )
        for project, spec in sorted(first.items())
    ]


def warn_of_deadline(desired: Collection[Desired], deadline: float) -> list[Diagnostic]:
    """Name what may run for longer than an apply that waits for its end; seconds."""
    return [
        Diagnostic(
            severity=Severity.WARNING,
            code="deadline-too-short",
            message=f"it may run for {spec.lifecycle.max_runtime}, and this apply waits for its "
            f"completion until --deadline {deadline:g}s",
            where=spec.source,
            hint="give a longer --deadline; an apply with the same --wait-for goes on waiting",
            pointer=join_steps(["lifecycle", "maxRuntime"]),
            address=str(spec.address),
        )
        for spec in desired
        if spec.lifecycle.max_runtime is not None
        and parse_duration(spec.lifecycle.max_runtime).total_seconds() > deadline
    ]
