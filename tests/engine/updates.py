"""Updates in a small world: plans whose changes are made in place, and what a server shows."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.model import Desired, Recorded
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.protocol.marker import read_rev
from tests.support.worlds import Ran, World, wish


class UpdatingWorld(World):
    """A world whose server changes workloads in place."""

    def __init__(self, *faults: str, **settings: Any) -> None:
        super().__init__(*faults, **settings)
        self.settings = dataclasses.replace(self.settings, api_version="3.0")

    def update(self, desired: Desired, *, undo_drift: bool = False, **options: Any) -> Ran:
        """Apply a spec, and take back what others have changed if that is asked for."""
        on_drift = OnDrift.UPDATE if undo_drift else OnDrift.REPORT
        request = PlanRequest(options=PlanOptions(on_drift=on_drift))
        return self.apply(desired, request=request, **options)

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
