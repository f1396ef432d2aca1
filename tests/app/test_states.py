"""Questions to a state, and the small surgery on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from reconciler.app.refused import GuardError
from reconciler.app.state.state_edits import set_protections
from reconciler.app.state.states import find_records, find_run, make_state, read_state
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses
from reconciler.app.target import check_server
from reconciler.core.model import Missing, Own, Remote, Target
from reconciler.core.states.places import FilePlace
from reconciler.errors import StateError, UsageError
from reconciler.ports import RunEntry
from reconciler.state.sqlite import create_state
from tests.support.timing import run
from tests.support.worlds import URL, World, wish


def _world(tmp_path: Path) -> World:
    world = World(path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(wish("a"), wish("b"))
    return world


def test_a_record_is_found_by_its_address(tmp_path: Path) -> None:
    """And what is no address, or is not recorded, is said to be so."""
    rows = _world(tmp_path).rows()

    assert [row.address.name for row in find_records(rows, "4501/a")] == ["a"]
    assert [row.address.name for row in find_records(rows, "a")] == ["a"]
    assert [row.address.name for row in find_records(rows, "ml/a", {"ml": "4501"})] == ["a"]
    with pytest.raises(UsageError, match="not an address"):
        find_records(rows, "z")
    with pytest.raises(StateError, match="the state has no 4501/z"):
        find_records(rows, "4501/z")


def test_a_run_is_found_by_the_beginning_of_its_id() -> None:
    """As long as that is enough to tell it from the others."""
    runs = [
        RunEntry(id=run_id, command="c", user="u", host="h", started="s")
        for run_id in ("ab12", "ab34", "cd56")
    ]
    assert find_run(runs, "C") == runs[2]
    assert find_run(runs, "ab34") == runs[1]
    with pytest.raises(StateError, match="2 runs begin with ab"):
        find_run(runs, "ab")
    with pytest.raises(StateError, match="the state remembers no run x"):
        find_run(runs, "x")


def test_protection_is_set_once_and_lifted_once(tmp_path: Path) -> None:
    """It says whether it changed anything."""
    path = tmp_path / "state.db"
    _world(tmp_path)

    said = [
        bool(
            set_protections(
                FilePlace(path=path), ["4501/a"], protect=protect, command="test"
            ).changed
        )
        for protect in (True, True, False, False)
    ]

    assert said == [True, False, True, False]


def test_a_protected_record_cannot_be_destroyed(tmp_path: Path) -> None:
    """What was protected by hand is protected against the specs as well."""
    world = _world(tmp_path)
    set_protections(FilePlace(path=tmp_path / "state.db"), ["4501/a"], protect=True, command="test")

    with pytest.raises(GuardError):
        world.apply(wish("b"))

    assert world.live() == ["a", "b"]


def test_a_state_is_made_once(tmp_path: Path) -> None:
    """A second one in its place would forget the first."""
    settings = dataclasses.replace(
        World().settings, state=FilePlace(path=tmp_path / "x" / "state.db")
    )

    server = check_server(settings, None, environ={})

    make_state(settings, server).close()
    with pytest.raises(StateError, match="already a state"):
        make_state(settings, server)
    with read_state(settings.state) as store:
        assert store.header.target == Target(url=URL, stack="blue")


def test_a_look_shows_what_the_server_says(tmp_path: Path) -> None:
    """One entry per record: what lives, what is gone, and what has no id yet."""
    world = _world(tmp_path)
    world.record(dataclasses.replace(world.row("b"), op="zz", own=Own.CREATING, id=None))
    world.sandbox.store.vanish(world.id_of("b"))
    world.timeline.skip(3600.0)

    found = run(
        read_statuses(
            world.settings,
            StatusRequest(),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )

    assert [
        (read_statuses.row.address.name, type(read_statuses.live)) for read_statuses in found
    ] == [
        ("a", Remote),
        ("b", Missing),
        ("b", type(None)),
    ]


def test_a_look_at_one_reads_one(tmp_path: Path) -> None:
    """The addresses given are the ones that are asked for, beside one list for the phases."""
    world = _world(tmp_path)
    before = len(world.entries())

    run(
        read_statuses(
            world.settings,
            StatusRequest(patterns=["4501/b"]),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )

    assert [f"{e.method} {e.name}" for e in world.entries()[before:]] == ["GET None", "GET b"]


def test_a_look_with_the_state_of_another_server_is_refused(tmp_path: Path) -> None:
    """Its ids mean nothing here."""
    world = World()
    create_state(tmp_path / "state.db", Target(url="https://other.example", stack="blue")).close()
    settings = dataclasses.replace(world.settings, state=FilePlace(path=tmp_path / "state.db"))

    with pytest.raises(GuardError):
        run(
            read_statuses(
                settings,
                StatusRequest(),
                connector=world.connector(),
                say=lambda _: None,
            ),
            world.timeline,
        )
