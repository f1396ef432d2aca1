"""What is on the disk at the moment when a request arrives, and when something is told."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from reconciler.app.session import Session
from reconciler.core.history.events import ActionEnded, Event
from reconciler.core.history.outcome import Succeeded
from reconciler.core.model import Own, Recorded
from reconciler.state.sqlite import open_state
from tests.support.worlds import World, is_write, wish

RULES = ("503 p=30%", "lost p=15% on=POST,DELETE")


def _on_disk(path: Path) -> list[Recorded]:
    store = open_state(path)
    try:
        return list(store.read())
    finally:
        store.close()


class Witness:
    """Reads the file whenever a request that writes arrives."""

    def __init__(self, world: World, path: Path) -> None:
        self.seen: list[str] = []
        self._path = path
        world.on_request = self._look

    def _look(self, request: httpx.Request) -> None:
        if is_write(request, "POST"):
            body = json.loads(request.content)
            marker = body["manifest"]["metadata"]["annotations"]["workload-reconciler/op"]
            (row,) = (row for row in _on_disk(self._path) if row.marker == marker)
            self.seen.append(f"POST {row.address.name} {row.own} {row.attempts}")
        elif is_write(request, "DELETE"):
            workload_id = request.url.path.rpartition("/")[2]
            (row,) = (row for row in _on_disk(self._path) if row.id == workload_id)
            self.seen.append(f"DELETE {row.address.name} {row.own} {row.purpose}")


def test_the_intent_is_durable_before_each_request_that_writes(tmp_path: Path) -> None:
    """A create finds CREATING on the disk, a delete DELETING and what it is for."""
    world = World(path=tmp_path / "state.db")
    witness = Witness(world, tmp_path / "state.db")
    world.apply(wish("a"), wish("b"))
    world.apply(wish("a", image="nginx:2"))

    assert sorted(witness.seen[:2]) == ["POST a CREATING 1", "POST b CREATING 1"]
    assert sorted(witness.seen[2:4]) == ["DELETE a DELETING replace", "DELETE b DELETING removed"]
    assert witness.seen[4:] == ["POST a CREATING 1"]


def test_every_attempt_is_counted_on_disk_before_it_is_made(tmp_path: Path) -> None:
    """A retried create is one operation; its attempts are recorded one by one."""
    world = World("503 on=POST times=2", path=tmp_path / "state.db")
    witness = Witness(world, tmp_path / "state.db")
    world.apply(wish("a"))

    assert witness.seen == ["POST a CREATING 1", "POST a CREATING 2", "POST a CREATING 3"]
    assert (world.row("a").attempts, world.row("a").ambiguous) == (3, True)


@pytest.mark.parametrize("rule", ["503 on=POST times=1", "lost on=POST times=1"])
def test_an_unclear_send_is_marked_before_the_next_one(tmp_path: Path, rule: str) -> None:
    """Between two attempts the record already says that the first may have been carried out."""
    world = World(rule, path=tmp_path / "state.db")
    bits: list[bool] = []

    def look(request: httpx.Request) -> None:
        if is_write(request):
            bits.extend(row.ambiguous for row in _on_disk(tmp_path / "state.db"))

    world.on_request = look
    world.apply(wish("a"))

    assert bits == [False, True]


@pytest.mark.parametrize("rules", [(), RULES], ids=["calm", "storm"])
def test_the_id_is_durable_before_success_is_told(tmp_path: Path, rules: tuple[str, ...]) -> None:
    """Whoever hears that a create succeeded finds its id in the file."""
    world = World(*rules, path=tmp_path / "state.db")
    told: list[tuple[str | None, bool]] = []

    def listen(session: Session) -> None:
        say = session.say

        def tell(event: Event) -> None:
            if isinstance(event, ActionEnded) and isinstance(event.outcome, Succeeded):
                rows = _on_disk(tmp_path / "state.db")
                owned = {row.id for row in rows if row.own is Own.ACCEPTED}
                told.append((event.outcome.id, event.outcome.id in owned))
            say(event)

        # A session is a value; its listener is the one thing that a test taps.
        object.__setattr__(session, "say", tell)

    world.apply(*(wish(name) for name in "abcdef"), meanwhile=listen)

    assert len(told) == 6
    assert all(durable for _, durable in told)


def test_one_operation_has_one_body_however_often_it_is_sent() -> None:
    """Every attempt carries the same marker and the same bytes."""
    world = World("503 on=POST times=3")
    bodies: list[bytes] = []

    def look(request: httpx.Request) -> None:
        if is_write(request):
            bodies.append(request.content)

    world.on_request = look
    world.apply(wish("a"))

    assert len(bodies) == 4
    assert set(bodies) == {bodies[0]}


def test_two_operations_never_share_a_marker() -> None:
    """A replace is a new operation, and so is the create after a delete."""
    world = World()
    for image in ("nginx:1", "nginx:2", "nginx:3"):
        world.apply(wish("a", image=image))
        world.timeline.skip(120.0)

    markers = [e.marker for e in world.entries() if e.marker]
    assert len(set(markers)) == len(markers) == 3
