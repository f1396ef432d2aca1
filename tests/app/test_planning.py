"""From records and answers to a plan, and what is refused on the way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest, make
from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError
from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.history.events import Event, RequestRetried
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.selection import Selection
from reconciler.core.states.places import FilePlace
from reconciler.errors import UnreachableError
from reconciler.sandbox.settings import Project
from tests.support.timing import run
from tests.support.worlds import World, wish


def test_a_plan_without_a_state_is_made_as_if_from_an_empty_one(tmp_path: Path) -> None:
    """Nothing is written, not even the state."""
    world = World()
    settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "none" / "state.db")
    )
    workspace = Workspace(
        settings=settings,
        desired=(wish("a"), wish("b")),
        diagnostics=(),
        files=2,
        places=(".",),
        prefix="",
    )

    planned = run(
        make(workspace, PlanRequest(), connector=world.connector(), say=lambda _: None),
        world.timeline,
    )

    assert [(a.kind, str(a.address)) for a in planned.plan.actions] == [
        ("create", "4501/a"),
        ("create", "4501/b"),
    ]
    assert planned.plan.lineage is None
    assert list(tmp_path.iterdir()) == []
    # Whether somebody has the names that it would create under, and what their project is.
    assert [(e.method, e.path) for e in world.entries()] == [
        ("GET", "/api/v1/workloads"),
        ("GET", "/api/v1/org-unit/projects"),
    ]


def test_a_plan_reads_each_recorded_workload_once() -> None:
    """One GET per id, one for the projects of what is replaced, and no request that writes."""
    world = World(projects=(Project(id="4501", name="team-a"),))
    world.apply(wish("a"), wish("b"))
    before = len(world.entries())

    world.plan(wish("a", image="nginx:2"))

    requests = [f"{e.method} {e.name or e.path}" for e in world.entries()[before:]]
    assert sorted(requests) == ["GET /api/v1/org-unit/projects", "GET a", "GET b"]


def test_a_plan_without_a_refresh_reads_nothing_and_says_so() -> None:
    """--no-refresh plans from the record, and the plan is not complete."""
    world = World()
    world.apply(wish("a"))
    before = len(world.entries())

    planned = world.plan(wish("a"), request=PlanRequest(options=PlanOptions(refreshed=False)))

    assert len(world.entries()) == before
    assert not planned.plan.complete


def test_what_was_planned_prints_in_a_line() -> None:
    """asyncio prints a program's result to itself: ten thousand specs took seconds."""
    world = World()
    world.apply(wish("a"))
    assert repr(world.plan(wish("a"), wish("b"))) == (
        "PlanResult(refusals=(), tenant_id=1, shows_updates=False)"
    )


def test_the_same_plan_has_the_same_digest() -> None:
    """Two plans of one situation are one plan."""
    world = World()
    world.apply(wish("a"))
    specs = (wish("a", image="nginx:2"), wish("b"))

    assert world.plan(*specs).plan.digest == world.plan(*specs[::-1]).plan.digest


def test_a_target_leaves_everything_else_alone() -> None:
    """Outside of it no workload is read, changed or deleted."""
    world = World()
    world.apply(wish("a"), wish("b"), wish("c"))
    before = len(world.entries())
    request = PlanRequest(selection=Selection(targets=("*/a",)))

    ran = world.apply(wish("a", image="nginx:2"), request=request)

    assert ran.summary == {"replaced": 1}
    about_workloads = [e for e in world.entries()[before:] if "/org-unit/" not in e.path]
    assert {e.name for e in about_workloads} == {"a"}
    assert world.live() == ["a", "b", "c"]


def test_a_mass_delete_is_refused_in_numbers() -> None:
    """Deletes and replaces count, and the flag that allows them is named."""
    world = World()
    names = [f"w{number}" for number in range(12)]
    world.apply(*(wish(name) for name in names))
    before = world.ledger()

    with pytest.raises(GuardError) as error:
        world.apply(*(wish(name) for name in names[:8]))

    assert error.value.message == (
        "would delete or replace 4 of 12 workloads in total (33 %), limit 30 %"
    )
    assert "--allow-deletes 4" in error.value.hint
    assert world.ledger() == before
    request = PlanRequest(allow_deletes=4)
    assert world.apply(*(wish(n) for n in names[:8]), request=request).summary == {"deleted": 4}


def test_protection_outlives_the_spec() -> None:
    """A protected workload whose spec is gone is not deleted."""
    world = World()
    world.apply(wish("a", protect=True), wish("b"))

    with pytest.raises(GuardError) as error:
        world.apply(wish("b"))

    assert [refusal.guard for refusal in error.value.refusals] == ["protection"]
    assert world.live() == ["a", "b"]


def test_a_limit_of_none_allows_no_delete() -> None:
    """limits.max_delete: 0 holds for one workload as well."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.settings = dataclasses.replace(world.settings, max_delete=WorkloadLimit.parse("0"))

    with pytest.raises(GuardError):
        world.apply(wish("b"))

    assert world.live() == ["a", "b"]


def test_a_limit_of_updates_stands_in_the_configuration() -> None:
    """One line of defaults changes every workload: limits.max_update counts like the flag."""
    world = World(declared="3.0")
    world.apply(wish("a"), wish("b"))
    world.settings = dataclasses.replace(world.settings, max_update=WorkloadLimit.parse("1"))

    with pytest.raises(GuardError) as error:
        world.apply(wish("a", image="nginx:2"), wish("b", image="nginx:2"))

    assert [refusal.guard for refusal in error.value.refusals] == ["mass-update"]
    assert world.apply(wish("a", image="nginx:2"), wish("b")).summary == {"updated": 1}


def test_a_project_that_is_not_allowed_is_refused() -> None:
    """limits.allowed_projects bounds what a repository can touch."""
    world = World()
    world.settings = dataclasses.replace(world.settings, allowed_projects=("4501",))

    with pytest.raises(GuardError) as error:
        world.apply(wish("a"), wish("b", project="9999"))

    assert [refusal.guard for refusal in error.value.refusals] == ["allowed-projects"]
    assert world.ledger() == []


def test_a_read_that_fails_holds_its_workload() -> None:
    """Nothing is concluded about it, the others are planned, and the plan is not complete."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.sandbox.set_faults("403 on=GET name=a")

    plan = world.plan(wish("a", image="nginx:2"), wish("b", image="nginx:2")).plan

    assert [(action.kind, str(action.address)) for action in plan.actions] == [
        ("hold", "4501/a"),
        ("replace", "4501/b"),
    ]
    assert not plan.complete


def test_a_server_where_nothing_can_be_read_is_the_wrong_one() -> None:
    """The answer about each of them is a page: exit 9 and nothing is planned."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.sandbox.set_faults("404 page=html on=GET name=*")

    with pytest.raises(UnreachableError, match="none of 2 recorded workloads could be read"):
        world.plan(wish("a"), wish("b"))


def test_a_retried_read_is_told_under_its_own_address() -> None:
    """Whoever follows the stream sees which workload keeps a plan waiting."""
    world = World()
    world.apply(wish("a"), wish("b"))
    world.sandbox.set_faults("503 on=GET name=b times=1")

    ran = world.apply(wish("a"), wish("b"))

    retried: list[Event] = ran.of(RequestRetried)
    assert [(str(r.address), r.method) for r in ran.of(RequestRetried)] == [("4501/b", "GET")]
    assert len(retried) == 1


def test_an_outage_longer_than_the_deadline_ends_a_plan() -> None:
    """Reads are repeated until the deadline, and then it is said that they could not be made."""
    world = World()
    world.apply(wish("a"), wish("b"))

    def refuse(request: httpx.Request) -> None:
        if request.method == "GET":
            raise httpx.ReadError("gone", request=request)

    world.on_request = refuse
    world.settings = dataclasses.replace(world.settings, deadline=120.0)

    with pytest.raises(UnreachableError):
        world.plan(wish("a"), wish("b"))

    assert world.timeline.now <= 130.0
