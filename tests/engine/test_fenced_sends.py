"""An intent fences its send: what leaves later is committed once more, or does not leave."""

from __future__ import annotations

import pytest

from reconciler.engine.requests.sending import PROMPT
from reconciler.errors import LockLostError
from tests.engine.updates import UpdatingWorld, scaled
from tests.support.worlds import Meanwhile, Ran, World

LOST = LockLostError("the state was taken over by ci@runner-7")


def taken_over(world: World, *, after: float) -> Meanwhile:
    """Let time pass after each write, and somebody else take the state over after the first."""

    def meanwhile(_: object) -> None:
        world.disk.breakage = LOST
        world.disk.break_at = len(world.disk.writes) + 2
        world.disk.on_write = lambda: world.timeline.skip(after)

    return meanwhile


def played(method: str, *, after: float) -> tuple[UpdatingWorld, Ran, list[str]]:
    """A create or an update whose state is taken over when its intent is on record."""
    world = UpdatingWorld()
    if method == "PUT":
        world.apply(scaled(1))
    since = len(world.entries())
    ran = world.update(scaled(3), meanwhile=taken_over(world, after=after), wait=False)
    sent = [entry.method for entry in world.entries()[since:] if entry.method in ("POST", "PUT")]
    return world, ran, sent


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_stood_still_after_its_intent_sends_nothing_once_it_was_replaced(method: str) -> None:
    """The intent is committed again, which is refused, and the run ends with 6."""
    world, ran, sent = played(method, after=PROMPT + 0.1)
    assert sent == []
    assert ran.exit_code == 6
    assert ran.finished is not None
    assert ran.finished.stopped_by == "lock"
    # Whoever has the state now reads the intent, and looks up what became of it.
    assert [row.address.name for row in world.rows()] == ["a"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_leaves_at_once_needs_no_second_commit(method: str) -> None:
    """Its intent was read by whoever has taken the state over since: that one looks it up."""
    world, ran, sent = played(method, after=PROMPT - 0.1)
    assert sent == [method]
    assert ran.exit_code == 6
    assert [row.address.name for row in world.rows()] == ["a"]
