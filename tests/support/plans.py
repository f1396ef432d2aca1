"""Plans that tests of several rooms look at."""

from __future__ import annotations

import dataclasses

from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    LastSeen,
    Live,
    Missing,
    Own,
    Unread,
)
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.strategies import World

NAMES = (
    *("changed", "drifted", "failed", "job", "kept", "lost", "doubt", "protected", "removed"),
    "undone",
)


def busy_plan() -> Plan:
    """Return a plan that has everything in it."""
    old = {
        name: make_desired(f"4501/{name}", file=f"team-a/{name}.yaml", line=line)
        for line, name in enumerate(NAMES, start=1)
    }
    rows = {name: make_recorded(one) for name, one in old.items()}
    rows["doubt"] = make_recorded(old["doubt"], own=Own.CREATING)
    live: dict[str, Live] = {row.id: make_remote(row) for row in rows.values() if row.id}
    elsewhere = make_manifest(image="somebody/else:1")
    live |= {
        f"id-op-4501-{name}": make_remote(rows[name], raw_manifest=elsewhere)
        for name in ("drifted", "undone")
    }
    live["id-op-4501-failed"] = make_remote(
        rows["failed"], seen=LastSeen.FAILED, message="no image"
    )
    live["id-op-4501-job"] = Unread(reason="503")
    live["id-op-4501-lost"] = Missing(proven=True)
    new = {
        "changed": make_manifest(replicas=2, image="nvcr.io/llm:2"),
        "undone": make_manifest(replicas=3),
    }
    desired = [
        *(old[name] for name in ("drifted", "failed", "job", "kept", "doubt")),
        *(dataclasses.replace(old[name], manifest=manifest) for name, manifest in new.items()),
        dataclasses.replace(old["protected"], lifecycle=Lifecycle(protect=True)),
        make_desired("7/new", file="new.yaml", line=9),
        make_desired("7/odd", manifest={"apiVersion": "example.com/v1", "kind": "Odd"}),
    ]
    return plan_for(desired, list(rows.values()), live)


def plan_of(world: World, options: PlanOptions | None = None) -> Plan:
    """Plan for a world."""
    return make_plan(
        world.desired,
        world.recorded,
        world.live,
        target=PLAN_TARGET,
        lineage=LINEAGE,
        options=options or PlanOptions(can_update=CanUpdate.NO),
    )
