"""An update that goes wrong: lost, late, refused, killed, or made by another copy of the state."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest

from reconciler.app.session import Session
from reconciler.core.model import LastSeen, Recorded
from reconciler.engine.waiting.wait import OVERTAKEN
from tests.engine.updates import UpdatingWorld, open_rev, scaled
from tests.support.worlds import is_write, stop


def begun(*faults: str, **sandbox: Any) -> UpdatingWorld:
    """A world with one Deployment, and then weather."""
    world = UpdatingWorld(**sandbox)
    world.apply(scaled(1))
    world.sandbox.set_faults(*faults)
    return world


def is_converged(world: UpdatingWorld, replicas: int) -> bool:
    """Whether the server has what is declared, nothing is open, and it is the same workload."""
    row = world.row("a")
    return (
        world.shown("a")["spec"]["replicas"] == replicas
        and row.change.open is None
        and row.change.confirmed == world.rev("a")
        and world.plan(scaled(replicas)).plan.changes == ()
        and [change for change in world.changes() if not change.startswith("updated")]
        == ["created a"]
    )


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ("lost on=PUT try=1", ["PUT a lost"]),
        ("503 executed on=PUT try=1", ["PUT a 503"]),
        ("500 page=html executed on=PUT try=1", ["PUT a 500"]),
        ("truncate=20 on=PUT try=1", ["PUT a 202"]),
        ("503 on=PUT try=1", ["PUT a 503", "PUT a 202"]),
        ("drop on=PUT try=1", ["PUT a lost", "PUT a 202"]),
        ("502 page=html on=PUT try=1-2", ["PUT a 502", "PUT a 502", "PUT a 202"]),
        ("429 on=PUT try=1", ["PUT a 429", "PUT a 202"]),
    ],
)
def test_what_was_not_answered_is_read_before_it_is_sent_again(
    fault: str, requests: list[str]
) -> None:
    """What the read shows is not sent again; what it does not show is sent as it was."""
    world = begun(fault)
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.summary) == (0, {"updated": 1})
    assert world.ledger("PUT") == requests
    assert len({*world.puts()}) == 1
    assert is_converged(world, 2)


@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
def test_a_late_update_has_the_same_rev_as_its_repetition(encoded: bool) -> None:
    """Both may be carried out, in any order, and make the same of the workload, to the byte."""
    world = begun("late=40s hangup on=PUT try=1")
    assert world.update(scaled(2, encoded=encoded)).exit_code == 0
    world.timeline.skip(60.0)
    assert is_converged(world, 2)
    assert world.puts() == [world.rev("a")] * 2
    assert len({entry.update.body for entry in world.sandbox.ledger if entry.update}) == 1


def test_what_a_killed_run_has_sent_is_sent_again_to_the_byte() -> None:
    """The first was merged by its plan, and the repetition by the run that goes on with it."""
    world = begun("late=40s hangup on=PUT try=1")
    world.on_request = lambda request: world.kill() if is_write(request) else None
    world.update(scaled(2))
    world.on_request = lambda _: None
    assert world.update(scaled(2)).exit_code == 0
    world.timeline.skip(60.0)
    assert is_converged(world, 2)
    assert world.puts() == [world.rev("a")] * 2
    assert len({entry.update.body for entry in world.sandbox.ledger if entry.update}) == 1
    assert is_converged(world, 2)


def test_a_late_update_lands_on_a_later_one_and_is_updated_again() -> None:
    """It is ours, and no drift: what it put back is taken away again."""
    world = begun("late=200s hangup on=PUT")
    first = world.update(scaled(2), deadline=20.0)
    assert (first.exit_code, world.puts()) == (4, [])
    late = open_rev(world.row("a"))
    world.sandbox.set_faults()
    world.timeline.skip(70.0)
    assert world.update(scaled(3)).exit_code == 0
    assert [sent.rev for sent in world.row("a").change.superseded] == [late]
    world.timeline.skip(200.0)
    assert (world.rev("a"), world.shown("a")["spec"]["replicas"]) == (late, 2)
    assert world.update(scaled(3)).exit_code == 0
    assert is_converged(world, 3)
    # Once nothing can land any more, nothing of it is remembered.
    world.timeline.skip(400.0)
    assert world.update(scaled(4)).exit_code == 0
    assert world.row("a").change.superseded == ()


def test_a_late_update_that_is_what_is_wanted_by_then_is_settled_without_a_request() -> None:
    """It was given up, its spec came back, and it landed: one run records that, later ones rest."""
    world = begun("late=200s hangup on=PUT")
    assert world.update(scaled(2), deadline=20.0).exit_code == 4
    late = open_rev(world.row("a"))
    world.sandbox.set_faults()
    world.timeline.skip(70.0)
    assert world.update(scaled(1)).exit_code == 0
    assert [sent.rev for sent in world.row("a").change.superseded] == [late]
    world.timeline.skip(130.0)
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.told) == (
        0,
        ["done: update 4501/a: it is on the server as it is declared; nothing was sent"],
    )
    assert {*world.puts()} == {late}
    assert is_converged(world, 2)


@pytest.mark.parametrize("fault", ["500 on=PUT", "404 page=html on=PUT", "405 page=html on=PUT"])
def test_what_stays_unclear_is_open_and_the_next_run_goes_on(fault: str) -> None:
    """Three sends, then it is left; nothing is deleted, and nothing is in doubt but the update."""
    world = begun(fault)
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.summary) == (4, {"failed": 1})
    assert len(world.ledger("PUT")) == 3
    assert world.ledger("DELETE", "POST") == ["POST a 202"]
    rev = open_rev(world.row("a"))
    world.sandbox.set_faults()
    assert world.update(scaled(2)).exit_code == 0
    assert (world.puts(), is_converged(world, 2)) == ([rev], True)


def test_a_server_that_is_away_is_asked_until_the_deadline() -> None:
    """Unavailability is not counted: nobody has acted on a request that everyone refuses."""
    world = begun("503 page=html on=PUT")
    ran = world.update(scaled(2), deadline=120.0)
    assert ran.exit_code == 4
    [told] = ran.told
    assert told == (
        "failed: update 4501/a: its update may have been carried out; the next run goes on with "
        'it: HTTP 503: an HTML page titled "503" instead of JSON'
    )
    assert len(world.ledger("PUT")) > 5
    world.sandbox.set_faults()
    assert world.update(scaled(2)).exit_code == 0
    assert is_converged(world, 2)


@pytest.mark.parametrize("fault", ["405 on=PUT", "501 on=PUT"])
def test_a_server_without_updates_fails_the_action_and_deletes_nothing(fault: str) -> None:
    """What was approved as an update never becomes a delete, in this run or in the next."""
    world = begun(fault)
    for _ in range(2):
        ran = world.update(scaled(2))
        assert ran.exit_code == 4
        (told,) = ran.told
        assert told.startswith("failed: update 4501/a: the server does not change workloads in pl")
        assert told.endswith("; nothing was changed or deleted")
    assert world.changes() == ["created a"]
    assert world.row("a").change.open is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400 on=PUT", "failed: update 4501/a: "),
        ("403 on=PUT", "failed: update 4501/a: permission denied: "),
        ("409 on=PUT", "failed: update 4501/a: "),
        ("413 on=PUT", "failed: update 4501/a: "),
        ("422 on=PUT", "failed: update 4501/a: "),
    ],
)
def test_a_clear_no_ends_the_change(fault: str, words: str) -> None:
    """The workload is as it was, and nothing is left to go on with."""
    world = begun(fault)
    ran = world.update(scaled(2))
    assert ran.exit_code == 4
    assert ran.told[0].startswith(words)
    assert world.row("a").change == dataclasses.replace(world.row("a").change, open=None)
    assert world.row("a").change.superseded == ()
    assert world.changes() == ["created a"]


def test_a_clear_no_after_a_doubt_does_not_end_the_doubt() -> None:
    """The first request may still be carried out: its rev is known until it cannot."""
    world = begun("late=100s hangup on=PUT try=1", "400 on=PUT")
    ran = world.update(scaled(2))
    assert ran.exit_code == 4
    (late,) = world.row("a").change.superseded
    world.sandbox.set_faults()
    world.timeline.skip(120.0)
    assert world.rev("a") == late.rev
    assert world.update(scaled(1)).exit_code == 0
    assert is_converged(world, 1)


def test_a_workload_that_goes_meanwhile_is_not_made_again() -> None:
    """An update never creates; the next plan decides."""
    world = begun()

    def vanish(_: Session) -> None:
        world.sandbox.store.vanish(world.id_of("a"))

    ran = world.update(scaled(2), meanwhile=vanish)
    assert (ran.exit_code, world.live(), world.ledger("PUT")) == (4, [], [])


class Killer:
    """Ends the process at the n-th instant of those about a PUT: 1 sent, 2 answered."""

    def __init__(self, world: UpdatingWorld, point: int) -> None:
        self._world, self._left = world, point
        world.on_request = world.on_answer = self._pass

    def _pass(self, request: httpx.Request) -> None:
        if is_write(request, "PUT"):
            self._left -= 1
            if self._left == 0:
                self._world.kill()


def calm(world: UpdatingWorld) -> None:
    """Nobody is killed any more."""
    world.on_request = world.on_answer = lambda _: None


@pytest.mark.parametrize("point", [1, 2])
def test_a_killed_update_is_gone_on_with(point: int) -> None:
    """Before it arrived, or after it was carried out: the same rev, at most sent once more."""
    world = begun()
    Killer(world, point)
    assert world.update(scaled(2)).finished is None
    calm(world)
    rev = open_rev(world.row("a"))
    assert world.update(scaled(2)).exit_code == 0
    assert world.puts() == [rev]
    assert is_converged(world, 2)


@pytest.mark.parametrize("point", [1, 2])
def test_a_spec_that_moves_on_after_a_kill_makes_another_rev(point: int) -> None:
    """One rev has one body; the old one may still come, and is known until then."""
    world = begun()
    Killer(world, point)
    world.update(scaled(2))
    calm(world)
    rev = open_rev(world.row("a"))
    world.timeline.skip(70.0)
    assert world.update(scaled(3)).exit_code == 0
    assert is_converged(world, 3)
    assert [sent.rev for sent in world.row("a").change.superseded] == [rev]
    assert len({*world.puts()}) == len(world.puts()) == point


@pytest.mark.parametrize("point", [1, 2])
def test_a_spec_that_is_taken_back_after_a_kill_is_what_runs(point: int) -> None:
    """Also where the record says already what is wanted: the server may not."""
    world = begun()
    Killer(world, point)
    world.update(scaled(2))
    calm(world)
    world.timeline.skip(70.0)
    assert world.update(scaled(1)).exit_code == 0
    assert world.shown("a")["spec"]["replicas"] == 1
    assert world.row("a").change.open is None


def test_a_field_that_only_an_abandoned_update_had_is_taken_away() -> None:
    """What it declared is ours, although no spec that was ever recorded has it."""
    world = begun()
    Killer(world, 2)
    more = scaled(1)
    manifest = {**more.manifest, "spec": {**more.manifest["spec"], "paused": True}}
    world.update(dataclasses.replace(more, manifest=manifest))
    calm(world)
    assert world.shown("a")["spec"]["paused"] is True
    world.timeline.skip(70.0)
    assert world.update(scaled(1)).exit_code == 0
    assert "paused" not in world.shown("a")["spec"]


def test_an_older_copy_of_the_state_takes_a_rev_that_it_does_not_know_for_ours() -> None:
    """It is no drift: the copy learns it, sends nothing in that run, and plans anew."""
    world = begun()
    copy = world.rows()
    world.update(scaled(2))
    newest = world.rev("a")
    world.record(*copy)
    ran = world.update(scaled(3))
    assert (ran.exit_code, ran.summary, world.puts()) == (0, {"recorded": 1}, [newest])
    assert world.row("a").change.confirmed == newest
    planned = world.plan(scaled(2)).plan
    assert (planned.changes, planned.drift) == ((), ())
    assert world.update(scaled(3)).exit_code == 0
    assert is_converged(world, 3)


def test_a_late_repetition_of_what_an_older_copy_has_learnt_is_no_drift() -> None:
    """Whoever made it may have sent it twice: it is known until the second cannot land any more."""
    world = begun("late=100s hangup on=PUT try=1")
    copy = world.rows()
    assert world.update(scaled(2)).exit_code == 0
    world.record(*copy)
    assert world.update(scaled(1)).summary == {"recorded": 1}
    assert world.update(scaled(1)).summary == {"updated": 1}
    world.timeline.skip(100.0)
    assert world.shown("a")["spec"]["replicas"] == 2
    assert world.update(scaled(1)).summary == {"updated": 1}
    assert is_converged(world, 1)


def test_an_older_copy_with_an_update_under_way_lets_go_of_it() -> None:
    """Another copy has updated it since: what was under way here may only come late."""
    world = begun("late=2s hangup on=PUT")
    world.update(scaled(2), deadline=1.0)
    copy = world.rows()
    world.sandbox.set_faults()
    world.timeline.skip(10.0)
    world.update(scaled(3))
    world.record(*copy)
    assert world.update(scaled(2)).summary == {"recorded": 1}
    assert world.update(scaled(2)).exit_code == 0
    assert is_converged(world, 2)


def test_a_server_that_drops_the_rev_is_believed_by_its_content() -> None:
    """The update is done; that its rev does not survive is remembered."""
    world = begun("strip-annotations=*/rev on=PUT")
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.told) == (
        0,
        ["done: update 4501/a: the server dropped our annotation, so further updates are held"],
    )
    row = world.row("a")
    assert (row.change.drops_annotations, row.change.open) == (True, None)
    assert len(world.puts()) == 1


def test_a_server_that_drops_the_marker_is_an_error() -> None:
    """The workload is not taken for one that nobody has marked."""
    world = begun("strip-annotations=* on=PUT")
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.told) == (
        4,
        ["failed: update 4501/a: the server took the update and dropped our mark with it"],
    )
    assert world.row("a").marker


def test_what_lags_is_waited_for_and_no_base_for_another_update() -> None:
    """Accepted, and not to be seen for fifty seconds."""
    world = begun("lag=50s on=PUT")
    ran = world.update(scaled(2))
    assert (ran.exit_code, len(world.puts())) == (0, 1)
    assert is_converged(world, 2)


def test_what_never_shows_stays_open() -> None:
    """A server that does not keep assumption A6 is not believed."""
    world = begun("lag=300s on=PUT try=1")
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.told) == (
        4,
        ["failed: update 4501/a: accepted, but the server does not show it"],
    )
    world.timeline.skip(300.0)
    assert world.update(scaled(2)).exit_code == 0
    assert (len(world.puts()), is_converged(world, 2)) == (1, True)


def test_a_stale_synced_is_not_believed() -> None:
    """The old content is in sync; the new one fails, which is what counts."""
    world = begun("stale-status=9s on=PUT", "sync-fails='no quota' on=PUT", sync_delay=1.0)
    ran = world.update(scaled(2))
    assert (ran.exit_code, ran.told) == (
        4,
        ["failed: update 4501/a: the cluster refused the update: no quota"],
    )
    row = world.row("a")
    assert (row.seen, row.change.was_synced, row.change.open) == (LastSeen.FAILED, True, None)


def test_a_stale_failed_is_not_believed() -> None:
    """What the cluster refused before is mended by the update."""
    world = UpdatingWorld("sync-fails='bad image' on=POST", sync_delay=1.0)
    assert world.apply(scaled(1)).exit_code == 4
    world.sandbox.set_faults("stale-status=9s on=PUT")
    assert world.update(scaled(2)).exit_code == 0
    row = world.row("a")
    assert (row.seen, row.change.was_synced) == (LastSeen.SYNCED, False)


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("sync-fails='no quota' on=PUT try=1", "done: update 4501/a"),
        (
            "sync-fails='no quota' on=PUT try=2",
            "failed: update 4501/a: the cluster refused the update: no quota",
        ),
    ],
)
def test_a_word_about_the_update_before_is_not_believed(refused: str, told: str) -> None:
    """Two updates within ten seconds: another word than before may still be about the first."""
    world = begun("stale-status=9s on=PUT", refused, sync_delay=1.0)
    assert world.update(scaled(2), wait=False).exit_code == 0
    world.timeline.skip(5.0)
    ran = world.update(scaled(3))
    assert ran.told == [told]


def test_a_word_about_a_late_update_is_not_believed() -> None:
    """Nobody knows when it landed, so whatever the status says may be about the content before."""
    stale = "stale-status=9s on=PUT"
    refused = "sync-fails='no quota' on=PUT"
    late = "late=100s hangup on=PUT try=1"
    world = begun(late, "503 on=PUT", stale, refused, sync_delay=1.0)
    assert world.update(scaled(2), deadline=5.0).exit_code == 4
    world.sandbox.set_faults(stale)
    world.timeline.skip(95.0)
    assert world.shown("a")["spec"]["replicas"] == 2
    world.timeline.skip(4.0)
    assert world.update(scaled(3)).told == ["done: update 4501/a"]


def test_a_late_update_that_lands_on_a_later_one_is_called_ours() -> None:
    """Nobody else has changed it, and the next run takes it back."""
    world = begun("late=100s hangup on=PUT try=1", "503 on=PUT", sync_delay=1.0)
    assert world.update(scaled(2), deadline=5.0).exit_code == 4
    world.sandbox.set_faults("stale-status=9s on=PUT")
    world.timeline.skip(89.0)
    ran = world.update(scaled(3))
    assert (ran.exit_code, ran.told) == (0, [f"done: update 4501/a: {OVERTAKEN}"])
    assert world.shown("a")["spec"]["replicas"] == 2
    assert world.update(scaled(3)).exit_code == 0
    assert is_converged(world, 3)


def test_the_change_is_durable_before_each_put() -> None:
    """With the rev and the number of the attempt that arrive."""
    world = begun("503 on=PUT try=1-2")
    seen: list[tuple[str, int, bool]] = []

    def look(request: httpx.Request) -> None:
        if is_write(request, "PUT"):
            (row,) = written(world)
            assert row.change.open is not None
            seen.append((row.change.open.rev, row.change.open.attempts, row.change.open.ambiguous))

    world.on_request = look
    world.update(scaled(2))
    rev = world.rev("a")
    assert seen == [(rev, 1, False), (rev, 2, True), (rev, 3, True)]


def written(world: UpdatingWorld) -> list[Recorded]:
    """What is in the store at this moment."""
    return list(world.disk.read())


def test_an_update_that_was_never_sent_is_taken_back() -> None:
    """The run was stopped before: nothing is open, and nothing was begun."""
    world = begun("latency=10s on=GET")
    ran = world.update(scaled(2), meanwhile=stop(after=0.5))
    assert (ran.summary, world.ledger("PUT")) == ({"skipped": 1}, [])
    assert world.row("a").change.open is None


def test_a_full_disk_stops_the_update_before_it_is_sent() -> None:
    """What cannot be recorded is not sent."""
    world = begun()
    ran = world.update(scaled(2), break_at=1)
    assert (ran.finished is not None and ran.finished.stopped_by, world.ledger("PUT")) == (
        "state",
        [],
    )
