"""What a create that was refused in words leads to: the words first, and no doubt without cause."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reconciler.core.model import Own
from tests.support.worlds import World, is_write, wish

RESERVED = "409 on=POST name=a"
WORDS = "injected by a fault rule: 409 on=POST name=a"
NOBODY = f"{WORDS}; the server lists no workload with this name"
UNLISTED = (
    "the server's list does not show it, and nothing else is recorded in its project that would "
    "show whether the list is whole"
)


def test_a_server_error_is_told_in_the_servers_words_and_recorded() -> None:
    """A 500 with a reason stays in doubt, and its reason comes first wherever it is told."""
    world = World("500 on=POST name=a")
    world.apply(wish("z"))

    ran = world.apply(wish("a"), wish("z"))
    (planned,) = world.plan(wish("a"), wish("z")).plan.changes

    words = (
        "injected by a fault rule: 500 on=POST name=a; the server does not show it yet, and "
        "it may still be carried out until 2026-03-02 09:06:03 UTC"
    )
    assert (ran.told, ran.exit_code) == ([f"in doubt: create 4501/a: {words}"], 8)
    assert world.row("a").reason == words
    assert planned.detail.startswith(f"{words}: a create of ")


def test_a_name_that_stays_reserved_fails_at_once_with_the_servers_words() -> None:
    """Nothing that we sent is unanswered and a believed list shows nobody: that is a failure."""
    world = World(RESERVED)
    world.apply(wish("z"))
    began = world.timeline.now

    runs = [world.apply(wish("a"), wish("z")) for _ in range(2)]

    assert [ran.told for ran in runs] == [[f"failed: create 4501/a: {NOBODY}"]] * 2
    assert [ran.exit_code for ran in runs] == [4, 4]
    assert world.timeline.now - began < 5.0
    assert world.state() == ["z ACCEPTED Synced"]


def test_a_conflict_where_no_list_is_believed_is_listed() -> None:
    """In a project where nothing of ours is known the list proves nothing: the owner is unknown."""
    world = World(RESERVED)

    ran = world.apply(wish("a"))

    words = (
        f"{WORDS}; its owner is unknown: {UNLISTED}; a name may stay taken for a while after its "
        "workload was deleted"
    )
    assert (ran.told, ran.exit_code) == ([f"in doubt: create 4501/a: {words}"], 8)
    assert (world.row("a").own, world.row("a").ambiguous) == (Own.UNCONFIRMED, False)


def test_the_name_of_our_own_delete_is_asked_for_again_for_a_minute() -> None:
    """A server may free a name a little later than the id: that is waited for, and no longer."""
    world = World("409 on=POST name=a nth=2-4")
    world.apply(wish("a"), wish("z"))

    ran = world.apply(wish("a", image="nginx:2"), wish("z"))

    assert (ran.summary, ran.exit_code) == ({"replaced": 1}, 0)
    assert world.ledger("POST")[-4:] == ["POST a 409"] * 3 + ["POST a 202"]
    assert world.state() == ["a ACCEPTED Synced", "z ACCEPTED Synced"]


def test_a_name_that_our_own_delete_does_not_free_is_given_up_after_a_minute() -> None:
    """It fails in the server's words, and says that nothing of ours runs there now."""
    world = World("409 on=POST name=a nth=2-")
    world.apply(wish("a"), wish("z"))
    old, began = world.id_of("a"), world.timeline.now

    ran = world.apply(wish("a", image="nginx:2"), wish("z"))

    (told,) = ran.told
    assert told.startswith("failed: replace 4501/a: injected by a fault rule: 409 ")
    assert told.endswith(
        f"workload {old} was deleted to be replaced, and nothing of ours runs there now"
    )
    assert ran.summary == {"deleted": 1, "failed": 1, "down": 1}
    assert 40.0 < world.timeline.now - began < 65.0


@pytest.mark.parametrize("listing", [True, False])
def test_an_id_that_a_message_merely_mentions_is_no_hint(listing: bool) -> None:
    """The id of a request in a 409 leads nowhere; the list does, and settles the lost create."""
    world = World("lost on=POST name=a times=1", listing=listing)
    world.apply(wish("z"))
    mention = b"(request id 6f1c1b1e-0000-4000-8000-000000000001)"

    async def mentioning(_: httpx.Request, response: httpx.Response) -> httpx.Response:
        body = await response.aread()
        if response.status_code != 409:
            return response
        body = body.replace(b"already exists", b"already exists " + mention)
        return httpx.Response(409, content=body, headers={"content-type": "application/json"})

    world.rewrite = mentioning
    ran = world.apply(wish("a"), wish("z"))

    assert ran.exit_code == (0 if listing else 8)
    assert world.changes() == ["created z", "created a"]


def test_an_id_that_is_answered_twice_is_recorded_once() -> None:
    """Whatever made the second one, it cannot be known by an id that is somebody else's."""
    world = World()
    first: dict[str, Any] = {}

    async def repeating(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        body = (await response.aread()).decode()
        if not is_write(request) or response.status_code != 202:
            return response
        own = httpx.Response(202, content=body).json()["metadata"]["id"]
        body = body.replace(own, first.setdefault("id", own))
        return httpx.Response(202, content=body, headers={"content-type": "application/json"})

    world.rewrite = repeating
    ran = world.apply(wish("a"), wish("b"), wish("c"), concurrency=1)

    assert ran.exit_code == 0
    assert {row.id for row in world.rows()} == {world.id_of(name) for name in "abc"}
    assert world.created_twice() == []
