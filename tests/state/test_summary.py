"""A quick look at a state, and a try at its lock."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from reconciler.core.model import Own, Target
from reconciler.errors import LockedError, StateError
from reconciler.state.sqlite import create_state, open_state
from reconciler.state.summary import summarize_state, try_lock
from tests.support.factories import make_desired, make_recorded

FORMAT_1 = Path(__file__).parent / "fixtures" / "format-1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with three workloads, one of them in doubt, and one that is gone."""
    path = tmp_path / "a state?#%41.db"
    store = create_state(path, Target(url="https://cp.example", stack="blue"))
    store.hold("test")
    store.write(
        [
            make_recorded(make_desired("4501/b")),
            make_recorded(make_desired("4501/a")),
            make_recorded(
                make_desired("4501/a"), op="older", own=Own.LATE_CREATE_POSSIBLE, id=None
            ),
            make_recorded(make_desired("4502/lost"), own=Own.UNCONFIRMED),
            make_recorded(make_desired("4502/gone"), own=Own.GONE),
        ]
    )
    store.close()
    return path


def test_what_is_recorded(path: Path) -> None:
    """Addresses in order, each once; what is gone is not recorded."""
    found = summarize_state(path)
    assert found.addresses == ("4501/a", "4501/b", "4502/lost")
    assert {own: count for own, count in found.owned.items() if count} == {
        Own.ACCEPTED: 2,
        Own.LATE_CREATE_POSSIBLE: 1,
        Own.UNCONFIRMED: 1,
    }


def test_a_look_changes_no_byte(path: Path) -> None:
    """It opens the file to read only, also one whose folder cannot be written."""
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    summarize_state(path)
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


def test_an_older_format_is_read_as_it_is(tmp_path: Path) -> None:
    """Nothing is migrated for a look."""
    path = tmp_path / "state.db"
    [source] = FORMAT_1.glob("*.db")
    shutil.copy(source, path)
    before = path.read_bytes()
    assert summarize_state(path).addresses
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"no database at all, but long enough to be one"])
def test_what_is_no_state_is_said_to_be_none(tmp_path: Path, content: bytes | None) -> None:
    """And none is made."""
    path = tmp_path / "state.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StateError):
        summarize_state(path)
    with pytest.raises(StateError):
        summarize_state(tmp_path)
    assert path.exists() is (content is not None)


def test_a_writer_is_not_waited_for_long(path: Path) -> None:
    """In the middle of a commit there is an error instead of a prompt that hangs."""
    with sqlite3.connect(path, isolation_level=None) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError, match="locked"):
            summarize_state(path)
        conn.execute("ROLLBACK")
    conn.close()


def test_a_free_lock_is_given_back(path: Path) -> None:
    """Whoever comes next takes it."""
    before = path.read_bytes()
    try_lock(path, "reconciler doctor")
    try_lock(path, "reconciler doctor")
    assert path.read_bytes() == before
    store = open_state(path)
    store.hold("reconciler apply")
    with pytest.raises(LockedError, match=rf"process {os.getpid()}, since .* \(reconciler apply\)"):
        try_lock(path, "reconciler doctor")
    store.close()
    try_lock(path, "reconciler doctor")


def test_there_is_no_lock_without_a_state(tmp_path: Path) -> None:
    """Trying leaves no file behind."""
    with pytest.raises(StateError, match="there is no state"):
        try_lock(tmp_path / "state.db", "reconciler doctor")
    assert list(tmp_path.iterdir()) == []
