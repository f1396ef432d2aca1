"""A run that is told to stop, or runs out of time, ends soon and knows what it did."""

from __future__ import annotations

import pytest

from reconciler.app.session import Session
from reconciler.core.history.events import ActionStarted
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Own
from reconciler.engine.run import ApplyOptions
from tests.support.timing import EPOCH
from tests.support.worlds import World, stop, wish

NAMES = [f"w{number:02}" for number in range(24)]
SPECS = [wish(name) for name in NAMES]
CODES = {"SIGINT": 130, "SIGTERM": 143, "deadline": 8}


def _exact(world: World) -> None:
    """Every living workload is known by its id or by an operation in doubt, and nothing else is."""
    owned = {row.id: row for row in world.rows() if row.own is Own.ACCEPTED}
    doubtful = {row.address.name for row in world.rows() if row.own is not Own.ACCEPTED}
    for workload in world.sandbox.store.live():
        assert workload.id in owned or workload.name in doubtful
    assert {str(id_) for id_ in owned} <= {w.id for w in world.sandbox.store.live()}


@pytest.mark.parametrize("reason", [StopReason.SIGINT, StopReason.SIGTERM])
@pytest.mark.parametrize("after", [0.0, 0.9, 1.0, 2.5, 4.2, 7.0])
def test_nothing_is_sent_after_the_switch_is_pulled(reason: StopReason, after: float) -> None:
    """What is in flight comes home, its outcome is recorded, and the run ends in five seconds."""
    world = World("503 p=20%", "lost p=10% on=POST", latency=1.0, sync_delay=3.0)

    planned_at = 0.0

    def pull_later(session: Session) -> None:
        nonlocal planned_at
        planned_at = world.timeline.now
        stop(after, reason)(session)

    ran = world.apply(*SPECS, meanwhile=pull_later, concurrency=8)

    pulled = EPOCH.timestamp() + planned_at + after
    late = [e for e in world.entries() if e.arrived > pulled]
    assert late == []
    assert world.timeline.now <= pulled - EPOCH.timestamp() + 5.0
    assert ran.exit_code == CODES[reason]
    assert ran.finished is not None
    assert ran.finished.stopped_by == reason
    assert len(ran.told) == len(SPECS)
    _exact(world)
    world.sandbox.set_faults()
    for _ in range(2):
        world.apply(*SPECS)
    assert world.apply(*SPECS).summary == {}
    assert (world.live(), world.created_twice()) == (NAMES, [])


@pytest.mark.parametrize("deadline", [4.0, 6.5, 10.0])
def test_a_run_ends_five_seconds_after_its_deadline_at_the_latest(deadline: float) -> None:
    """Nothing is sent after it, and an answer that never comes is not waited for."""
    world = World("latency=20s p=30% after=2s", latency=1.0, sync_delay=3.0)

    ran = world.apply(*SPECS, deadline=deadline, concurrency=4)

    login = world.sandbox.ledger.entries[0].arrived
    assert all(e.arrived <= login + deadline for e in world.entries())
    assert world.timeline.now <= deadline + 5.0
    assert ran.exit_code in (4, 8)
    assert ran.finished is not None
    assert ran.finished.stopped_by == "deadline"
    _exact(world)


def test_an_outage_until_the_deadline_ends_the_run() -> None:
    """A server that only ever says 503 to a create costs the time that was given, not more."""
    world = World("503 on=POST")

    ran = world.apply(wish("a"), deadline=600.0)

    assert world.timeline.now <= 605.0
    assert len(world.ledger("POST")) <= 200
    assert ran.exit_code == 8
    assert world.row("a").ambiguous


def test_a_pause_that_exceeds_what_is_left_is_not_slept_through() -> None:
    """The server asks for more time than there is: the run says so and ends."""
    world = World("503 retry-after=100s on=POST")

    ran = world.apply(wish("a"), deadline=60.0)

    assert world.timeline.now <= 65.0
    assert ran.exit_code == 8
    assert world.ledger("POST") == ["POST a 503"]


def test_an_answer_that_does_not_come_is_let_go_after_the_drain() -> None:
    """The create is in doubt, and its record says what was sent."""
    world = World("slow=29s on=POST")

    ran = world.apply(wish("a"), wish("b"), meanwhile=stop(2.0))

    assert sorted(ran.told) == [
        "in doubt: create 4501/a: the run ended before its answer came",
        "in doubt: create 4501/b: the run ended before its answer came",
    ]
    assert ran.exit_code == 130
    assert world.timeline.now == pytest.approx(2.0 + ApplyOptions().drain)
    assert world.state() == ["a CREATING unknown", "b CREATING unknown"]
    world.sandbox.set_faults()
    assert world.apply(wish("a"), wish("b")).summary == {"adopted": 2}
    assert world.created_twice() == []


def test_a_look_before_a_delete_that_is_let_go_is_no_doubt() -> None:
    """Nothing was sent that changes anything, so the delete was never begun."""
    world = World()
    world.apply(wish("a"), wish("b"))

    def hang(session: Session) -> None:
        world.sandbox.set_faults("latency=25s on=GET")
        stop(2.0)(session)

    ran = world.apply(wish("b"), meanwhile=hang)

    assert ran.told == ["skipped: delete 4501/a: the run ended before it was sent"]
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]


def test_an_intent_that_was_not_sent_is_taken_back() -> None:
    """The switch was pulled while it was being written: nothing was sent, nothing is left."""
    world = World()

    def pull(session: Session) -> None:
        world.disk.on_write = lambda: session.halt.pull(StopReason.SIGINT)

    ran = world.apply(wish("a"), meanwhile=pull)

    assert ran.told == ["skipped: create 4501/a: the run ended before it was sent"]
    assert (world.ledger("POST"), world.state()) == ([], [])


def test_what_never_began_is_not_said_to_have_begun() -> None:
    """A run that is stopped before it sends anything starts no action."""
    world = World()

    ran = world.apply(wish("a"), meanwhile=lambda session: session.halt.pull(StopReason.SIGINT))

    assert ran.of(ActionStarted) == []
    assert ran.told == ["skipped: create 4501/a: the run ended before it was sent"]
    assert world.ledger("POST") == []


def test_a_stop_during_a_look_up_leaves_a_suspect() -> None:
    """The create is unclear and could not be looked up: it is in doubt, and recorded as such."""
    world = World("500 on=POST times=3", "latency=3s at=list on=GET")

    ran = world.apply(wish("a"), meanwhile=stop(3.0))

    assert ran.exit_code == 130
    assert [row.own for row in world.rows()] in ([Own.UNCONFIRMED], [Own.CREATING])
    assert ran.summary == {"in_doubt": 1}
