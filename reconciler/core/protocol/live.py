"""What the server says of running work: phases, GPUs, quotas. What it leaves out is None."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.model import Address
from reconciler.values import dataclass


class WorkloadPhase(StrEnum):
    """What became of a workload that the cluster took."""

    CREATING = "Creating"
    INITIALIZING = "Initializing"
    RESUMING = "Resuming"
    PENDING = "Pending"
    DELETING = "Deleting"
    RUNNING = "Running"
    UPDATING = "Updating"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    # In the product's texts, and not in the list of its API document.
    SUSPENDING = "Suspending"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    COMPLETED = "Completed"
    TERMINATING = "Terminating"
    # What the server itself says of a type whose status it cannot read.
    UNKNOWN = "Unknown"

    @property
    def is_over(self) -> bool:
        """Whether the workload has ended, well or not."""
        return self in (WorkloadPhase.COMPLETED, WorkloadPhase.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReason:
    """Why the scheduler does not start a workload in one node pool.

    `code` is the server's (NonPreemptibleOverQuota, OverLimit), `message` the text for people, or
    else the technical one.
    """

    node_pool: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorkload:
    """A workload as the v1 calls describe it, whoever submitted it; they show no manifest.

    `kind` is the server's `type`. `is_v2` says that it was submitted through Workloads V2: only
    then can its id be read there. `updated_at` is when it was last submitted or otherwise written.
    Times are RFC 3339 by the server's clock. GPUs are devices, and
    fractions of them; `gpus_idle` are allocated and not used. `phase` is None where the server
    names one that this program does not know. Only the call for one workload tells `pending`.
    """

    id: str
    address: Address
    is_v2: bool
    kind: str | None = None
    project_name: str | None = None
    namespace: str | None = None
    phase: WorkloadPhase | None = None
    phase_message: str = ""
    phase_updated_at: str | None = None
    created_at: str | None = None
    completed_at: str | None = None
    deleted_at: str | None = None
    gpus_requested: float | None = None
    gpus_allocated: float | None = None
    gpus_idle: float | None = None
    tenant_id: int | None = None
    updated_at: str | None = None
    running_seconds: int | None = None
    submitted_by: str | None = None
    pending: tuple[PendingReason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadType:
    """A kind that the server takes, with what it fills in where a create does not say it."""

    kind: str
    group: str
    category: str | None = None
    priority: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolQuota:
    """A project's GPUs in one node pool.

    Without a `limit` there is none; `allocated` and what follows are None where the server does
    not tell them. The scheduler lets non-preemptible work have up to `deserved` in all.
    """

    pool: str | None
    deserved: float | None
    limit: float | None
    allocated: float | None = None
    allocated_non_preemptible: float | None = None
    requested: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProject:
    """A project; `phase` is the server's: Ready, NotReady, Deleting and others.

    A name may exist once on each cluster.
    """

    id: str
    name: str
    cluster_id: str | None = None
    namespace: str | None = None
    phase: str | None = None
    phase_message: str = ""
    quotas: tuple[PoolQuota, ...] = ()
    gpus_allocated: float | None = None
    gpus_allocated_non_preemptible: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCluster:
    """A cluster; one that has never connected has no version."""

    id: str
    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened to a workload; `phase` where that was a change of its phase.

    `at` is RFC 3339. `severity` is that of a Kubernetes event (Normal, Warning), `subject` the
    object that it is about, as `Kind/name`.
    """

    at: str | None
    message: str
    phase: WorkloadPhase | None = None
    severity: str | None = None
    reason: str | None = None
    subject: str | None = None
