"""Updates in a small world: plans whose changes are made in place, and what a server shows."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from reconciler.core.model import Desired, Own, Recorded
from reconciler.core.planning.actions import Keep, Record, Replace, Update
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.changes import ShownRev, classify_rev
from reconciler.core.protocol.marker import read_rev
from tests.support.worlds import Ran, World, wish


class UpdatingWorld(World):
    """A world in which every change of a spec is an update, whatever the planner makes of it."""

    def update(self, desired: Desired, *, undo_drift: bool = False, **options: Any) -> Ran:
        """Apply a spec by an update."""

        def in_place(plan: Plan) -> Plan:
            actions = tuple(
                self._as_update(action, desired, plan, undo_drift=undo_drift)
                for action in plan.actions
            )
            return dataclasses.replace(plan, actions=actions)

        self.rewrite_plan = in_place
        try:
            return self.apply(desired, **options)
        finally:
            self.rewrite_plan = lambda plan: plan

    def _as_update(self, action: Any, desired: Desired, plan: Plan, *, undo_drift: bool) -> Any:
        if not isinstance(action, Replace | Keep | Record):
            return action
        row = action.recorded
        if row.own is not Own.ACCEPTED:
            return action
        shown = classify_rev(row.change, self.rev(row.address.name))
        unproven = row.change.open is not None or shown in (ShownRev.LATE, ShownRev.FOREIGN)
        if not (isinstance(action, Replace) or unproven or undo_drift):
            return action
        drift = next((d.changes for d in plan.drift if d.address == action.address), ())
        return Update(
            address=action.address,
            reason=action.reason,
            source=desired.source,
            changes=action.changes,
            recorded=row,
            desired=desired,
            drift=drift,
            overwrites=drift if undo_drift else (),
            undo_drift=undo_drift,
        )

    def shown(self, name: str) -> dict[str, Any]:
        """What the server has been given last under a name, whether it shows it yet or not."""
        return self.sandbox.store.manifest(self.id_of(name))

    def rev(self, name: str) -> str:
        """The rev of what it has; empty for what it no longer has."""
        return read_rev(self.shown(name)) if name in self.live() else ""

    def image(self, name: str) -> str:
        """The image of its first container."""
        return str(self.shown(name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def change(self, name: str, **fields: Any) -> None:
        """Somebody changes fields of the spec on the server, and leaves the rest."""
        manifest = copy.deepcopy(self.shown(name))
        manifest["spec"] |= fields
        self.sandbox.store.edit(self.id_of(name), manifest=manifest)

    def puts(self) -> list[str]:
        """The revs that updates have asked for, as far as they were carried out."""
        return [str(e.update.rev) for e in self.sandbox.ledger if e.update is not None]


def scaled(replicas: int, **fields: Any) -> Desired:
    """A Deployment `a` with so many replicas."""
    desired = wish("a", **fields)
    manifest = json.loads(json.dumps(desired.manifest))
    manifest["spec"]["replicas"] = replicas
    return dataclasses.replace(desired, manifest=manifest)


def open_rev(row: Recorded) -> str:
    """The rev of the update that is under way."""
    assert row.change.open is not None
    return row.change.open.rev
