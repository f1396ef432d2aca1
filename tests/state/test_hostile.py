"""A state as an attacker's file: what others can write to decides nothing and holds nobody up."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import LockedError, StateError
from reconciler.state import database
from reconciler.state.check import inspect_state
from reconciler.state.database import SCHEMA_VERSION, connect, migrate, time_limited
from reconciler.state.filenames import unfinished_path
from reconciler.state.locking.lock import StateLock
from reconciler.state.schema import check_schema
from reconciler.state.sqlite import create_state, open_state
from reconciler.state.summary import summarize_state
from tests.support.factories import make_recorded, make_target
from tests.support.states import sql

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = sorted(FIXTURES.rglob("*.db"))
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
_COLUMNS = ", ".join(f"max(i) AS {name}" for name in ("op", "project", "name", "own"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with a record, closed."""
    path = tmp_path / "state.db"
    store = create_state(path, make_target())
    store.hold("apply")
    store.write([make_recorded()])
    store.close()
    return path


@pytest.mark.parametrize("look", [lambda path: open_state(path).close(), summarize_state])
@pytest.mark.parametrize(
    ("statements", "what"),
    [
        pytest.param(
            ["CREATE TRIGGER t AFTER INSERT ON operations BEGIN DELETE FROM operaions; END"],
            "TRIGGER t AFTER INSERT ON operations BEGIN DELETE FROM opera",
            id="trigger",
        ),
        pytest.param(["CREATE VIEW v AS SELECT 1"], "VIEW v AS SELECT 1", id="view"),
        pytest.param(
            [
                "ALTER TABLE operations RENAME TO hidden",
                f"CREATE VIEW operations AS {ENDLESS} {_COLUMNS} FROM n",
            ],
            "INDEX idx_operations_project_name ON hidden and more",
            id="endless view",
        ),
        pytest.param(
            ["ALTER TABLE operations ADD COLUMN more TEXT AS (op || own)"],
            "TABLE operations and more",
            id="generated column",
        ),
        pytest.param(
            ["CREATE INDEX i ON operations (upper(op))"], "INDEX i ON operations", id="index"
        ),
        pytest.param(["CREATE TABLE more (a)"], "TABLE more", id="table"),
        pytest.param(
            ["CREATE VIRTUAL TABLE t USING fts5(a)"],
            "TABLE 't_config'",
            id="virtual table",
        ),
        pytest.param(["ANALYZE"], "TABLE sqlite_stat1", id="statistics"),
        pytest.param(["DROP INDEX idx_runs_started"], "INDEX idx_runs_started ON runs", id="less"),
        pytest.param(
            ["ALTER TABLE runs DROP COLUMN plan", "ALTER TABLE runs ADD COLUMN plan TEXT"],
            "TABLE runs and more",
            id="other column",
        ),
    ],
)
def test_what_is_not_ours_in_a_state_is_refused(
    path: Path, statements: list[str], what: str, look: Callable[[Path], object]
) -> None:
    """It is neither run nor read from, and `state check` says the same."""
    sql(path, *statements)
    begun = time.monotonic()
    with pytest.raises(StateError) as caught:
        look(path)
    (flaw,) = inspect_state(path).flaws

    assert caught.value.message.startswith(
        f"the state {path} is damaged: its schema is not the one of its format ({what}"
    )
    assert flaw.message == caught.value.message
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize("file", FORMATS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_state_that_was_ever_written_is_ours(file: Path, tmp_path: Path) -> None:
    """Whatever formats there were, what their programs made is what is expected of them."""
    copy = tmp_path / "state.db"
    copy.write_bytes(file.read_bytes())
    with contextlib.closing(connect(copy)) as conn:
        check_schema(conn, copy, database.version_of(conn))


def test_what_the_migrations_make_is_what_is_expected() -> None:
    """Also with another version of the library that writes the statements."""
    with contextlib.closing(connect("", mode="memory")) as conn:
        migrate(conn)
        check_schema(conn, Path("state.db"), SCHEMA_VERSION)


def test_a_file_that_keeps_its_reader_busy_is_given_up(path: Path) -> None:
    """Whatever takes longer than it is given is ended, and told as damage."""
    with contextlib.closing(connect(path)) as conn:
        with pytest.raises(StateError) as caught, time_limited(conn, path, 0.05):
            conn.execute(f"{ENDLESS} max(i) FROM n").fetchone()
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert caught.value.message == (
        f"the state {path} is damaged: it could not be looked through within 0.05 s"
    )


def test_opening_a_state_is_bounded(path: Path) -> None:
    """The check of all its pages is part of it."""
    store = open_state(path)
    store.hold("test")
    store.write([make_recorded(op=f"op-{n}", address=f"1/w{n}") for n in range(5000)])
    store.close()
    with pytest.raises(StateError, match=r"could not be looked through within 0 s"):
        open_state(path, patience=0.0)


def test_reading_an_open_state_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By as much as opening it, each time."""
    store = open_state(path, patience=60.0)
    store.hold("test")
    store.write([make_recorded(op=f"op-{n}", address=f"1/w{n}") for n in range(10_000)])
    now = time.monotonic()
    hours = iter(range(1_000_000))
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600.0 * next(hours))
    with pytest.raises(StateError, match=r"could not be looked through within 60 s"):
        store.read()
    monkeypatch.undo()
    assert len(store.read()) == 10_001
    store.close()


def test_what_is_done_with_records_is_not_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be written to a pager; reading them from the file still is bounded."""
    store = open_state(path, patience=60.0)
    store.hold("test")
    store.write([make_recorded(op=f"op-{n}", address=f"1/w{n}") for n in range(1000)])
    now, an_hour = time.monotonic(), 0.0
    monkeypatch.setattr(database, "_INSTRUCTIONS", 100)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    read = []
    for row in store.read_by_address():
        read.append(row.op)
        now += 3600.0
    assert len(read) == 1001

    def look() -> float:
        nonlocal now
        now += an_hour
        return now

    monkeypatch.setattr(time, "monotonic", look)
    rows = store.read_by_address()
    next(rows)
    an_hour = 3600.0
    with pytest.raises(StateError, match=r"could not be looked through within 60 s"):
        list(rows)
    store.close()


def test_nobody_who_holds_a_file_is_waited_for_longer(path: Path) -> None:
    """Not even by opening it, whoever that is and whatever they do."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(StateError, match="database is locked"):
            open_state(path, patience=0.1)
        assert time.monotonic() - began < 5.0
    open_state(path).close()


def test_functions_in_a_file_are_not_trusted(path: Path) -> None:
    """Nor are its pages, before they were looked at."""
    with contextlib.closing(connect(path)) as conn:
        assert conn.execute("PRAGMA trusted_schema").fetchone() == (0,)
        assert conn.execute("PRAGMA cell_size_check").fetchone() == (1,)


def test_a_state_that_has_vanished_is_not_made_anew(path: Path) -> None:
    """Nothing is opened, copied or left behind in its place."""
    store = open_state(path)
    path.unlink()
    for attempt in (store.back_up, lambda: store.hold("apply"), lambda: connect(path)):
        with pytest.raises((StateError, sqlite3.OperationalError)):
            attempt()
    store.close()

    assert [file for file in path.parent.rglob("*") if file.suffix == ".db"] == []


def test_an_empty_file_in_the_place_of_a_state_is_no_backup(path: Path) -> None:
    """What was opened was replaced before it was copied."""
    store = open_state(path)
    path.unlink()
    path.touch()
    with pytest.raises(StateError, match="is not a state of this program"):
        store.back_up()
    store.close()
    assert [file for file in path.parent.rglob("*.db") if file != path] == []


def _by_another_link(path: Path) -> Path:
    folder = path.with_name("elsewhere")
    folder.mkdir()
    (folder / "link.db").symlink_to(path)
    return folder / "link.db"


def _by_a_linked_folder(path: Path) -> Path:
    other = path.parent.with_name("linked")
    other.symlink_to(path.parent, target_is_directory=True)
    return other / path.name


def _without_its_lock(path: Path) -> Path:
    path.with_name("state.db.lock").unlink()
    return path


def _with_another_lock(path: Path) -> Path:
    _without_its_lock(path).with_name("state.db.lock").touch()
    return path


@pytest.mark.parametrize(
    "way", [_by_another_link, _by_a_linked_folder, _without_its_lock, _with_another_lock]
)
def test_one_state_has_one_writer_whatever_it_is_called(
    path: Path, way: Callable[[Path], Path]
) -> None:
    """The lock is on the file, not on a name of it, and nobody can take it away."""
    one = open_state(path)
    one.hold("reconciler apply")
    other = open_state(way(path))
    with pytest.raises(LockedError):
        other.hold("reconciler apply")
    one.close()
    other.hold("reconciler apply")
    other.close()


def test_a_state_with_two_names_is_not_written_to(path: Path) -> None:
    """A write that is cut short under one name would not be taken back under the other."""
    os.link(path, path.with_name("other.db"))
    for name in (path, path.with_name("other.db")):
        store = open_state(name)
        with pytest.raises(StateError, match="has a second hard link"):
            store.hold("apply")
        assert len(store.read()) == 1
        store.close()


def test_what_is_left_of_the_making_of_a_state_is_no_second_name(path: Path) -> None:
    """A process may be killed between the two; nobody opens a file by that name."""
    os.link(path, unfinished_path(path))
    store = open_state(path)
    store.hold("apply")
    store.close()


def test_a_state_that_is_replaced_while_its_lock_is_taken_is_left_alone(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is locked is not what would be written to."""
    other = tmp_path / "other.db"
    create_state(other, make_target()).close()
    store = open_state(path)
    opened = database.open_database

    def replace_first(path: Path, patience: float, *, in_transit: bool) -> sqlite3.Connection:
        other.replace(path)
        return opened(path, patience, in_transit=in_transit)

    with monkeypatch.context() as patch:
        patch.setattr(database, "open_database", replace_first)
        with pytest.raises(StateError, match="was replaced by another file"):
            store.hold("apply")
    store.close()
    again = open_state(path)
    again.hold("apply")
    again.close()


def test_a_link_in_place_of_the_lock_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A commit can bring one, and what it leads to would be written over."""
    other = tmp_path / "precious.txt"
    other.write_text("precious")
    lock = _without_its_lock(path).with_name("state.db.lock")
    lock.symlink_to(other)
    store = open_state(path)
    with pytest.raises(StateError, match=r"state\.db\.lock is a symbolic link") as refused:
        store.hold("apply")
    assert refused.value.hint == "remove the link; what it leads to was not touched"
    assert store.writer() == ""
    store.close()
    assert other.read_text() == "precious"
    assert not StateLock(path).is_held()


def test_a_pipe_in_place_of_the_lock_holds_nobody_up(path: Path) -> None:
    """Nobody ever writes to it, and nothing is read from it."""
    os.mkfifo(_without_its_lock(path).with_name("state.db.lock"))
    store = open_state(path)
    assert store.writer() == ""
    with pytest.raises(StateError, match="cannot be used"):
        store.hold("apply")
    store.close()


def test_a_link_in_place_of_the_backups_is_not_followed(path: Path, tmp_path: Path) -> None:
    """The oldest files of another folder would be removed as if they were backups."""
    other = tmp_path / "others"
    other.mkdir()
    for number in range(9):
        (other / f"{number}.db").touch()
    path.with_name("state.db.backups").symlink_to(other)
    store = open_state(path)
    with pytest.raises(StateError, match=r"state\.db\.backups is a symbolic link"):
        store.back_up()
    store.close()
    assert len([*other.iterdir()]) == 9
