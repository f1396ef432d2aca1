"""What becomes of a workload once the cluster has taken it; follows from time stamps alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from reconciler.sandbox.world.workload import Workload

INFINITE = float("inf")


class RunPhase(StrEnum):
    """The `phase` of the v1 API."""

    CREATING = "Creating"
    INITIALIZING = "Initializing"
    RESUMING = "Resuming"
    PENDING = "Pending"
    DELETING = "Deleting"
    RUNNING = "Running"
    UPDATING = "Updating"
    STOPPED = "Stopped"
    STOPPING = "Stopping"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    COMPLETED = "Completed"
    TERMINATING = "Terminating"
    UNKNOWN = "Unknown"


# The pods are there, so their GPUs are taken.
WITH_PODS = frozenset({RunPhase.RUNNING, RunPhase.DEGRADED, RunPhase.UPDATING})
OVER = frozenset({RunPhase.COMPLETED, RunPhase.FAILED})

# A controller keeps these up: they do not complete, whatever a rule for all workloads says.
RUNS_ON = frozenset(
    {
        "Deployment",
        "StatefulSet",
        "ReplicaSet",
        "CronJob",
        "Notebook",
        "DevWorkspace",
        "RayCluster",
        "RayService",
        "LeaderWorkerSet",
        "InferenceService",
        "Service",
        "NIMService",
        "DynamoGraphDeployment",
        "ScheduledWorkflow",
        "SeldonDeployment",
        "VirtualMachineInstance",
    }
)


class Step(NamedTuple):
    """A phase that begins so many seconds after the run; `code` is why the scheduler waits."""

    after: float
    phase: RunPhase
    message: str = ""
    code: str | None = None


class Run(NamedTuple):
    """The phases of a workload after its sync, and what of its GPUs it leaves idle (0 to 1).

    `pool` is the node pool in which it runs or waits; None is the first one of its project.
    """

    steps: tuple[Step, ...] = (Step(0.0, RunPhase.RUNNING),)
    pool: str | None = None
    idle: float = 0.0


ALWAYS_RUNNING = Run()


class Wait(NamedTuple):
    """For how many seconds the scheduler lets a workload wait, and what it says."""

    seconds: float
    code: str
    message: str
    pool: str | None


class End(NamedTuple):
    """What ends the running after so many seconds."""

    after: float
    phase: RunPhase
    message: str


def plan_run(kind: str, wait: Wait | None, end: End | None, idle: float) -> Run:
    """Lay out a run by what the rules say of it."""
    steps, start = [], 0.0
    if wait is not None and wait.seconds > 0:
        steps.append(Step(0.0, RunPhase.PENDING, wait.message, wait.code))
        start = wait.seconds
    steps.append(Step(start, RunPhase.RUNNING))
    completes = end is not None and end.phase is RunPhase.COMPLETED
    if end is not None and not (completes and kind in RUNS_ON):
        steps.append(Step(start + end.after, end.phase, end.message))
    # What never comes is left out: no clock reaches it, and no date can be written of it.
    reached = tuple(step for step in steps if step.after != INFINITE)
    return Run(steps=reached, pool=None if wait is None else wait.pool, idle=idle)


class Moment(NamedTuple):
    """A phase of a workload and the instant at which it began."""

    at: float
    phase: RunPhase
    message: str = ""
    code: str | None = None


def moments_of(workload: Workload, now: float) -> tuple[Moment, ...]:
    """The phases that a workload has had by now, in their order; there is always one."""
    if workload.delete_at is None and workload.previous is not None and now < workload.status_at:
        return moments_of(workload.previous, now)
    moments = [Moment(workload.created_at, RunPhase.CREATING), *_after_creation(workload)]
    if workload.delete_at is not None:
        moments = [m for m in moments if m.at <= workload.delete_at]
        last = moments[-1]
        moments.append(Moment(workload.delete_at, RunPhase.DELETING))
        if workload.delete_settles_at is not None:
            gone = last if last.phase in OVER else Moment(0.0, RunPhase.TERMINATING)
            if workload.delete_failure is not None:
                gone = Moment(0.0, RunPhase.FAILED, workload.delete_failure)
            moments.append(gone._replace(at=workload.delete_settles_at))
    return tuple(m for m in moments if m.at <= now)


def _after_creation(workload: Workload) -> list[Moment]:
    begun, settled = workload.applying_at, workload.settled_at
    if begun is None:
        return []
    end = INFINITE if settled is None else settled
    run_from = end if workload.run_from is None else workload.run_from
    run = [
        Moment(run_from + step.after, step.phase, step.message, step.code)
        for step in workload.run.steps
    ]
    # The cluster refused the whole object: nothing of it runs. A refused update leaves the old one.
    if workload.sync_failure is not None and workload.cluster_before is None:
        failed = Moment(end, RunPhase.FAILED, workload.sync_failure)
        return [Moment(begun, RunPhase.INITIALIZING), failed]
    is_update = workload.cluster_before is not None
    syncing = Moment(begun, RunPhase.UPDATING if is_update else RunPhase.INITIALIZING)
    # An update that does not touch the pods leaves the run as it is, and shows itself over it.
    before = [m for m in run if m.at < end]
    resumed = [before[-1]._replace(at=end)] if before and begun < end else []
    shown = [m for m in before if m.at < begun or begun == end]
    return [*shown, *([syncing] if begun < end else []), *resumed, *(m for m in run if m.at >= end)]
