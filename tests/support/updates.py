"""Plans for one workload on a server that changes workloads in place."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from reconciler.core.diff.diff import FieldChange
from reconciler.core.model import (
    Desired,
    Lifecycle,
    Live,
    Recorded,
)
from reconciler.core.planning.actions import (
    AnyAction,
    Reason,
)
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.capabilities import CanUpdate
from tests.support.factories import (
    NOW,
    make_desired,
    make_manifest,
    make_recorded,
    plan_for,
)

WANTED = make_desired()
SCALED = make_desired(manifest=make_manifest(replicas=2))
ROW = make_recorded(WANTED)
TEMPLATE = "/manifest/spec/template/spec/containers/0/image"
REPLICAS = FieldChange(pointer="/manifest/spec/replicas", before=1, after=2)
REFUSES = "cannot be changed: the cluster refuses it"
KEEPS = "has no effect on what runs: pods keep the template that they were made of"
SERVER_TIME = datetime.fromisoformat(NOW)


def plan_of(
    desired: Desired | None, row: Recorded | None, live: Live | None = None, **options: Any
) -> Plan:
    """Plan for one workload on a server that changes workloads in place."""
    answers = {row.id: live} if live and row and row.id else {}
    options.setdefault("can_update", CanUpdate.YES)
    return plan_for([desired] if desired else [], [row] if row else [], answers, **options)


def decide(
    desired: Desired | None, row: Recorded | None, live: Live | None = None, **options: Any
) -> AnyAction:
    """Return the only action of such a plan."""
    [action] = plan_of(desired, row, live, **options).actions
    return action


def told(action: AnyAction) -> tuple[type[AnyAction], Reason, str]:
    """Return what an action is and why."""
    return type(action), action.reason, action.detail


def under(desired: Desired, **settings: Any) -> Desired:
    """Return the same spec under other settings."""
    return dataclasses.replace(desired, lifecycle=Lifecycle(**settings))


def with_spec(kind: str, spec: dict[str, Any], **metadata: Any) -> Desired:
    """Return a workload of any kind: `GROUP/VERSION/Kind`."""
    version, _, name = kind.rpartition("/")
    manifest = {"apiVersion": version, "kind": name, "metadata": {"name": "llm"}, "spec": spec}
    return make_desired(manifest=manifest, metadata=metadata)


def pods(image: str, **more: Any) -> dict[str, Any]:
    """Return a pod template."""
    return {"spec": {"containers": [{"name": "main", "image": image}], **more}}
