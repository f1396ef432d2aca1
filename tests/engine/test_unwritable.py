"""A state that cannot be written any more: stop, and lose nothing that is known."""

from __future__ import annotations

import pytest

from reconciler.core.model import Own
from tests.support.worlds import World, wish

NAMES = [f"w{number:02}" for number in range(20)]
SPECS = [wish(name) for name in NAMES]


@pytest.mark.parametrize("break_at", range(1, 9))
def test_nothing_is_sent_once_the_state_is_broken(break_at: int) -> None:
    """Every workload that lives is in the state by id, in doubt there, or in what was printed."""
    world = World(latency=1.0, sync_delay=1.0)

    ran = world.apply(*SPECS, break_at=break_at, concurrency=4)

    assert ran.exit_code == 1
    assert ran.finished is not None
    assert ran.finished.stopped_by == "state"
    recorded = {row.id for row in world.rows() if row.id}
    unsaved = {row.id for row in ran.unsaved if row.id}
    doubtful = {row.address.name for row in world.rows() if row.own is Own.CREATING}
    for workload in world.sandbox.store.live():
        assert workload.id in recorded | unsaved
        assert workload.id in recorded or workload.name in doubtful
    # Nothing was sent of which the state does not know.
    assert len(world.changes()) <= len(world.rows())
    world.apply(*SPECS)
    assert world.apply(*SPECS).summary == {}
    assert (world.live(), world.created_twice()) == (NAMES, [])


def test_an_intent_that_cannot_be_written_is_not_sent() -> None:
    """The first write fails: no request leaves, and nothing is in doubt."""
    world = World()

    ran = world.apply(wish("a"), break_at=1)

    assert ran.told == ["failed: create 4501/a: the state cannot be used: disk full"]
    assert world.ledger("POST") == []
    assert world.state() == []


def test_an_id_that_cannot_be_written_is_handed_over() -> None:
    """The workload exists: the state says that something was sent, the result says its id."""
    world = World()

    ran = world.apply(wish("a"), break_at=2)

    (row,) = ran.unsaved
    assert ran.told == ["in doubt: create 4501/a: the state cannot be used: disk full"]
    assert (row.own, row.id) == (Own.ACCEPTED, world.id_of("a"))
    assert world.state() == ["a CREATING unknown"]
    assert world.apply(wish("a")).summary == {"adopted": 1}


def test_a_delete_whose_intent_cannot_be_written_is_not_sent() -> None:
    """The workload lives on, and its record is as it was."""
    world = World()
    world.apply(wish("a"), wish("b"))
    before = world.rows()

    ran = world.apply(wish("b"), break_at=1)

    assert ran.told == ["failed: delete 4501/a: the state cannot be used: disk full"]
    assert world.ledger("DELETE") == []
    assert world.rows() == before


def test_an_absence_that_cannot_be_written_is_found_again() -> None:
    """The workload is gone and its record still DELETING: the next run finishes it."""
    world = World()
    world.apply(wish("a"), wish("b"))

    ran = world.apply(wish("b"), break_at=2)

    assert ran.exit_code == 1
    assert world.state() == ["a DELETING Synced", "b ACCEPTED Synced"]
    assert world.apply(wish("b")).summary == {"deleted": 1}
    assert world.changes().count("deleted a") == 1


def test_words_that_no_file_can_hold_do_not_hang_a_run() -> None:
    """A server may say half a surrogate pair: the run ends, and the id is kept."""
    world = World("sync-fails=\ud800")

    ran = world.apply(wish("a"), deadline=100.0)

    assert world.timeline.now < 20.0
    assert ran.exit_code == 4
    assert world.row("a").id == world.id_of("a")
