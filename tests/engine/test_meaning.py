"""Differences of text send nothing, and a replace sends what its plan shows."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.diff.diff import ABSENT, with_value
from reconciler.core.lifecycle import (
    OnChange,
    OnMissing,
)
from reconciler.core.model import (
    Desired,
)
from reconciler.core.planning.actions import Hold, Replace
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.errors import Where
from tests.support.worlds import World, wish

REPLICAS = "/manifest/spec/replicas"
UNDO = PlanRequest(options=PlanOptions(on_drift=OnDrift.REPLACE))


def pod_wish(pod: dict[str, Any], name: str = "a", **lifecycle: Any) -> Desired:
    """A declared Deployment with more in its pod, or in its only container, than usual."""
    desired = wish(name, **lifecycle)
    manifest: dict[str, Any] = copy.deepcopy(dict(desired.manifest))
    part = manifest["spec"]["template"]["spec"]
    for key, value in pod.items():
        target = (
            part if key in ("volumes", "tolerations", "nodeSelector") else part["containers"][0]
        )
        target[key] = value
    return dataclasses.replace(desired, manifest=manifest)


def scaled(desired: Desired, replicas: int) -> Desired:
    """The same with a number of replicas."""
    spec = {**desired.manifest["spec"], "replicas": replicas}
    return dataclasses.replace(desired, manifest={**desired.manifest, "spec": spec})


def edit(world: World, name: str, change: Any) -> None:
    """Change the manifest of a living workload on the server."""
    workload_id = world.id_of(name)
    manifest = world.sandbox.store.manifest(workload_id)
    change(manifest)
    world.sandbox.store.edit(workload_id, manifest=manifest)


REWRITTEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"resources": {"limits": {"cpu": "1000m"}}}, {"resources": {"limits": {"cpu": "1"}}}),
    (
        {"resources": {"limits": {"nvidia.com/gpu": 1}}},
        {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
    ),
    ({"env": [], "nodeSelector": {}, "args": None}, {}),
    ({"volumes": [{"name": "x"}, {"name": "y"}]}, {"volumes": [{"name": "y"}, {"name": "x"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), REWRITTEN)
def test_a_spec_that_is_written_differently_is_recorded(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """No request changes anything, the workload runs on, and the next plan is empty."""
    world = World()
    world.apply(pod_wish(before))
    running = world.id_of("a")

    ran = world.apply(pod_wish(after))

    assert ran.summary == {"recorded": 1}
    assert world.id_of("a") == running
    assert world.plan(pod_wish(after)).plan.changes == ()
    assert world.row("a").spec == pod_wish(after).spec


def test_a_value_that_the_server_has_already_is_recorded() -> None:
    """The platform fills in a priority; whoever writes the same one down changes nothing."""
    world = World()
    world.apply(wish("a"))
    priority = world.sandbox.store.live()[0].priority
    assert priority is not None
    written, other = (
        dataclasses.replace(wish("a"), metadata={**wish("a").metadata, "priority": value})
        for value in (priority, "very-low")
    )

    assert [type(action) for action in world.plan(other).plan.changes] == [Replace]
    assert world.apply(written).summary == {"recorded": 1}
    assert world.plan(written).plan.has_changes is False


def with_values(values: dict[str, Any]) -> Desired:
    """The usual wish, with values at these pointers of its manifest."""
    manifest = wish("a").manifest
    for pointer, value in values.items():
        manifest = with_value(manifest, pointer, value)
    return dataclasses.replace(wish("a"), manifest=manifest)


QUEUE = "/metadata/labels/runai~1queue"
SCHEDULER = "/spec/template/spec/schedulerName"


@pytest.mark.parametrize(
    ("values", "other"),
    [
        ({"/metadata/namespace": "runai-project-4501"}, {"/metadata/namespace": "elsewhere"}),
        ({"/metadata/name": "a"}, {"/metadata/name": "b"}),
        ({QUEUE: "project-4501"}, {QUEUE: "project-4501", "/metadata/labels/mine": "1"}),
        ({SCHEDULER: "runai-scheduler"}, {SCHEDULER: "default-scheduler"}),
    ],
)
def test_what_the_platform_filled_in_may_be_written_down(
    values: dict[str, Any], other: dict[str, Any]
) -> None:
    """Only the dressed manifest shows it, since nobody submitted it; no request changes anything.

    What was recorded then is how it runs: no drift, and no part of a later replace.
    """
    world = World()
    world.apply(wish("a"))
    running = world.id_of("a")
    written = with_values(values)

    assert [type(action) for action in world.plan(with_values(other)).plan.changes] == [Replace]
    assert world.apply(written).summary == {"recorded": 1}
    assert (world.id_of("a"), world.row("a").spec) == (running, written.spec)
    assert world.plan(written, request=UNDO).plan.has_changes is False
    [action] = world.plan(scaled(written, 2)).plan.changes
    assert [change.pointer for change in action.changes] == [REPLICAS]


def test_what_the_platform_overrode_is_no_agreement() -> None:
    """The submitted manifest says something else, so the spec asks for another workload now."""
    world = World()
    world.apply(with_values({SCHEDULER: "default-scheduler"}))

    [action] = world.plan(with_values({SCHEDULER: "runai-scheduler"})).plan.changes

    assert isinstance(action, Replace)
    assert [(c.pointer, c.before, c.after) for c in action.changes] == [
        (f"/manifest{SCHEDULER}", "default-scheduler", "runai-scheduler")
    ]


def test_a_server_that_tidies_up_is_no_drift() -> None:
    """Canonical quantities, no nulls, lists in another order: the plan is empty, also for undo."""
    desired = pod_wish(
        {
            "resources": {"limits": {"cpu": "1000m"}},
            "env": None,
            "volumes": [{"name": "x"}, {"name": "y"}],
            "tolerations": [{"key": "x"}, {"key": "y", "operator": "Exists"}],
        }
    )
    world = World()
    world.apply(desired)

    def tidy(manifest: dict[str, Any]) -> None:
        pod = manifest["spec"]["template"]["spec"]
        pod["containers"][0]["resources"]["limits"]["cpu"] = "1"
        del pod["containers"][0]["env"]
        pod["volumes"].reverse()
        pod["tolerations"].reverse()

    edit(world, "a", tidy)

    assert world.plan(desired, request=UNDO).plan.has_changes is False


def test_what_the_platform_adds_late_is_no_drift() -> None:
    """The answer is taken again once the cluster has it: that is how it runs."""
    desired = pod_wish({"tolerations": [{"key": "x"}]})
    world = World(sync_delay=20.0)

    def add(request: httpx.Request) -> None:
        tolerations = [{"key": "x"}, {"key": "node.kubernetes.io/not-ready"}]
        if request.method == "POST" and world.live():
            edit(
                world,
                "a",
                lambda m: m["spec"]["template"]["spec"].update(tolerations=tolerations),
            )

    world.on_answer = add
    world.apply(desired)

    assert world.plan(desired, request=UNDO).plan.has_changes is False


def test_drift_that_survives_a_replace_is_not_replaced_again() -> None:
    """Something sets the field in every workload: to kill it in each run would change nothing."""
    world = World()
    desired = scaled(wish("a"), 1)
    other = scaled(wish("b"), 1)

    def scale(name: str) -> None:
        edit(world, name, lambda manifest: manifest["spec"].update(replicas=7))

    world.apply(desired, other)
    scale("a")
    assert world.apply(desired, other, request=UNDO).summary == {"replaced": 1}
    scale("a")
    scale("b")
    [held, replaced] = world.plan(desired, other, request=UNDO).plan.actions
    assert isinstance(held, Hold)
    assert held.detail == (
        f"{REPLICAS} was changed on the server again after an apply had undone it; "
        "it is not undone a second time (--replace does)"
    )
    assert isinstance(replaced, Replace)
    drift = world.plan(desired, other).plan.drift
    assert [(each.address.name, each.returned) for each in drift] == [("a", True), ("b", False)]
    running = world.id_of("a")

    assert world.apply(desired, other, request=UNDO).summary == {"replaced": 1}

    assert world.id_of("a") == running
    # Another field is another matter.
    edit(world, "a", lambda manifest: manifest["spec"].update(paused=True))
    asked = PlanRequest(options=PlanOptions(replace=("4501/a",)))
    assert world.apply(desired, other, request=asked).summary == {"replaced": 1}


def test_a_replace_keeps_what_runs_of_an_ignored_field() -> None:
    """Also of a field that is ignored from now on, whatever the spec says of it."""
    world = World()
    world.apply(scaled(wish("a"), 1))
    edit(world, "a", lambda manifest: manifest["spec"].update(replicas=5))
    wanted = scaled(wish("a", image="nginx:2", ignore_changes=(REPLICAS,)), 9)

    ran = world.apply(wanted)

    assert ran.summary == {"replaced": 1}
    manifest = world.sandbox.store.manifest(world.id_of("a"))
    assert manifest["spec"]["replicas"] == 5
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert world.plan(wanted).plan.has_changes is False
    # Once it is not ignored any more, the spec's value is a change again.
    [action] = world.plan(scaled(wish("a", image="nginx:2"), 9)).plan.changes
    assert [(c.pointer, c.before, c.after) for c in action.changes] == [
        (REPLICAS, 5, 9),
        ("/lifecycle/ignoreChanges", [REPLICAS], ABSENT),
    ]


@pytest.mark.parametrize("write", range(1, 7))
def test_a_kill_in_a_replace_does_not_lose_what_is_kept(write: int) -> None:
    """It is written down with the intent of the delete, and again with that of the create."""
    world = World()
    world.apply(scaled(wish("a"), 1))
    edit(world, "a", lambda manifest: manifest["spec"].update(replicas=5))
    wanted = scaled(wish("a", image="nginx:2", ignore_changes=(REPLICAS,)), 1)
    writes = 0

    def count() -> None:
        nonlocal writes
        writes += 1
        if writes == write:
            world.kill()

    def boot(_: object) -> None:
        world.disk.on_write = count

    world.apply(wanted, meanwhile=boot)
    world.timeline.skip(3600.0)
    world.apply(wanted)

    manifest = world.sandbox.store.manifest(world.id_of("a"))
    assert manifest["spec"]["replicas"] == 5
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert world.plan(wanted).plan.has_changes is False


def test_a_job_with_another_spec_is_another_job() -> None:
    """It is run also when the one before has been cleaned up; the same spec is not run again."""
    world = World()
    world.apply(wish("a", kind="Job"))
    world.timeline.skip(3600.0)
    world.sandbox.store.vanish(world.id_of("a"))

    for policy in (None, OnMissing.HOLD):
        [held] = world.plan(wish("a", kind="Job", on_missing=policy)).plan.actions
        assert isinstance(held, Hold)
    ran = world.apply(wish("a", kind="Job", image="nginx:2"))

    assert ran.told == ["done: create 4501/a"]
    assert world.live() == ["a"]


@pytest.mark.parametrize("held", [False, True])
def test_a_spec_that_moved_is_noted_where_it_lies_now(*, held: bool) -> None:
    """Nothing is planned, told or asked for it, whether the workload is kept or held."""
    world = World()
    world.apply(wish("a"))
    desired = wish("a", image="nginx:2", on_change=OnChange.HOLD) if held else wish("a")
    world.apply(desired)
    moved = dataclasses.replace(desired, source=Where(file="teams/a.yaml"))
    before = world.row("a")
    writes = world.ledger()

    assert world.plan(moved).plan.changes == ()
    assert world.row("a") == before
    ran = world.apply(moved)

    assert (ran.summary, ran.told, world.ledger()) == ({}, [], writes)
    assert world.row("a") == dataclasses.replace(before, source="teams/a.yaml")
