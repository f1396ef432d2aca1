from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Live,
    Missing,
    Own,
)
from reconciler.core.planning.actions import (
    AnyAction,
    Create,
    Delete,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Replace,
    action_to_json,
)
from reconciler.core.planning.plan import GpuTotals, Plan
from reconciler.errors import Where
from tests.support.factories import (
    LINEAGE,
    PLAN_TARGET,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)

WANTED = make_desired("1/a", metadata={"priority": "high"})


def planned(*actions: AnyAction, **fields: Any) -> Plan:
    """Return a plan of these actions."""
    known: dict[str, Any] = {"target": PLAN_TARGET, "lineage": LINEAGE, "serial": 1}
    return Plan(actions=actions, **(known | fields))


def create(address: str, after: float, before: float = 0) -> Create:
    """Return a create with this effect on the GPUs."""
    return Create(
        address=make_address(address),
        reason=Reason.NEW,
        gpus=GpuEffect(before=before, after=after),
        desired=make_desired(address),
    )


def replace(address: str, before: float, after: float) -> Replace:
    """Return a replace with this effect on the GPUs."""
    return Replace(
        address=make_address(address),
        reason=Reason.SPEC_CHANGED,
        gpus=GpuEffect(before=before, after=after),
        recorded=make_recorded(address=address),
        desired=make_desired(address),
    )


def delete(address: str, before: float) -> Delete:
    """Return a delete with this effect on the GPUs."""
    return Delete(
        address=make_address(address),
        reason=Reason.REMOVED_FROM_SPECS,
        gpus=GpuEffect(before=before),
        recorded=make_recorded(address=address),
    )


def keep(address: str, gpus: float) -> Keep:
    """Return a keep of a workload with so many GPUs."""
    return Keep(
        address=make_address(address),
        reason=Reason.ALREADY_OWNED,
        gpus=GpuEffect(before=gpus, after=gpus),
        recorded=make_recorded(address=address),
    )


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([], (0, 0, 0)),
        ([keep("1/a", 4)], (4, 4, 4)),
        ([keep("1/a", 4), create("1/b", 2)], (4, 6, 6)),
        ([delete("1/a", 4)], (4, 0, 4)),
        # The create may be up before the delete is through.
        ([delete("1/a", 4), create("1/b", 4)], (4, 4, 8)),
        # A replace gives back its own GPUs first.
        ([replace("1/a", 4, 4)], (4, 4, 4)),
        ([replace("1/a", 4, 6)], (4, 6, 6)),
        ([replace("1/a", 6, 4), create("1/b", 1)], (6, 5, 7)),
        ([create(f"1/a{i}", 0.1) for i in range(10)], (0, 1, 1)),
    ],
)
def test_gpus_before_after_and_at_most(actions: list[AnyAction], expected: Any) -> None:
    """The peak is what is asked for at worst; tenths of a GPU add up to a whole one."""
    before, after, peak = expected
    assert planned(*actions).gpus == GpuTotals(before=before, after=after, peak=peak)


def test_gpus_are_counted_by_project() -> None:
    """Projects in order, each for itself."""
    plan = planned(create("2/a", 1), delete("10/a", 2), keep("2/b", 3))
    assert list(plan.gpus_by_project.items()) == [
        ("10", GpuTotals(before=2, after=0, peak=2)),
        ("2", GpuTotals(before=3, after=4, peak=4)),
    ]


def test_the_summary_counts_every_kind() -> None:
    """Every action is counted once, drift and what cannot be counted beside them."""
    strange = make_desired("1/s", manifest={"apiVersion": "example.com/v1", "kind": "Strange"})
    rows = [
        make_recorded(make_desired("1/kept")),
        make_recorded(make_desired("1/removed")),
        make_recorded(make_desired("1/lost")),
        make_recorded(make_desired("1/doubtful"), own=Own.CREATING),
        make_recorded(make_desired("1/changed", manifest=make_manifest(replicas=3))),
        make_recorded(make_desired("1/unprotected")),
        make_recorded(make_desired("1/drifted")),
    ]
    desired = [
        make_desired("1/new"),
        strange,
        make_desired("1/kept"),
        make_desired("1/doubtful"),
        make_desired("1/changed"),
        make_desired("1/unprotected", protect=True),
        make_desired("1/drifted"),
    ]
    live: dict[str, Live] = {
        "id-op-1-lost": Missing(proven=True),
        "id-op-1-drifted": make_remote(rows[-1], raw_manifest=make_manifest(image="x")),
    }
    plan = plan_for(desired, rows, live)
    assert plan.summary() == {
        "create": 2,
        "replace": 1,
        "update": 0,
        "delete": 1,
        "adopt": 0,
        "forget": 1,
        "resolve": 1,
        "hold": 0,
        "record": 1,
        "unchanged": 2,
        "drifted": 1,
        "down": 0,
        "refused": 0,
        "finished": 0,
        "expired": 0,
        "gpus": {
            "before": 7.0,
            "after": 6.0,
            "peak": 9.0,
            "unknown_workloads": 1,
            "by_project": {"1": {"before": 7.0, "after": 6.0, "peak": 9.0}},
        },
    }


def test_the_published_form_of_an_action() -> None:
    """Where, what, why, from which line, and what it does to the GPUs."""
    action = dataclasses.replace(
        replace("1/a", 1, 2),
        detail="because",
        source=Where(file="a.yaml", line=4, column=3),
        wave=1,
    )
    assert action_to_json(action) == {
        "address": "1/a",
        "action": "replace",
        "reason": "spec-changed",
        "detail": "because",
        "id": "id-op-1-a",
        "source": {"file": "a.yaml", "line": 4},
        "wave": 1,
        "gpus": {"before": 1, "after": 2},
        "changes": [],
    }
    assert action_to_json(create("1/a", 1))["source"] is None
    assert action_to_json(create("1/a", 1))["id"] is None


def digest_of(desired: Any, **fields: Any) -> str:
    """Return the digest of a plan that creates one workload."""
    return dataclasses.replace(plan_for([desired]), **fields).digest


@pytest.mark.parametrize(
    "other",
    [
        make_desired("1/b", metadata={"priority": "high"}),
        make_desired("1/a", metadata={"priority": "low"}),
        make_desired("1/a", metadata={"priority": "high"}, manifest=make_manifest(image="evil")),
        make_desired("1/a", metadata={"priority": "high"}, wave=1),
        make_desired("1/a", metadata={"priority": "high"}, protect=True),
    ],
)
def test_what_would_be_done_differently_has_another_digest(other: Any) -> None:
    """An approval is bound to the body that is sent, not only to what the plan shows of it."""
    assert digest_of(other) != digest_of(WANTED)


def test_a_secret_that_changes_after_the_approval_is_another_plan() -> None:
    """Although both plans read the same."""
    old, one, two = (
        make_desired("1/a", manifest={**make_manifest(), "password": word}) for word in "abc"
    )
    first, second = (plan_for([new], [make_recorded(old)]) for new in (one, two))
    assert json.dumps([action_to_json(a) for a in first.actions]) == json.dumps(
        [action_to_json(a) for a in second.actions]
    )
    assert first.digest != second.digest


def test_recorded_settings_are_part_of_the_digest() -> None:
    """Which settings are remembered is what the action is about."""
    row = make_recorded(WANTED)
    one, two = (
        plan_for([dataclasses.replace(WANTED, lifecycle=settings)], [row]).digest
        for settings in (Lifecycle(protect=True), Lifecycle(ignore_changes=("/a",)))
    )
    assert one != two


@pytest.mark.parametrize(
    "target",
    [
        dataclasses.replace(PLAN_TARGET, url="https://other"),
        dataclasses.replace(PLAN_TARGET, stack="other"),
        dataclasses.replace(PLAN_TARGET, api_version="2.24"),
        dataclasses.replace(PLAN_TARGET, tenant_id=2),
    ],
)
def test_another_target_is_another_plan(target: Any) -> None:
    """The same actions elsewhere are not what was approved."""
    assert digest_of(WANTED, target=target) != digest_of(WANTED)


def test_what_changes_nothing_leaves_the_digest() -> None:
    """Other workloads that are kept, drift, findings, serials and moved specs have no part."""
    warning = Diagnostic(
        severity=Severity.WARNING, code="x", message="m", where=Where(file="a.yaml")
    )
    assert digest_of(WANTED) == digest_of(
        make_desired("1/a", metadata={"priority": "high"}, file="moved.yaml", line=99)
    )
    assert digest_of(WANTED) == digest_of(WANTED, serial=99, diagnostics=(warning,), lineage=None)
    kept = make_desired("1/kept")
    row = make_recorded(kept)
    live = {"id-op-1-kept": make_remote(row, raw_manifest=make_manifest(image="x"))}
    assert digest_of(WANTED) == plan_for([WANTED, kept], [row], live).digest


def test_what_is_held_is_no_change_but_part_of_the_digest() -> None:
    """A plan that holds something back is not the one that does it."""
    hold = Hold(address=make_address(), reason=Reason.NEW)
    assert planned(hold).changes == ()
    assert planned(hold).holds == (hold,)
    assert not planned(hold).has_changes
    assert planned(dataclasses.replace(hold, fails=True)).has_changes
    assert planned(hold).digest != planned().digest
