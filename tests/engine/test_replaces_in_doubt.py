"""A create in doubt of a name that had a workload: what ran there is told until something does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import httpx
import pytest

from reconciler.app.state.claiming import ResolveRequest, abandon, recheck, resolve_by_id
from reconciler.app.state.state_edits import forget
from reconciler.core.history.outcome import InDoubt
from reconciler.core.model import LastSeen, Own, Recorded
from reconciler.core.planning.actions import Create, Forget, Hold, Reason, Resolve
from reconciler.core.protocol.transitions import QUIET, SETTLED
from reconciler.core.states.address_records import find_replaced
from reconciler.core.states.places import FilePlace
from reconciler.errors import RefusedError, StateError
from tests.support.timing import run
from tests.support.worlds import World, is_write, wish

CHANGED = (wish("a", image="nginx:2"), wish("z"))
UNWANTED = (wish("z"),)
RULE = "500 on=POST name=a"
LATE = "it may still be carried out until 2026-03-02 09:06:03 UTC"
UNSEEN = f"the server does not show it yet, and {LATE}"
WORDS = f"injected by a fault rule: {RULE}"
KNOWN_TO_RUN = "and nothing of ours is known to run there now"
A_WHILE = (QUIET + SETTLED).total_seconds() + 60.0


def _doubtful(path: Path | None = None, *, listing: bool = True) -> tuple[World, str]:
    """A world whose replacement of `a` was answered 500, and the id of what was deleted."""
    world = World(path=path, listing=listing)
    if path is not None:
        world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")
    world.sandbox.set_faults(RULE)
    assert world.apply(*CHANGED).exit_code == 8
    return world, old


def _replaced(world: World) -> Recorded:
    found = find_replaced(row for row in world.rows() if row.address.name == "a")
    assert found is not None
    return found


def _claim(words: str = "") -> ResolveRequest:
    return ResolveRequest(
        address="4501/a", command=f"reconciler state resolve {words}", confirm=lambda _: True
    )


def test_the_plan_says_what_is_in_doubt_and_what_it_replaced() -> None:
    """The server's words, the doubt, the deleted id, and the image before and after."""
    world, old = _doubtful()

    (planned,) = world.plan(*CHANGED).plan.changes

    assert isinstance(planned, Resolve)
    assert planned.reason is Reason.IN_DOUBT
    doubt = re.escape(f"{WORDS}; {UNSEEN}: a create of ")
    emptied = re.escape(f"workload {old} was deleted to be replaced, {KNOWN_TO_RUN}")
    assert re.fullmatch(
        rf"{doubt}[-\d]+ [\d:]+ UTC is in doubt; {emptied}; the same request is sent again",
        planned.detail,
    )
    assert [(change.before, change.after) for change in planned.changes] == [("nginx:1", "nginx:2")]


@pytest.mark.parametrize(
    "later",
    [
        pytest.param("drop on=POST name=a", id="reset"),
        pytest.param("lost on=POST name=a", id="lost"),
    ],
)
def test_a_connection_that_breaks_later_does_not_hide_what_the_server_said(later: str) -> None:
    """The server's last words stay on record until it says something else."""
    world, old = _doubtful(listing=False)
    world.sandbox.set_faults(later)

    ran = world.apply(*CHANGED)

    (told,) = ran.ended(InDoubt)
    assert told.message.startswith(f"{WORDS}; ")
    assert told.message.endswith(f"workload {old} was deleted to be replaced, {KNOWN_TO_RUN}")
    assert (ran.summary, told.deleted) == ({"in_doubt": 1, "down": 1}, None)
    doubt = next(row for row in world.rows() if row.own is Own.UNCONFIRMED)
    assert doubt.refusal == WORDS
    assert _replaced(world).former_id == old
    assert _replaced(world).message.startswith(WORDS)


def test_what_the_server_says_later_takes_the_place_of_what_it_said() -> None:
    """The last words count."""
    world, old = _doubtful()
    rule = "422 on=POST name=a"
    world.sandbox.set_faults(rule)

    world.apply(*CHANGED)

    (planned,) = world.plan(*CHANGED).plan.changes
    assert planned.detail.startswith(f"injected by a fault rule: {rule}; ")
    assert f"workload {old} was deleted to be replaced" in planned.detail


def test_what_was_down_and_is_in_doubt_now_is_both() -> None:
    """A refused successor, and then one that was answered 500."""
    world = World("422 on=POST name=a nth=2")
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")
    assert world.apply(*CHANGED).summary == {"deleted": 1, "failed": 1, "down": 1}
    world.sandbox.set_faults(RULE)

    ran = world.apply(*CHANGED)

    (told,) = ran.ended(InDoubt)
    assert told.message.endswith(f"workload {old} was deleted to be replaced, {KNOWN_TO_RUN}")
    assert (ran.summary, ran.exit_code) == ({"in_doubt": 1, "down": 1}, 8)
    assert _replaced(world).former_id == old


def test_a_spec_that_goes_while_its_create_is_in_doubt_loses_no_trace() -> None:
    """Words and id stay on record and are counted until nothing can come true; then both go."""
    world, old = _doubtful()
    posts = world.ledger("POST")

    ran = world.apply(*UNWANTED)
    (left,) = world.plan(*UNWANTED).plan.changes
    replaced = _replaced(world)
    world.timeline.skip(A_WHILE)
    settled = world.apply(*UNWANTED)
    (forgotten,) = world.plan(*UNWANTED).plan.changes
    last = world.apply(*UNWANTED)

    (told,) = ran.ended(InDoubt)
    assert told.message == (
        f"{WORDS}; {LATE}; looked up again by the next run; "
        f"workload {old} was deleted to be replaced, {KNOWN_TO_RUN}"
    )
    assert (ran.summary, ran.exit_code) == ({"in_doubt": 1, "down": 1}, 8)
    assert left.detail.startswith(f"{WORDS}; ")
    assert f"workload {old} was deleted to be replaced" in left.detail
    assert (replaced.former_id, replaced.message) == (
        old,
        f"{WORDS}; {UNSEEN}",
    )
    assert settled.exit_code == 0
    assert isinstance(forgotten, Forget)
    assert f"workload {old} was deleted to be replaced" in forgotten.detail
    assert (last.exit_code, world.state()) == (0, ["z ACCEPTED Synced"])
    assert world.ledger("POST") == posts


def test_another_image_that_is_wanted_meanwhile_loses_no_trace() -> None:
    """The successor of the successor is in doubt as well: the id is that of what ran."""
    world, old = _doubtful()
    newest = (wish("a", image="nginx:3"), wish("z"))

    ran = world.apply(*newest)
    (planned,) = world.plan(*newest).plan.changes
    world.sandbox.set_faults()
    made = world.apply(*newest)

    assert (ran.summary, ran.exit_code) == ({"in_doubt": 1, "down": 1}, 8)
    assert f"workload {old} was deleted to be replaced" in planned.detail
    assert [(change.before, change.after) for change in planned.changes] == [("nginx:1", "nginx:3")]
    assert (made.exit_code, world.live()) == (0, ["a", "z"])
    assert find_replaced(world.rows()) is None


def test_a_successor_that_is_there_ends_the_trace_at_the_same_instant() -> None:
    """Its id and the end of the old record are one write."""
    world, _ = _doubtful()
    world.sandbox.set_faults()

    made = world.apply(*CHANGED)

    assert (made.exit_code, made.summary) == (0, {"adopted": 1})
    accepted = [write for write in world.disk.writes if write[0].own is Own.ACCEPTED]
    assert [row.own for row in accepted[0]] == [Own.ACCEPTED, Own.GONE]
    assert world.state() == ["a ACCEPTED Synced", "z ACCEPTED Synced"]


def test_who_abandons_the_doubt_is_left_with_what_is_down(tmp_path: Path) -> None:
    """What was deleted stays told until it has a successor, and can be forgotten by hand."""
    world, old = _doubtful(tmp_path / "state.db")

    done = abandon(world.settings, _claim("4501/a --abandon"))
    (planned,) = world.plan(*CHANGED).plan.changes
    with pytest.raises(StateError, match=f"is down, and not in doubt: workload {old}") as refused:
        abandon(world.settings, _claim("4501/a --abandon"))
    world.sandbox.set_faults()
    made = world.apply(*CHANGED)

    assert [row.own for row in done.dropped] == [Own.GONE]
    assert done.down is not None
    assert done.down.ending == f"workload {old} was deleted to be replaced"
    assert (type(planned), planned.reason) == (Create, Reason.DOWN)
    assert planned.detail == (
        f"{WORDS}; {UNSEEN}; workload {old} was deleted to be replaced; "
        "nothing of ours runs there now"
    )
    assert "reconciler state rm 4501/a" in refused.value.hint
    assert (made.exit_code, made.summary) == (0, {"created": 1})


def test_what_is_down_can_be_forgotten_by_hand(tmp_path: Path) -> None:
    """But not while its successor is in doubt."""
    world, _ = _doubtful(tmp_path / "state.db")
    path = world.settings.state
    with pytest.raises(RefusedError, match="is in doubt"):
        forget(path, "4501/a", command="rm", confirm=lambda _: True)

    abandon(world.settings, _claim("4501/a --abandon"))
    forget(path, "4501/a", command="rm", confirm=lambda _: True)

    assert world.state() == ["z ACCEPTED Synced"]


def test_a_recheck_that_settles_the_doubt_leaves_what_is_down(tmp_path: Path) -> None:
    """It reads, and says nothing of what a spec wants."""
    world, old = _doubtful(tmp_path / "state.db")
    world.timeline.skip(A_WHILE)

    told = recheck(world.settings, _claim(), connector=world.connector(), say=lambda _: None)
    assert run(told, world.timeline).exit_code == 0

    (planned,) = world.plan(*CHANGED).plan.changes
    assert (planned.reason, _replaced(world).former_id) == (Reason.DOWN, old)


def test_an_id_that_settles_the_doubt_ends_what_was_down(tmp_path: Path) -> None:
    """The name has a workload again."""
    world, _ = _doubtful(tmp_path / "state.db", listing=False)
    world.sandbox.set_faults("lost on=POST name=a", "404 on=GET name=a")
    assert world.apply(*CHANGED).exit_code == 8
    world.sandbox.set_faults()
    made = world.id_of("a")

    settled = resolve_by_id(
        world.settings, _claim(), made, connector=world.connector(), say=lambda _: None
    )
    rows = run(settled, world.timeline)

    assert [(row.own, row.id) for row in rows] == [(Own.ACCEPTED, made)]
    assert world.state() == ["a ACCEPTED Synced", "z ACCEPTED Synced"]


def _missing_and_unlisted() -> tuple[World, str]:
    """`a` was deleted by somebody else, and no list can be believed; returns its id."""
    world = World(listing=False)
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")
    world.sandbox.store.vanish(old)
    world.timeline.skip(3600.0)
    return world, old


def test_a_missing_workload_keeps_its_record_until_it_is_made_again() -> None:
    """The process dies with the create: nothing proves that the old one is gone."""
    world, old = _missing_and_unlisted()
    world.on_request = lambda request: world.kill() if is_write(request) else None
    world.apply(wish("a"), wish("z"))
    world.on_request = lambda _: None
    rows = [row for row in world.rows() if row.address.name == "a"]

    (planned,) = world.plan(wish("a"), wish("z")).plan.changes
    (unwanted,) = world.plan(wish("z")).plan.changes
    made = world.apply(wish("a"), wish("z"))

    assert [(row.own, row.id, row.seen) for row in rows] == [
        (Own.ACCEPTED, old, LastSeen.MISSING),
        (Own.CREATING, None, LastSeen.UNKNOWN),
    ]
    ending = f"workload {old} was no longer on the server, {KNOWN_TO_RUN}"
    assert (isinstance(planned, Resolve), ending in planned.detail) == (True, True)
    assert ending in unwanted.detail
    assert (made.exit_code, world.state()) == (0, ["a ACCEPTED Synced", "z ACCEPTED Synced"])


def test_a_missing_workload_whose_create_is_refused_is_still_missing() -> None:
    """Its record is as it was, so that a later look may find it."""
    world, old = _missing_and_unlisted()
    world.sandbox.set_faults("422 on=POST name=a")

    ran = world.apply(wish("a"), wish("z"))
    (held,) = world.plan(wish("z")).plan.holds

    assert (ran.summary, ran.exit_code) == ({"failed": 1}, 4)
    row = world.row("a")
    assert (row.own, row.id, row.seen) == (Own.ACCEPTED, old, LastSeen.MISSING)
    assert (type(held), held.reason) == (Hold, Reason.UNPROVEN_ABSENCE)


def test_a_missing_workload_that_was_only_out_of_sight_is_found_by_its_id() -> None:
    """Its create is a conflict, and the old record says with whom."""
    world = World(listing=False)
    world.apply(wish("a"), wish("z"))
    old = world.id_of("a")
    world.timeline.skip(3600.0)

    async def hide(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.method == "GET" and old in request.url.path:
            return httpx.Response(404, json={"code": 404, "message": "not found"})
        return response

    seen = world.rewrite
    world.rewrite = hide
    blind = world.apply(wish("a"), wish("z"))
    world.rewrite = seen
    found = world.apply(wish("a"), wish("z"))

    assert (blind.exit_code, found.exit_code) == (8, 0)
    assert [row.id for row in world.rows() if row.own is Own.ACCEPTED] == [old, world.id_of("z")]
    assert world.changes().count("created a") == 1


@pytest.mark.parametrize("listing", [True, False])
def test_a_recreate_in_doubt_says_which_workload_was_lost(listing: bool) -> None:
    """It is not down by our doing, and all the same nothing of it is known to run."""
    world = World(listing=listing)
    world.apply(wish("a"), wish("b"))
    lost = world.id_of("a")
    world.sandbox.store.vanish(lost)
    world.sandbox.set_faults("500 on=POST name=a")

    ran = world.apply(wish("a"), wish("b"))

    (told,) = ran.ended(InDoubt)
    assert told.message.endswith(f"; workload {lost} was no longer on the server, {KNOWN_TO_RUN}")
    assert ran.summary == {"in_doubt": 1}
