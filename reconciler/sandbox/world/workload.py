"""A workload of the sandbox as a value; its phases follow from time stamps, so nothing ticks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from reconciler.sandbox.http import encode, timestamp

DEPARTMENT_ID = "1"
DEPARTMENT_NAME = "default"
_MANIFESTS = ("raw", "workload_manifest")


class Phase(StrEnum):
    """The `status` of the API's syncInfo."""

    QUEUED = "Queued"
    APPLYING = "Applying"
    SYNCED = "Synced"
    FAILED = "Failed"
    DELETING = "Deleting"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFaults:
    """What goes wrong with one workload; seconds, and None for what goes as usual."""

    sync_delay: float | None = None
    sync_failure: str | None = None
    stuck: bool = False
    read_lag: float = 0.0
    list_lag: float = 0.0
    strips_annotations: bool = False
    delete_delay: float | None = None
    delete_failure: str | None = None


NO_WORKLOAD_FAULTS = WorkloadFaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload, alive or gone; instants are epoch seconds, None is an instant that never comes.

    `raw` (what was submitted) and `workload_manifest` (completed) are already written as JSON.
    """

    id: str
    project_id: str
    project_name: str
    name: str
    group: str
    version: str
    kind: str
    priority: str | None
    category: str | None
    raw: bytes
    workload_manifest: bytes
    created_at: float
    created_by: str
    updated_at: float
    updated_by: str
    visible_at: float
    listed_at: float
    applying_at: float | None
    settled_at: float | None
    sync_failure: str | None = None
    delete_at: float | None = None
    delete_settles_at: float | None = None
    delete_failure: str | None = None
    deleted_by: str | None = None

    @property
    def address(self) -> tuple[str, str]:
        """The identity that is unique among the living: project id and name."""
        return self.project_id, self.name

    def phase(self, now: float) -> Phase:
        """Where the workload is in its life."""
        if self.delete_at is not None:
            if not _reached(self.delete_settles_at, now):
                return Phase.DELETING
            return Phase.DELETED if self.delete_failure is None else Phase.FAILED
        if not _reached(self.applying_at, now):
            return Phase.QUEUED
        if not _reached(self.settled_at, now):
            return Phase.APPLYING
        return Phase.SYNCED if self.sync_failure is None else Phase.FAILED

    def is_gone(self, now: float) -> bool:
        """Whether the name is free again."""
        return self.phase(now) is Phase.DELETED

    @property
    def failure(self) -> str | None:
        """What syncInfo says once the workload has failed."""
        return self.sync_failure if self.delete_at is None else self.delete_failure


def _reached(instant: float | None, now: float) -> bool:
    return instant is not None and instant <= now


# A GET says one of these after the workload; only a failure has more to say.
_SYNC_INFO = {phase: b',"syncInfo":' + encode({"status": phase}) for phase in Phase}


def write_head(
    workload: Workload, tenant_id: int, cluster_id: str, *, gone_at: float | None
) -> bytes:
    """Write the beginning of the `WorkloadV2` document, up to the manifests."""
    metadata = {
        "name": workload.name,
        "projectId": workload.project_id,
        "priority": workload.priority,
        "category": workload.category,
        "id": workload.id,
        "gvk": {"group": workload.group, "version": workload.version, "kind": workload.kind},
        "projectName": workload.project_name,
        "clusterId": cluster_id,
        "tenantId": tenant_id,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT_NAME,
        "createdAt": timestamp(workload.created_at),
        "createdBy": workload.created_by,
        "updatedAt": timestamp(workload.updated_at),
        "updatedBy": workload.updated_by,
        "deletedAt": None if gone_at is None else timestamp(gone_at),
        "deletedBy": None if gone_at is None else workload.deleted_by,
    }
    desired = b"Running" if workload.delete_at is None else b"Deleted"
    return b'{"metadata":%b,"desiredPhase":"%b"' % (encode(metadata), desired)


def write_document(workload: Workload, head: bytes) -> bytes:
    """Write the `WorkloadV2` document; the manifests are spliced in as they are stored."""
    return b'%b,"workloadManifest":%b,"rawManifest":%b}' % (
        head,
        workload.workload_manifest,
        workload.raw,
    )


def write_sync_info(workload: Workload, phase: Phase) -> bytes:
    """Write what a GET says after the workload."""
    if phase is not Phase.FAILED:
        return _SYNC_INFO[phase]
    return b',"syncInfo":' + encode({"status": phase, "message": workload.failure})


def to_record(workload: Workload) -> dict[str, Any]:
    """Flatten a workload for the data file."""
    return asdict(workload) | {field: getattr(workload, field).decode() for field in _MANIFESTS}


def from_record(record: dict[str, Any]) -> Workload:
    """Rebuild a workload; raises KeyError, TypeError or AttributeError when fields do not match."""
    manifests = {field: record[field].encode() for field in _MANIFESTS}
    return Workload(**record | manifests)
