"""What the v1 calls can say of a workload at one instant."""

from __future__ import annotations

from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.running import OVER, WITH_PODS, Moment, RunPhase, moments_of
from reconciler.sandbox.world.workload import Workload


class View:
    """A workload at an instant: its phases so far, and what it holds of the cluster."""

    __slots__ = ("_now", "last", "moments", "workload")

    def __init__(self, workload: Workload, now: float) -> None:
        self.workload = workload
        self._now = now
        self.moments: tuple[Moment, ...] = moments_of(workload, now)
        self.last = self.moments[-1]

    @property
    def phase(self) -> RunPhase:
        """The present phase."""
        return self.last.phase

    @property
    def phase_since(self) -> float:
        """The instant at which it began."""
        return self.last.at

    @property
    def message(self) -> str:
        """What the server says of it."""
        return self.last.message

    @property
    def code(self) -> str | None:
        """Why the scheduler waits."""
        return self.last.code

    @property
    def has_pods(self) -> bool:
        """Whether its pods are there, with their GPUs."""
        return self.phase in WITH_PODS

    @property
    def requested_gpus(self) -> float:
        """The GPUs that it has or waits for."""
        wants = self.has_pods or self.phase is RunPhase.PENDING
        return self.workload.shown(self._now).gpus if wants else 0.0

    @property
    def allocated_gpus(self) -> float:
        """The GPUs that it has."""
        return self.requested_gpus if self.has_pods else 0.0

    @property
    def idle_gpus(self) -> float:
        """The GPUs that it has and does not use."""
        return self.allocated_gpus * self.workload.run.idle

    @property
    def completed_at(self) -> float | None:
        """When it ended by itself, None while it has not."""
        workload, ends = self.workload, [m.at for m in self.moments if m.phase in OVER]
        # What the cluster refused never ran, and a failed deletion is no end.
        never_ran = workload.sync_failure is not None and workload.cluster_before is None
        if not ends or never_ran or workload.delete_failure is not None:
            return None
        return None if self.phase in WITH_PODS else ends[0]

    @property
    def deleted_at(self) -> float | None:
        """When it was gone, None while it is there."""
        gone = self.workload.is_gone(self._now)
        return self.workload.delete_settles_at if gone else None

    def pool(self, projects: Projects) -> str:
        """The node pool in which it runs or waits."""
        if self.workload.run.pool is not None:
            return self.workload.run.pool
        project = projects.get(self.workload.project_id)
        return "default" if project is None else project.quotas[0].name

    def seconds_in(self, *phases: RunPhase) -> int:
        """For how long it has been in some phases, in whole seconds."""
        ends = [*(m.at for m in self.moments[1:]), self._now]
        spans = zip(self.moments, ends, strict=True)
        return int(sum(end - m.at for m, end in spans if m.phase in phases))
