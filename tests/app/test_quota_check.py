"""A plan asks for the quotas of its projects, and does without them where it may not look."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.app.refused import GuardError
from reconciler.core.model import Desired
from reconciler.core.planning.case import PlanOptions
from reconciler.core.quotas.fit import NEVER_FITS, OVER_QUOTA
from reconciler.core.quotas.quota_policy import QuotaPolicy
from reconciler.core.quotas.surge import check_surge
from reconciler.sandbox.settings import NodePool, Project
from tests.support.factories import make_manifest
from tests.support.worlds import World, wish

POOL = NodePool(name="default", deserved=8.0, limit=16.0)
TEAM_A = Project(id="4501", name="team-a", pools=(POOL,))
LIST = "/api/v1/org-unit/projects"


def asking(name: str, gpus: int, **fields: Any) -> Desired:
    """A workload that asks for so many GPUs."""
    return dataclasses.replace(wish(name, **fields), manifest=make_manifest(gpus=gpus))


def asked(world: World) -> list[str]:
    """The requests for projects that have reached the server."""
    return [entry.path for entry in world.entries() if entry.path.startswith(LIST)]


def test_a_plan_beyond_the_quota_warns() -> None:
    """4 GPUs more than deserved will be borrowed; 32 never fit. One request is enough for both."""
    world = World(projects=(TEAM_A,))
    plan = world.plan(asking("a", 12), asking("b", 32)).plan
    assert [(d.code, d.where.file) for d in plan.diagnostics] == [
        (OVER_QUOTA, "a.yaml"),
        (NEVER_FITS, "b.yaml"),
    ]
    [quota] = plan.quotas
    assert (quota.label, quota.deserved, quota.limit, quota.allocated, quota.change) == (
        "4501 (team-a)",
        8.0,
        16.0,
        0.0,
        44.0,
    )
    assert asked(world) == [LIST]


def test_what_runs_already_counts() -> None:
    """The server says what is allocated now; an apply that warns goes on all the same."""
    world = World(projects=(TEAM_A,))
    assert world.apply(asking("a", 6)).summary == {"created": 1}
    planned = world.plan(asking("a", 6), asking("b", 4))
    [warning] = planned.plan.diagnostics
    assert (warning.code, warning.address) == (OVER_QUOTA, "4501/b")
    assert planned.plan.quotas[0].allocated == 6.0
    assert world.apply(asking("a", 6), asking("b", 4)).summary == {"created": 1}


def test_a_refusal_keeps_everything_as_it_is() -> None:
    """With `limits.quota: refuse` an apply ends with 5 before anything is sent."""
    world = World(projects=(TEAM_A,))
    world.settings = dataclasses.replace(world.settings, quota=QuotaPolicy.REFUSE)
    with pytest.raises(GuardError) as refused:
        world.apply(asking("a", 12))
    assert (refused.value.exit_code, refused.value.refusals[0].guard) == (5, "quota")
    assert world.ledger() == []
    assert world.apply(asking("a", 8)).summary == {"created": 1}


def test_nothing_is_asked_without_a_reason() -> None:
    """Nothing grows, or nothing is read at all. With `off` no quota is shown of what is listed."""
    world = World(projects=(TEAM_A,))
    world.apply(asking("a", 6))
    before = len(asked(world))
    world.plan(asking("a", 6))
    world.plan()
    world.plan(asking("b", 32), request=PlanRequest(options=PlanOptions(refreshed=False)))
    assert len(asked(world)) == before
    world.settings = dataclasses.replace(world.settings, quota=QuotaPolicy.OFF)
    off = world.plan(asking("b", 32)).plan
    assert (off.diagnostics, off.quotas, off.quota_note) == ((), (), "")


@pytest.mark.parametrize("policy", [QuotaPolicy.WARN, QuotaPolicy.REFUSE])
@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ("403 at=projects", 1),
        ("404 at=projects", 1),
        ("503 at=projects", 3),
        ("500 at=projects", 3),
    ],
)
def test_what_cannot_be_read_is_not_guessed(fault: str, requests: int, policy: QuotaPolicy) -> None:
    """A note says why; whoever keeps putting us off is asked three times and holds nothing up."""
    world = World(fault, projects=(TEAM_A,))
    world.settings = dataclasses.replace(world.settings, quota=policy)
    planned = world.plan(asking("a", 32))
    assert (planned.refusals, planned.plan.diagnostics, planned.plan.quotas) == ((), (), ())
    assert planned.plan.quota_note != ""
    assert len(asked(world)) == requests


def test_without_discovery_nobody_looks() -> None:
    """The plan says so."""
    world = World(projects=(TEAM_A,))
    world.settings = dataclasses.replace(world.settings, discovery=False)
    assert world.plan(asking("a", 32)).plan.quota_note == "discovery is off"
    assert asked(world) == []


def test_a_project_that_is_not_shown_has_no_quota() -> None:
    """The list may leave out what a login has no right to see."""
    world = World()
    plan = world.plan(asking("a", 32)).plan
    assert (plan.diagnostics, plan.quotas, plan.quota_note) == ((), (), "")


def test_the_pages_of_a_long_list_are_read_up_to_the_last_wanted_project() -> None:
    """500 rows a page: a project of the first page takes one request, of the last all."""
    projects = [Project(id=f"{n}", name=f"p-{n:04}", pools=(POOL,)) for n in range(1200)]
    for project, requests in (("3", 1), ("1199", 3)):
        world = World(projects=tuple(projects))
        plan = world.plan(asking("a", 32, project=project)).plan
        assert [d.code for d in plan.diagnostics] == [NEVER_FITS]
        assert len(asked(world)) == requests


def test_an_old_answer_without_numbers_is_no_limit_that_is_broken() -> None:
    """A server of another age may tell a project and nothing of its quota."""
    world = World(projects=(TEAM_A,))

    async def bare(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != LIST:
            return response
        project = {"id": "4501", "name": "team-a"}
        return httpx.Response(200, json={"projects": [project]}, request=request)

    world.rewrite = bare
    plan = world.plan(asking("a", 32)).plan
    assert (plan.diagnostics, plan.quotas) == ((), ())


FULL = dataclasses.replace(TEAM_A, pools=(NodePool(name="default", deserved=2.0, limit=4.0),))


def test_nothing_is_deleted_for_what_cannot_run() -> None:
    """The replace is held and fails the apply; a delete that was begun goes on."""
    world = World(projects=(TEAM_A,))
    running = asking("a", 8)
    world.apply(running)
    old = world.id_of("a")
    world.sandbox.store.projects.put(FULL)
    changed = dataclasses.replace(running, manifest=make_manifest(gpus=8, image="b"))

    ran = world.apply(changed)

    [told] = ran.told
    assert told.startswith("failed: hold 4501/a: ")
    assert told.endswith(
        "; its replacement asks for 8 GPUs, and the limit of project 4501 (team-a) is 4: it never "
        "starts, so nothing is deleted for it"
    )
    assert (ran.exit_code, world.id_of("a"), world.ledger("DELETE")) == (4, old, [])
    world.sandbox.store.projects.put(TEAM_A)
    assert world.apply(changed).summary == {"replaced": 1}


def test_a_project_that_is_gone_takes_no_successor() -> None:
    """A list that leaves it out proves nothing; that its id is not found does."""
    world = World(projects=(TEAM_A, Project(id="4502", name="team-b")))
    world.apply(wish("a"))
    gone = False

    async def without(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path == LIST:
            listed = {"projects": [{"id": "4502", "name": "team-b"}]}
            return httpx.Response(200, json=listed, request=request)
        if gone and request.url.path == f"{LIST}/4501":
            error = {"code": 404, "message": "no such project"}
            return httpx.Response(404, json=error, request=request)
        return response

    world.rewrite = without
    changed = wish("a", image="nginx:2")
    [action] = world.plan(changed).plan.actions
    assert action.kind == "replace"
    gone = True
    [held] = world.plan(changed).plan.holds
    assert held.detail.endswith(
        "its replacement would be in project 4501, which does not exist, so nothing is deleted "
        "for it"
    )
    assert held.fails


def test_what_has_ended_makes_no_room() -> None:
    """A completed job holds no GPUs: its successor needs all of its own, and is what warns."""
    world = World("completes=10m name=old", projects=(TEAM_A,))
    old = dataclasses.replace(asking("old", 8, kind="Job"), manifest=make_manifest("Job", gpus=8))
    world.apply(old)
    new = asking("new", 12)
    assert world.plan(new).plan.quotas[0].change == 4.0
    world.timeline.skip(3600.0)
    plan = world.plan(new).plan
    assert [(a.kind, a.gpus.before, a.gpus.after) for a in plan.actions] == [
        ("create", 0.0, 12.0),
        ("delete", 0.0, 0.0),
    ]
    assert (plan.quotas[0].change, [d.code for d in plan.diagnostics]) == (12.0, [OVER_QUOTA])
    assert [refusal.guard for refusal in check_surge(plan, 8.0)] == ["max-surge-gpus"]
    assert list(check_surge(plan, 12.0)) == []


def test_without_a_list_a_job_counts_as_asking() -> None:
    """Nobody could look whether it has ended: then it gives back what it asks for."""
    world = World("completes=10m name=old", "403 at=list", projects=(TEAM_A,))
    old = dataclasses.replace(asking("old", 8, kind="Job"), manifest=make_manifest("Job", gpus=8))
    world.apply(old)
    world.timeline.skip(3600.0)
    plan = world.plan(asking("new", 12)).plan
    assert plan.gpus.before == 8.0
    assert plan.quotas[0].change == 4.0
