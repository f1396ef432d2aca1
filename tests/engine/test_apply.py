"""What an apply does while nothing goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.events import ActionEnded, ActionStarted, RunFinished, RunStarted
from reconciler.core.history.events import Summary as Counts
from reconciler.core.history.outcome import Succeeded
from reconciler.core.lifecycle import (
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    LastSeen,
    Own,
    Purpose,
)
from reconciler.core.planning.case import OnDrift, PlanOptions
from reconciler.sandbox import AfterDelete
from tests.support.timing import EPOCH
from tests.support.worlds import URL, World, wish


def test_the_first_apply_creates_everything() -> None:
    """Each declared workload is created once, recorded with its id, and told from start to end."""
    world = World()

    ran = world.apply(wish("a"))

    at = EPOCH.isoformat(timespec="milliseconds")
    row = world.row("a")
    assert ran.events == [
        RunStarted(at=at, run=row.run, actions=1),
        ActionStarted(at=at, address=row.address, action="create"),
        ActionEnded(
            at=at,
            address=row.address,
            action="create",
            outcome=Succeeded(id=world.id_of("a"), counted_as="created"),
        ),
        RunFinished(at=at, run=row.run, took=0.0, summary=Counts(created=1)),
    ]
    assert ran.exit_code == 0
    assert (row.own, row.seen, row.id, row.attempts, row.ambiguous) == (
        Own.ACCEPTED,
        LastSeen.SYNCED,
        world.id_of("a"),
        1,
        False,
    )
    # The plan has looked whether somebody else has the name, and what the project is.
    assert world.ledger("GET", "POST", "DELETE") == [
        *["GET None 200"] * 2,
        "POST a 202",
        "GET a 200",
    ]


def test_the_second_apply_is_empty(tmp_path: Path) -> None:
    """What is recorded and live is read, and nothing is written to server or state."""
    world = World(path=tmp_path / "state.db")
    specs = (wish("a"), wish("b", encoded=True), wish("c", kind="Job"))
    world.apply(*specs)
    before = world.rows(), world.ledger()

    ran = world.apply(*specs)

    assert ran.told == []
    assert ran.summary == {}
    assert (world.rows(), world.ledger()) == before
    assert [action.kind for action in world.plan(*specs).plan.actions] == ["keep"] * 3


def test_the_order_of_specs_changes_nothing() -> None:
    """An apply of the same specs in another order is empty."""
    world = World()
    specs = [wish(name) for name in "abcd"]
    world.apply(*specs)

    assert world.apply(*specs[::-1]).summary == {}


@pytest.mark.parametrize("after_delete", AfterDelete)
def test_a_changed_spec_is_a_replace(after_delete: AfterDelete) -> None:
    """The old workload is deleted, its absence awaited, and only then the new one created."""
    world = World(delete_delay=3.0, after_delete=after_delete)
    world.apply(wish("a"), wish("b"))
    old = world.row("a")
    world.timeline.skip(3600.0)

    ran = world.apply(wish("a", image="nginx:2"), wish("b"))

    assert ran.told == ["done: replace 4501/a"]
    assert ran.summary == {"replaced": 1}
    assert world.changes() == ["created a", "created b", "deleted a", "created a"]
    _, deleted, created = (e.decided for e in world.entries() if e.effect and e.name == "a")
    assert created - deleted >= 3.0
    assert world.row("a").op != old.op
    assert world.live() == ["a", "b"]
    assert world.apply(wish("a", image="nginx:2"), wish("b")).summary == {}


def test_a_removed_spec_is_a_delete() -> None:
    """The workload is read, deleted and forgotten; the others are left alone."""
    world = World(delete_delay=2.0)
    world.apply(wish("a"), wish("b"))
    gone = world.id_of("a")
    world.timeline.skip(3600.0)
    before = len(world.entries())

    ran = world.apply(wish("b"))

    assert ran.told == ["done: delete 4501/a"]
    assert ran.ended(Succeeded)[0].id == gone
    assert world.state() == ["b ACCEPTED Synced"]
    assert world.live() == ["b"]
    requests = [f"{e.method} {e.name} {e.status}" for e in world.entries()[before:]]
    # Two reads to plan, one to verify; then the delete is followed until the server says 404.
    assert sorted(requests[:2]) == ["GET a 200", "GET b 200"]
    assert requests[2:4] == ["GET a 200", "DELETE a 202"]
    assert set(requests[4:-1]) == {"GET a 200"}
    assert requests[-1].startswith("GET")
    assert requests[-1].endswith("404")


def test_a_destroy_deletes_what_is_recorded() -> None:
    """Nothing is wanted, so everything recorded goes, and the state is empty."""
    world = World()
    specs = [wish(name) for name in "abc"]
    world.apply(*specs)

    ran = world.apply(*specs, request=PlanRequest(options=PlanOptions(destroying=True)))

    assert ran.summary == {"deleted": 3}
    assert (world.state(), world.live()) == ([], [])


def test_a_changed_lifecycle_sends_nothing() -> None:
    """It is remembered in the state, so that it outlives the spec."""
    world = World()
    world.apply(wish("a"))
    before = world.ledger("POST", "DELETE")

    ran = world.apply(wish("a", on_remove=OnRemove.FORGET, on_missing=OnMissing.FAIL))

    assert ran.told == ["done: record 4501/a"]
    assert ran.summary == {"recorded": 1}
    assert world.ledger("POST", "DELETE") == before
    assert world.row("a").lifecycle.on_remove is OnRemove.FORGET
    assert world.apply(request=PlanRequest(allow_empty=True)).told == ["done: forget 4501/a"]
    assert (world.state(), world.live()) == ([], ["a"])


def test_a_delete_that_nobody_waits_for_is_finished_by_the_next_run() -> None:
    """With --no-wait the record stays DELETING until an absence has been seen."""
    world = World(delete_delay=30.0)
    world.apply(wish("a"), wish("b"))

    first = world.apply(wish("b"), wait=False)
    left = world.row("a")
    world.timeline.skip(60.0)
    second = world.apply(wish("b"), wait=False)

    assert first.told == [
        "done: delete 4501/a: the deletion is under way; the next run finishes it"
    ]
    assert (left.own, left.purpose) == (Own.DELETING, Purpose.REMOVED)
    assert second.told == ["done: delete 4501/a"]
    assert world.changes() == ["created a", "created b", "deleted a"]
    assert world.state() == ["b ACCEPTED Synced"]


def test_a_workload_that_was_changed_and_reverted_keeps_running() -> None:
    """A spec that is again what was applied is no change."""
    world = World()
    world.apply(wish("a"))
    world.plan(wish("a", image="nginx:2"))

    assert world.apply(wish("a")).summary == {}


def test_drift_is_reported_and_undone_only_when_asked() -> None:
    """A change made on the server is shown; --on-drift replace puts the spec back."""
    world = World()
    world.apply(wish("a"))
    manifest = world.sandbox.store.manifest(world.id_of("a"))
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "other:9"
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)

    shown = world.plan(wish("a")).plan
    left = world.apply(wish("a"))
    options = PlanOptions(on_drift=OnDrift.REPLACE)
    undone = world.apply(wish("a"), request=PlanRequest(options=options))

    assert [str(drift.address) for drift in shown.drift] == ["4501/a"]
    assert (left.summary, undone.summary) == ({}, {"replaced": 1})
    assert world.plan(wish("a")).plan.drift == ()


def test_drift_that_a_spec_follows_is_recorded_and_nothing_is_sent() -> None:
    """Whoever accepts a change made by hand must not lose the workload to it."""
    world = World()
    world.apply(wish("a"))
    manifest = world.sandbox.store.manifest(world.id_of("a"))
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)

    accepted = world.apply(wish("a", image="nginx:2"))
    after = world.plan(wish("a", image="nginx:2")).plan

    assert accepted.summary == {"recorded": 1}
    assert (after.changes, after.drift, world.changes()) == ((), (), ["created a"])


def test_what_was_sent_carries_our_marker_and_what_is_recorded_does_not() -> None:
    """The marker proves whose the workload is; no diff ever shows it."""
    world = World()
    world.apply(wish("a"), wish("b", encoded=True))

    for name in ("a", "b"):
        row = world.row(name)
        annotations = world.sandbox.store.manifest(world.id_of(name))["metadata"]["annotations"]
        assert annotations == {
            "workload-reconciler/op": row.marker,
            "workload-reconciler/stack": "blue",
        }
        assert "annotations" not in str(row.spec) + str(row.echo)


def test_the_state_remembers_the_file_and_the_run() -> None:
    """A record says which spec and which apply made it."""
    world = World()

    ran = world.apply(wish("a"))

    row = world.row("a")
    assert ran.finished is not None
    assert (row.source, row.run) == ("a.yaml", ran.finished.run)
    assert world.plan().plan.target.url == URL
