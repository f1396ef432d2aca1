"""The state in one SQLite file: ours or refused, durable when a write returns, private."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.core.redact import Redactor
from reconciler.errors import StateError
from reconciler.ports import ActionEntry, RunEntry
from reconciler.state import database, history, holder
from reconciler.state.backups import back_up, next_backup, rotate
from reconciler.state.database import read_meta, write_meta
from reconciler.state.lock import StateLock
from reconciler.state.mounts import check_local
from reconciler.state.names import beside, check_one_name
from reconciler.state.renewal import renew_rows
from reconciler.state.rows import SELECT, UPSERT, RowWriter, from_values
from reconciler.state.trouble import explained, naming


class SqliteStore:
    """A state file that is open; made by `open_state` or `create_state`.

    A file of an older format is read through a copy in memory, and is itself brought up to date
    by `hold`: nothing writes to it without the kernel's lock, a migration least of all.
    """

    def __init__(self, path: Path, patience: float = database.PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._lock: StateLock | None = None
        self._written = False
        self._rows = RowWriter()
        with explained(path):
            self._open(migrating=False)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state."""
        with self._reading():
            meta = self._meta()
        return Header(
            lineage=meta["lineage"],
            serial=int(meta["serial"]),
            target=database.target_of(meta),
        )

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first; raises StateError on damage."""
        with self._reading():
            rows = self._conn.execute(f"{SELECT} WHERE own != ? ORDER BY op", [Own.GONE]).fetchall()
        with _collector_paused(), naming(self._path):
            return [from_values(row) for row in rows]

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
        """A surgery and its entry in the history, in one durable transaction.

        `rows` are written, the operations of `without` are taken out, `target` is pinned.
        `lineage` is taken on by a state that has never written: no workload carries its own yet.
        """
        with self._transaction():
            history.prune(self._conn, run.started)
            history.put_run(self._conn, run)
            history.put_actions(self._conn, run.id, actions)
            if lineage is not None and lineage != self._meta()["lineage"]:
                self._take_lineage(lineage)
            self._put(rows)
            gone = [(op,) for op in without]
            self._conn.executemany("DELETE FROM operations WHERE op = ?", gone)
            if target is not None:
                self._set_meta(database.target_meta(target))
        self._written = True

    def pin(self, target: Target) -> None:
        """Remember what has been learnt of the target; nothing is written if nothing is new."""
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
        """Let nothing be left in the file that these rules of what is a secret hide.

        A file that follows them says so, and is left as it is. Of another one every row is written
        anew, and then all of the file, since its free pages hold what the rows were.
        """
        rules = redactor.rules.fingerprint
        with explained(self._path):
            if self._meta().get("rules") == rules:
                return
        with self._transaction():
            renewed = renew_rows(self._conn, redactor)
        with explained(self._path):
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
        """Copy the file as it is to another, or beside itself, where the last few are kept.

        Raises StateError when there is no room for it, or a file already.
        """
        place = to or next_backup(self._path, self.header.serial)
        back_up(self._path, place)
        if to is None:
            with explained(self._path):
                rotate(self._path, place)
        return place

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Become the only writer, bring the file up to date, and prove that it can be written.

        Raises LockedError, which names the other run, after `timeout` seconds; and StateError
        where a lock would mean nothing.
        """
        check_local(self._path)
        me = holder.myself(command)
        lock = StateLock(self._path)
        with explained(self._path):
            acquired = lock.acquire(timeout, name=str(me))
        if not acquired:
            raise holder.locked(lock, self._path)
        self._lock = lock
        try:
            with explained(self._path):
                check_one_name(self._path)
                # What was read before the lock was ours may have been replaced since.
                self._conn.close()
                self._open(migrating=True)
                if not lock.is_on(self._path):
                    raise _replaced(self._path)
                holder.write_owner(self._conn, me)
        except BaseException:
            self.release()
            raise

    def writer(self) -> str:
        """Who else writes to this state now, and with which command; empty where nobody does."""
        if self._lock is not None:
            return ""
        lock = StateLock(self._path)
        with suppress(OSError):
            return (lock.holder() or "another run") if lock.is_held() else ""
        return ""

    def release(self) -> None:
        """Let others write; harmless when nothing is held."""
        if self._lock is None:
            return
        holder.clear_owner(self._conn)
        self._lock.release()
        self._lock = None

    def close(self) -> None:
        """Release and close."""
        self.release()
        self._conn.close()

    def _open(self, *, migrating: bool) -> None:
        """Open the file; one of an older format is migrated, or else copied into memory."""
        conn = database.open_database(self._path, self._patience)
        try:
            self._copied = database.is_older(conn) and not migrating
            if self._copied:
                with database.bounded(conn, self._path, self._patience):
                    copy = database.migrated_copy(conn)
                file, conn = conn, copy
                file.close()
            elif database.is_older(conn):
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
        if self._copied:
            raise AssertionError("a state of an older format is written to after hold() only")
        with explained(self._path), database.transaction(self._conn):
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What takes longer than opening the file may take is given up as that is."""
        with explained(self._path), database.bounded(self._conn, self._path, self._patience):
            yield

    def _put(self, rows: Sequence[Recorded]) -> None:
        self._conn.executemany(UPSERT, [self._rows.values(row) for row in rows])
        if not self._written:
            serial = int(self._meta()["serial"]) + 1
            self._set_meta({"serial": str(serial), "nonce": str(uuid.uuid4())})

    def _take_lineage(self, lineage: str) -> None:
        if self._meta()["serial"] != "0":
            raise AssertionError("a lineage that workloads may carry is never given up")
        self._set_meta({"lineage": lineage})

    def _meta(self) -> dict[str, str]:
        return read_meta(self._conn, self._path)

    def _set_meta(self, values: Mapping[str, str]) -> None:
        write_meta(self._conn, {**self._meta(), **values})


def create_state(path: Path, target: Target) -> SqliteStore:
    """Make a new, empty state; raises StateError where one is already.

    It is built beside its place and moved there, so that a kill leaves either nothing or all.
    """
    check_local(path)
    with explained(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = beside(path)
        try:
            database.build(unfinished, target)
            os.link(unfinished, path)
        except FileExistsError:
            raise StateError(
                f"there is already a state at {path}", hint="use it, or give another --state"
            ) from None
        finally:
            unfinished.unlink(missing_ok=True)
        database.sync_folder(path.parent)
    return open_state(path)


def is_there(path: Path) -> bool:
    """Whether there is anything at a state's path; raises StateError for an impossible one."""
    with explained(path):
        return path.exists()


def open_state(path: Path, patience: float = database.PATIENCE) -> SqliteStore:
    """Open a state that exists, looking into it for so many seconds at most.

    Raises StateError when it is absent, not ours, newer than this program, or damaged.
    """
    return SqliteStore(path, patience)


def _replaced(path: Path) -> StateError:
    return StateError(
        f"the state {path} was replaced by another file while its lock was taken",
        hint="nothing was changed; run this again",
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Thousands of documents that all stay are no garbage; to look for some doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
