"""The rows of the v1 calls as values: only what identifies a row is required, the rest may miss."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.api.wire.payloads import (
    WireError,
    read_list_item,
    read_list_rows,
    read_moment,
    read_next,
    read_object,
    read_optional,
    read_project_id,
    read_required,
    read_string,
)
from reconciler.core.protocol.api_results import ProjectPage, WorkloadPage
from reconciler.core.protocol.live import (
    LiveWorkload,
    Occurrence,
    PendingReason,
    PoolQuota,
    ServerCluster,
    ServerProject,
    WorkloadPhase,
    WorkloadType,
)

# Looked up for every row: making a member from its text takes longer.
_PHASES = {phase.value: phase for phase in WorkloadPhase}


def read_workload_page(data: object) -> WorkloadPage:
    """Read a page of workloads; raises WireError."""
    rows = read_list_rows(data, "workloads", read_live_workload)
    return WorkloadPage(workloads=rows, next=read_next(data))


def read_project_page(data: object) -> ProjectPage:
    """Read a page of projects; raises WireError."""
    rows = read_list_rows(data, "projects", read_server_project)
    return ProjectPage(projects=rows, next=read_next(data))


def read_live_workload(data: object) -> LiveWorkload:
    """Read a workload of the list, or the one of the call by id; raises WireError."""
    fields, item = read_object(data), read_list_item(data)
    return LiveWorkload(
        id=item.id,
        address=item.address,
        is_v2=item.source_api == "WorkloadsV2",
        kind=_shared_text(fields, "type"),
        project_name=_shared_text(fields, "projectName"),
        namespace=_shared_text(fields, "namespace"),
        phase=_phase(fields),
        phase_message=_text(fields, "phaseMessage") or "",
        phase_updated_at=_time(fields, "phaseUpdatedAt"),
        created_at=_time(fields, "createdAt"),
        completed_at=_time(fields, "completedAt"),
        deleted_at=item.deleted_at,
        gpus_requested=_number(
            _inner(_inner(fields, "workloadRequestedResources"), "gpu"), "request"
        ),
        gpus_allocated=_number(_inner(fields, "allocatedResources"), "gpu"),
        gpus_idle=_number(fields, "idleAllocatedGpus"),
        tenant_id=_count(fields, "tenantId"),
        updated_at=_time(fields, "updatedAt"),
        running_seconds=_count(fields, "totalRunningTimeSeconds"),
        submitted_by=_shared_text(fields, "submittedBy"),
        pending=tuple(_pending_reason(row) for row in _rows(fields, "pendingSchedulingMessages")),
    )


def read_server_project(data: object) -> ServerProject:
    """Read a project with its quotas; raises WireError without an id or a name."""
    fields = read_object(data)
    status = _inner(fields, "status")
    quota = _inner(status, "quotaStatus")
    used = {
        name: row
        for row in _rows(status, "nodePoolQuotaStatuses")
        if (name := _text(row, "nodePoolName")) is not None
    }
    return ServerProject(
        id=read_required(fields, "id", read_project_id),
        name=read_required(fields, "name", read_string),
        cluster_id=_text(fields, "clusterId"),
        namespace=_text(status, "namespace"),
        phase=_text(status, "phase"),
        phase_message=_text(status, "phaseMessage") or "",
        quotas=tuple(_pool_quota(row, used) for row in _rows(fields, "resources")),
        gpus_allocated=_number(_inner(quota, "allocated"), "gpu"),
        gpus_allocated_non_preemptible=_number(_inner(quota, "allocatedNonPreemptible"), "gpu"),
    )


def read_clusters(data: object) -> tuple[ServerCluster, ...]:
    """Read the list of clusters, a bare array; raises WireError."""
    if not isinstance(data, list):
        raise WireError("it is not a list of clusters")
    return tuple(
        ServerCluster(
            id=read_required(row, "uuid", read_string),
            name=read_required(row, "name", read_string),
            version=_text(row, "version"),
        )
        for row in map(read_object, data)
    )


def read_workload_types(data: object) -> tuple[WorkloadType, ...]:
    """Read the list of workload types; raises WireError."""

    def read(row: object) -> WorkloadType:
        fields = read_object(row)
        return WorkloadType(
            kind=read_required(fields, "name", read_string),
            # That of a Pod is empty, as in Kubernetes.
            group=_text(fields, "group") or "",
            category=_text(fields, "categoryName"),
            priority=_text(fields, "priorityName"),
        )

    return read_list_rows(data, "types", read)


def read_history(data: object) -> tuple[Occurrence, ...]:
    """Read the records of a workload's history, the newest first; raises WireError."""
    records = read_list_rows(data, "records", read_object)
    occurrences = [item for record in records if (item := _history_record(record)) is not None]
    # The call has no order to ask for. The texts sort as their times do, from one server.
    return tuple(sorted(occurrences, key=lambda item: item.at or "", reverse=True))


def read_workload_events(data: object) -> tuple[Occurrence, ...]:
    """Read the Kubernetes events of a workload, as ordered by the server; raises WireError."""
    return tuple(_event(row) for row in read_list_rows(data, "events", read_object))


def _history_record(record: Mapping[str, Any]) -> Occurrence | None:
    spec = _inner(record, "spec")
    at = _time(_inner(record, "meta"), "creationTimestamp")
    update, event = _inner(spec, "phaseUpdate"), _inner(spec, "event")
    if update:
        message = _text(update, "phaseMessage") or ""
        return Occurrence(at=at, message=message, phase=_phase(update))
    return _event(event, at) if event else None


def _event(event: Mapping[str, Any], at: str | None = None) -> Occurrence:
    subject = _inner(event, "involvedObject")
    kind, name = _text(subject, "kind"), _text(subject, "name")
    return Occurrence(
        at=_time(event, "createdAt") or at,
        message=_text(event, "message") or "",
        severity=_text(event, "type"),
        reason=_text(event, "reason"),
        subject=f"{kind}/{name}" if kind and name else None,
    )


def _pending_reason(row: Mapping[str, Any]) -> PendingReason:
    return PendingReason(
        node_pool=_text(row, "nodePool") or "",
        code=_text(row, "phaseReason") or "",
        message=_text(row, "userMessage") or _text(row, "reason") or "",
    )


def _pool_quota(row: Mapping[str, Any], used: Mapping[str, Mapping[str, Any]]) -> PoolQuota:
    pool, gpu = _text(_inner(row, "nodePool"), "name"), _inner(row, "gpu")
    status = used.get(pool or "", {})
    return PoolQuota(
        pool=pool,
        deserved=_number(gpu, "deserved"),
        limit=_number(gpu, "limit"),
        allocated=_number(_inner(status, "allocated"), "gpu"),
        allocated_non_preemptible=_number(_inner(status, "allocatedNonPreemptible"), "gpu"),
        requested=_number(_inner(status, "requested"), "gpu"),
    )


def _phase(fields: Mapping[str, Any]) -> WorkloadPhase | None:
    return _PHASES.get(_text(fields, "phase") or "")


def _inner(fields: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = fields.get(key)
    # What JSON calls an object; the abstract class would take a fifth of the whole reading.
    return value if isinstance(value, dict) else {}


def _rows(fields: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = fields.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _text(fields: Mapping[str, Any], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) and value else None


def _shared_text(fields: Mapping[str, Any], key: str) -> str | None:
    """A text that many rows have: a list of thousands holds it once."""
    text = _text(fields, key)
    return text and sys.intern(text)


def _number(fields: Mapping[str, Any], key: str) -> float | None:
    value = fields.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _count(fields: Mapping[str, Any], key: str) -> int | None:
    number = _number(fields, key)
    return int(number) if number is not None and number.is_integer() else None


def _time(fields: Mapping[str, Any], key: str) -> str | None:
    try:
        return read_optional(fields, key, read_moment)
    except WireError:
        return None
