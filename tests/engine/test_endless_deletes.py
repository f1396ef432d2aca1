"""Deletes that do not come to their end: told as they happen, waited for once, given up by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from reconciler.app.state.claiming import ResolveRequest, abandon, recheck, resolve_by_id
from reconciler.app.state.state_edits import forget
from reconciler.core.history.events import RequestRetried
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.model import Own, Purpose, Recorded
from reconciler.core.planning.actions import Hold, Reason
from reconciler.core.states.places import FilePlace
from reconciler.errors import RefusedError
from tests.support.timing import run
from tests.support.worlds import World, wish

FOREVER = "linger name=a"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world in which the deletion of `a` never ends, with its state in a file."""
    path = tmp_path / "state.db"
    world = World(FOREVER, path=path)
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"), wish("b"))
    return world


def _request(words: str = "resolve") -> ResolveRequest:
    return ResolveRequest(
        address="4501/a", command=f"reconciler state {words}", confirm=lambda _: True
    )


def _recheck(world: World) -> int:
    told = recheck(world.settings, _request(), connector=world.connector(), say=lambda _: None)
    return run(told, world.timeline).exit_code


def _keep(world: World, workload_id: str) -> Sequence[Recorded]:
    told = resolve_by_id(
        world.settings,
        _request(f"resolve 4501/a --id {workload_id}"),
        workload_id,
        connector=world.connector(),
        say=lambda _: None,
    )
    return run(told, world.timeline)


def test_an_earlier_runs_delete_is_not_waited_for_in_full_again(world: World) -> None:
    """The first apply waits as long as it was told to, every later one for half a minute."""
    waited = []
    for _ in range(3):
        began = world.timeline.now
        ran = world.apply(wish("b"), wait_timeout=900.0)
        waited.append(world.timeline.now - began)
        assert ran.exit_code == 4

    assert waited[0] > 890.0
    assert max(waited[1:]) < 35.0
    assert world.row("a").message == "still there 30 s after DELETE"


def test_a_delete_that_is_given_up_is_listed_and_never_frees_its_name(world: World) -> None:
    """No request is sent for it, its id is told with the command that settles it, exit code 4."""
    held_id = world.id_of("a")
    world.apply(wish("b"), wait_timeout=5.0)
    with pytest.raises(RefusedError, match="is being deleted: workload") as refused:
        forget(world.settings.state, "4501/a", command="rm", confirm=lambda _: True)

    abandon(world.settings, _request("resolve 4501/a --abandon"))
    abandon(world.settings, _request("resolve 4501/a --abandon"))
    left = world.row("a")
    sent, began = len(world.ledger()), world.timeline.now
    unwanted = world.apply(wish("b"))
    wanted = world.apply(wish("a"), wish("b"))
    (held,) = world.plan(wish("a"), wish("b")).plan.holds

    assert "--recheck" in refused.value.hint
    assert "--abandon" in refused.value.hint
    assert (left.own, left.id, left.purpose) == (Own.DELETING, held_id, Purpose.GIVEN_UP)
    assert (type(held), held.reason, held.id) == (Hold, Reason.GIVEN_UP, held_id)
    assert held.detail.endswith("Once it is gone: reconciler state resolve 4501/a --recheck")
    assert held.detail.startswith(
        f"still there 5 s after DELETE; its deletion was given up by hand; workload {held_id} "
    )
    assert world.plan(wish("b")).plan.has_changes
    assert [ran.exit_code for ran in (unwanted, wanted)] == [4, 4]
    assert [failed.cause for failed in unwanted.ended(Failed)] == [Cause.GIVEN_UP]
    assert (len(world.ledger()), world.timeline.now - began < 2.0) == (sent, True)


def test_a_recheck_settles_a_delete_once_the_workload_is_gone(world: World) -> None:
    """It only reads: still there is exit code 4, gone is recorded."""
    world.apply(wish("b"), wait_timeout=5.0)
    abandon(world.settings, _request("resolve 4501/a --abandon"))
    sent = len(world.ledger())

    there = _recheck(world)
    world.sandbox.store.vanish(world.id_of("a"))
    gone = _recheck(world)

    assert (there, gone) == (4, 0)
    assert len(world.ledger()) == sent
    assert world.state() == ["b ACCEPTED Synced"]
    assert world.apply(wish("b")).summary == {}


def test_a_given_up_delete_that_was_never_carried_out_is_sent_again(tmp_path: Path) -> None:
    """A login page took its DELETE: a recheck finds the workload alive, and the next apply ends it.

    Until the server takes a DELETE, giving up is not what is advised.
    """
    path = tmp_path / "state.db"
    world = World("200 page=html on=DELETE", path=path)
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"), wish("b"))
    refused = world.apply(wish("b"), wait_timeout=5.0)
    abandon(world.settings, _request("resolve 4501/a --abandon"))
    world.sandbox.set_faults()
    sent = len(world.ledger())

    looked = _recheck(world)
    rows, read_only = world.state(), len(world.ledger()) == sent
    (wanted,) = world.plan(wish("a"), wish("b")).plan.changes
    ended = world.apply(wish("b"))

    assert [failed.hint for failed in refused.ended(Failed)] == [""]
    assert (looked, read_only, rows) == (0, True, ["a DELETING Synced", "b ACCEPTED Synced"])
    assert wanted.detail == "its deletion has begun and is finished first; a spec declares it again"
    assert (ended.summary, ended.exit_code) == ({"deleted": 1}, 0)
    assert world.state() == ["b ACCEPTED Synced"]


def test_what_was_given_up_and_is_gone_after_all_is_made_again(world: World) -> None:
    """The next apply sees it: nothing has to be settled by hand."""
    world.apply(wish("b"), wait_timeout=5.0)
    abandon(world.settings, _request("resolve 4501/a --abandon"))
    world.sandbox.store.vanish(world.id_of("a"))

    (planned,) = world.plan(wish("a"), wish("b")).plan.changes
    (changed,) = world.plan(wish("a", image="nginx:2"), wish("b")).plan.changes
    ran = world.apply(wish("a"), wish("b"))

    assert (planned.reason, changed.reason) == (Reason.GIVEN_UP, Reason.SPEC_CHANGED)
    assert (ran.summary, ran.exit_code) == ({"replaced": 1}, 0)
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]


def test_a_delete_that_is_refused_for_now_is_repeated_while_an_apply_waits() -> None:
    """`--wait-timeout` bounds it, and its reason is told once, as it happens."""
    world = World("409 on=DELETE")
    world.apply(wish("a"), wish("b"))
    began = world.timeline.now

    ran = world.apply(wish("b"), wait_timeout=60.0)

    (failed,) = ran.ended(Failed)
    assert failed.message == "injected by a fault rule: 409 on=DELETE"
    assert (
        failed.hint == "nothing was deleted; ask what holds it on the server, or apply again later"
    )
    assert 30.0 < world.timeline.now - began <= 61.0
    retried = ran.of(RequestRetried)
    assert [event.is_news for event in retried] == [True] + [False] * (len(retried) - 1)
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_refusal_for_want_of_rights_says_so(method: str) -> None:
    """Nobody has to mend a spec because a login may not do something."""
    world = World(f"403 on={method} name=a nth=1")
    if method == "DELETE":
        world.apply(wish("a"), wish("b"))

    ran = world.apply(*(() if method == "DELETE" else (wish("a"),)), wish("b"))

    (failed,) = ran.ended(Failed)
    assert failed.message.startswith("permission denied: injected by a fault rule: 403")
    assert (failed.cause, ran.exit_code) == (Cause.DENIED, 4)


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_delete_asks_nobody_to_mend_a_spec(status: int) -> None:
    """Its spec is gone: what holds the workload is on the server."""
    world = World(f"{status} on=DELETE")
    world.apply(wish("a"), wish("b"))

    (failed,) = world.apply(wish("b")).ended(Failed)

    assert failed.cause is Cause.OTHER
    assert failed.hint == (
        "nothing was deleted; ask what holds it on the server, or apply again later"
    )
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]


@pytest.mark.parametrize("given_up", [True, False])
def test_a_delete_that_was_not_carried_out_can_be_taken_back(
    tmp_path: Path, given_up: bool
) -> None:
    """By the workload's id: it is kept, and with its spec back there is nothing to do."""
    path = tmp_path / "state.db"
    world = World("200 page=html on=DELETE", path=path)
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"), wish("b"))
    kept_id = world.id_of("a")
    world.apply(wish("b"), wait_timeout=5.0)
    if given_up:
        abandon(world.settings, _request("resolve 4501/a --abandon"))
    world.sandbox.set_faults()

    kept = _keep(world, kept_id)
    ran = world.apply(wish("a"), wish("b"))

    assert [(row.own, row.id, row.purpose, row.message) for row in kept] == [
        (Own.ACCEPTED, kept_id, None, "")
    ]
    assert (ran.summary, ran.exit_code, world.live()) == ({}, 0, ["a", "b"])
    assert world.id_of("a") == kept_id


def test_what_the_server_is_deleting_cannot_be_kept(world: World) -> None:
    """Its end is certain, whatever a record says."""
    world.apply(wish("b"), wait_timeout=5.0)
    before = world.rows()

    with pytest.raises(RefusedError, match="the server is deleting workload"):
        _keep(world, world.id_of("a"))

    assert world.rows() == before
