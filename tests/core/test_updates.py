"""Updates in a plan: when there is one, what forces a replace instead, and what is held."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import FieldChange, Origin
from reconciler.core.digest import digest
from reconciler.core.lifecycle import (
    Lifecycle,
    OnChange,
    OnFailed,
)
from reconciler.core.model import (
    Desired,
    Recorded,
    Remote,
)
from reconciler.core.planning.actions import (
    GpuEffect,
    Hold,
    Reason,
    Replace,
    Update,
)
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.errors import Where
from tests.support.decisions import told, with_lifecycle
from tests.support.factories import (
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
)
from tests.support.plans import plan_of as plan_world
from tests.support.strategies import World, plan_options, worlds
from tests.support.updates import (
    KEEPS,
    REFUSES,
    REPLICAS,
    ROW,
    SCALED,
    TEMPLATE,
    WANTED,
    decide,
    plan_of,
    pods,
    with_spec,
)


def test_a_changed_spec_is_updated_in_place() -> None:
    """The same id, and no GPU is given back: one action with all that a reviewer asks."""
    assert decide(SCALED, ROW, make_remote(ROW)) == Update(
        address=make_address(),
        reason=Reason.SPEC_CHANGED,
        detail="/manifest/spec/replicas changed",
        source=Where(file="llm.yaml"),
        gpus=GpuEffect(before=1, after=2),
        changes=(REPLICAS,),
        recorded=ROW,
        desired=SCALED,
        document=SCALED.spec,
        merged_with=digest(ROW.spec),
    )


@pytest.mark.parametrize("field", ["priority", "category"])
def test_priority_and_category_always_change_in_place(field: str) -> None:
    """They are the platform's: also of a kind that takes nothing else."""
    job = make_desired(manifest=make_manifest("Job"), metadata={field: "low"})
    changed = make_desired(manifest=make_manifest("Job"), metadata={field: "high"})
    odd = with_spec("example.com/v1/Odd", {}, **{field: "low"})
    odd_changed = with_spec("example.com/v1/Odd", {}, **{field: "high"})
    for before, after in ((job, changed), (odd, odd_changed)):
        plan = plan_of(after, make_recorded(before))
        assert [told(a) for a in plan.actions] == [
            (Update, Reason.SPEC_CHANGED, f"/metadata/{field} changed")
        ]
        assert plan.diagnostics == ()


@pytest.mark.parametrize(
    ("before", "after", "pointer", "reason"),
    [
        (
            make_desired(manifest=make_manifest("Job")),
            make_desired(manifest=make_manifest("Job", image="b")),
            TEMPLATE,
            REFUSES,
        ),
        (
            with_spec(
                "kubeflow.org/v1/PyTorchJob",
                {"pytorchReplicaSpecs": {"Worker": {"template": pods("a")}}},
            ),
            with_spec(
                "kubeflow.org/v1/PyTorchJob",
                {"pytorchReplicaSpecs": {"Worker": {"template": pods("b")}}},
            ),
            "/manifest/spec/pytorchReplicaSpecs/Worker/template/spec/containers/0/image",
            KEEPS,
        ),
        (
            make_desired(metadata={"preemptibility": "preemptible"}),
            make_desired(metadata={"preemptibility": "non-preemptible"}),
            "/metadata/preemptibility",
            "is taken only when a workload is created",
        ),
        (
            make_desired(),
            make_desired(metadata={"configuration": {"mnnvl": "Required"}}),
            "/metadata/configuration",
            "is taken only when a workload is created",
        ),
        (
            make_desired(metadata={"useGivenNameAsPrefix": True}),
            make_desired(metadata={"useGivenNameAsPrefix": False}),
            "/metadata/useGivenNameAsPrefix",
            "is taken only when a workload is created",
        ),
        (
            make_desired(metadata={"clusterId": "a"}),
            make_desired(metadata={"clusterId": "b"}),
            "/metadata/clusterId",
            "is taken only when a workload is created",
        ),
        (
            with_spec("apps/v1/Deployment", {"replicas": 1}),
            with_spec("apps/v1/StatefulSet", {"replicas": 1}),
            "/manifest/kind",
            "makes it another object",
        ),
        (
            with_spec("ray.io/v1alpha1/RayCluster", {}),
            with_spec("ray.io/v1/RayCluster", {}),
            "/manifest/apiVersion",
            "makes it another object",
        ),
    ],
)
def test_a_field_forces_a_replace_and_the_plan_says_why(
    before: Desired, after: Desired, pointer: str, reason: str
) -> None:
    """It names the field and the reason, in the detail and beside the change."""
    row = make_recorded(before)
    action = decide(after, row, make_remote(row))
    assert told(action) == (Replace, Reason.SPEC_CHANGED, f"{pointer} {reason}")
    [change] = action.changes
    assert (change.pointer, change.forces_replace, change.reason) == (pointer, True, reason)


def test_only_what_forces_it_is_said_to_force_it() -> None:
    """A replace carries out the other changes as well, which would not have needed it."""
    job = make_desired(manifest=make_manifest("Job"))
    changed = make_desired(
        manifest=make_manifest("Job", image="b", replicas=2), metadata={"priority": "high"}
    )
    action = decide(changed, make_recorded(job))
    assert told(action) == (Replace, Reason.SPEC_CHANGED, f"{TEMPLATE} {REFUSES}")
    assert [(c.pointer, c.forces_replace, c.reason) for c in action.changes] == [
        ("/manifest/spec/parallelism", False, ""),
        (TEMPLATE, True, REFUSES),
        ("/metadata/priority", False, ""),
    ]


def test_several_forcing_fields_are_counted() -> None:
    """The reason fits on a line however much has changed."""
    job = make_desired(manifest=make_manifest("Job"))
    changed = make_desired(manifest=make_manifest("Job", image="b", gpus=4))
    assert decide(changed, make_recorded(job)).detail == f"{TEMPLATE} {REFUSES} (and 1 more)"


def test_what_a_suspended_job_runs_may_change() -> None:
    """An exception of the table looks at what runs: there are no pods yet."""
    spec = {"suspend": True, "template": pods("a", nodeSelector={"zone": "a"})}
    job = with_spec("batch/v1/Job", spec)
    moved = with_spec(
        "batch/v1/Job", {"suspend": True, "template": pods("a", nodeSelector={"zone": "b"})}
    )
    assert type(decide(moved, make_recorded(job))) is Update
    running = with_spec("batch/v1/Job", {**spec, "suspend": False})
    started = with_spec(
        "batch/v1/Job", {"suspend": False, "template": pods("a", nodeSelector={"zone": "b"})}
    )
    assert type(decide(started, make_recorded(running))) is Replace


@pytest.mark.parametrize(
    "kind", ["example.com/v1/Odd", "serving.kserve.io/v1beta1/InferenceService"]
)
def test_a_kind_without_a_source_is_tried_with_a_warning(kind: str) -> None:
    """It is updated: a replace would certainly end it. The way out is named."""
    plan = plan_of(with_spec(kind, {"size": 2}), make_recorded(with_spec(kind, {"size": 1})))
    assert [told(a) for a in plan.actions] == [
        (Update, Reason.UPDATE_UNPROVEN, "/manifest/spec/size changed")
    ]
    assert plan.diagnostics == (
        Diagnostic(
            severity=Severity.WARNING,
            code="update-unproven",
            message=f"no source says what a {kind.rpartition('/')[2]} does with a change while it "
            "runs: it may be refused, or have no effect on what runs",
            where=Where(file="llm.yaml"),
            hint="if it has no effect: reconciler apply --replace 4501/llm",
            address="4501/llm",
        ),
    )


def test_an_older_server_gets_a_replace_that_says_so() -> None:
    """Which version it is, and every change forces it."""
    action = decide(SCALED, ROW, can_update=CanUpdate.NO)
    assert told(action) == (
        Replace,
        Reason.SPEC_CHANGED,
        "/manifest/spec/replicas changed; API 2.23 can only delete and create",
    )
    assert action.changes == (dataclasses.replace(REPLICAS, forces_replace=True),)


def test_where_nobody_knows_nothing_is_updated_and_nothing_replaced() -> None:
    """It is a change, and an apply ends with a failure, until a person says what is meant."""
    plan = plan_of(SCALED, ROW, can_update=CanUpdate.UNKNOWN)
    [action] = plan.actions
    assert told(action) == (
        Hold,
        Reason.UPDATE_UNKNOWN,
        (
            "/manifest/spec/replicas changed; it is not known whether API 2.23 can change it in "
            "place: set api_version to the server's, or end it with --replace 4501/llm"
        ),
    )
    assert (plan.has_changes, plan.failing) == (True, (action,))
    asked = decide(SCALED, ROW, can_update=CanUpdate.UNKNOWN, replace=("4501/llm",))
    assert told(asked) == (
        Replace,
        Reason.SPEC_CHANGED,
        "/manifest/spec/replicas changed; asked for by --replace",
    )


JOB_CHANGED = make_desired(manifest=make_manifest("Job", image="b"))
JOB_ROW = make_recorded(make_desired(manifest=make_manifest("Job")))


@pytest.mark.parametrize(
    ("policy", "desired", "row", "expected"),
    [
        (OnChange.UPDATE_OR_REPLACE, SCALED, ROW, Update),
        (OnChange.UPDATE_OR_REPLACE, JOB_CHANGED, JOB_ROW, Replace),
        (OnChange.UPDATE, SCALED, ROW, Update),
        (OnChange.UPDATE, JOB_CHANGED, JOB_ROW, Hold),
        (OnChange.REPLACE, SCALED, ROW, Replace),
        (OnChange.REPLACE, JOB_CHANGED, JOB_ROW, Replace),
        (OnChange.HOLD, SCALED, ROW, Hold),
        (OnChange.HOLD, JOB_CHANGED, JOB_ROW, Hold),
    ],
)
def test_on_change(policy: OnChange, desired: Desired, row: Recorded, expected: type) -> None:
    """In place or by a replace, in place only, by a replace only, or not before it is asked for."""
    row = dataclasses.replace(row, lifecycle=Lifecycle(on_change=policy))
    plan = plan_of(with_lifecycle(desired, on_change=policy), row)
    [action] = plan.actions
    assert type(action) is expected
    # Only what its author holds back on purpose is no change.
    assert plan.has_changes is (policy is not OnChange.HOLD)


def test_what_cannot_be_updated_is_held_whole() -> None:
    """Not a part of it is sent; the record does not change, so every plan shows all of it."""
    changed = make_desired(manifest=make_manifest("Job", image="b", replicas=2))
    row = dataclasses.replace(JOB_ROW, lifecycle=Lifecycle(on_change=OnChange.UPDATE))
    action = decide(with_lifecycle(changed, on_change=OnChange.UPDATE), row)
    assert told(action) == (
        Hold,
        Reason.SPEC_CHANGED,
        f"{TEMPLATE} {REFUSES}; held by onChange: update (--replace 4501/llm replaces it)",
    )
    assert [c.pointer for c in action.changes] == ["/manifest/spec/parallelism", TEMPLATE]


def test_a_replace_may_be_the_authors_choice() -> None:
    """onChange: replace says why a replace where an update would do."""
    row = dataclasses.replace(ROW, lifecycle=Lifecycle(on_change=OnChange.REPLACE))
    action = decide(with_lifecycle(SCALED, on_change=OnChange.REPLACE), row)
    assert action.detail == "/manifest/spec/replicas changed; replaced by onChange: replace"
    assert action.changes == (REPLICAS,)


def test_no_update_holds_and_never_replaces() -> None:
    """What it forbids is a change; what a field forces is a replace all the same."""
    plan = plan_of(SCALED, ROW, no_update=True)
    assert [told(a) for a in plan.actions] == [
        (Hold, Reason.SPEC_CHANGED, "/manifest/spec/replicas changed; held by --no-update")
    ]
    assert (plan.has_changes, plan.changes, plan.failing) == (True, (), ())
    assert type(decide(JOB_CHANGED, JOB_ROW, no_update=True)) is Replace


def test_protection_forbids_no_update() -> None:
    """It forbids the end of a workload; and where a replace is held, it is remembered."""
    protected = with_lifecycle(SCALED, protect=True)
    assert type(decide(protected, make_recorded(with_lifecycle(WANTED, protect=True)))) is Update


def test_settings_are_taken_over_with_an_update() -> None:
    """They are shown beside what is sent."""
    action = decide(with_lifecycle(SCALED, wave=2), ROW)
    wave = FieldChange(pointer="/lifecycle/wave", before=0, after=2)
    assert (type(action), action.changes, action.wave) == (Update, (REPLICAS, wave), 2)


def drifted(row: Recorded = ROW, **changes: Any) -> Remote:
    """Return what the server says after somebody else has changed it."""
    return make_remote(row, raw_manifest=make_manifest(**changes))


def test_what_others_have_changed_is_left_to_them() -> None:
    """An update sends their value where the author has not changed the field, and says nothing."""
    plan = plan_of(SCALED, ROW, drifted(image="theirs"))
    [action] = plan.actions
    theirs = FieldChange(
        pointer=TEMPLATE, before="nvcr.io/llm:1", after="theirs", origin=Origin.REMOTE
    )
    assert isinstance(action, Update)
    assert (action.drift, action.overwrites) == ((theirs,), ())
    assert [each.changes for each in plan.drift] == [(theirs,)]
    assert action.document is not None
    assert action.document["manifest"] == make_manifest(replicas=2, image="theirs")


def test_what_both_have_changed_is_the_authors_and_that_is_shown() -> None:
    """Nobody finds out later whose work an update has undone."""
    action = decide(SCALED, ROW, drifted(replicas=5))
    assert isinstance(action, Update)
    assert action.overwrites == (
        FieldChange(pointer="/manifest/spec/replicas", before=5, after=2, origin=Origin.REMOTE),
    )


def test_drift_may_be_taken_back_in_place() -> None:
    """--on-drift update sends the author's values; --on-drift replace still replaces."""
    live = drifted(image="theirs")
    action = decide(WANTED, ROW, live, on_drift=OnDrift.UPDATE)
    assert told(action) == (Update, Reason.DRIFTED, f"{TEMPLATE} was changed on the server")
    assert isinstance(action, Update)
    assert action.undo_drift
    assert [(c.pointer, c.before, c.after) for c in action.overwrites] == [
        (TEMPLATE, "theirs", "nvcr.io/llm:1")
    ]
    assert type(decide(WANTED, ROW, live, on_drift=OnDrift.REPLACE)) is Replace
    # Both at once: what takes back the drift carries out the change as well.
    assert type(decide(SCALED, ROW, live, on_drift=OnDrift.REPLACE)) is Replace


@pytest.mark.parametrize(
    ("can_update", "reason", "detail"),
    [
        (
            CanUpdate.NO,
            Reason.DRIFTED,
            (
                f"{TEMPLATE} was changed on the server; API 2.23 can only delete and create; "
                "held: --on-drift replace takes it back"
            ),
        ),
        (
            CanUpdate.UNKNOWN,
            Reason.UPDATE_UNKNOWN,
            (
                f"{TEMPLATE} was changed on the server; it is not known whether API 2.23 can "
                "change it in place: set api_version to the server's, or end it with "
                "--replace 4501/llm"
            ),
        ),
    ],
)
def test_drift_is_not_taken_back_by_what_nobody_asked_for(
    can_update: CanUpdate, reason: Reason, detail: str
) -> None:
    """Who asked for an update gets no replace."""
    action = decide(
        WANTED, ROW, drifted(image="theirs"), on_drift=OnDrift.UPDATE, can_update=can_update
    )
    assert told(action) == (Hold, reason, detail)


def test_drift_that_comes_back_is_not_taken_back_for_ever() -> None:
    """Whoever makes the change makes it again, and its pods would be exchanged in every run."""
    row = dataclasses.replace(ROW, undone=(TEMPLATE,))
    action = decide(WANTED, row, drifted(row, image="theirs"), on_drift=OnDrift.UPDATE)
    assert told(action) == (
        Hold,
        Reason.DRIFTED,
        (
            f"{TEMPLATE} was changed on the server again after an apply had undone it; it is not "
            "undone a second time (--replace does)"
        ),
    )


PRIORITY = "/metadata/priority"
URGENT = make_desired(metadata={"priority": "high"})
# An apply has taken back once already what somebody made of the priority.
RAISED = dataclasses.replace(make_recorded(URGENT), undone=(PRIORITY,))
LOWERED = make_remote(RAISED, metadata={**make_remote(RAISED).metadata, "priority": "low"})


def test_a_priority_is_taken_back_as_often_as_that_is_asked_for() -> None:
    """It costs no pods, and to replace the workload would be the only other way."""
    action = decide(URGENT, RAISED, LOWERED, on_drift=OnDrift.UPDATE)
    assert told(action) == (Update, Reason.DRIFTED, f"{PRIORITY} was changed on the server")
    [reported] = plan_of(URGENT, RAISED, LOWERED).drift
    assert ([c.pointer for c in reported.changes], reported.returned) == ([PRIORITY], False)


def test_a_priority_brings_back_no_fight_about_pods() -> None:
    """What came back with it would be exchanged in every run as well: both are held."""
    row = dataclasses.replace(RAISED, undone=(PRIORITY, TEMPLATE))
    live = dataclasses.replace(LOWERED, raw_manifest=drifted(row, image="theirs").raw_manifest)
    action = decide(URGENT, row, live, on_drift=OnDrift.UPDATE)
    assert (type(action), action.reason) == (Hold, Reason.DRIFTED)


@pytest.mark.parametrize(
    "options",
    [
        {"on_drift": OnDrift.REPLACE},
        {"on_drift": OnDrift.UPDATE, "can_update": CanUpdate.NO},
    ],
)
def test_what_would_end_work_is_not_repeated_for_a_priority(options: dict[str, Any]) -> None:
    """By a replace, or where the server has no other way, a drift is undone once."""
    action = decide(URGENT, RAISED, LOWERED, **options)
    assert (type(action), action.reason) == (Hold, Reason.DRIFTED)
    assert "not undone a second time" in action.detail


@given(worlds(), plan_options)
def test_an_update_is_never_planned_for_a_field_that_forces_a_replace(
    world: World, options: PlanOptions
) -> None:
    """And a replace of a change says of one field at least that it forces it, and why."""
    plan = plan_world(world, dataclasses.replace(options, can_update=CanUpdate.YES))
    for action in plan.actions:
        if isinstance(action, Update):
            assert not any(change.forces_replace for change in action.changes)
        for change in action.changes:
            assert change.forces_replace is bool(change.reason)


@given(worlds(), plan_options)
def test_a_server_that_cannot_update_gets_no_update(world: World, options: PlanOptions) -> None:
    """Whatever else is asked for."""
    plan = plan_world(world, dataclasses.replace(options, can_update=CanUpdate.NO))
    assert plan.count("update") == 0


@given(worlds(), plan_options)
def test_without_knowledge_there_is_no_update_and_no_replace_of_its_own_accord(
    world: World, options: PlanOptions
) -> None:
    """What is replaced all the same was asked for, by a person or by the author of its spec."""
    options = dataclasses.replace(options, can_update=CanUpdate.UNKNOWN)
    for action in plan_world(world, options).actions:
        assert not isinstance(action, Update)
        if isinstance(action, Replace) and action.recorded.purpose is None:
            settings = action.desired.lifecycle
            assert (
                str(action.address) in options.replace
                or options.on_drift is OnDrift.REPLACE
                or settings.on_change is OnChange.REPLACE
                or settings.on_failed is OnFailed.REPLACE
            )
