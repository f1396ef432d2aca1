"""The runs that a state remembers, and for how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Own
from reconciler.errors import StateError
from reconciler.state.history import RETENTION
from reconciler.state.sqlite import SqliteStore, create_state, open_state
from tests.state.runs import NOW, begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.strategies import hostile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A new state."""
    store = create_state(tmp_path / "state.db", make_target())
    store.hold("test")
    yield store
    store.close()


def test_a_run_is_remembered_from_its_beginning(store: SqliteStore) -> None:
    """Without an end it was killed, or goes on; what it did so far is there."""
    store.begin_run(begun("a"))
    store.add_actions("a", [done("1/x"), done("1/y")])
    again = open_state(store.path)
    assert again.runs() == [begun("a")]
    assert again.actions("a") == [done("1/x"), done("1/y")]
    again.close()


def test_the_end_of_a_run_takes_the_place_of_its_beginning(store: SqliteStore) -> None:
    """What it did stays, in the order in which it was told, in however many groups."""
    store.begin_run(begun("a"))
    store.add_actions("a", [done("1/x", id="i", message="m", reason="new")])
    store.add_actions("a", [done("1/y"), done("1/x")])
    ended = dataclasses.replace(
        begun("a"),
        finished="2026-11-20T09:00:04.000+00:00",
        took=4.0,
        stopped_by="SIGINT",
        exit_code=130,
        counts={"created": 3, "in_doubt": 1},
    )
    store.end_run(ended)
    assert store.runs() == [ended]
    assert [action.address for action in store.actions("a")] == ["1/x", "1/y", "1/x"]


def test_runs_are_listed_from_the_newest(store: SqliteStore) -> None:
    """By when they began, whatever was written last."""
    for number in (2, 3, 1):
        store.begin_run(begun(str(number), NOW + timedelta(minutes=number)))
    assert [run.id for run in store.runs()] == ["3", "2", "1"]


def test_old_runs_are_forgotten(store: SqliteStore) -> None:
    """When another begins, with all that they did; the records of workloads stay."""
    store.write([make_recorded(run="old")])
    store.begin_run(begun("old"))
    store.add_actions("old", [done("1/x")])
    store.begin_run(begun("kept", NOW + timedelta(seconds=1)))
    store.add_actions("kept", [done("1/y")])
    store.begin_run(begun("new", NOW + RETENTION + timedelta(seconds=1)))
    assert [run.id for run in store.runs()] == ["new", "kept"]
    assert (store.actions("old"), store.actions("kept")) == ([], [done("1/y")])
    assert [row.run for row in store.read()] == ["old"]


def test_a_history_is_no_write_of_the_record(store: SqliteStore) -> None:
    """The serial counts what changed about workloads."""
    store.begin_run(begun("a"))
    store.add_actions("a", [done("1/x")])
    store.end_run(begun("a"))
    assert store.header.serial == 0


def test_whatever_was_said_can_be_remembered(store: SqliteStore) -> None:
    """Half characters and zero bytes are spelt out, since no database holds all of them."""

    def spelt(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")

    @given(hostile, hostile, st.floats(allow_nan=False) | st.none())
    def survives(message: str, command: str, seconds: float | None) -> None:
        run = dataclasses.replace(begun("a"), command=command, took=seconds)
        store.begin_run(run)
        store._conn.execute("DELETE FROM run_actions")
        store.add_actions("a", [dataclasses.replace(done("1/x"), message=message, seconds=seconds)])
        (found,) = store.actions("a")
        assert found.message == spelt(message)
        assert found.seconds == seconds
        assert store.runs()[0].command == spelt(command)

    survives()


def test_a_surgery_and_its_run_are_one_transaction(store: SqliteStore) -> None:
    """If its entry cannot be written, nothing of it is done."""
    row = make_recorded(address="1/x", op="x")
    store.write([row])
    entry = dataclasses.replace(begun("a"), counts={"forgotten": 1})
    store._conn.execute(
        "CREATE TRIGGER t BEFORE INSERT ON run_actions BEGIN SELECT RAISE(ABORT, 'not today'); END"
    )
    with pytest.raises(StateError, match="not today"):
        store.amend(entry, [done("1/x")], rows=[dataclasses.replace(row, own=Own.GONE)])
    assert (store.read(), store.runs()) == ([row], [])
    store._conn.execute("DROP TRIGGER t")
    store.amend(entry, [done("1/x")], without=["x"])
    assert (store.read(), store.runs()) == ([], [entry])


def test_a_lineage_is_taken_on_by_an_unused_state_only(store: SqliteStore) -> None:
    """Afterwards workloads carry it, and without it they would be strangers."""
    store.amend(begun("a"), [], lineage="other")
    assert store.header.lineage == "other"
    store.amend(begun("b"), [], rows=[make_recorded()], lineage="other")
    with pytest.raises(AssertionError):
        store.amend(begun("c"), [], lineage="third")
    assert store.header.lineage == "other"
    assert [run.id for run in store.runs()] == ["b", "a"]
