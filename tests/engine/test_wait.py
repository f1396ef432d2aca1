"""An apply waits until the cluster has taken what it accepted."""

from __future__ import annotations

import pytest

from reconciler.app.session import Session
from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed, Succeeded
from reconciler.core.lifecycle import (
    OnFailed,
)
from reconciler.core.model import (
    LastSeen,
    Own,
)
from reconciler.sandbox import AfterDelete
from tests.support.worlds import World, stop, wish


def test_success_is_told_when_the_cluster_has_taken_it() -> None:
    """Queued, Applying, Synced: the last one ends the wait, and is recorded."""
    world = World(sync_delay=20.0)

    ran = world.apply(wish("a"))

    (done,) = ran.of(ActionEnded)
    assert isinstance(done.outcome, Succeeded)
    assert 20.0 <= done.took <= 31.0
    seen = [row.seen for write in world.disk.writes for row in write]
    assert seen == [LastSeen.UNKNOWN, LastSeen.QUEUED, LastSeen.APPLYING, LastSeen.SYNCED]


def test_what_the_cluster_refuses_fails_in_its_words() -> None:
    """The workload exists and is recorded; the run ends with exit code 4."""
    world = World("sync-fails='image not allowed' name=a")

    ran = world.apply(wish("a"), wish("b"))

    assert ran.told == [
        "failed: create 4501/a: the cluster refused it: image not allowed",
        "done: create 4501/b",
    ]
    assert (ran.exit_code, ran.summary) == (4, {"created": 1, "failed": 1, "refused": 1})
    (failed,) = ran.ended(Failed)
    assert (failed.id, failed.cause) == (world.id_of("a"), Cause.CLUSTER)
    row = world.row("a")
    assert (row.own, row.seen, row.message) == (Own.ACCEPTED, LastSeen.FAILED, "image not allowed")


def test_what_the_cluster_refused_is_kept_or_replaced_as_its_spec_says() -> None:
    """onFailed: report holds it and fails, ignore only holds it, replace deletes and creates."""
    world = World("sync-fails name=a times=1")
    world.apply(wish("a"))
    world.timeline.skip(3600.0)

    reported = world.apply(wish("a"))
    ignored = world.apply(wish("a", on_failed=OnFailed.IGNORE))
    replaced = world.apply(wish("a", on_failed=OnFailed.REPLACE))

    assert reported.told == [
        "failed: hold 4501/a: the cluster refused it: admission webhook denied the request"
    ]
    assert [ran.exit_code for ran in (reported, ignored, replaced)] == [4, 0, 0]
    assert [ran.summary for ran in (reported, ignored, replaced)] == [
        {"failed": 1, "refused": 1},
        {"recorded": 1},
        {"replaced": 1},
    ]
    assert world.state() == ["a ACCEPTED Synced"]


def test_a_wait_has_an_end() -> None:
    """After --wait-timeout the workload counts as failed; it is recorded and not sent again."""
    world = World("sync-stuck name=a")

    ran = world.apply(wish("a"), wait_timeout=60.0)

    assert ran.told == ["failed: create 4501/a: accepted, but still Applying after 60 s"]
    assert ran.exit_code == 4
    assert world.timeline.now <= 61.0
    # It is declared, so the next apply waits for it as well.
    again = world.apply(wish("a"), wait_timeout=60.0)
    assert again.told == ["failed: hold 4501/a: accepted, but still Applying after 60 s"]
    assert world.ledger() == ["POST a 202"]


def test_nobody_waits_with_no_wait() -> None:
    """The 202 is enough: nothing is read after it."""
    world = World(sync_delay=600.0)

    ran = world.apply(wish("a"), wait=False)

    assert ran.summary == {"created": 1}
    # Before it the plan asks what may have the name, and for the project.
    assert world.ledger("GET", "POST") == ["GET None 200", "GET None 200", "POST a 202"]
    assert world.timeline.now == 0.0
    assert world.state() == ["a ACCEPTED Queued"]


def test_read_lag_after_a_create_is_waited_out() -> None:
    """A 404 within a minute of the creation is not a failure."""
    world = World("lag=30s")

    ran = world.apply(wish("a"))

    assert ran.summary == {"created": 1}
    assert world.state() == ["a ACCEPTED Synced"]


def test_what_vanishes_while_it_is_waited_for_fails() -> None:
    """A 404 after the first minute is a deletion by somebody else."""
    world = World("sync-stuck")

    def vanish(_: object) -> None:
        if world.timeline.now > 70.0 and world.live():
            world.sandbox.store.vanish(world.id_of("a"))

    world.on_request = vanish

    ran = world.apply(wish("a"))

    (failed,) = ran.ended(Failed)
    assert failed.message.startswith("accepted, but cannot be read")
    assert world.timeline.now < 120.0


@pytest.mark.parametrize("after_delete", [AfterDelete.BODY, AfterDelete.BARE])
def test_what_is_deleted_while_it_is_waited_for_fails_at_once(after_delete: AfterDelete) -> None:
    """A server that keeps showing what it deleted does not keep us waiting."""
    world = World("sync-stuck", after_delete=after_delete)

    def vanish(_: object) -> None:
        if world.timeline.now > 5.0 and world.live():
            world.sandbox.store.vanish(world.id_of("a"))

    world.on_request = vanish

    ran = world.apply(wish("a"))

    assert ran.told == ["failed: create 4501/a: accepted, but deleted by somebody else"]
    assert world.timeline.now < 30.0


def test_an_interrupted_wait_is_no_failure() -> None:
    """The workload is accepted and recorded, which is what the run was for."""
    world = World(sync_delay=600.0)

    ran = world.apply(wish("a"), meanwhile=stop(30.0))

    assert ran.told == ["done: create 4501/a: accepted; the run ended before it was Synced"]
    assert ran.exit_code == 130
    assert world.timeline.now < 36.0


def test_a_wait_that_hangs_in_a_read_when_the_run_ends_is_no_doubt() -> None:
    """The id is durable: what is not known is only how far the cluster got."""
    world = World(sync_delay=600.0)

    def hang(session: Session) -> None:
        world.sandbox.set_faults("latency=25s on=GET")
        stop(10.0)(session)

    ran = world.apply(wish("a"), meanwhile=hang)

    assert ran.told == ["done: create 4501/a: accepted; the run ended before it was Synced"]
    assert ran.summary == {"created": 1}
    assert world.timeline.now <= 15.0
    assert world.row("a").own is Own.ACCEPTED
