"""Doubts that meet the end of a run, a lost login, a full disk, or another copy of the state."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from reconciler.app.session import Session
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Desired, LastSeen, Own
from reconciler.core.protocol.marker import Marker, mark
from reconciler.core.protocol.transitions import QUIET, SETTLED
from tests.support.worlds import LINEAGE, World, is_write, stop, wish

# Long enough to be stopped in, short enough to be answered before the run gives up.
SLOW_LIST = "latency=3s at=list on=GET"
GONE_ID = "0d0d0d0d-0000-4000-8000-000000000000"
STILL_IN_DOUBT = "an earlier create is still in doubt"
A_WHILE = (QUIET + SETTLED).total_seconds() + 60.0


def _killed_before_its_create() -> World:
    """`z` lives; the process died before its create of `a` had left."""
    world = World()
    world.apply(wish("z"))
    world.on_request = lambda request: world.kill() if is_write(request) else None
    world.apply(wish("a"), wish("z"))
    world.on_request = lambda _: None
    return world


def _lost_behind_our_back() -> World:
    """`z` lives; `a` was deleted by somebody else a while ago."""
    world = World()
    world.apply(wish("a"), wish("z"))
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)
    return world


def _come_true(world: World, op: str) -> str:
    """A workload `a` of ours that this operation has made, whoever sent it."""
    spec = wish("a")
    manifest = mark(spec.manifest, Marker(lineage=LINEAGE, op=op, stack="blue"))
    return world.sandbox.store.plant({"metadata": spec.metadata, "manifest": manifest}).id


def _stopped_while_looking(session: Session, world: World) -> None:
    world.sandbox.set_faults(SLOW_LIST)
    stop(2.0)(session)


@pytest.mark.parametrize(
    "specs", [(wish("z"),), (wish("a", image="nginx:2"), wish("z"))], ids=["unwanted", "edited"]
)
def test_a_doubt_that_is_not_looked_up_to_the_end_stays_as_it_was(
    specs: tuple[Desired, ...],
) -> None:
    """The run is stopped during the look: nothing is sent, and no record is touched."""
    world = _killed_before_its_create()
    before = world.rows()

    ran = world.apply(*specs, meanwhile=lambda session: _stopped_while_looking(session, world))

    assert (ran.told, ran.exit_code) == ([f"in doubt: resolve 4501/a: {STILL_IN_DOUBT}"], 130)
    assert world.ledger() == ["POST z 202"]
    assert world.rows() == before


@pytest.mark.parametrize(
    ("specs", "kind"),
    [((wish("z"),), "forget"), ((wish("a"), wish("z")), "create")],
    ids=["unwanted", "wanted"],
)
def test_a_loss_that_is_not_looked_up_to_the_end_is_no_loss_yet(
    specs: tuple[Desired, ...], kind: str
) -> None:
    """The record of a missing workload is only given up for what a whole look has shown."""
    world = _lost_behind_our_back()
    before, posts = world.rows(), world.ledger()

    ran = world.apply(*specs, meanwhile=lambda session: _stopped_while_looking(session, world))

    assert ran.told == [f"skipped: {kind} 4501/a: the run ended before it was sent"]
    assert (world.ledger(), world.rows()) == (posts, before)


def test_a_repetition_is_not_sent_once_the_run_has_ended() -> None:
    """Stopped while the second intent is being written: the first send is still in doubt."""
    world = World("503 on=POST times=1")

    def pull(session: Session) -> None:
        def look() -> None:
            if world.disk.writes[-1][0].attempts == 2:
                session.halt.pull(StopReason.SIGINT)

        world.disk.on_write = look

    ran = world.apply(wish("a"), meanwhile=pull)
    left = world.row("a")

    (told,) = ran.told
    assert told.startswith("in doubt: create 4501/a: injected by a fault rule: 503")
    assert (told.endswith(f"; {STILL_IN_DOUBT}"), ran.exit_code) == (True, 130)
    assert world.ledger("POST") == ["POST a 503"]
    assert (left.own, left.ambiguous, left.attempts) == (Own.CREATING, True, 2)
    assert world.apply(wish("a")).exit_code == 0
    assert (world.changes(), world.state()) == (["created a"], ["a ACCEPTED Synced"])


def test_a_lost_login_after_an_unclear_send_leaves_the_doubt() -> None:
    """A 401 proves nothing about the send before it."""
    world = World("lost on=POST times=1")

    def forbid(request: httpx.Request) -> None:
        if is_write(request) and world.changes():
            world.sandbox.set_faults("401 at=all")

    world.on_request = forbid
    ran = world.apply(wish("a"))
    left = world.row("a")
    world.on_request = lambda _: None
    world.sandbox.set_faults()

    assert (ran.summary, ran.exit_code) == ({"in_doubt": 1}, 9)
    assert (left.own, left.ambiguous) == (Own.CREATING, True)
    assert world.apply(wish("a")).summary == {"adopted": 1}
    assert world.changes() == ["created a"]


def test_one_look_settles_every_operation_under_a_name() -> None:
    """An older ghost of the same name is buried with the doubt that was looked up."""
    world = _killed_before_its_create()
    doubt = world.row("a")
    world.record(
        replace(doubt, op=f"{doubt.op[:-1]}0", own=Own.LATE_CREATE_POSSIBLE, ambiguous=True)
    )
    world.timeline.skip(A_WHILE)

    ran = world.apply(wish("z"))

    assert ran.told == ["done: resolve 4501/a: it was never carried out"]
    assert world.state() == ["z ACCEPTED Synced"]


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "a ghost"])
@pytest.mark.parametrize(
    ("pause", "left"),
    [(0.0, ["a LATE_CREATE_POSSIBLE unknown"]), (A_WHILE, [])],
    ids=["early", "late"],
)
def test_a_doubt_whose_name_another_operation_of_ours_has(
    known: bool, pause: float, left: list[str]
) -> None:
    """What has the name is recorded; the doubt is over once it can no longer come true."""
    world = _killed_before_its_create()
    doubt = world.row("a")
    other = f"{doubt.op[:-1]}0"
    found = _come_true(world, other)
    if known:
        world.record(replace(doubt, op=other, own=Own.LATE_CREATE_POSSIBLE, ambiguous=True))
    world.timeline.skip(pause)

    ran = world.apply(wish("z"))

    assert ran.told == [
        "done: resolve 4501/a: it was never carried out; another workload of ours has its name"
    ]
    assert {row.id for row in world.rows() if row.own is Own.ACCEPTED} >= {found}
    assert [state for state in world.state() if state.startswith("a LATE_CREATE_POSSIBLE")] == left
    assert world.ledger() == ["POST z 202"]
    assert world.apply(wish("z")).summary["deleted"] == 1
    assert world.live() == ["z"]


def test_a_doubt_whose_name_a_late_repetition_of_a_lost_create_has() -> None:
    """Its record takes the new id in the same run, so that the next one deletes what lives."""
    world = _killed_before_its_create()
    doubt = world.row("a")
    other = f"{doubt.op[:-1]}0"
    found = _come_true(world, other)
    lost = replace(doubt, op=other, own=Own.ACCEPTED, id=GONE_ID, seen=LastSeen.MISSING)
    world.record(replace(lost, ambiguous=True))
    world.timeline.skip(A_WHILE)

    ran = world.apply(wish("z"))

    assert ran.told == [
        "done: resolve 4501/a: it was never carried out; another workload of ours has its name"
    ]
    assert {row.id for row in world.rows() if row.own is Own.ACCEPTED} == {found, world.id_of("z")}
    assert world.apply(wish("z")).summary["deleted"] == 1
    assert world.live() == ["z"]
    assert not world.plan(wish("z")).plan.has_changes


def test_a_burial_that_cannot_be_written_ends_the_run() -> None:
    """With a full disk nothing is sent, also not for a workload that has no past."""
    world = _killed_before_its_create()
    edited = (wish("a", image="nginx:2"), wish("z"))
    world.apply(*edited)
    world.timeline.skip(A_WHILE)
    before = world.ledger()

    ran = world.apply(*edited, wish("b"), break_at=1)

    assert ran.exit_code == 1
    assert ran.finished is not None
    assert ran.finished.stopped_by == "state"
    assert world.ledger() == before
    assert world.apply(*edited, wish("b")).summary == {"created": 1}
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced", "z ACCEPTED Synced"]


def test_a_copy_of_a_workload_with_our_marker_is_left_alone() -> None:
    """Whoever copied `z` copied its marker too: it is not what this create has made."""
    world = World()
    world.apply(wish("z"))
    copy = _come_true(world, world.row("z").op)

    ran = world.apply(wish("a"), wish("z"))

    taken = "workload with name 'a' already exists in this project"
    words = f"{taken}; workload {copy} repeats the operation of {world.id_of('z')}"
    assert (ran.told, ran.exit_code) == ([f"in doubt: create 4501/a: {words}"], 8)
    assert (world.row("z").id, world.live()) == (world.id_of("z"), ["a", "z"])
    assert world.state() == ["a UNCONFIRMED unknown", "z ACCEPTED Synced"]
    assert world.ledger("DELETE") == []
