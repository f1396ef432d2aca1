"""What has ended by itself asks for no GPUs in any figure of a plan; unknown counts as asking."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.core.model import ChangeRecord, OpenChange
from reconciler.core.planning.actions import Delete
from reconciler.core.planning.effects import without_ended
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.live import LiveWorkload, PoolQuota, ServerProject, WorkloadPhase
from reconciler.core.quotas.fit import measure_quotas
from reconciler.core.quotas.surge import find_least_surge, given_back_by
from tests.support.factories import make_desired, make_manifest, make_recorded, plan_for

PROJECT = ServerProject(
    id="4501", name="team-a", quotas=(PoolQuota(pool="default", deserved=8.0, limit=16.0),)
)
OVER = (WorkloadPhase.COMPLETED, WorkloadPhase.FAILED)
FATES = ("keep", "remove", "replace")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """One that is recorded: what it is, what becomes of its spec, and its phase if it is listed."""

    kind: str
    gpus: int
    fate: str
    phase: WorkloadPhase | None

    @property
    def asks(self) -> bool:
        """Whether it asks for its GPUs, as the design has it."""
        return self.kind != "Job" or self.phase not in OVER


workloads = st.builds(
    Workload,
    kind=st.sampled_from(["Job", "Deployment"]),
    gpus=st.integers(0, 8),
    fate=st.sampled_from(FATES),
    phase=st.sampled_from([None, WorkloadPhase.RUNNING, WorkloadPhase.PENDING, *OVER]),
)


def plan_of(fleet: list[Workload], new: int) -> tuple[Plan, dict[str, LiveWorkload]]:
    """A plan as it is made without phases, and what the list says of its workloads."""
    rows, specs, listed = [], [], {}
    for number, workload in enumerate(fleet):
        manifest = make_manifest(workload.kind, gpus=workload.gpus)
        spec = make_desired(f"4501/w{number}", manifest=manifest)
        row = make_recorded(spec)
        rows.append(row)
        if workload.fate == "replace":
            image = make_manifest(workload.kind, gpus=workload.gpus, image="registry.local/other:2")
            specs.append(make_desired(f"4501/w{number}", manifest=image))
        elif workload.fate == "keep":
            specs.append(spec)
        if workload.phase is not None and row.id is not None:
            listed[row.id] = LiveWorkload(
                id=row.id, address=row.address, is_v2=True, phase=workload.phase
            )
    specs.append(make_desired("4501/z", manifest=make_manifest(gpus=new)))
    return plan_for(specs, rows), listed


@given(st.lists(workloads, max_size=6), st.integers(0, 8))
def test_only_what_has_not_ended_counts(fleet: list[Workload], new: int) -> None:
    """In the totals, in the effect on a quota, and in what a delete or a replace gives back."""
    plan, listed = plan_of(fleet, new)
    actions = tuple(without_ended(action, listed) for action in plan.actions)
    plan = dataclasses.replace(plan, actions=actions)
    before = sum(w.gpus for w in fleet if w.asks)
    after = new + sum(w.gpus for w in fleet if w.fate == "replace" or (w.fate == "keep" and w.asks))
    event(f"{sum(not w.asks for w in fleet)} ended")
    assert (plan.gpus.before, plan.gpus.after) == (before, after)
    [quota] = measure_quotas(plan, [PROJECT])
    assert quota.change == after - before
    assert sum(map(given_back_by, plan.changes)) == sum(
        w.gpus for w in fleet if w.asks and w.fate == "remove"
    )
    assert find_least_surge(plan) == max(0, after - before)


@given(st.lists(workloads, max_size=6), st.integers(0, 8))
def test_what_nobody_could_look_at_counts_as_asking(fleet: list[Workload], new: int) -> None:
    """Without a list the plan is the same, action by action."""
    plan, _ = plan_of(fleet, new)
    assert tuple(without_ended(a, MappingProxyType({})) for a in plan.actions) == plan.actions


@pytest.mark.parametrize(
    ("completed_at", "proven_at", "is_open", "given_back"),
    [
        ("2026-11-20T08:00:00Z", None, False, 0.0),
        ("2026-11-20T08:00:00Z", "2026-11-20T07:00:00Z", False, 0.0),
        ("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z", False, 8.0),
        (None, "2026-11-20T07:00:00Z", False, 8.0),
        ("2026-11-20T08:00:00Z", None, True, 8.0),
    ],
)
def test_an_end_from_before_an_update_is_not_known(
    completed_at: str | None, proven_at: str | None, *, is_open: bool, given_back: float
) -> None:
    """The content since may run: it counts as asking."""
    spec = make_desired("4501/job", manifest=make_manifest("Job", gpus=8))
    under_way = OpenChange(rev="r2", base="", body_digest="", digest="", spec={}, body={})
    change = ChangeRecord(
        confirmed="r1" if proven_at else "",
        proven_at=proven_at,
        open=under_way if is_open else None,
    )
    row = make_recorded(spec)
    [delete] = plan_for([], [row]).actions
    assert isinstance(delete, Delete)
    changed = dataclasses.replace(delete, recorded=dataclasses.replace(row, change=change))
    listed = LiveWorkload(
        id=row.id or "",
        address=row.address,
        is_v2=True,
        phase=WorkloadPhase.COMPLETED,
        completed_at=completed_at,
    )
    assert given_back_by(without_ended(changed, {listed.id: listed})) == given_back
