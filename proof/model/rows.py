"""The bridge to the product: its table, its clock rules and its planner decide, on model values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from proof.model.world import FOREIGN, NOTHING, TICK, Phase, Row, Workload
from reconciler.core.digest import digest
from reconciler.core.lifecycle import (
    AfterCompletion,
    Lifecycle,
)
from reconciler.core.model import (
    Address,
    Desired,
    LastSeen,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
)
from reconciler.core.planning.actions import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
    Update,
)
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol import transitions
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.core.protocol.marker import Marker, mark
from reconciler.core.protocol.transitions import Evidence
from reconciler.errors import Where

EPOCH = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
LINEAGE, STACK = "lineage", "stack"
ADDRESS = Address(project="1", name="a")
# More sends than this make no difference to any rule.
MANY = 2

# What a read shows of a recorded id: the workload, its trusted absence, or nothing to go by.
Sight = Workload | None | str
Sights = tuple[tuple[int, Sight], ...]
UNREAD = "unread"


class Task(NamedTuple):
    """What the planner wants done: the action's kind and what it is about."""

    kind: str
    row: Row | None = None
    wanted: bool = False
    same: bool = False
    missing: bool = False
    outlived: tuple[Row, ...] = ()
    purpose: Purpose = Purpose.REMOVED


def at(tick: int) -> datetime:
    """The server's time at that tick."""
    return EPOCH + tick * TICK


@cache
def wish(body: int, *, ends: bool = False) -> Desired:
    """The declared workload; the body is what an edit changes."""
    after = AfterCompletion.DELETE if ends else AfterCompletion.KEEP
    return Desired(
        address=ADDRESS,
        source=Where(file="a.yaml"),
        metadata={"name": ADDRESS.name, "projectId": ADDRESS.project},
        manifest={"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": body}},
        lifecycle=Lifecycle(after_completion=after),
    )


@cache
def to_record(row: Row, *, ends: bool = False) -> Recorded:
    """The product's record of a row."""
    desired = wish(row.body, ends=ends)
    spec = desired.spec
    return Recorded(
        op=f"{row.op:03}",
        address=ADDRESS,
        own=row.own,
        digest=digest(spec),
        spec=spec,
        seen=row.seen,
        id=None if row.id is None else str(row.id),
        ambiguous=row.ambiguous,
        attempts=row.attempts,
        last_sent_at=None if row.sent is None else at(row.sent).isoformat(),
        purpose=row.purpose,
        former_id="former" if row.former else None,
        lifecycle=desired.lifecycle,
        # An apply knows it of whatever it records: without one, a record waits for its spec.
        source=desired.source.file,
    )


def to_row(record: Recorded) -> Row:
    """The row of one of the product's records."""
    sent = record.last_sent_at
    seen = (
        LastSeen.QUEUED if record.seen in (LastSeen.UNKNOWN, LastSeen.QUEUED) else LastSeen.SYNCED
    )
    return Row(
        op=int(record.op),
        own=record.own,
        body=record.spec["manifest"]["spec"]["replicas"],
        id=None if record.id is None else int(record.id),
        ambiguous=record.ambiguous,
        attempts=min(record.attempts, MANY),
        sent=None if sent is None else round((datetime.fromisoformat(sent) - EPOCH) / TICK),
        purpose=record.purpose if record.own in (Own.DELETING, Own.ENDED) else None,
        seen=seen,
        former=record.former_id is not None,
    )


@cache
def advance(row: Row, evidence: Evidence, **facts: Any) -> Row:
    """The product's table, on a row; raises its TransitionError."""
    id_ = facts.pop("id", None)
    if id_ is not None:
        facts["id"] = str(id_)
    if "former" in facts:
        facts["former_id"] = "former" if facts.pop("former") else None
    if "sent" in facts:
        facts["last_sent_at"] = at(facts.pop("sent")).isoformat()
    return to_row(transitions.advance(to_record(row), evidence, **facts))


@cache
def may_come_true(row: Row, now: int) -> bool:
    """The product's rule."""
    return transitions.may_come_true(to_record(row), at(now))


@cache
def absence(row: Row, held_until: int | None) -> Evidence:
    """The product's rule."""
    return transitions.absence(to_record(row), None if held_until is None else at(held_until))


@cache
def vacancy(row: Row, now: int) -> Evidence:
    """The product's rule."""
    return transitions.vacancy(to_record(row), at(now))


@cache
def succession(row: Row, now: int) -> Evidence:
    """The product's rule."""
    return transitions.succession(to_record(row), at(now))


@cache
def is_fresh(row: Row, now: int) -> bool:
    """The product's rule about an early 404."""
    return transitions.is_fresh(at(now), to_record(row))


@cache
def decide(
    rows: tuple[Row, ...],
    sights: Sights,
    desire: int,
    now: int,
    *,
    proven: bool,
    heir: int | None = None,
    ends: bool = False,
) -> Task:
    """What the product's planner wants done, given what was read of the recorded ids.

    `proven`: the list can be believed, so that it confirms what a read did not find. `heir`: the id
    of ours that it shows under the name. `ends`: what has completed is deleted by its lifecycle.
    """
    plan = make_plan(
        [wish(desire, ends=ends)] if desire != NOTHING else [],
        [to_record(row, ends=ends) for row in rows],
        {str(id_): _live(sight, proven=proven, heir=heir) for id_, sight in sights},
        target=PlanTarget(url="", stack=STACK, api_version=""),
        lineage=LINEAGE,
        options=PlanOptions(can_update=CanUpdate.NO),
        listed={
            str(id_): _completed(sight, now)
            for id_, sight in sights
            if isinstance(sight, Workload) and sight.over
        },
        now=at(now),
    )
    return _task(plan.actions)


def _completed(workload: Workload, now: int) -> LiveWorkload:
    return LiveWorkload(
        id=str(workload.id),
        address=ADDRESS,
        is_v2=True,
        phase=WorkloadPhase.COMPLETED,
        completed_at=at(now).isoformat(),
    )


def _live(sight: Sight, *, proven: bool, heir: int | None) -> Live:
    if sight is None:
        return Missing(proven=proven, replacement=None if heir is None else str(heir))
    if isinstance(sight, str):
        return Unread(reason=sight)
    manifest = wish(sight.body).manifest
    if sight.op != FOREIGN:
        manifest = mark(manifest, Marker(lineage=LINEAGE, op=f"{sight.op:03}", stack=STACK))
    going = sight.phase is not Phase.LIVING
    seen = {Phase.DELETING: LastSeen.DELETING, Phase.STUCK: LastSeen.FAILED}.get(
        sight.phase, LastSeen.SYNCED
    )
    return Remote(
        id=str(sight.id),
        address=ADDRESS,
        metadata=wish(sight.body).metadata,
        raw_manifest=manifest,
        desired_phase="Deleted" if going else "Running",
        seen=seen,
    )


def _task(actions: Iterable[AnyAction]) -> Task:
    """The one action of a plan for one address."""
    action = next(iter(actions), None)
    match action:
        case None:
            return Task("nothing")
        case Create(lost=lost):
            return Task("create", to_row(lost) if lost else None, wanted=True)
        case Resolve(recorded=recorded, desired=desired, same=same):
            return Task("resolve", to_row(recorded), wanted=desired is not None, same=same)
        case Forget(recorded=recorded, reason=reason):
            return Task("forget", to_row(recorded), missing=reason == "missing-on-server")
        case Keep(outlived=outlived):
            return Task("keep", outlived=tuple(map(to_row, outlived)))
        case Delete(recorded=recorded, purpose=purpose, outlived=outlived):
            past = tuple(map(to_row, outlived))
            return Task(action.kind, to_row(recorded), purpose=purpose, outlived=past)
        case Replace(recorded=recorded) | Update(recorded=recorded) | Record(recorded=recorded):
            return Task(action.kind, to_row(recorded))
        case Adopt(recorded=recorded):
            return Task("forget", to_row(recorded), missing=True)
        case Hold(reason=Reason.UNPROVEN_ABSENCE):
            return Task("unproven")
        case Hold(outlived=outlived):
            return Task("hold", outlived=tuple(map(to_row, outlived)))
