"""Plans for one workload on a server that changes workloads in place."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from reconciler.core.diff.diff import FieldChange
from reconciler.core.model import (
    Desired,
)
from reconciler.core.protocol.capabilities import CanUpdate
from tests.support import decisions
from tests.support.factories import (
    NOW,
    make_desired,
    make_manifest,
    make_recorded,
)

WANTED = make_desired()
SCALED = make_desired(manifest=make_manifest(replicas=2))
ROW = make_recorded(WANTED)
TEMPLATE = "/manifest/spec/template/spec/containers/0/image"
REPLICAS = FieldChange(pointer="/manifest/spec/replicas", before=1, after=2)
REFUSES = "cannot be changed: the cluster refuses it"
KEEPS = "has no effect on what runs: pods keep the template that they were made of"
SERVER_TIME = datetime.fromisoformat(NOW)


plan_of = partial(decisions.plan_of, can_update=CanUpdate.YES)
decide = partial(decisions.decide, can_update=CanUpdate.YES)


def with_spec(kind: str, spec: dict[str, Any], **metadata: Any) -> Desired:
    """Return a workload of any kind: `GROUP/VERSION/Kind`."""
    version, _, name = kind.rpartition("/")
    manifest = {"apiVersion": version, "kind": name, "metadata": {"name": "llm"}, "spec": spec}
    return make_desired(manifest=manifest, metadata=metadata)


def pods(image: str, **more: Any) -> dict[str, Any]:
    """Return a pod template."""
    return {"spec": {"containers": [{"name": "main", "image": image}], **more}}
