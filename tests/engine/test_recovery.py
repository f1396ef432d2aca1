"""What the run after a killed one does: it finishes, repeats nothing, forgets nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.outcome import Succeeded
from reconciler.core.model import Own, Purpose
from tests.support.worlds import World, is_write, wish

ALLOW = PlanRequest(allow_empty=True)


def _kill_on_request(world: World, method: str, name: str = "") -> None:
    """The process dies when the request leaves; the server never sees it."""

    def hook(request: httpx.Request) -> None:
        if is_write(request, method) and name.encode() in request.content:
            world.kill()

    world.on_request = hook


def _kill_on_answer(world: World, method: str) -> None:
    """The process dies when the answer comes in; the server has done what was asked."""

    def hook(request: httpx.Request) -> None:
        if is_write(request, method):
            world.kill()

    world.on_answer = hook


def _revive(world: World) -> None:
    world.on_request = world.on_answer = lambda _: None


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world with either kind of state."""
    return World(path=tmp_path / "state.db" if request.param == "file" else None)


def test_a_create_that_was_carried_out_is_adopted(world: World) -> None:
    """Killed between the server's deed and our record: the next run finds its own workload."""
    _kill_on_answer(world, "POST")
    world.apply(wish("a"))
    left = world.row("a")
    _revive(world)

    ran = world.apply(wish("a"))

    assert (left.own, left.id, left.attempts) == (Own.CREATING, None, 1)
    assert ran.told == [
        "done: resolve 4501/a: an earlier request had created it; adopted by its marker"
    ]
    assert ran.summary == {"adopted": 1}
    assert world.changes() == ["created a"]
    assert world.ledger("POST") == ["POST a 202", "POST a 409"]
    assert (world.row("a").op, world.row("a").id) == (left.op, world.id_of("a"))
    assert world.apply(wish("a")).summary == {}


def test_a_create_that_never_arrived_is_carried_out_once(world: World) -> None:
    """Killed between our record and the server's deed: the same operation is sent again."""
    _kill_on_request(world, "POST")
    world.apply(wish("a"))
    left = world.row("a")
    _revive(world)

    ran = world.apply(wish("a"))

    assert ran.told == ["done: resolve 4501/a"]
    assert world.ledger("POST") == ["POST a 202"]
    assert (world.row("a").op, world.row("a").own) == (left.op, Own.ACCEPTED)
    assert world.apply(wish("a")).summary == {}


def test_a_create_that_is_carried_out_late_is_still_ours() -> None:
    """The request arrives after its process has died: it is met by its repetition."""
    world = World("late=8s on=POST times=1")
    world.apply(wish("a"), meanwhile=lambda _: _die_in(world, 1.0))
    world.timeline.skip(3.0)

    ran = world.apply(wish("a"))
    world.timeline.skip(60.0)

    assert ran.exit_code == 0
    assert world.live() == ["a"]
    assert world.created_twice() == []
    assert world.row("a").id == world.id_of("a")
    assert world.apply(wish("a")).summary == {}


def _die_in(world: World, seconds: float) -> None:
    import asyncio

    asyncio.get_running_loop().call_later(seconds, world.kill)


@pytest.mark.parametrize("executed", [True, False])
def test_a_changed_spec_is_read_before_anything_is_sent(executed: bool) -> None:
    """The old operation is settled by reading; where it left nothing, the new one is sent."""
    world = World()
    world.apply(wish("z"))
    (_kill_on_answer if executed else _kill_on_request)(world, "POST")
    world.apply(wish("a"), wish("z"))
    _revive(world)
    world.timeline.skip(600.0)
    specs = (wish("a", image="nginx:2"), wish("z"))

    settling = world.apply(*specs)
    posts_meanwhile = len(world.ledger("POST"))
    finishing = world.apply(*specs)

    assert settling.told == [
        "done: resolve 4501/a: it had been created; the next plan shows what to do"
        if executed
        else "done: resolve 4501/a: created as it is wanted now"
    ]
    assert posts_meanwhile == 2
    assert finishing.summary == ({"replaced": 1} if executed else {})
    assert world.live() == ["a", "z"]
    assert world.apply(*specs).summary == {}


def test_a_create_that_is_no_longer_wanted_is_never_sent_again() -> None:
    """It had been carried out: it is found, taken into the state, and then deleted."""
    world = World()
    _kill_on_answer(world, "POST")
    world.apply(wish("a"))
    _revive(world)

    found = world.apply(request=ALLOW)
    deleted = world.apply(request=ALLOW)

    assert found.summary == {"adopted": 1}
    assert deleted.summary == {"deleted": 1}
    assert world.ledger("POST") == ["POST a 202"]
    # A copy of this state may have sent it again, a moment ago.
    assert (world.live(), world.state()) == ([], ["a LATE_CREATE_POSSIBLE Deleted"])


def test_a_doubt_is_not_dropped_while_the_request_could_still_arrive() -> None:
    """An empty list proves nothing within five minutes of the last send."""
    world = World()
    world.apply(wish("z"))
    _kill_on_request(world, "POST")
    world.apply(wish("a"), wish("z"))
    _revive(world)

    early = world.apply(wish("z"))
    left = world.row("a")
    world.timeline.skip(364.0)
    late = world.apply(wish("z"))

    assert (early.summary, early.exit_code) == ({"in_doubt": 1}, 8)
    assert left.own is Own.UNCONFIRMED
    assert (late.summary, late.exit_code) == ({"adopted": 1}, 0)
    assert world.state() == ["z ACCEPTED Synced"]
    assert world.ledger("POST") == ["POST z 202"]


def test_a_list_that_shows_nothing_at_all_proves_nothing() -> None:
    """Without a known workload in the project, rights may have emptied its list."""
    world = World()
    _kill_on_request(world, "POST")
    world.apply(wish("a"))
    _revive(world)
    world.timeline.skip(3600.0)

    ran = world.apply(request=ALLOW)

    (told,) = ran.told
    assert told == (
        "in doubt: resolve 4501/a: the server's list does not show it, and nothing else is "
        "recorded in its project that would show whether the list is whole"
    )
    assert world.state() == ["a UNCONFIRMED unknown"]
    assert world.ledger("POST") == []


def test_a_list_that_hides_the_workload_does_not_make_us_forget_it() -> None:
    """It was created and is listed late: the record stays until the list shows it."""
    world = World("list-lag=400s name=a")
    world.apply(wish("z"))
    _kill_on_answer(world, "POST")
    world.apply(wish("a"), wish("z"))
    _revive(world)

    early = world.apply(wish("z"))
    world.timeline.skip(500.0)
    late = world.apply(wish("z"))

    assert early.exit_code == 8
    assert late.summary == {"adopted": 1}
    assert world.apply(wish("z")).summary == {"deleted": 1}
    assert world.live() == ["z"]


def test_a_candidate_that_cannot_be_read_is_no_absence() -> None:
    """The list shows a workload of that name, reading it is forbidden: the doubt stays."""
    world = World()
    world.apply(wish("z"))
    _kill_on_answer(world, "POST")
    world.apply(wish("a"), wish("z"))
    _revive(world)
    world.timeline.skip(600.0)
    world.sandbox.set_faults("403 on=GET name=a")

    blind = world.apply(wish("z"))
    world.sandbox.set_faults()
    seeing = world.apply(wish("z"))

    assert blind.exit_code == 8
    assert seeing.summary == {"adopted": 1}


def test_a_doubt_that_is_refused_later_is_dropped_with_the_words_of_the_server() -> None:
    """Long after the unclear send, a definite no and a list that can be believed settle it."""
    world = World()
    world.apply(wish("z"))
    world.sandbox.set_faults("503 on=POST name=a times=1", "422 on=POST name=a")
    specs = (wish("a"), wish("z"))

    early = world.apply(*specs)
    world.timeline.skip(400.0)
    late = world.apply(*specs)

    assert early.exit_code == 8
    assert late.exit_code == 4
    assert late.told == ["failed: resolve 4501/a: injected by a fault rule: 422 on=POST name=a"]
    assert world.state() == ["z ACCEPTED Synced"]


def test_a_doubt_whose_name_somebody_else_took_is_settled_once_it_is_old() -> None:
    """A name has one owner: where that is a stranger, our old request came to nothing."""
    world = World()
    _kill_on_request(world, "POST")
    world.apply(wish("a"))
    _revive(world)
    _plant(world, "a")

    early = world.apply(wish("a"))
    world.timeline.skip(400.0)
    late = world.apply(wish("a"))

    assert early.exit_code == 8
    assert late.exit_code == 4
    assert "was not made by this tool" in late.told[0]
    assert (world.state(), world.live()) == ([], ["a"])


def test_an_unwanted_doubt_whose_name_somebody_else_took_is_settled_too() -> None:
    """By reading alone."""
    world = World()
    _kill_on_request(world, "POST")
    world.apply(wish("a"))
    _revive(world)
    _plant(world, "a")
    world.timeline.skip(400.0)

    ran = world.apply(request=ALLOW)

    assert ran.exit_code == 0
    assert (world.state(), world.live(), world.ledger("POST")) == ([], ["a"], [])


def _plant(world: World, name: str) -> str:
    spec = wish(name)
    return world.sandbox.store.plant({"metadata": spec.metadata, "manifest": spec.manifest}).id


@pytest.mark.parametrize("executed", [True, False])
def test_a_delete_that_was_cut_short_is_finished_first(executed: bool) -> None:
    """Whatever the specs say now: a late DELETE would kill what was kept."""
    world = World(delete_delay=5.0)
    world.apply(wish("a"), wish("b"))
    old = world.row("a")
    (_kill_on_answer if executed else _kill_on_request)(world, "DELETE")
    world.apply(wish("b"))
    left = world.row("a")
    _revive(world)
    specs = (wish("a"), wish("b"))

    ran = world.apply(*specs)

    assert (left.own, left.purpose, left.id) == (Own.DELETING, Purpose.REMOVED, old.id)
    assert ran.summary == {"replaced": 1}
    assert world.live() == ["a", "b"]
    assert world.row("a").op != old.op
    assert world.apply(*specs).summary == {}


def test_a_replace_that_was_cut_short_before_its_create_is_completed() -> None:
    """The old one is gone, the new one was never sent: the next run creates it."""
    world = World()
    world.apply(wish("a"))
    _kill_on_request(world, "POST")
    world.apply(wish("a", image="nginx:2"))
    _revive(world)

    ran = world.apply(wish("a", image="nginx:2"))

    assert world.changes() == ["created a", "deleted a", "created a"]
    assert ran.exit_code == 0
    assert world.apply(wish("a", image="nginx:2")).summary == {}


def test_a_replace_that_was_cut_short_during_its_delete_is_completed() -> None:
    """The record says what the delete is for, so the next run deletes and creates."""
    world = World(delete_delay=5.0)
    world.apply(wish("a"))
    _kill_on_answer(world, "DELETE")
    world.apply(wish("a", image="nginx:2"))
    left = world.row("a")
    _revive(world)

    ran = world.apply(wish("a", image="nginx:2"))

    assert (left.own, left.purpose) == (Own.DELETING, Purpose.REPLACE)
    assert ran.told == ["done: replace 4501/a"]
    assert world.changes() == ["created a", "deleted a", "created a"]


def test_a_state_older_than_the_world_adopts_what_is_ours() -> None:
    """CI restores an old copy: the workload of an operation that it never saw is recognised."""
    world = World()
    world.apply(wish("a"))
    lost = world.row("a")
    world.record(replace(lost, own=Own.GONE))

    ran = world.apply(wish("a"))

    assert ran.told == [
        "done: create 4501/a: an earlier request had created it; adopted by its marker"
    ]
    assert (world.row("a").op, world.row("a").id) == (lost.op, lost.id)
    assert world.changes() == ["created a"]
    assert world.apply(wish("a")).summary == {}


def test_a_state_older_than_an_edit_adopts_and_then_replaces() -> None:
    """What is adopted during an apply is not replaced in the same run."""
    world = World()
    world.apply(wish("a"))
    world.record(replace(world.row("a"), own=Own.GONE))
    edited = wish("a", image="nginx:2")

    adopting = world.apply(edited)
    replacing = world.apply(edited)

    assert adopting.ended(Succeeded)[0].detail.startswith("an earlier request")
    assert replacing.summary == {"replaced": 1}
    assert world.changes() == ["created a", "deleted a", "created a"]
    assert world.apply(edited).summary == {}


def test_a_kill_after_every_single_request_converges() -> None:
    """Whichever request is the last of a run, two more runs reach a plan with no actions."""
    specs = (wish("a", image="nginx:2"), wish("b"), wish("d"))
    for last in range(1, 40):
        world = World(delete_delay=1.0, sync_delay=1.0)
        world.apply(wish("a"), wish("b"), wish("c"))
        passed = [0]

        def count(_: httpx.Request, world: World = world, passed: list[int] = passed) -> None:
            passed[0] += 1
            if passed[0] == last:  # noqa: B023 - called before the loop goes on
                world.kill()

        world.on_answer = count
        ended = world.apply(*specs).finished is not None
        _revive(world)
        for _ in range(2):
            world.apply(*specs)
        assert world.apply(*specs).summary == {}, last
        assert world.live() == ["a", "b", "d"], last
        assert world.changes().count("created d") == 1, last
        if ended:
            break
    else:
        raise AssertionError("the run was never long enough to end")
