"""Creates that come true after nobody wants them, and doubts whose spec has changed since."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from reconciler.core.model import Own
from reconciler.core.planning.actions import Hold
from reconciler.core.protocol.marker import Marker, mark
from tests.support.worlds import LINEAGE, World, is_write, wish

TAKEN = "workload with name 'a' already exists in this project"
LATE = "late=120s hangup on=POST name=a times=1"


def _haunted() -> World:
    """A world where `a` is deleted while an unanswered create of it is still under way."""
    world = World(LATE)
    world.apply(wish("z"))
    world.apply(wish("a"), wish("z"))
    removed = world.apply(wish("z"))
    assert removed.summary == {"deleted": 1}
    return world


def test_a_create_that_comes_true_after_the_delete_is_found_and_deleted() -> None:
    """The tombstone stays until the request can no longer be carried out, then it is looked up."""
    world = _haunted()
    (watched,) = world.plan(wish("z")).plan.holds
    world.timeline.skip(120.0)
    came_true = world.live()
    world.timeline.skip(260.0)

    found = world.apply(wish("z"))
    deleted = world.apply(wish("z"))

    assert isinstance(watched, Hold)
    assert watched.detail.startswith(
        "gone, but the server may still carry out an unanswered create until "
    )
    assert came_true == ["a", "z"]
    assert found.told == [
        "done: resolve 4501/a: it had been created; the next plan shows what to do"
    ]
    assert deleted.summary == {"deleted": 1}
    assert (world.live(), world.state()) == (["z"], ["z ACCEPTED Synced"])


def test_a_create_that_never_comes_true_is_buried_when_its_time_is_over() -> None:
    """An unanswered request that was not carried out leaves nothing behind."""
    world = World("503 on=POST name=a times=1")
    world.apply(wish("z"))
    world.apply(wish("a"), wish("z"))
    world.apply(wish("z"))
    haunted = world.state()
    world.timeline.skip(364.0)

    ran = world.apply(wish("z"))

    assert haunted == ["a LATE_CREATE_POSSIBLE Deleted", "z ACCEPTED Synced"]
    assert ran.told == ["done: resolve 4501/a: nothing of it is left"]
    assert world.state() == ["z ACCEPTED Synced"]
    assert not world.plan(wish("z")).plan.has_changes


def test_a_name_that_is_used_again_keeps_the_late_create_out() -> None:
    """Two workloads cannot have one name: the ghost is buried without another word."""
    world = _haunted()
    again = (wish("a", image="nginx:2"), wish("z"))

    made = world.apply(*again)
    world.timeline.skip(400.0)
    settled = world.apply(*again)

    assert made.summary == {"created": 1}
    assert settled.summary == {}
    assert world.changes() == ["created z", "created a", "deleted a", "created a"]
    assert (world.live(), world.state()) == (
        ["a", "z"],
        ["a ACCEPTED Synced", "z ACCEPTED Synced"],
    )


def test_a_ghost_that_was_quicker_is_taken_over() -> None:
    """It came true before the name was used again: the next plan replaces it."""
    world = _haunted()
    world.timeline.skip(130.0)
    again = (wish("a", image="nginx:2"), wish("z"))

    found = world.apply(*again)
    replaced = world.apply(*again)

    assert found.told == [
        "done: create 4501/a: an earlier request had created it; adopted by its marker"
    ]
    assert replaced.summary == {"replaced": 1}
    assert world.live() == ["a", "z"]


def _killed_while_creating(*, executed: bool, **sandbox: Any) -> World:
    world = World(**sandbox)

    def hook(request: httpx.Request) -> None:
        if is_write(request):
            world.kill()

    if executed:
        world.on_answer = hook
    else:
        world.on_request = hook
    world.apply(wish("a"))
    world.on_request = world.on_answer = lambda _: None
    return world


def test_an_edited_doubt_in_an_empty_project_does_not_block_its_name() -> None:
    """No list proves an absence there; the new workload does, by having the name."""
    world = _killed_while_creating(executed=False)

    edited = world.apply(wish("a", image="nginx:2"))
    haunted = world.state()
    world.timeline.skip(400.0)
    settled = world.apply(wish("a", image="nginx:2"))

    assert edited.told == ["done: resolve 4501/a: created as it is wanted now"]
    assert haunted == ["a ACCEPTED Synced", "a LATE_CREATE_POSSIBLE unknown"]
    assert (settled.exit_code, settled.summary) == (0, {})
    assert world.state() == ["a ACCEPTED Synced"]


def test_an_edited_doubt_without_a_list_is_outlived_too() -> None:
    """Discovery is a convenience: without it the answer to the new create is the proof."""
    world = _killed_while_creating(executed=False, listing=False)

    edited = world.apply(wish("a", image="nginx:2"))
    world.timeline.skip(400.0)
    settled = world.apply(wish("a", image="nginx:2"))

    assert edited.exit_code == 0
    assert (settled.summary, world.state()) == ({}, ["a ACCEPTED Synced"])


def test_an_edited_doubt_that_has_come_true_is_asked_about_without_a_list() -> None:
    """The conflict makes it a suspect: nothing is made twice, nothing is deleted unseen."""
    world = _killed_while_creating(executed=True, listing=False)
    edited = wish("a", image="nginx:2")

    first = world.apply(edited)
    second = world.apply(edited)

    assert first.told == [
        f"in doubt: resolve 4501/a: {TAKEN}; an earlier create of it may have come true"
    ]
    assert (first.exit_code, second.exit_code) == (8, 8)
    assert world.state() == ["a UNCONFIRMED unknown"]
    assert world.changes() == ["created a"]


def _come_true(world: World, name: str, op: str) -> str:
    """The server carries out a request of ours that nobody waits for any more."""
    spec = wish(name)
    manifest = mark(spec.manifest, Marker(lineage=LINEAGE, op=op, stack="blue"))
    return world.sandbox.store.plant({"metadata": spec.metadata, "manifest": manifest}).id


def _killed_beside_another() -> World:
    world = World()
    world.apply(wish("z"))
    world.on_request = lambda request: world.kill() if is_write(request) else None
    world.apply(wish("a"), wish("z"))
    world.on_request = lambda _: None
    return world


def test_an_absence_is_as_old_as_the_look_that_showed_it() -> None:
    """What was read before the last moment of a late create does not rule it out."""
    world = _killed_beside_another()
    op = world.row("a").op
    world.timeline.skip(290.0)
    lists: list[httpx.Request] = []

    def come_true_behind_the_list(request: httpx.Request) -> None:
        if request.url.path == "/api/v1/workloads":
            lists.append(request)
            if len(lists) == 1:
                world.timeline.skip(5.0)
                _come_true(world, "a", op)
                world.timeline.skip(70.0)

    world.on_answer = come_true_behind_the_list
    world.apply(wish("z"))

    assert [row.address.name for row in world.rows()] == ["a", "z"]


def test_a_copy_of_the_state_does_not_know_how_often_a_create_was_sent() -> None:
    """Its count may be older than the last send: certainty comes from this run's own sends only."""
    world = _killed_beside_another()
    copy = world.row("a")
    world.apply(wish("a"), wish("z"))
    world.record(copy)
    world.apply(wish("z"))
    world.apply(wish("z"))
    _come_true(world, "a", copy.op)
    world.timeline.skip(900.0)

    world.apply(wish("z"))
    world.apply(wish("z"))

    assert world.live() == ["z"]


def test_a_conflict_is_a_sign_of_life_whatever_the_list_shows() -> None:
    """Something has the name, and it may be ours: the doubt counts from the conflict."""
    world = _killed_beside_another()
    copy = world.row("a")
    world.timeline.skip(400.0)
    world.sandbox.set_faults("list-lag=59s name=a", "lag=59s name=a")
    world.apply(wish("a"), wish("z"), wait=False)
    world.sandbox.set_faults()
    world.record(copy)
    world.apply(wish("a"), wish("z"))
    world.timeline.skip(900.0)

    world.apply(wish("z"))
    world.apply(wish("z"))

    assert world.live() == ["z"]


def test_a_delete_that_is_finished_late_finds_what_another_copy_of_the_state_made() -> None:
    """The name was free meanwhile, and a create that this copy knows nothing of was late."""
    world = World()
    world.apply(wish("a"), wish("z"))
    world.on_answer = lambda request: world.kill() if is_write(request, "DELETE") else None
    world.apply(wish("z"))
    world.on_answer = lambda _: None
    copy = world.row("a")
    world.timeline.skip(1.0)
    world.apply(wish("a"), wish("z"))
    world.record(copy, replace(world.row("a"), own=Own.GONE))
    world.timeline.skip(600.0)

    finished = world.apply(wish("z"))
    world.apply(wish("z"))

    assert finished.told[0].startswith("done: delete 4501/a: a late create of it came true as ")
    assert (world.live(), world.plan(wish("z")).plan.changes) == (["z"], ())


def test_a_delete_that_nobody_saw_the_end_of_looks_for_what_came_after() -> None:
    """Its name was free for a while, and a late create may have taken it."""
    world = World("late=200s hangup on=POST times=1 name=a")
    world.apply(wish("z"))
    world.apply(wish("a"), wish("z"))
    world.on_answer = lambda request: world.kill() if is_write(request, "DELETE") else None
    world.apply(wish("z"))
    world.on_answer = lambda _: None
    world.timeline.skip(600.0)

    finished = world.apply(wish("z"))
    world.apply(wish("z"))

    assert finished.told[0].startswith("done: delete 4501/a: a late create of it came true as ")
    assert (world.live(), world.plan(wish("z")).plan.changes) == (["z"], ())
