"""Copies of a state: whole, private, the last five, and never half of one."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.state import backups
from reconciler.state.backups import MAX_BACKUPS, backups_folder, list_backups
from reconciler.state.sqlite import SqliteStore, create_state, open_state
from tests.support.factories import make_recorded, make_target


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """A state with some records, held."""
    store = create_state(tmp_path / "state.db", make_target())
    store.hold("test")
    store.write([make_recorded(address=f"1/w{i}") for i in range(30)])
    yield store
    store.close()


def test_a_backup_is_a_state(store: SqliteStore) -> None:
    """It can be opened and read like the one that it is a copy of."""
    backup = store.back_up()
    copy = open_state(backup)
    assert (copy.header, copy.read()) == (store.header, store.read())
    copy.close()


def test_backups_are_private(store: SqliteStore) -> None:
    """Folder and files are for their owner alone, and nothing else is left there."""
    backup = store.back_up()
    assert backup.parent == backups_folder(store.path)
    assert backup.parent.stat().st_mode & 0o777 == 0o700
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [*backup.parent.iterdir()] == [backup]


def test_the_last_five_are_kept(store: SqliteStore) -> None:
    """The newest first; what people have put into the folder is left alone."""
    made = [store.back_up() for _ in range(MAX_BACKUPS + 2)]
    kept = [backups_folder(store.path) / name for name in ("notes.txt", "2020-before-upgrade.db")]
    for file in kept:
        file.touch()
    made.append(store.back_up())
    assert list_backups(store.path) == [*made[: -MAX_BACKUPS - 1 : -1], kept[1]]
    assert all(file.exists() for file in kept)


def test_a_backup_is_kept_whatever_the_clock_says(store: SqliteStore) -> None:
    """Backups from the future do not push the new one out."""
    folder = backups_folder(store.path)
    folder.mkdir()
    for day in range(MAX_BACKUPS):
        (folder / f"2999010{day}T000000.000000Z-serial-1.db").touch()
    assert store.back_up() in list_backups(store.path)
    assert len(list_backups(store.path)) == MAX_BACKUPS


def test_a_backup_takes_no_other_files_place(store: SqliteStore, tmp_path: Path) -> None:
    """A name that is taken is refused, and the file stays as it was."""
    (tmp_path / "x.db").write_text("mine")
    with pytest.raises(StateError) as caught:
        store.back_up(tmp_path / "x.db")
    assert caught.value.message == f"there is already a file at {tmp_path / 'x.db'}"
    assert (tmp_path / "x.db").read_text() == "mine"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, as a disk without room would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_backup_without_room_leaves_nothing_behind(store: SqliteStore) -> None:
    """It says which file, why and what to do; the backups before it are still there."""
    before = store.back_up()
    with files_up_to(8192), pytest.raises(StateError) as caught:
        store.back_up()
    folder = backups_folder(store.path)
    assert caught.value.message.startswith(f"the backup {folder}/")
    assert caught.value.message.endswith(" cannot be made: disk I/O error")
    assert caught.value.hint == (
        "the disk fails or a quota is used up; what is recorded so far is safe"
    )
    assert [*folder.iterdir()] == [before]


def test_a_full_disk_is_called_one(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way out is to make room."""

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(backups, "_copy", fail)
    with pytest.raises(StateError, match="cannot be made: database or disk is full") as caught:
        store.back_up()
    assert caught.value.hint == "make room on the disk; what is recorded so far is safe"


def test_a_folder_that_cannot_be_made_is_told(store: SqliteStore) -> None:
    """A file where the folder should be."""
    backups_folder(store.path).touch()
    with pytest.raises(StateError, match=r"state\.db\.backups/.* cannot be made: File exists"):
        store.back_up()


def test_a_backup_while_somebody_writes_is_whole(store: SqliteStore) -> None:
    """It holds what was committed when it began, and nothing of what was not."""
    other = open_state(store.path)
    store._conn.execute("BEGIN")
    store._conn.execute("DELETE FROM operations")
    backup = other.back_up()
    store._conn.execute("ROLLBACK")
    other.close()
    copy = open_state(backup)
    assert len(copy.read()) == 30
    copy.close()
