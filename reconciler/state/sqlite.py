"""The state in one SQLite file: ours or refused, durable when a write returns, private."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.core.redact import Redactor
from reconciler.core.states.places import FilePlace
from reconciler.errors import StateError
from reconciler.ports import (
    IN_USE,
    ActionEntry,
    LossListener,
    RunEntry,
    StateContent,
    StateCopy,
    Transit,
)
from reconciler.state import database, history
from reconciler.state.backups import back_up, list_copies, next_backup, rotate
from reconciler.state.database import read_meta, write_meta
from reconciler.state.filenames import check_no_hard_links, make_folder, unfinished_path
from reconciler.state.locking import lock_owner
from reconciler.state.locking.lock import StateLock
from reconciler.state.locking.mounts import check_local
from reconciler.state.renewal import renew_rows
from reconciler.state.rows import SELECT, UPSERT, RowWriter, from_values, read_records
from reconciler.state.state_errors import explain_errors, naming_state

# Few enough that their documents take little memory, whatever their number.
_PAGE = 100


class SqliteStore:
    """A state file that is open; made by `open_state` or `create_state`.

    A file of an older format is read through a migrated copy in memory. Only `hold` migrates the
    file itself, since a migration writes and so needs the lock.
    """

    def __init__(
        self, path: Path, patience: float = database.TIME_LIMIT, *, in_transit: bool = False
    ) -> None:
        self._path = path
        self._patience = patience
        self._in_transit = in_transit
        self._lock: StateLock | None = None
        self._written = False
        self._rows = RowWriter()
        with explain_errors(path):
            self._open(migrating=False)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def place(self) -> FilePlace:
        """Where it is kept."""
        return FilePlace(path=self._path)

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state."""
        with self._reading():
            meta = self._meta()
        return Header(
            lineage=meta["lineage"], serial=int(meta["serial"]), target=database.target_of(meta)
        )

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first; raises StateError on damage."""
        query = f"{SELECT} WHERE own != ? ORDER BY op"
        with self._reading(), naming_state(self._path):
            # One after the other, so that no document is in memory twice.
            return read_records(self._conn.execute(query, [Own.GONE]))

    def read_by_address(self, *, checked: bool = False) -> Iterator[Recorded]:
        """The same by address, one after the other, their documents unread unless `checked`."""
        # In the order of an index. By operation as well, SQLite would copy each row to sort it.
        query = f"{SELECT} WHERE own != ? ORDER BY project, name"
        for _, same in groupby(self._in_pages(query, [Own.GONE]), itemgetter(1, 2)):
            with naming_state(self._path):
                records = [from_values(values, checked=checked) for values in same]
            yield from sorted(records, key=attrgetter("op"))

    def _in_pages(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a query; what is done with them is outside the time limit of reading."""
        with self._reading():
            cursor = self._conn.execute(query, values)
            page = cursor.fetchmany(_PAGE)
        while page:
            yield from page
            with self._reading():
                page = cursor.fetchmany(_PAGE)

    def has_records(self) -> bool:
        """Whether there is any operation that is not GONE."""
        with self._reading():
            query = "SELECT 1 FROM operations WHERE own != ? LIMIT 1"
            return self._conn.execute(query, [Own.GONE]).fetchone() is not None

    def write(self, rows: Sequence[Recorded]) -> None:
        """Insert or replace rows by operation, in one durable transaction."""
        with self._transaction():
            self._put(rows)
        self._written = True

    def amend(
        self,
        run: RunEntry,
        actions: Sequence[ActionEntry],
        *,
        rows: Sequence[Recorded] = (),
        without: Iterable[str] = (),
        target: Target | None = None,
        lineage: str | None = None,
    ) -> None:
        """Edit the record and add the edit to the history, in one durable transaction.

        `rows` are written, the operations of `without` are deleted, `target` is pinned. `lineage`
        replaces the state's own, which only a state that has never written may do.
        """
        with self._transaction():
            history.prune(self._conn, run.started)
            history.put_run(self._conn, run)
            history.put_actions(self._conn, run.id, actions)
            meta = self._meta()
            if lineage is not None and lineage != meta["lineage"]:
                # Markers carry the lineage: under another one, workloads would be foreign.
                if meta["serial"] != "0":
                    raise AssertionError("workloads may carry the lineage that would be replaced")
                self._set_meta({"lineage": lineage})
            self._put(rows)
            self._conn.executemany("DELETE FROM operations WHERE op = ?", [(op,) for op in without])
            if target is not None:
                self._set_meta(database.target_meta(target))
        self._written = True

    def pin(self, target: Target) -> None:
        """Record what has been learnt of the target; nothing is written if nothing is new."""
        if target != self.header.target:
            with self._transaction():
                self._set_meta(database.target_meta(target))

    def begin_run(self, run: RunEntry) -> None:
        """Remember that a run began, and forget those that are too old."""
        with self._transaction():
            history.prune(self._conn, run.started)
            history.put_run(self._conn, run)

    def add_actions(self, run_id: str, actions: Sequence[ActionEntry]) -> None:
        """Remember what a run did, after what it did before."""
        with self._transaction():
            history.put_actions(self._conn, run_id, actions)

    def end_run(self, run: RunEntry) -> None:
        """Remember how a run ended."""
        with self._transaction():
            history.put_run(self._conn, run)

    def renew(self, redactor: Redactor) -> None:
        """Rewrite the file so that it holds no secret by these redaction rules.

        A file whose header names the same rules is left as it is.
        """
        rules = redactor.rules.fingerprint
        with explain_errors(self._path):
            if self._meta().get("rules") == rules:
                return
        with self._transaction():
            renewed = renew_rows(self._conn, redactor)
        with explain_errors(self._path):
            # Free pages still hold the old rows; VACUUM writes the whole file without them.
            if renewed:
                self._conn.execute("VACUUM")
        # Last, so that a kill before lets the next one begin again.
        with self._transaction():
            self._set_meta({"rules": rules})

    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""
        with self._reading():
            return history.get_runs(self._conn)

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""
        with self._reading():
            return history.get_actions(self._conn, run_id)

    def back_up(self, to: Path | None = None) -> Path:
        """Copy the file to `to`, or to the folder beside itself, which keeps the last few copies.

        Raises StateError when the disk is full or `to` exists.
        """
        place = to or next_backup(self._path, self.header.serial)
        back_up(self._path, place)
        if to is None:
            with explain_errors(self._path):
                rotate(self._path, place)
        return place

    @property
    def transit(self) -> Transit:
        """Why the state is not in use."""
        with self._reading():
            return database.transit_of(self._meta())

    def set_transit(self, transit: Transit) -> None:
        """Take the state out of use, or into it."""
        with self._transaction():
            database.write_transit(self._conn, self._path, transit)

    def content(self) -> StateContent:
        """All of the state; raises StateError on damage."""
        with self._reading():
            rows = self._conn.execute(f"{SELECT} ORDER BY op").fetchall()
        with naming_state(self._path):
            records = tuple(read_records(rows))
        return StateContent(
            header=self.header,
            rows=records,
            runs=tuple((run, tuple(self.actions(run.id))) for run in reversed(self.runs())),
        )

    def fill(self, content: StateContent) -> None:
        """Replace all of a state that is not in use, in one transaction."""
        if self.transit == IN_USE:
            raise AssertionError("a state that is in use would be lost")
        header = content.header
        with self._transaction():
            for table in ("operations", "runs", "run_actions"):
                self._conn.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
            self._conn.executemany(UPSERT, [self._rows.values(row) for row in content.rows])
            for run, actions in content.runs:
                history.put_run(self._conn, run)
                history.put_actions(self._conn, run.id, actions)
            identity = {"lineage": header.lineage, "serial": str(header.serial)}
            # By which rules of redaction the records were written is not known of those that came.
            fresh = {"nonce": str(uuid.uuid4()), "rules": "", **database.target_meta(header.target)}
            self._set_meta(identity | fresh)

    def copies(self) -> Sequence[StateCopy]:
        """The copies in the folder beside the file, the newest first."""
        with explain_errors(self._path):
            return list_copies(self._path)

    def read_copy(self, copy: StateCopy) -> Sequence[Recorded]:
        """Every operation in a copy that is not GONE; raises StateError for a damaged one."""
        with closing(open_state(Path(copy.name), self._patience)) as store:
            return store.read()

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Take the lock, migrate the file, and prove that it can be written.

        Raises LockedError, which names the owner, after `timeout` seconds; and StateError on a
        network file system, where a lock keeps nobody out.
        """
        check_local(self._path)
        owner = lock_owner.this_process(command)
        lock = StateLock(self._path)
        with explain_errors(self._path):
            acquired = lock.acquire(timeout, name=str(owner))
        if not acquired:
            raise lock_owner.locked_error(lock, self._path)
        self._lock = lock
        try:
            with explain_errors(self._path):
                check_no_hard_links(self._path)
                # The file that was opened before the lock was taken may have been replaced since,
                # and once more between the lock and this.
                self._conn.close()
                self._open(migrating=True)
                if not lock.is_on(self._path):
                    raise StateError(
                        f"the state {self._path} was replaced by another file while its lock was "
                        "taken",
                        hint="nothing was changed; run this again",
                    )
                lock_owner.write_owner(self._conn, owner)
        except BaseException:
            self.release()
            raise

    def watch(self, *, lost: LossListener, silent: Callable[[], None]) -> None:
        """Nothing to tell: the kernel takes no lock away, and answers."""

    def hurry(self, seconds: float) -> None:
        """Nothing to hasten: a file waits for nobody who holds its lock."""

    def writer(self) -> str:
        """The other process that has the lock, and its command; empty where there is none."""
        if self._lock is not None:
            return ""
        lock = StateLock(self._path)
        with suppress(OSError):
            return (lock.owner() or "another run") if lock.is_held() else ""
        return ""

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._lock is None:
            return
        lock_owner.clear_owner(self._conn)
        self._lock.release()
        self._lock = None

    def close(self) -> None:
        """Release and close."""
        self.release()
        self._conn.close()

    def _open(self, *, migrating: bool) -> None:
        """Open the file; one of an older format is migrated, or else copied into memory."""
        conn = database.open_database(self._path, self._patience, in_transit=self._in_transit)
        try:
            if database.is_older(conn) and not migrating:
                with database.time_limited(conn, self._path, self._patience):
                    copy = database.migrated_copy(conn)
                file, conn = conn, copy
                file.close()
            elif database.is_older(conn):
                # The way back to the version that wrote it.
                self._conn = conn
                self.back_up()
                database.migrate(conn)
            read_meta(conn, self._path)
        except BaseException:
            conn.close()
            raise
        self._conn = conn

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._lock is None:
            raise AssertionError("a state is written only while it is held: call hold() first")
        with explain_errors(self._path), database.transaction(self._conn):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Errors with the file's name, and the time limit of opening it."""
        limit = database.time_limited(self._conn, self._path, self._patience)
        with explain_errors(self._path), limit:
            yield

    def _put(self, rows: Sequence[Recorded]) -> None:
        self._conn.executemany(UPSERT, [self._rows.values(row) for row in rows])
        # Once per store, not per write: a serial counts runs, and tells copies of a state apart.
        if not self._written:
            serial = int(self._meta()["serial"]) + 1
            self._set_meta({"serial": str(serial), "nonce": str(uuid.uuid4())})

    def _meta(self) -> dict[str, str]:
        return read_meta(self._conn, self._path)

    def _set_meta(self, values: Mapping[str, str]) -> None:
        write_meta(self._conn, {**self._meta(), **values})


def create_state(path: Path, target: Target, transit: Transit = IN_USE) -> SqliteStore:
    """Make a new, empty state; raises StateError where a file exists."""
    check_local(path)
    with explain_errors(path):
        make_folder(path.parent)
        unfinished = unfinished_path(path)
        try:
            # Built under a hidden name: a kill leaves a whole state or none. A link, unlike a
            # rename, does not replace a state that another process has made meanwhile.
            database.build(unfinished, target, transit)
            os.link(unfinished, path)
        except FileExistsError:
            raise StateError(
                f"there is already a state at {path}", hint="use it, or give another --state"
            ) from None
        finally:
            unfinished.unlink(missing_ok=True)
        database.sync(path.parent)
    return open_state(path, in_transit=transit != IN_USE)


def open_state(
    path: Path, patience: float = database.TIME_LIMIT, *, in_transit: bool = False
) -> SqliteStore:
    """Open a state that exists; each read of it takes at most `patience` seconds.

    Raises StateError when it is absent, not ours, newer than this program, or damaged, and
    NotInUseError for one that moved, unless it is opened `in_transit`.
    """
    return SqliteStore(path, patience, in_transit=in_transit)
