"""How a run ended, in the text format of Prometheus: what unattended runs leave behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import product
from typing import get_args

from reconciler import __version__
from reconciler.core.history.outcome import NAMES
from reconciler.core.model import Own
from reconciler.core.planning.actions import AnyAction, Delete, Forget, Hold, Keep, Reason
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.live import WorkloadPhase
from reconciler.values import dataclass

LAST_SUCCESS = "reconciler_last_success_timestamp_seconds"
FAMILIES = {
    "reconciler_build_info": "The version that ran, always 1.",
    "reconciler_last_run_timestamp_seconds": "When the last run ended, with any exit code.",
    LAST_SUCCESS: "When a run last ended with the exit code 0, or 2 for a plan with changes.",
    "reconciler_last_run_exit_code": "The exit code of the last run.",
    "reconciler_last_run_duration_seconds": "How long the last run took.",
    "reconciler_planned_changes": "Workloads that the last plan would change, by action.",
    "reconciler_held_workloads": "Workloads that are held back from a change, by reason.",
    "reconciler_ended_workloads": "Workloads that the last plan ends by lifecycle, by reason.",
    "reconciler_refused_workloads": "Workloads that the cluster has refused and nobody has mended.",
    "reconciler_workloads": "Recorded workloads by phase, as the last status has seen them.",
    "reconciler_drifted_workloads": "Workloads that somebody else changed on the server.",
    "reconciler_recorded_workloads": "Records of the state, by how the workload is owned.",
    "reconciler_in_doubt_workloads": "Creates that were announced and whose outcome is not known.",
    "reconciler_down_workloads": "Workloads that were deleted for a replacement that is not there.",
    "reconciler_operations": "Actions of the last apply, by how they ended.",
    "reconciler_requests": "HTTP requests of the last run, with logins; no response, no code.",
    "reconciler_retries": "Requests of the last run that were sent again, by reason.",
    "reconciler_throttle_pauses": "How often the last run held back all of its requests.",
    "reconciler_throttle_pause_seconds": "For how many seconds at most it held them back.",
    "reconciler_requested_gpus": "GPUs that the workloads of a project ask for.",
    "reconciler_uncounted_gpu_workloads": "Workloads whose GPUs cannot be counted.",
}

_ACTIONS = tuple(action.kind for action in get_args(AnyAction) if action is not Keep)
# 2 is `plan --detailed-exitcode` with changes: the run did all that it was asked for.
_SUCCESSES = (0, 2)
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetrics:
    """One run that is over. Moments are Unix times in seconds; None is not known.

    `results` counts the actions of an apply by kind and result, `requests` what was sent by method
    and status (empty where none came), `retries` and the pauses what the server's trouble led to.
    `owned`, `in_doubt` and `down` count the state's records after the run, without what another run
    is at work on; `last_success` is that of an earlier run. `refused` counts what the cluster has
    refused, `phases` what a status has seen, by the words of its table.
    """

    command: str
    stack: str
    finished: float
    duration: float
    exit_code: int
    last_success: float | None = None
    plan: Plan | None = None
    results: Mapping[tuple[str, str], int] | None = None
    requests: Mapping[tuple[str, str], int] = field(default_factory=dict)
    retries: Mapping[str, int] = field(default_factory=dict)
    pauses: int = 0
    paused: float = 0.0
    owned: Mapping[Own, int] | None = None
    in_doubt: int = 0
    down: int = 0
    refused: int | None = None
    phases: Mapping[str, int] | None = None


def metrics_text(run: RunMetrics) -> str:
    """The whole file: every family that has a value, with its help and type."""
    common = (("command", run.command), ("stack", run.stack))
    samples: dict[str, list[str]] = {}
    for name, labels, value in _samples(run):
        pairs = ",".join(
            f'{label}="{text.translate(_ESCAPES)}"' for label, text in (*common, *labels)
        )
        # A count stays an integer; of a time, milliseconds are enough.
        number = str(value) if isinstance(value, int) else repr(round(value, 3))
        samples.setdefault(name, []).append(f"{name}{{{pairs}}} {number}")
    lines = []
    # The text format wants all samples of a family together, below its help and type.
    for name, help_text in FAMILIES.items():
        if name in samples:
            # All are gauges: each run starts from nothing, and rate() over a counter would mislead.
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", *samples[name]]
    return "\n".join(lines) + "\n"


def _samples(run: RunMetrics) -> Iterator[Sample]:
    success = run.finished if run.exit_code in _SUCCESSES else run.last_success
    yield "reconciler_build_info", (("version", __version__),), 1
    yield "reconciler_last_run_timestamp_seconds", (), run.finished
    # No sample rather than 0: an alert on its age would take that for 1970.
    if success is not None:
        yield LAST_SUCCESS, (), success
    yield "reconciler_last_run_exit_code", (), run.exit_code
    yield "reconciler_last_run_duration_seconds", (), run.duration
    if run.plan is not None:
        yield from _plan_samples(run.plan)
    if run.owned is not None:
        for own, count in run.owned.items():
            yield "reconciler_recorded_workloads", (("own", own.value.lower()),), count
        yield "reconciler_in_doubt_workloads", (), run.in_doubt
        yield "reconciler_down_workloads", (), run.down
    if run.refused is not None:
        yield "reconciler_refused_workloads", (), run.refused
    if run.phases is not None:
        # All of them, with a zero: what comes and goes cannot be compared.
        for phase in dict.fromkeys((*WorkloadPhase, *run.phases)):
            yield "reconciler_workloads", (("phase", phase),), run.phases.get(phase, 0)
    if run.results is not None:
        # Also those that did not occur: a series that comes and goes cannot be compared.
        for kind, result in product(_ACTIONS, (names.result for names in NAMES.values())):
            labels = (("action", kind), ("result", result))
            yield "reconciler_operations", labels, run.results.get((kind, result), 0)
    for (method, code), count in sorted(run.requests.items()):
        yield "reconciler_requests", (("method", method), ("code", code)), count
    for reason, count in sorted(run.retries.items()):
        yield "reconciler_retries", (("reason", reason),), count
    yield "reconciler_throttle_pauses", (), run.pauses
    yield "reconciler_throttle_pause_seconds", (), run.paused


def _plan_samples(plan: Plan) -> Iterator[Sample]:
    for kind in _ACTIONS:
        # A hold changes nothing; it has a family of its own.
        if kind != Hold.kind:
            yield "reconciler_planned_changes", (("action", kind),), plan.count(kind)
    ending = Counter(a.reason for a in plan.changes if isinstance(a, Delete | Forget))
    for reason in (Reason.FINISHED, Reason.EXPIRED):
        yield "reconciler_ended_workloads", (("reason", reason.value),), ending[reason]
    held = Counter(hold.reason for hold in plan.holds)
    for reason in Reason:
        yield "reconciler_held_workloads", (("reason", reason.value),), held[reason]
    yield "reconciler_drifted_workloads", (), len(plan.drift)
    for project, gpus in plan.gpus_by_project.items():
        for moment, number in gpus.to_json().items():
            labels = (("project", project), ("moment", moment))
            yield "reconciler_requested_gpus", labels, number
    yield "reconciler_uncounted_gpu_workloads", (), plan.unknown_gpus
