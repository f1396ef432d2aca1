"""The order in which workloads come and go."""

from __future__ import annotations

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.lifecycle import (
    OnFailed,
    OnMissing,
)
from tests.support.worlds import World, stop, wish

ALLOW = PlanRequest(allow_empty=True, allow_deletes=9)


def test_lower_waves_are_created_first_and_awaited() -> None:
    """A wave begins when everything in the one before is Synced."""
    world = World(sync_delay=5.0)

    ran = world.apply(wish("c", wave=2), wish("a", wave=-1), wish("b1"), wish("b2"))

    created = [e for e in world.entries() if e.effect]
    assert [e.name for e in created[:1]] == ["a"]
    assert sorted(str(e.name) for e in created[1:3]) == ["b1", "b2"]
    assert [e.name for e in created[3:]] == ["c"]
    assert created[1].decided - created[0].decided >= 5.0
    assert created[3].decided - created[1].decided >= 5.0
    assert ran.summary == {"created": 4}


def test_higher_waves_are_deleted_first() -> None:
    """Deletes go the other way round, each awaited; what the specs said last counts."""
    world = World(delete_delay=5.0)
    world.apply(wish("c", wave=2), wish("a", wave=-1), wish("b"))
    world.timeline.skip(3600.0)

    ran = world.apply(request=ALLOW)

    deleted = [e for e in world.entries() if e.effect == "deleted"]
    assert [e.name for e in deleted] == ["c", "b", "a"]
    assert deleted[1].decided - deleted[0].decided >= 5.0
    assert ran.summary == {"deleted": 3}


def test_a_failure_stops_the_waves_above_it() -> None:
    """Within its wave the others go on; what comes later is skipped and says why."""
    world = World("422 on=POST name=a")

    ran = world.apply(wish("a"), wish("b"), wish("c", wave=1), wish("d", wave=2))

    assert sorted(ran.told) == [
        "done: create 4501/b",
        "failed: create 4501/a: injected by a fault rule: 422 on=POST name=a",
        "skipped: create 4501/c: wave 0 did not succeed, so this action was not started",
        "skipped: create 4501/d: wave 0 did not succeed, so this action was not started",
    ]
    assert (ran.exit_code, ran.summary) == (4, {"created": 1, "failed": 1, "skipped": 2})
    assert world.live() == ["b"]
    assert world.state() == ["b ACCEPTED Synced"]


@pytest.mark.parametrize("on_failed", OnFailed)
def test_what_the_cluster_refused_stops_the_waves_above_it_in_every_apply(
    on_failed: OnFailed,
) -> None:
    """Not only in the run that met the refusal; onFailed: ignore lets them go on."""
    world = World("sync-fails='no such image' name=a")
    specs = (wish("a", on_failed=on_failed), wish("b"), wish("c", wave=1))
    world.apply(*specs)
    world.timeline.skip(3600.0)

    again = world.apply(*specs)

    waits = "so this action was not started"
    assert (
        again.told
        == {
            OnFailed.REPORT: [
                "failed: hold 4501/a: the cluster refused it: no such image",
                f"skipped: create 4501/c: wave 0 is not as declared, {waits}",
            ],
            OnFailed.REPLACE: [
                "failed: replace 4501/a: the cluster refused it: no such image",
                f"skipped: create 4501/c: wave 0 did not succeed, {waits}",
            ],
            OnFailed.IGNORE: ["done: create 4501/c"],
        }[on_failed]
    )
    assert again.exit_code == (0 if on_failed is OnFailed.IGNORE else 4)


def test_what_is_down_or_missing_stops_the_waves_above_it() -> None:
    """Also where a flag or a setting keeps it from being made again."""
    world = World()
    kept = wish("a", on_missing=OnMissing.FAIL)
    world.apply(kept, wish("b"))
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)

    ran = world.apply(kept, wish("b"), wish("c", wave=1), wish("d", wave=-1))

    assert ran.told == [
        "failed: hold 4501/a: no longer on the server; onMissing: fail",
        "done: create 4501/d",
        "skipped: create 4501/c: wave 0 is not as declared, so this action was not started",
    ]


def test_a_failed_create_does_not_keep_deletes_from_happening() -> None:
    """Both directions go side by side."""
    world = World()
    world.apply(wish("old", wave=3), wish("z"))
    world.sandbox.set_faults("422 on=POST name=a")

    ran = world.apply(wish("a"), wish("z"))

    assert ran.summary == {"deleted": 1, "failed": 1}


def test_a_failed_delete_keeps_the_waves_below_it() -> None:
    """What others may stand on is not taken away while they are still there."""
    world = World()
    world.apply(wish("base", wave=0), wish("top", wave=1))
    world.sandbox.set_faults("delete-fails name=top")

    ran = world.apply(request=ALLOW)

    assert ran.summary == {"failed": 1, "skipped": 1}
    assert world.live() == ["base", "top"]


def test_fail_fast_begins_nothing_new_after_a_failure() -> None:
    """The first failure is the last request."""
    world = World("422 on=POST name=a")

    ran = world.apply(*(wish(name) for name in "abcdef"), fail_fast=True, concurrency=1)

    assert world.ledger("POST") == ["POST a 422"]
    assert (ran.summary, ran.exit_code) == ({"failed": 1, "skipped": 5}, 4)
    assert ran.finished is not None
    assert ran.finished.stopped_by == "fail-fast"
    assert world.state() == []


def test_a_stop_in_one_wave_skips_the_next() -> None:
    """What was never begun is skipped, whichever wave it is in."""
    world = World(latency=2.0)

    ran = world.apply(wish("a"), wish("b", wave=1), meanwhile=stop(1.0))

    assert ran.told == [
        "done: create 4501/a: accepted; the run ended before it was Synced",
        "skipped: create 4501/b: the run ended before it was sent",
    ]
    assert ran.exit_code == 130
