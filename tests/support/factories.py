"""Values of the domain made in a line: whatever a test does not say is ordinary."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.core.diff.comparison import body_digest
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Address,
    Desired,
    Header,
    LastSeen,
    Live,
    Own,
    Recorded,
    Remote,
    Target,
)
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import Marker, mark, read_marker
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.errors import Where

LINEAGE = "5e0d6c0e-3f0a-4d51-9a52-0c6f6f9d2f11"
STACK = "team-a"
URL = "https://app.run.ai"
NOW = "2026-11-20T09:00:00+00:00"
PLAN_TARGET = PlanTarget(url=URL, stack=STACK, api_version="2.23", tenant_id=1)
REDACTOR = Redactor(LINEAGE)


def make_address(text: str = "4501/llm") -> Address:
    """Read an address."""
    return Address.parse(text)


def make_manifest(
    kind: str = "Deployment", *, gpus: int = 1, replicas: int = 1, image: str = "nvcr.io/llm:1"
) -> dict[str, Any]:
    """Return a manifest whose pods ask for `gpus` each; Deployment, Job or ConfigMap-like."""
    pod = {
        "containers": [
            {"name": "main", "image": image, "resources": {"limits": {"nvidia.com/gpu": gpus}}}
        ]
    }
    spec: dict[str, Any] = {"template": {"spec": pod}}
    spec["parallelism" if kind == "Job" else "replicas"] = replicas
    group = {"Deployment": "apps/v1", "Job": "batch/v1"}[kind]
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "llm"}, "spec": spec}


def make_desired(
    address: str = "4501/llm",
    *,
    manifest: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    file: str = "llm.yaml",
    line: int = 1,
    encoded: bool = False,
    **lifecycle: Any,
) -> Desired:
    """Return a spec; what is left over are settings of its lifecycle."""
    where = make_address(address)
    return Desired(
        address=where,
        source=Where(file=file, line=line),
        metadata={"name": where.name, "projectId": where.project, **(metadata or {})},
        manifest=make_manifest() if manifest is None else manifest,
        encoded=encoded,
        lifecycle=Lifecycle(**lifecycle),
    )


def make_recorded(
    desired: Desired | None = None,
    *,
    address: str = "4501/llm",
    op: str | None = None,
    redactor: Redactor = REDACTOR,
    **fields: Any,
) -> Recorded:
    """Return the record that a successful create of a spec leaves behind, fields replaced."""
    desired = desired or make_desired(address)
    op = op or f"op-{desired.address.project}-{desired.address.name}"
    spec = redactor.redact(desired.spec)
    known: dict[str, Any] = {
        "own": Own.ACCEPTED,
        "seen": LastSeen.SYNCED,
        "id": f"id-{op}",
        "attempts": 1,
        "first_sent_at": NOW,
        "last_sent_at": NOW,
        "digest": body_digest(desired, redactor),
        "spec": spec,
        "echo": copy.deepcopy(spec),
        "lifecycle": desired.lifecycle,
        "marker": f"{LINEAGE}/{op}",
        "source": desired.source.file,
        "run": "run-1",
    }
    if fields.get("own") in (Own.CREATING, Own.UNCONFIRMED):
        known |= {"id": None, "echo": None, "seen": LastSeen.UNKNOWN}
    return Recorded(op=op, address=desired.address, **(known | fields))


def make_remote(
    recorded: Recorded | None = None, desired: Desired | None = None, **fields: Any
) -> Remote:
    """Return what a server that changed nothing says of a record, fields replaced.

    The content is that of `desired` (its secrets in plain text) or else of the record's own spec;
    another manifest still carries the marker.
    """
    recorded = recorded or make_recorded(desired)
    content = desired.spec if desired else recorded.spec
    marker = Marker(lineage=LINEAGE, op=recorded.op, stack=STACK)
    known: dict[str, Any] = {
        "id": recorded.id or "",
        "address": recorded.address,
        "metadata": {"id": recorded.id, "tenantId": 1, **content["metadata"]},
        "raw_manifest": mark(copy.deepcopy(content["manifest"]), marker),
        "desired_phase": "Running",
        "seen": LastSeen.SYNCED,
        "tenant_id": 1,
    }
    if "raw_manifest" in fields and read_marker(fields["raw_manifest"]) is None:
        fields["raw_manifest"] = mark(fields["raw_manifest"], marker)
    return Remote(**(known | fields))


def make_target(**fields: Any) -> Target:
    """Return the target of a state, fields replaced."""
    known: dict[str, Any] = {"url": URL, "stack": STACK}
    return Target(**(known | fields))


def make_header(**fields: Any) -> Header:
    """Return the header of a state, fields replaced."""
    known: dict[str, Any] = {"lineage": LINEAGE, "serial": 0, "target": make_target()}
    return Header(**(known | fields))


def plan_for(
    desired: list[Desired] | None = None,
    recorded: list[Recorded] | None = None,
    live: Mapping[str, Live] | None = None,
    *,
    now: datetime | None = None,
    rules: RedactionRules = BUILT_IN,
    can_update: CanUpdate = CanUpdate.NO,
    **options: Any,
) -> Plan:
    """Make a plan for the usual target; what is left over are plan options."""
    return make_plan(
        desired or [],
        recorded or [],
        live or {},
        target=PLAN_TARGET,
        lineage=LINEAGE,
        serial=7,
        options=PlanOptions(can_update=can_update, **options),
        now=now,
        rules=rules,
    )
