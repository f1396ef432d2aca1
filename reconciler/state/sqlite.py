"""The state in one SQLite file: ours or refused, durable when a write returns, private."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from reconciler.core.digest import digest
from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.errors import LockedError, StateError
from reconciler.state.lock import FileLock
from reconciler.state.migrations import APPLICATION_ID, SCHEMA_VERSION, migrations
from reconciler.state.rows import from_row, to_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who is writing to a state."""

    host: str
    pid: int
    user: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.since} ({self.command})"


_RESTORE = "restore the state from a backup; the server's workloads are untouched"


class SqliteStore:
    """A state file that is open; made by `open_state` or `create_state`."""

    def __init__(self, db: Database, path: Path) -> None:
        self._db = db
        self._path = path
        self._lock: FileLock | None = None
        self._written = False

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state."""
        with _explained(self._path):
            meta = self._meta()
            return Header(
                lineage=meta["lineage"],
                serial=int(meta["serial"]),
                target=Target(
                    url=meta["url"],
                    stack=meta["stack"],
                    issuer=meta.get("issuer") or None,
                    tenant_id=int(meta["tenant_id"]) if meta.get("tenant_id") else None,
                ),
            )

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first; raises StateError on damage."""
        with _explained(self._path):
            rows = list(
                self._db.query("SELECT * FROM operations WHERE own != ? ORDER BY op", [Own.GONE])
            )
        return [from_row(row) for row in rows]

    def write(self, rows: Sequence[Recorded]) -> None:
        """Insert or replace rows by operation, in one durable transaction."""
        with _explained(self._path), self._db.atomic():
            self._db.table("operations").upsert_all([to_row(row) for row in rows], pk="op")
            if not self._written:
                serial = int(self._meta()["serial"]) + 1
                self._set_meta({"serial": str(serial), "nonce": str(uuid.uuid4())})
        self._written = True

    def pin(self, target: Target) -> None:
        """Remember what has been learnt of the target; nothing is written if nothing is new."""
        if target != self.header.target:
            with _explained(self._path), self._db.atomic():
                self._set_meta(_target_meta(target))

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Become the only writer, and prove that the file can be written.

        Raises LockedError, which names the other run, after `timeout` seconds.
        """
        lock = FileLock(self._path.with_name(self._path.name + ".lock"))
        with _explained(self._path):
            acquired = lock.acquire(timeout)
        if not acquired:
            raise _locked(self._path, self._holder())
        self._lock = lock
        try:
            with _explained(self._path), self._db.atomic():
                self._db.table("holder").upsert({"slot": 1, **_myself(command)}, pk="slot")
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others write; harmless when nothing is held."""
        if self._lock is None:
            return
        # A name left behind misleads nobody: it is only read while the kernel lock is taken.
        with contextlib.suppress(sqlite3.Error):
            self._db.table("holder").delete_where()
        self._lock.release()
        self._lock = None

    def close(self) -> None:
        """Release and close."""
        self.release()
        self._db.conn.close()

    def _holder(self) -> Holder | None:
        with contextlib.suppress(sqlite3.Error):
            for row in self._db.table("holder").rows:
                return Holder(**{key: value for key, value in row.items() if key != "slot"})
        return None

    def _meta(self) -> dict[str, str]:
        return _read_meta(self._db, self._path)

    def _set_meta(self, values: Mapping[str, str]) -> None:
        _write_meta(self._db, {**self._meta(), **values})


def create_state(path: Path, target: Target) -> SqliteStore:
    """Make a new, empty state; raises StateError where one is already.

    It is built beside its place and moved there, so that a kill leaves either nothing or all.
    """
    with _explained(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            _build(beside, target)
            os.link(beside, path)
        except FileExistsError:
            raise StateError(
                f"there is already a state at {path}", hint="use it, or give another --state"
            ) from None
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(path.parent)
    return open_state(path)


def _build(path: Path, target: Target) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = _connect(path)
    try:
        _set_journal(db, "DELETE")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrations.apply(db)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        meta = {
            "lineage": str(uuid.uuid4()),
            "serial": "0",
            "nonce": str(uuid.uuid4()),
            "epoch": "0",
            "created_at": _now(),
            **_target_meta(target),
        }
        _write_meta(db, meta)
    finally:
        db.conn.close()


def _write_meta(db: Database, meta: Mapping[str, str]) -> None:
    known = {key: value for key, value in meta.items() if key != "checksum"}
    rows = [{"key": key, "value": value} for key, value in known.items()]
    rows.append({"key": "checksum", "value": digest(known)})
    db.table("meta").upsert_all(rows, pk="key")


def _read_meta(db: Database, path: Path) -> dict[str, str]:
    """What the state says of itself; raises StateError when that was damaged."""
    meta = {row["key"]: row["value"] for row in db.query("SELECT key, value FROM meta")}
    found = meta.pop("checksum", None)
    if not all(isinstance(text, str) for pair in meta.items() for text in pair) or (
        found != digest(meta)
    ):
        raise _damaged(path, "its header does not match its checksum")
    return meta


def is_there(path: Path) -> bool:
    """Whether there is anything at a state's path; raises StateError for an impossible one."""
    with _explained(path):
        return path.exists()


def open_state(path: Path) -> SqliteStore:
    """Open a state that exists, and bring an older one up to date.

    Raises StateError when it is absent, not ours, newer than this program, or damaged.
    """
    with _explained(path):
        _check_there(path)
        db = _connect(path)
        try:
            _check_ours(db, path)
            _set_journal(db, "TRUNCATE")
            _check_sound(db, path)
            if _version(db) < SCHEMA_VERSION:
                migrations.apply(db)
                db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            _read_meta(db, path)
        except BaseException:
            db.conn.close()
            raise
    return SqliteStore(db, path)


def _check_there(path: Path) -> None:
    """SQLite would make an absent file, and wait for the other end of a pipe."""
    if not path.exists():
        raise StateError(
            f"there is no state at {path}",
            hint="the first apply makes one with --init; if there should be one, restore it first",
        )
    if not path.is_file():
        raise StateError(f"{path} is not a file", hint="give the path of a state with --state")


def _connect(path: Path) -> Database:
    # One thread at a time uses it, but not always the one that opened it.
    conn = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
    return Database(conn, execute_plugins=False)


def _set_journal(db: Database, mode: str) -> None:
    # One file holds everything that is committed, whoever copies it (see docs/architecture.md).
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute("PRAGMA synchronous = FULL")


def _check_ours(db: Database, path: Path) -> None:
    application_id = db.execute("PRAGMA application_id").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise StateError(
            f"{path} is not a state of this program",
            hint="give the path of a state with --state; nothing was changed",
        )
    version = _version(db)
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path} was written by a newer version of this program (format {version}, "
            f"this one knows {SCHEMA_VERSION})",
            hint="upgrade the program that runs here; nothing was changed",
        )


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_sound(db: Database, path: Path) -> None:
    """A row that a damaged page hides would look like one that was never written."""
    found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise _damaged(path, found)


def _damaged(path: Path, what: str) -> StateError:
    return StateError(f"the state {path} is damaged: {what}", hint=_RESTORE)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into a sentence with a way out."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StateError(f"the state {path} cannot be used: {error}", hint=_hint(error)) from error
    except UnicodeDecodeError as error:
        # Not even SQLite's own message about the damage is text.
        raise _damaged(path, "it holds bytes that are no text") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StateError(f"the state {path} cannot be used: {reason}", hint=_hint(error)) from error


def _hint(error: Exception) -> str:
    text = str(error)
    if "not a database" in text:
        return "this file is no state of this program; give another path with --state"
    if "readonly" in text or isinstance(error, PermissionError):
        return "make the file and its folder writable for this user, or use another --state"
    if "full" in text or "No space" in text:
        return "make room on the disk; what is recorded so far is safe"
    if "locked" in text:
        return "another program has it open; close that and run this again"
    if isinstance(error, sqlite3.DatabaseError) and "unable to open" not in text:
        return _RESTORE
    return "check the path given with --state"


def _locked(path: Path, holder: Holder | None) -> LockedError:
    who = f"by {holder}" if holder else "by another run"
    return LockedError(
        f"the state {path} is in use {who}",
        hint="wait for it with --lock-timeout 10m; a run that was killed holds nothing",
    )


def _myself(command: str) -> dict[str, Any]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": user,
        "command": command,
        "since": _now(),
    }


def _target_meta(target: Target) -> dict[str, str]:
    tenant = "" if target.tenant_id is None else str(target.tenant_id)
    return {
        "url": target.url,
        "stack": target.stack,
        "issuer": target.issuer or "",
        "tenant_id": tenant,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sync_folder(folder: Path) -> None:
    """Make a new name durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
