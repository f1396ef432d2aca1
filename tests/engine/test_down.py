"""A replace whose successor is not there leaves nothing running, and everything says so."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.outcome import Failed, InDoubt
from reconciler.core.model import Own, Purpose
from reconciler.core.planning.actions import Create, Reason
from reconciler.core.planning.case import PlanOptions
from tests.support.worlds import World, is_write, stop, wish

ALLOW = PlanRequest(allow_empty=True)
NO_CREATE = PlanRequest(options=PlanOptions(no_create=True))
CHANGED = wish("a", image="nginx:2")
WORDS = "injected by a fault rule: 422 on=POST name=a nth=2-"


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world in which `a` runs and no second create of it is accepted, with either state."""
    path = tmp_path / "state.db" if request.param == "file" else None
    world = World("422 on=POST name=a nth=2-", path=path)
    world.apply(wish("a"), wish("z"))
    return world


def test_a_refused_successor_is_told_with_what_was_deleted(world: World) -> None:
    """The server's words first, then the id that was deleted, then that nothing runs there."""
    old = world.id_of("a")

    ran = world.apply(CHANGED, wish("z"))

    deed = f"workload {old} was deleted to be replaced"
    message = f"{WORDS}; {deed}, and nothing of ours runs there now"
    assert ran.told == [f"failed: replace 4501/a: {message}"]
    assert ran.summary == {"deleted": 1, "failed": 1, "down": 1}
    assert ran.exit_code == 4
    (failed,) = ran.ended(Failed)
    assert (failed.deleted, failed.down, failed.id) == (old, True, None)
    assert world.live() == ["z"]
    left = world.row("a")
    assert (left.own, left.id, left.ambiguous, left.is_down) == (
        Own.LATE_CREATE_POSSIBLE,
        None,
        False,
        True,
    )
    assert (left.message, left.former_id, left.ending) == (WORDS, old, deed)


def test_it_stays_listed_and_keeps_its_exit_code(world: World) -> None:
    """The next plan creates it because it is down; while that fails, nothing else is said."""
    old = world.id_of("a")
    world.apply(CHANGED, wish("z"))

    (planned,) = world.plan(CHANGED, wish("z")).plan.changes
    again = world.apply(CHANGED, wish("z"))

    deed = f"workload {old} was deleted to be replaced"
    assert (type(planned), planned.reason) == (Create, Reason.DOWN)
    assert planned.detail == f"{WORDS}; {deed}; nothing of ours runs there now"
    assert again.told == [
        f"failed: create 4501/a: {WORDS}; {deed}, and nothing of ours runs there now"
    ]
    assert (again.summary, again.exit_code) == ({"failed": 1, "down": 1}, 4)
    assert [row.is_down for row in world.rows()] == [True, False]


def test_what_is_down_and_held_fails_the_run(world: World) -> None:
    """--no-create keeps it down: that is no success."""
    world.apply(CHANGED, wish("z"))

    held = world.apply(CHANGED, wish("z"), request=NO_CREATE)

    assert (held.summary, held.exit_code) == ({"failed": 1, "down": 1}, 4)
    assert held.told[0].endswith("nothing of ours runs there now; held by --no-create")


def test_a_successor_ends_it(world: World) -> None:
    """Once one is accepted, nothing of the old record is left."""
    world.apply(CHANGED, wish("z"))
    world.sandbox.set_faults()

    made = world.apply(CHANGED, wish("z"))

    assert (made.summary, made.exit_code) == ({"created": 1}, 0)
    assert world.state() == ["a ACCEPTED Synced", "z ACCEPTED Synced"]
    assert not world.plan(CHANGED, wish("z")).plan.has_changes


def test_what_no_spec_wants_any_more_is_forgotten(world: World) -> None:
    """Nothing runs there, so nothing is sent."""
    world.apply(CHANGED, wish("z"))
    sent = len(world.entries())

    ran = world.apply(wish("z"))

    assert (ran.summary, ran.exit_code) == ({"forgotten": 1}, 0)
    assert [entry.method for entry in world.entries()[sent:]] == ["GET"]
    assert world.state() == ["z ACCEPTED Synced"]


def test_a_successor_in_doubt_is_told_with_what_was_deleted() -> None:
    """Whether the new one runs is not known; that the old one does not, is."""
    world = World("500 on=POST name=a nth=2-")
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")

    ran = world.apply(CHANGED, wish("z"))
    (planned,) = world.plan(CHANGED, wish("z")).plan.changes

    (told,) = ran.told
    assert told.startswith("in doubt: replace 4501/a: injected by a fault rule: 500 ")
    assert told.endswith(
        f"workload {old} was deleted to be replaced, and nothing of ours is known to run there now"
    )
    assert (ran.summary, ran.exit_code) == ({"deleted": 1, "down": 1, "in_doubt": 1}, 8)
    (doubt,) = ran.ended(InDoubt)
    assert (doubt.deleted, doubt.down) == (old, True)
    assert planned.reason is Reason.IN_DOUBT


def test_a_run_that_ends_between_delete_and_create_says_so() -> None:
    """What was deleted stays deleted: the next run goes on with the create."""
    world = World()
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")
    world.sandbox.set_faults("linger=3s")

    ran = world.apply(CHANGED, wish("z"), meanwhile=lambda s: _stop_when_gone(world, s))
    left = world.row("a")
    again = world.apply(CHANGED, wish("z"))

    (told,) = ran.told
    assert told == (
        "skipped: replace 4501/a: the run ended before it was sent; "
        f"workload {old} was deleted to be replaced, and nothing of ours runs there now"
    )
    assert ran.summary == {"deleted": 1, "skipped": 1, "down": 1}
    assert (left.own, left.purpose) == (Own.LATE_CREATE_POSSIBLE, Purpose.REPLACE)
    assert (again.summary, world.live()) == ({"created": 1}, ["a", "z"])


def _stop_when_gone(world: World, session: object) -> None:
    def look() -> None:
        if world.disk.writes[-1][-1].own is Own.LATE_CREATE_POSSIBLE:
            stop(0.0)(session)  # type: ignore[arg-type]  # the session of the running process

    world.disk.on_write = look


def test_a_process_that_dies_between_delete_and_create_leaves_it_listed() -> None:
    """The record of what was deleted is on the disk before the create's."""
    world = World()
    world.apply(wish("a"), wish("z"))

    def die(request: httpx.Request) -> None:
        if is_write(request):
            world.kill()

    world.on_request = die
    world.apply(CHANGED, wish("z"))
    world.on_request = lambda _: None

    assert world.state() == [
        "a CREATING unknown",
        "a LATE_CREATE_POSSIBLE Deleted",
        "z ACCEPTED Synced",
    ]
    assert world.apply(CHANGED, wish("z")).exit_code == 0
    assert world.state() == ["a ACCEPTED Synced", "z ACCEPTED Synced"]


def test_what_is_down_in_a_wave_that_is_not_reached_is_down_all_the_same() -> None:
    """It is skipped and counted: nothing runs there, whatever held its wave up."""
    world = World("422 on=POST name=b nth=2-")
    world.apply(wish("a"), wish("b", wave=1), wish("z"))
    old = world.id_of("b")
    assert world.apply(wish("a"), wish("b", image="nginx:2", wave=1), wish("z")).exit_code == 4
    world.sandbox.set_faults("422 on=POST name=new")

    ran = world.apply(wish("a"), wish("new"), wish("b", image="nginx:2", wave=1), wish("z"))

    assert ran.summary == {"failed": 1, "skipped": 1, "down": 1}
    assert ran.told[1] == (
        "skipped: create 4501/b: wave 0 did not succeed, so this action was not started; "
        f"workload {old} was deleted to be replaced, and nothing of ours runs there now"
    )


def test_a_stranger_that_takes_the_name_during_a_replace_is_no_contradiction() -> None:
    """Something runs there: only of ours it is said that nothing does."""
    world = World()
    world.apply(wish("a"), wish("z"))
    old, planted = world.id_of("a"), list[str]()

    def squat(request: httpx.Request) -> None:
        if is_write(request) and request.method == "POST" and not planted:
            spec = wish("a")
            document = {"metadata": spec.metadata, "manifest": spec.manifest}
            planted.append(world.sandbox.store.plant(document).id)

    world.on_request = squat
    ran = world.apply(CHANGED, wish("z"))

    (told,) = ran.told
    assert f"workload {planted[0]} has this name and was not made by this tool" in told
    assert told.endswith(
        f"workload {old} was deleted to be replaced, and nothing of ours runs there now"
    )
