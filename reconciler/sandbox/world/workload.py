"""A workload of the sandbox as a value; its phases follow from time stamps, so nothing ticks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.sandbox.http import encode, timestamp
from reconciler.sandbox.world.kinds import default_preemptibility
from reconciler.sandbox.world.projects import default_namespace
from reconciler.sandbox.world.running import ALWAYS_RUNNING, End, Run, RunPhase, Step, Wait

DEPARTMENT_ID = "1"
DEPARTMENT_NAME = "default"


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
    """What goes wrong with one workload; seconds, and None for what goes as usual.

    `stripped_annotations` is a glob of names. `wait`, `end` and `idle` (a share of its GPUs) are
    about what runs once it is synced. The last five concern updates and dry runs.
    """

    sync_delay: float | None = None
    sync_failure: str | None = None
    stuck: bool = False
    read_lag: float = 0.0
    list_lag: float = 0.0
    stripped_annotations: str | None = None
    delete_delay: float | None = None
    delete_failure: str | None = None
    wait: Wait | None = None
    end: End | None = None
    idle: float = 0.0
    stale_status: float = 0.0
    merges: bool = False
    refuses_immutable: bool = False
    conflicts_while_deleting: bool = False
    ignores_dry_run: bool = False


NO_WORKLOAD_FAULTS = WorkloadFaults()


class ClusterObject(NamedTuple):
    """What the cluster holds of a workload, as JSON: the object, and what its pods run.

    They differ after an update that the cluster takes without an effect on what runs.
    """

    manifest: bytes
    running: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload, alive or gone; instants are epoch seconds, None is an instant that never comes.

    `raw` (what was submitted) and `workload_manifest` (completed) are already written as JSON.
    `previous` is the form before the last update: documents show it until `shown_at`, and the
    status speaks about it until `status_at`. The cluster holds `cluster_before` until the sync
    settles well, then `cluster_after`. `run` begins at `run_from`. A native workload was not
    submitted through this API, which does not show it.
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
    preemptibility: str | None
    mnnvl: str | None
    pods: int
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
    cluster_before: ClusterObject | None = None
    cluster_after: ClusterObject | None = None
    namespace: str = ""
    gpus: float = 0.0
    run: Run = ALWAYS_RUNNING
    run_from: float | None = None
    native: bool = False
    previous: Workload | None = None
    shown_at: float = 0.0
    status_at: float = 0.0

    @property
    def address(self) -> tuple[str, str]:
        """The identity that is unique among the living: project id and name."""
        return self.project_id, self.name

    @property
    def gvk(self) -> tuple[str, str, str]:
        """Group, version and kind."""
        return self.group, self.version, self.kind

    @property
    def preemptible_as(self) -> str:
        """The preemptibility asked for, or else the one of the category."""
        return self.preemptibility or default_preemptibility(self.category)

    def phase(self, now: float) -> Phase:
        """Where the workload is in its life, as its syncInfo says."""
        # A deletion beats everything: an update before it is of no interest any more.
        if self.delete_at is not None:
            if not _reached(self.delete_settles_at, now):
                return Phase.DELETING
            return Phase.DELETED if self.delete_failure is None else Phase.FAILED
        if self.previous is not None and now < self.status_at:
            return self.previous.phase(now)
        if not _reached(self.applying_at, now):
            return Phase.QUEUED
        if not _reached(self.settled_at, now):
            return Phase.APPLYING
        return Phase.SYNCED if self.sync_failure is None else Phase.FAILED

    def is_gone(self, now: float) -> bool:
        """Whether the name is free again."""
        return self.phase(now) is Phase.DELETED

    def failure(self, now: float) -> str | None:
        """What syncInfo says if the workload has failed."""
        if self.delete_at is not None:
            return self.delete_failure
        if self.previous is not None and now < self.status_at:
            return self.previous.failure(now)
        return self.sync_failure

    def shown(self, now: float) -> Workload:
        """The form that documents show: an update may take a while to be seen."""
        if self.previous is None or now >= self.shown_at:
            return self
        return self.previous.shown(now)

    def in_cluster(self, now: float) -> ClusterObject | None:
        """What the cluster holds, None before the first sync and after the deletion."""
        if self.is_gone(now):
            return None
        # Time stamps, not the status: that may be a stale word about the form before.
        synced = _reached(self.settled_at, now) and self.sync_failure is None
        return self.cluster_after if synced else self.cluster_before

    def without_past(self, now: float) -> Workload:
        """Drop the previous form once nothing shows it any more; a chain would only grow."""
        past = self.previous is None or now >= max(self.shown_at, self.status_at)
        return replace(self, previous=None) if past else self


def _reached(instant: float | None, now: float) -> bool:
    return instant is not None and instant <= now


# A GET says one of these after the workload; only a failure has more to say.
_SYNC_INFO = {phase: b',"syncInfo":' + encode({"status": phase}) for phase in Phase}


def write_head(
    workload: Workload,
    tenant_id: int,
    cluster_id: str,
    *,
    gone_at: float | None,
    preemptibility: str | None,
) -> bytes:
    """Write the beginning of the `WorkloadV2` document, up to the manifests.

    Versions that do not know a preemptibility get None and do not show it.
    """
    metadata: dict[str, Any] = {
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
    if preemptibility is not None:
        metadata["preemptibility"] = preemptibility
    desired = b"Running" if workload.delete_at is None else b"Deleted"
    return b'{"metadata":%b,"desiredPhase":"%b"' % (encode(metadata), desired)


def write_document(workload: Workload, head: bytes) -> bytes:
    """Write the `WorkloadV2` document; the manifests are spliced in as they are stored."""
    return b'%b,"workloadManifest":%b,"rawManifest":%b}' % (
        head,
        workload.workload_manifest,
        workload.raw,
    )


def write_sync_info(workload: Workload, phase: Phase, now: float) -> bytes:
    """Write what a GET says after the workload."""
    if phase is not Phase.FAILED:
        return _SYNC_INFO[phase]
    return b',"syncInfo":' + encode({"status": phase, "message": workload.failure(now)})


def to_record(value: Any) -> Any:
    """Flatten a workload, or a value inside of one, for the data file."""
    # dataclasses.asdict would copy every manifest, and leaves bytes as they are.
    if isinstance(value, Workload):
        return {field.name: to_record(getattr(value, field.name)) for field in fields(Workload)}
    if isinstance(value, Run):
        return {**value._asdict(), "steps": [list(step) for step in value.steps]}
    if isinstance(value, ClusterObject):
        return [part.decode() for part in value]
    return value.decode() if isinstance(value, bytes) else value


def from_record(record: dict[str, Any]) -> Workload:
    """Rebuild a workload; raises KeyError, TypeError or AttributeError when fields do not match."""
    rebuilt: dict[str, Any] = {}
    for name in ("raw", "workload_manifest"):
        rebuilt[name] = record[name].encode()
    for name in ("cluster_before", "cluster_after"):
        parts = record[name]
        rebuilt[name] = None if parts is None else ClusterObject(*(p.encode() for p in parts))
    # A file of an earlier sandbox has neither namespaces nor runs.
    rebuilt["namespace"] = record.get("namespace") or default_namespace(record["project_name"])
    if "run" in record:
        steps = [Step(after, RunPhase(p), *more) for after, p, *more in record["run"]["steps"]]
        rebuilt["run"] = Run(**record["run"] | {"steps": tuple(steps)})
    previous = record["previous"]
    rebuilt["previous"] = None if previous is None else from_record(previous)
    return Workload(**record | rebuilt)
