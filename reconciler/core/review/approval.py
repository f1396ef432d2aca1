"""A plan that was approved earlier, and what of it may still be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, field, replace
from typing import Any

from reconciler.core.diff.diff import ABSENT, Origin, without
from reconciler.core.digest import digest
from reconciler.core.model import Address, Desired, Recorded
from reconciler.core.planning.actions import (
    AnyAction,
    Delete,
    Hold,
    Replace,
    Update,
    desired_of,
    gist,
    recorded_of,
)
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.planning.selection import Selection
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What the approval of one action is bound to, as digests; None is nothing to be bound to.

    `live` covers what somebody changed on the server of the declared fields, and is None for a
    plan that was made without reading the server. `can_update` is what the server was taken to be
    able to do, where a plan depends on that.
    """

    address: Address
    action: str
    gist: str
    spec: str | None
    record: str | None
    live: str | None
    can_update: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A saved plan: what was approved, what each entry is bound to, and how the plan was made.

    `id` names it in the history of the state, which takes it once. The plan has no bodies.
    """

    id: str
    plan: Plan
    bindings: tuple[Binding, ...]
    options: PlanOptions = field(default_factory=PlanOptions)
    selection: Selection = field(default_factory=Selection)
    allow_missing: int = 0
    allow_empty: bool = False
    accept_projects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecheckedApproval:
    """What may be done now: the approved entries that are as they were.

    `refused` are those that are not, each a hold that says why; `beyond` counts changes that
    would be due as well, and that nobody approved.
    """

    plan: Plan
    refused: tuple[Hold, ...] = ()
    beyond: int = 0


def bind(plan: Plan, *, refreshed: bool) -> tuple[Binding, ...]:
    """Tie every change of a plan to what it was decided from."""
    drift = {each.address: each.changes for each in plan.drift}
    bindings = []
    for action in plan.changes:
        desired, row = desired_of(action), recorded_of(action)
        # What others made of it is bound by `live`, and not at all where nobody looked.
        ours = tuple(
            replace(c, before=ABSENT) for c in action.changes if c.origin is not Origin.REMOTE
        )
        gpus = replace(action.gpus, before=0.0, peak=None)
        bound = replace(action, changes=ours, gpus=gpus)
        if isinstance(bound, Update):
            bound = replace(bound, overwrites=())
        live = None
        if refreshed:
            live = digest([change.to_json() for change in drift.get(action.address, ())])
        # What the server can do decides between these two, and about nothing else.
        can_update = plan.target.can_update if isinstance(action, Update | Replace) else None
        bindings.append(
            Binding(
                address=action.address,
                action=action.kind,
                gist=digest(gist(bound)),
                spec=digest(_declared(desired)) if desired else None,
                record=digest(_facts(row)) if row else None,
                live=live,
                can_update=can_update,
            )
        )
    return tuple(bindings)


def _declared(desired: Desired) -> list[Any]:
    """What an author has written; ignored fields of what is sent may be those that run."""
    # A replace keeps what runs there, and a scaler may change that between plan and apply.
    spec: Any = desired.spec
    for pattern in desired.lifecycle.ignore_changes:
        spec = without(spec, pattern)
    return [spec, asdict(desired.lifecycle)]


def _facts(row: Recorded) -> dict[str, Any]:
    """What a decision depends on; what the server said last changes without any doing of ours."""
    return {
        "op": row.op,
        "id": row.id,
        "own": row.own.value,
        "digest": row.digest,
        "lifecycle": asdict(row.lifecycle),
        "protected": row.protected,
        "purpose": row.purpose.value if row.purpose else None,
        "revs": row.change.revs,
    }


def recheck_approval(approval: Approval, fresh: Plan) -> RecheckedApproval:
    """Hold every approved entry against a plan of this moment, made in the same way.

    A wave waits for the ones before it, so what comes after a refused entry is refused as well.
    """
    approved = {binding.address: binding for binding in approval.bindings}
    now = {binding.address: binding for binding in bind(fresh, refreshed=True)}
    held = {hold.address: hold.detail for hold in fresh.holds}
    stale = {
        address: difference
        for address, binding in approved.items()
        if (difference := _difference(binding, now.get(address), held.get(address, "")))
    }
    # Deletes have an order of their own, so each side refuses only what comes after it there.
    stale |= dict(
        (
            *_later(approval.plan, stale, removals=False),
            *_later(approval.plan, stale, removals=True),
        )
    )
    refused = tuple(
        _refuse(a, stale[a.address]) for a in approval.plan.changes if a.address in stale
    )
    # Taken from the new plan: the saved one has no bodies, since a file holds no secrets.
    allowed = [a for a in fresh.changes if a.address in approved and a.address not in stale]
    unchanged = [a for a in fresh.actions if a.address not in now and a.address not in stale]
    actions = sorted((*allowed, *unchanged, *refused), key=lambda a: (a.wave, a.address))
    return RecheckedApproval(
        plan=replace(fresh, actions=tuple(actions)),
        refused=refused,
        # What is due besides was approved by nobody: it is counted, and not done.
        beyond=len(now.keys() - approved.keys()),
    )


def _difference(before: Binding, now: Binding | None, held: str) -> str:
    """Why an entry is no longer the one that was approved; nothing where it is.

    `held` is why it is held back now, if it is.
    """
    # The most telling difference comes first: each of the later ones may follow from it.
    if now is None:
        return f"it is held now: {held}" if held else "nothing is left to do"
    if now.can_update != before.can_update and now.can_update and before.can_update:
        return "what the server can do has changed since"
    if now.action != before.action:
        return f"the action is now {now.action}"
    if now.spec != before.spec:
        return "its spec has changed since"
    if now.record != before.record:
        return "its record in the state has changed since"
    if before.live is not None and now.live != before.live:
        return "it was changed on the server since"
    return (
        "" if now.gist == before.gist else "what is sent, or the reason for it, has changed since"
    )


def _later(
    plan: Plan, stale: Mapping[Address, str], *, removals: bool
) -> Iterator[tuple[Address, str]]:
    """Deletes go from the highest wave down, everything else from the lowest up."""
    turn = -1 if removals else 1
    group = [a for a in plan.changes if isinstance(a, Delete) is removals]
    first = min((a.wave * turn for a in group if a.address in stale), default=None)
    for action in group:
        if first is not None and action.wave * turn > first and action.address not in stale:
            yield action.address, f"wave {first * turn} before it has changed since"


def _refuse(action: AnyAction, difference: str) -> Hold:
    return Hold(
        address=action.address,
        reason=action.reason,
        detail=f"not as it was approved: {difference}; plan again",
        source=action.source,
        wave=action.wave,
        gpus=action.gpus.withheld,
        fails=True,
        outdated=True,
    )
