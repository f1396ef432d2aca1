"""Deletes that do not go as asked."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reconciler.app.session import Session
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import LastSeen, Own, Purpose
from reconciler.sandbox.world.workload import WorkloadFaults
from tests.support.worlds import World, stop, wish


def _grown(*faults: str, **sandbox: Any) -> World:
    """A world with two workloads that have been there for an hour."""
    world = World(**sandbox)
    world.apply(wish("a"), wish("b"))
    world.timeline.skip(3600.0)
    world.sandbox.set_faults(*faults)
    return world


def test_what_is_gone_between_plan_and_delete_is_done() -> None:
    """The verification finds a trusted 404: nothing is sent, the record goes."""
    world = _grown()
    reads = [0]

    def vanish(_: httpx.Request) -> None:
        reads[0] += 1
        if reads[0] == 3:
            world.sandbox.store.vanish(world.id_of("a"))

    world.on_answer = vanish

    ran = world.apply(wish("b"))

    assert ran.told == ["done: delete 4501/a"]
    assert world.ledger("DELETE") == []
    assert world.state() == ["b ACCEPTED Synced"]


def test_what_is_gone_before_the_plan_is_forgotten() -> None:
    """Somebody deleted it, and no spec wants it."""
    world = _grown()
    world.sandbox.store.vanish(world.id_of("a"))

    assert world.apply(wish("b")).summary == {"forgotten": 1}


@pytest.mark.parametrize(
    "rule",
    [
        "lost on=DELETE times=1",
        "503 executed on=DELETE times=1",
        "500 executed on=DELETE times=2",
        "503 on=DELETE times=3",
        "429 on=DELETE times=2",
        "409 on=DELETE times=2",
        "502 page=html on=DELETE times=2",
        "drop on=DELETE times=2",
    ],
)
def test_a_delete_may_be_sent_as_often_as_it_takes(rule: str) -> None:
    """Asking twice to delete one id is harmless, so it is asked until there is an answer."""
    world = _grown(rule, delete_delay=1.0)

    ran = world.apply(wish("b"))

    assert ran.told == ["done: delete 4501/a"]
    assert world.changes().count("deleted a") == 1
    assert world.live() == ["b"]


def test_a_lingering_delete_is_waited_for() -> None:
    """Accepted is not gone: the run ends when the server says 404."""
    world = _grown("linger=100s")
    began = world.timeline.now

    ran = world.apply(wish("b"))

    assert ran.summary == {"deleted": 1}
    assert 100.0 <= world.timeline.now - began <= 106.0


def test_a_delete_that_outlasts_the_wait_is_finished_by_the_next_run() -> None:
    """It fails with the time it waited, and stays DELETING."""
    world = _grown("linger=100s times=1")

    first = world.apply(wish("b"), wait_timeout=30.0)
    left = world.row("a")
    world.timeline.skip(60.0)
    second = world.apply(wish("b"))

    assert first.told == ["failed: delete 4501/a: still there 30 s after DELETE"]
    assert first.exit_code == 4
    assert (left.own, left.purpose) == (Own.DELETING, Purpose.REMOVED)
    assert second.summary == {"deleted": 1}
    assert world.changes().count("deleted a") == 1


def test_a_delete_that_fails_in_the_cluster_is_told_and_tried_again_by_the_next_run() -> None:
    """syncInfo Failed after a DELETE is a failed delete, still DELETING."""
    world = _grown("delete-fails='a finalizer is stuck' times=1")

    first = world.apply(wish("b"))
    left = world.row("a")
    second = world.apply(wish("b"))

    assert first.told == [
        "failed: delete 4501/a: the server could not delete it: a finalizer is stuck"
    ]
    assert (first.exit_code, left.own) == (4, Own.DELETING)
    assert second.summary == {"deleted": 1}
    assert (world.live(), world.state()) == (["b"], ["b ACCEPTED Synced"])


def test_a_delete_that_was_refused_was_never_begun() -> None:
    """A definite no leaves the record as it was, and fails."""
    world = _grown("403 on=DELETE")
    before = world.row("a")

    ran = world.apply(wish("b"))

    assert ran.exit_code == 4
    assert world.row("a") == before


def test_a_refusal_after_an_unclear_answer_does_not_undo_the_intent() -> None:
    """The first DELETE may have been carried out: the record stays DELETING."""
    world = _grown("lost on=DELETE times=1", "403 on=DELETE", delete_delay=900.0)

    ran = world.apply(wish("b"))

    assert ran.exit_code == 4
    assert world.row("a").own is Own.DELETING


@pytest.mark.parametrize(
    "rule", ["503 executed on=DELETE", "500 executed on=DELETE", "lost on=DELETE"]
)
def test_an_unclear_delete_at_the_end_of_the_run_stays_begun(rule: str) -> None:
    """The run is stopped while its only attempt is in flight: it may have been carried out."""
    world = _grown(rule, latency=1.0, delete_delay=60.0)

    # Two reads side by side, one to verify, then the DELETE: it is in flight after 1.5 seconds.
    ran = world.apply(wish("b"), meanwhile=stop(1.5))
    left = world.row("a")
    world.sandbox.set_faults()
    world.timeline.skip(120.0)
    after = world.apply(wish("a"), wish("b"))

    assert ran.exit_code == 130
    assert world.ledger("DELETE") == [world.ledger("DELETE")[0]]
    assert (left.own, left.purpose) == (Own.DELETING, Purpose.REMOVED)
    # Finished first, then made again: the DELETE could otherwise still hit what was kept.
    assert after.summary == {"replaced": 1}
    assert world.live() == ["a", "b"]


def test_a_delete_that_was_not_sent_when_the_run_ended_is_taken_back() -> None:
    """The intent was written and the switch pulled before the request: the record is as before."""
    world = _grown()
    before = world.row("a")

    def pull(session: Session) -> None:
        world.disk.on_write = lambda: session.halt.pull(StopReason.SIGINT)

    ran = world.apply(wish("b"), meanwhile=pull)

    assert ran.told == ["skipped: delete 4501/a: the run ended before it was sent"]
    assert world.ledger("DELETE") == []
    assert world.row("a") == before


def test_a_replace_whose_delete_fails_creates_nothing() -> None:
    """The name is not free, so nothing is sent for it."""
    world = _grown("delete-fails")

    ran = world.apply(wish("a", image="nginx:2"), wish("b"))

    assert ran.exit_code == 4
    assert world.ledger("POST") == ["POST a 202", "POST b 202"]
    assert (world.row("a").own, world.row("a").purpose) == (Own.DELETING, Purpose.REPLACE)


def test_a_workload_that_somebody_else_is_deleting_is_left_to_them() -> None:
    """Nothing is done until the outcome shows; then it is made again."""
    world = _grown()
    store = world.sandbox.store
    workload = store.get(world.id_of("a"))
    assert workload is not None
    store.delete(workload, "somebody-else", WorkloadFaults(delete_delay=50.0))

    during = world.apply(wish("a"), wish("b"))
    world.timeline.skip(60.0)
    after = world.apply(wish("a"), wish("b"))

    assert during.summary == {}
    assert after.summary == {"created": 1}


def test_a_page_instead_of_a_404_is_no_absence() -> None:
    """A proxy that answers 404 in HTML knows nothing about the workload."""
    world = _grown()
    before = world.row("a")

    def spoil(_: Session) -> None:
        world.sandbox.set_faults("404 page=html on=GET")

    ran = world.apply(wish("b"), meanwhile=spoil)

    (failed,) = ran.told
    assert failed.startswith(
        "failed: delete 4501/a: not deleted, because it cannot be read: HTTP 404"
    )
    assert world.row("a") == before
    assert world.ledger("DELETE") == []


def test_the_record_of_a_delete_goes_through_its_two_states() -> None:
    """DELETING before the request, then GONE, or on record until a successor is accepted."""
    world = _grown()
    before = world.row("a")

    world.apply(wish("a", image="nginx:2"))

    rows = [row for write in world.disk.writes for row in write]
    assert sorted((row.address.name, row.own, row.purpose) for row in rows[:4]) == [
        ("a", Own.DELETING, Purpose.REPLACE),
        ("a", Own.LATE_CREATE_POSSIBLE, Purpose.REPLACE),
        ("b", Own.DELETING, Purpose.REMOVED),
        ("b", Own.GONE, Purpose.REMOVED),
    ]
    assert {row.seen for row in rows[:4] if row.own is not Own.DELETING} == {LastSeen.DELETED}
    assert [(row.own, row.purpose) for row in rows if row.op == before.op][-1] == (
        Own.GONE,
        Purpose.SUPERSEDED,
    )
