from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import LockedError, StateError
from reconciler.state import database
from reconciler.state.locking import lock
from reconciler.state.sqlite import create_state
from tests.support.factories import make_recorded, make_target
from tests.support.states import KilledError, opened, sql

WAIT = "wait for it with --lock-timeout 10m; a run that was killed holds nothing"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state that is there and closed."""
    path = tmp_path / "state.db"
    create_state(path, make_target()).close()
    return path


def names(folder: Path) -> list[str]:
    """List a folder."""
    return sorted(file.name for file in folder.iterdir())


def test_everything_beside_a_state_is_private(tmp_path: Path) -> None:
    """The file, its journal, its lock and the folder that was made for it."""
    old = os.umask(0)
    try:
        path = tmp_path / "a" / "b" / "state.db"
        store = create_state(path, make_target())
        store.hold("apply")
        store.write([make_recorded()])
    finally:
        os.umask(old)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    store.close()
    assert modes == dict.fromkeys(
        [".gitignore", "state.db", "state.db-journal", "state.db.lock"], 0o600
    )
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_state_is_one_file(path: Path) -> None:
    """Whoever copies it has everything that was committed, also while it is open."""
    with opened(path) as store:
        store.hold("test")
        store.write([make_recorded()])
        copy = path.with_name("copy.db")
        copy.write_bytes(path.read_bytes())
        with opened(copy) as other:
            assert other.read() == store.read() == [make_recorded()]
            assert other.header == store.header


def test_a_state_says_what_it_is(path: Path) -> None:
    """Application and format are in the file's first bytes, for `file` and for later versions."""
    data = path.read_bytes()
    assert data[68:72] == b"RcWl"
    assert data[60:64] == b"\0\0\0\6"


def test_two_states_have_two_lineages(tmp_path: Path) -> None:
    """Each is minted anew."""
    lineages = set()
    for name in "ab":
        create_state(tmp_path / name, make_target()).close()
        with opened(tmp_path / name) as store:
            lineages.add(store.header.lineage)
    assert len(lineages) == 2


def test_a_state_is_never_made_over_another(path: Path) -> None:
    """What is there stays as it is."""
    before = path.read_bytes()
    with pytest.raises(StateError) as caught:
        create_state(path, make_target(stack="other"))
    assert caught.value.message == f"there is already a state at {path}"
    assert caught.value.hint == "use it, or give another --state"
    assert path.read_bytes() == before
    assert names(path.parent) == ["state.db"]


def test_a_state_cannot_be_made_below_a_file(path: Path) -> None:
    """A file where a folder should be is told as such."""
    with pytest.raises(StateError) as caught:
        create_state(path / "state.db", make_target())
    assert caught.value.message == f"the state {path / 'state.db'} cannot be used: File exists"
    assert caught.value.hint == "check the path given with --state"


def _die(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("reconciler.state.database.connect", id="before the database"),
        pytest.param("reconciler.state.migrations.migrations.apply", id="before the tables"),
        pytest.param("reconciler.state.database.write_meta", id="before the header"),
        pytest.param("os.link", id="before the name"),
    ],
)
def test_a_state_is_made_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whenever it ends, nothing half-made has the state's name, and the next one is made."""
    path = tmp_path / "state.db"
    with monkeypatch.context() as patch:
        patch.setattr(step, _die)
        with pytest.raises(KilledError):
            create_state(path, make_target())
    assert not path.exists()
    create_state(path, make_target()).close()
    with opened(path) as store:
        assert store.header.serial == 0


def test_a_process_killed_while_it_makes_a_state_leaves_no_state(tmp_path: Path) -> None:
    """SIGKILL after the tables are there: a nameless rest may stay, and troubles nobody."""
    path = tmp_path / "state.db"
    with run_child(
        "import os, signal",
        "from reconciler.state import database, sqlite as s",
        "database.write_meta = lambda *a: os.kill(os.getpid(), signal.SIGKILL)",
        f"s.create_state(s.Path({str(path)!r}), s.Target(url='u', stack='s'))",
    ) as killed:
        assert killed.wait() == -signal.SIGKILL
    assert not path.exists()
    create_state(path, make_target()).close()
    with opened(path) as store:
        assert store.read() == []


def test_a_write_is_all_or_nothing(path: Path) -> None:
    """An error in the middle leaves the rows, the serial and the header as they were."""
    with opened(path) as store:
        store.hold("test")
        store.write([make_recorded(address="1/a", op="a")])
    with opened(path) as store:
        store.hold("test")
        before = (store.header, store.read())
        sql(
            path,
            "CREATE TRIGGER t BEFORE INSERT ON operations WHEN NEW.op = 'c' "
            "BEGIN SELECT RAISE(ABORT, 'no c today'); END",
        )
        with pytest.raises(StateError, match="cannot be used: no c today"):
            store.write([make_recorded(address=f"1/{op}", op=op) for op in "bc"])
        assert (store.header, store.read()) == before


def test_another_thread_may_write(path: Path) -> None:
    """An apply writes from a thread of its own, so that the network does not wait for the disk."""
    with opened(path) as store, ThreadPoolExecutor(max_workers=1) as executor:
        store.hold("test")
        executor.submit(store.write, [make_recorded()]).result()
        assert store.read() == [make_recorded()]


def test_a_full_disk_is_told_with_a_way_out(path: Path) -> None:
    """What was recorded before is still there."""
    with opened(path) as store:
        store.hold("test")
        store.write([make_recorded(address="1/a", op="a")])
        pages = store._conn.execute("PRAGMA page_count").fetchone()[0]
        store._conn.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateError) as caught:
            store.write([make_recorded(address=f"1/{i}", op=str(i)) for i in range(200)])
        assert caught.value.message == (
            f"the state {path} cannot be used: database or disk is full"
        )
        assert caught.value.hint == "make room on the disk; what is recorded so far is safe"
        assert [r.op for r in store.read()] == ["a"]


def test_a_state_that_is_read_only_refuses_to_be_held(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query-only database stands for one on a read-only disk, which also stops the superuser."""
    connect = database.connect

    def connect_read_only(path: Path | str, **options: Any) -> sqlite3.Connection:
        conn = connect(path, **options)
        conn.execute("PRAGMA query_only = 1")
        return conn

    with opened(path) as store, monkeypatch.context() as patch:
        patch.setattr(database, "connect", connect_read_only)
        with pytest.raises(StateError) as caught:
            store.hold("apply")
        assert caught.value.message == (
            f"the state {path} cannot be used: attempt to write a readonly database"
        )
        assert caught.value.hint == (
            "make the file and its folder writable for this user, or use another --state"
        )
    with opened(path) as store:
        store.hold("apply")


def test_a_lock_that_cannot_be_made_is_told(path: Path) -> None:
    """A folder where the lock should be."""
    path.with_name("state.db.lock").mkdir()
    with opened(path) as store, pytest.raises(StateError) as caught:
        store.hold("apply")
    assert caught.value.message == f"the state {path} cannot be used: Is a directory"


def run_child(*lines: str) -> subprocess.Popen[str]:
    """Start another process of the same program."""
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOGNAME": "anna"},
    )


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the state until its standard input ends."""
    child = run_child(
        "import sys, pathlib",
        "from reconciler.state.sqlite import open_state",
        f"store = open_state(pathlib.Path({str(path)!r}))",
        "store.hold('reconciler apply team-a')",
        "print('held', flush=True)",
        "sys.stdin.read()",
        "store.close()",
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()
    if child.stdin is not None:
        child.stdin.close()


def test_a_second_writer_is_told_who_the_first_is(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    """User, host, process, since when, and with which command."""
    with opened(path) as store:
        for timeout in (0.0, 0.05):
            with pytest.raises(LockedError) as caught:
                store.hold("reconciler apply", timeout)
            assert re.sub(r"@.*, process|since \S+", "…", caught.value.message) == (
                f"the state {path} is in use by anna… {holder.pid}, … (reconciler apply team-a)"
            )
            assert caught.value.hint == WAIT
            assert caught.value.exit_code == 6


def test_a_reader_needs_no_lock(path: Path, holder: subprocess.Popen[str]) -> None:
    """A plan can be made while an apply runs."""
    with opened(path) as store:
        assert store.read() == []
    assert holder.poll() is None


def test_a_reader_loads_no_more_than_it_needs(path: Path) -> None:
    """Schemas are written with a library whose import takes longer than reading a state."""
    with run_child(
        "import sys, pathlib",
        "from reconciler.state.sqlite import open_state",
        f"store = open_state(pathlib.Path({str(path)!r}))",
        "store.hold('apply'); store.read(); store.close()",
        "sys.exit('sqlite_utils' in sys.modules)",
    ) as child:
        assert child.wait() == 0


def test_a_killed_holder_blocks_nobody(path: Path, holder: subprocess.Popen[str]) -> None:
    """The kernel gives the lock back; the name it left behind misleads nobody."""
    holder.kill()
    holder.wait()
    with opened(path) as store:
        store.hold("reconciler apply")
        store.write([make_recorded()])
        with opened(path) as other, pytest.raises(LockedError) as caught:
            other.hold("reconciler apply")
        assert f"process {os.getpid()}," in caught.value.message


def test_who_waits_gets_the_lock_when_it_is_free(
    path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--lock-timeout waits as long as it takes, and no longer."""
    monkeypatch.setattr(lock, "POLL_SECONDS", 0.01)
    with opened(path) as store:
        assert holder.stdin is not None
        holder.stdin.close()
        store.hold("reconciler apply", 30.0)
    assert holder.wait() == 0


def test_a_lock_is_given_back(path: Path) -> None:
    """On release and on close, also twice."""
    with opened(path) as one, opened(path) as other:
        one.hold("a")
        one.release()
        one.release()
        other.hold("b")
        other.close()
        one.hold("c")


def test_a_holder_without_a_name_is_told_all_the_same(path: Path) -> None:
    """It may be killed before it has left its name; the lock counts."""
    with opened(path) as one, opened(path) as other:
        one.hold("a")
        path.with_name("state.db.lock").write_text("")
        with pytest.raises(LockedError, match=r"is in use by another run$"):
            other.hold("b")


def test_a_user_without_a_name_can_hold_a_state(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run as numbers that no list of users knows."""
    monkeypatch.setattr("getpass.getuser", _nobody)
    with opened(path) as one, opened(path) as other:
        one.hold("a")
        with pytest.raises(LockedError, match=f"in use by {os.getuid()}@"):
            other.hold("b")


def _nobody() -> str:
    raise KeyError("getpwuid(): uid not found")


def test_a_database_that_somebody_else_keeps_locked(path: Path) -> None:
    """A browser for databases, say: it has to let go first."""
    with opened(path) as store, contextlib.closing(sqlite3.connect(path)) as other:
        store.hold("test")
        store._conn.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError) as caught:
            store.write([make_recorded()])
        assert caught.value.message == f"the state {path} cannot be used: database is locked"
        assert caught.value.hint == "another program has it open; close that and run this again"


def test_a_state_is_written_only_while_it_is_held(path: Path) -> None:
    """Not before the lock, nor after it: by then the state may be somebody else's."""
    with opened(path) as store:
        with pytest.raises(AssertionError, match="call hold"):
            store.write([make_recorded()])
        store.hold("test")
        store.release()
        with pytest.raises(AssertionError, match="call hold"):
            store.pin(make_target(tenant_id=5))
        assert (store.read(), store.header.target) == ([], make_target())
