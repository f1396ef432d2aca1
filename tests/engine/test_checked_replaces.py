"""What can be known of a replacement is found out before what it replaces is deleted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.protocol.marker import DRY_RUN
from tests.support.worlds import World, wish

FORCED = wish("a", kind="Job", image="nginx:2")
WAS = wish("a", kind="Job")


def checked_world(*faults: str, **sandbox: Any) -> World:
    """A world whose server knows dry runs, and in which `a` runs."""
    world = World(*faults, declared="3.0", **sandbox)
    world.apply(WAS)
    return world


@pytest.mark.parametrize(
    ("fault", "cause", "message"),
    [
        ("422", Cause.SERVER, "the server refuses its replacement"),
        ("403", Cause.DENIED, "permission denied"),
        ("404", Cause.SERVER, "the server refuses its replacement"),
    ],
)
def test_a_refused_dry_run_deletes_nothing(fault: str, cause: Cause, message: str) -> None:
    """The server's words, exit code 4, and what ran runs on; once it agrees, the change is made."""
    rule = f"{fault} on=POST name=a nth=2"
    world = checked_world(rule)
    old = world.id_of("a")

    ran = world.apply(FORCED, dry_run=True)

    words = f"injected by a fault rule: {rule}"
    assert ran.ended(Failed) == [
        Failed(id=old, message=f"{message}: {words}; nothing was deleted", cause=cause)
    ]
    assert (ran.summary, ran.exit_code) == ({"failed": 1}, 4)
    assert world.id_of("a") == old
    assert world.ledger("DELETE") == []
    assert world.apply(FORCED, dry_run=True).summary == {"replaced": 1}


def test_a_server_that_agrees_is_asked_once() -> None:
    """Under the name that is still taken, so that nothing could have been created."""
    world = checked_world()
    before = len(world.ledger())
    assert world.apply(FORCED, dry_run=True).summary == {"replaced": 1}
    assert world.ledger()[before:] == ["POST a 409", "DELETE a 202", "POST a 202"]
    assert world.changes() == ["created a", "deleted a", "created a"]


@pytest.mark.parametrize("answer", ["503 on=POST name=a nth=2-3", "lost on=POST name=a nth=2"])
def test_who_says_nothing_of_the_body_stops_nothing(answer: str) -> None:
    """Not to know is no reason to leave a change undone."""
    world = checked_world(answer)
    assert world.apply(FORCED, dry_run=True).summary == {"replaced": 1}
    assert world.live() == ["a"]


def test_a_server_without_dry_runs_creates_nothing_by_it() -> None:
    """It takes the question for a create, and the name is taken."""
    world = checked_world("ignore-dry-run")
    assert world.apply(FORCED, dry_run=True).summary == {"replaced": 1}
    assert world.created_twice() == ["a"]
    assert world.changes() == ["created a", "deleted a", "created a"]


def test_what_a_dry_run_has_created_is_deleted_again() -> None:
    """Somebody deletes the workload between plan and question, and the server creates."""
    world = checked_world("ignore-dry-run")
    old = world.id_of("a")

    def vanish(request: httpx.Request) -> None:
        if request.method == "POST" and DRY_RUN.encode() in request.content:
            world.on_request = lambda _: None
            workload = world.sandbox.store.get(old)
            assert workload is not None
            world.sandbox.store.delete(workload, "somebody")

    world.on_request = vanish
    ran = world.apply(FORCED, dry_run=True)
    [failed] = ran.ended(Failed)
    assert failed.message.endswith("which it was asked only to check; it is deleted again")
    assert ran.exit_code == 4
    assert world.live() == []
