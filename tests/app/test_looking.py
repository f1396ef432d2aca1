"""Looks at what is recorded, once and again and again."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses, watch
from reconciler.core.model import Desired, Own, Remote
from reconciler.core.states.places import FilePlace
from reconciler.errors import StateError, UnreachableError, UsageError
from reconciler.report.status.status import Status
from tests.support.timing import run
from tests.support.worlds import World, wish


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three workloads that are applied and synced."""
    world = World(path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(wish("a"), wish("ab"), wish("b"))
    return world


def look(world: World, *patterns: str) -> list[Status]:
    """What a look shows."""
    return run(
        read_statuses(
            world.settings,
            StatusRequest(patterns=patterns),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )


def found(world: World, *patterns: str) -> list[str]:
    """The names of what a look shows."""
    return [one.row.address.name for one in look(world, *patterns)]


def test_a_look_keeps_no_content(world: World) -> None:
    """Of thousands of answers, only when each workload was made; of records no document."""
    for one in look(world):
        assert isinstance(one.live, Remote)
        assert [*one.live.metadata] == ["createdAt"]
        assert (one.live.raw_manifest, one.live.workload_manifest) == ({}, {})
        assert (one.row.spec, one.row.echo) == ({}, None)


def test_gpus_are_counted_before_the_content_goes(world: World) -> None:
    """A job keeps its content, which says that it runs to its end."""
    specs = [with_gpus(wish("served"), 2), with_gpus(wish("batch", kind="Job"), 3)]
    world.apply(*specs)
    shown = [(one.row.address.name, one.gpus.gpus, bool(one.row.spec)) for one in look(world)]
    assert shown == [("batch", 3.0, True), ("served", 2.0, False)]


def with_gpus(spec: Desired, gpus: int) -> Desired:
    """The same spec, for a pod with so many GPUs."""
    manifest = json.loads(json.dumps(spec.manifest))
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    return dataclasses.replace(spec, manifest=manifest)


def test_globs_and_addresses_choose_together(world: World) -> None:
    """Each record once, in the order of the addresses."""
    assert found(world) == ["a", "ab", "b"]
    assert found(world, "4501/a*") == ["a", "ab"]
    assert found(world, "*/b", "4501/a", "4501/?") == ["a", "b"]


def test_what_matches_nothing_is_said(world: World) -> None:
    """A misspelt pattern must not look like nothing to worry about."""
    with pytest.raises(UsageError, match=r"no recorded workload matches 4502/\*"):
        found(world, "4501/a", "4502/*")
    with pytest.raises(StateError, match="the state has no 4501/z"):
        found(world, "4501/z")


def test_what_is_left_of_an_older_create_is_a_note(world: World) -> None:
    """Beside its workload; alone it is shown, as nothing else tells of it."""
    ghost = dataclasses.replace(
        world.row("a"), op="zz", own=Own.LATE_CREATE_POSSIBLE, id=None, ambiguous=True
    )
    lost = dataclasses.replace(ghost, op="zy", address=dataclasses.replace(ghost.address, name="c"))
    world.record(ghost, lost)
    looks = run(
        read_statuses(
            world.settings,
            StatusRequest(),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )
    assert [(one.row.address.name, one.row.own, one.late) for one in looks] == [
        ("a", Own.ACCEPTED, True),
        ("ab", Own.ACCEPTED, False),
        ("b", Own.ACCEPTED, False),
        ("c", Own.LATE_CREATE_POSSIBLE, False),
    ]


class Screen:
    """What a watch shows, in words; it ends the watch after so many looks."""

    def __init__(self, world: World, looks: int) -> None:
        self.lines: list[str] = []
        self._world = world
        self._left = looks

    def show(self, looks: Sequence[Status]) -> None:
        """A look, at its time."""
        self.lines.append(f"{self._world.timeline.now:.0f} {len(looks)}")
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGINT)

    def trouble(self, words: str) -> None:
        """Trouble, as often as it is told."""
        if not (self.lines and self.lines[-1] == words):
            self.lines.append(words)


def watched(world: World, screen: Screen, interval: float = 5.0) -> signal.Signals | None:
    """Watch until the screen has seen enough."""
    return run(
        watch(
            world.settings,
            StatusRequest(),
            interval=interval,
            connector=world.connector(),
            show=screen.show,
            trouble=screen.trouble,
        ),
        world.timeline,
    )


def test_a_watch_looks_until_a_signal_ends_it(world: World) -> None:
    """It logs in once, reads the state every time, and gives the handlers back."""
    before = signal.getsignal(signal.SIGINT)
    start = world.timeline.now
    logins = len(world.sandbox.ledger)
    screen = Screen(world, looks=3)

    assert watched(world, screen) is signal.SIGINT

    assert screen.lines == [f"{start + after:.0f} 3" for after in (0, 5, 10)]
    paths = [entry.path for entry in list(world.sandbox.ledger)[logins:]]
    assert sum(path.endswith("/token") for path in paths) == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_record_that_comes_is_seen(world: World) -> None:
    """An apply may be going on elsewhere."""
    screen = Screen(world, looks=2)
    show = screen.show

    def shown(looks: Sequence[Status]) -> None:
        show(looks)
        if len(screen.lines) == 1:
            other = dataclasses.replace(world.row("a"), op="zz", id=None, own=Own.CREATING)
            world.record(other)

    screen.show = shown  # type: ignore[method-assign] # this screen acts while it is shown to
    watched(world, screen)
    assert [line.split()[1] for line in screen.lines] == ["3", "4"]


def test_passing_trouble_shows_and_the_watch_goes_on(world: World) -> None:
    """A server that is away for a while, and one that forgot our login."""
    away = [True] * 200

    def fail(request: httpx.Request) -> None:
        if request.method == "GET" and len(screen.lines) >= 1 and away:
            away.pop()
            raise httpx.ConnectError("connection refused", request=request)

    screen = Screen(world, looks=2)
    world.on_request = fail
    assert watched(world, screen) is signal.SIGINT
    first, *troubles, last = screen.lines
    assert first.endswith(" 3")
    assert last.endswith(" 3")
    assert any("connection refused" in words for words in troubles)


def test_a_server_that_never_answers_is_given_up_for_this_time(world: World) -> None:
    """Not for good: the next look begins anew, with a login of its own."""
    screen = Screen(world, looks=2)
    until = world.timeline.now + 60

    def fail(request: httpx.Request) -> None:
        if request.method == "GET" and screen.lines and world.timeline.now < until:
            raise httpx.ReadError("reset", request=request)

    world.on_request = fail
    logins = len(world.sandbox.ledger)
    assert watched(world, screen) is signal.SIGINT
    assert "the server has not answered everything for 30 s" in screen.lines
    paths = [entry.path for entry in list(world.sandbox.ledger)[logins:]]
    assert sum(path.endswith("/token") for path in paths) > 1


def test_trouble_at_the_first_look_ends_the_watch(world: World) -> None:
    """There would be nothing to show beside it."""
    world.environ["RUNAI_CLIENT_SECRET"] = "wrong"
    screen = Screen(world, looks=1)
    with pytest.raises(UnreachableError, match="does not accept the credentials"):
        watched(world, screen)
    assert screen.lines == []


def test_a_watch_that_is_cancelled_by_its_caller_is_cancelled(world: World) -> None:
    """Only a signal is a normal end."""
    screen = Screen(world, looks=100)

    async def main() -> None:
        task = asyncio.ensure_future(
            watch(
                world.settings,
                StatusRequest(),
                interval=5.0,
                connector=world.connector(),
                show=screen.show,
                trouble=screen.trouble,
            )
        )
        await asyncio.sleep(12)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(main(), world.timeline)
    assert len(screen.lines) == 3
