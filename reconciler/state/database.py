"""A state's file: opened as ours or refused, built whole, read in any format up to ours."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from reconciler.core.digest import digest
from reconciler.core.model import Target
from reconciler.errors import StateError
from reconciler.ports import IN_USE, Transit
from reconciler.state.rows import encode_pins, read_pins
from reconciler.state.schema import check_schema
from reconciler.state.state_errors import damage_error, refuse_transit

# "RcWl", so that `file` and we can tell our states from other people's databases.
APPLICATION_ID = 0x5263576C
SCHEMA_VERSION = 6
# What is added to the format of a state that is not in use: beyond every format, so that programs
# which know nothing of it refuse it as well.
_NOT_IN_USE = 1 << 16

# Seconds for reading a file whose content nobody has checked yet: a schema can hide an endless
# computation, and a page can point at itself.
TIME_LIMIT = 60.0
# Bytes of a new file's pages. In SQLite's own 4096, records of two to four kilobytes leave a third
# of a file empty, which every command reads twice: for its soundness, then for the records.
_PAGE_SIZE = 8192
# Instructions of SQLite's virtual machine between two looks at the clock.
_INSTRUCTIONS = 100_000
# Seconds to wait for whoever writes to the file at this moment.
_BUSY_TIMEOUT = 10.0
_TRANSIT = tuple(field.name for field in dataclasses.fields(Transit))
# Without a shared cache each connection would see a database of its own under the name.
_IN_MEMORY = "memory&cache=shared"


def connect(
    path: Path | str, *, mode: str = "rw", timeout: float = _BUSY_TIMEOUT
) -> sqlite3.Connection:
    """Open an existing database; nothing is known yet of what is in it."""
    conn = sqlite3.connect(
        _uri(path, mode),
        uri=True,
        timeout=timeout,
        # One thread at a time uses it, but not always the one that opened it.
        check_same_thread=False,
        # Transactions are begun by `transaction`: the module would begin a deferred one, which
        # finds out at its first write that somebody else is writing.
        isolation_level=None,
    )
    # The file may come from a branch or a cache: its views and generated columns may not call
    # functions with effects, and a damaged page is noticed before its cells are read.
    conn.execute("PRAGMA trusted_schema = OFF")
    conn.execute("PRAGMA cell_size_check = ON")
    return conn


def _uri(path: Path | str, mode: str) -> str:
    # A plain name would make an empty database where the file has just vanished.
    return f"file:{quote(str(path))}?mode={mode}"


@contextlib.contextmanager
def time_limited(
    conn: sqlite3.Connection, path: Path, patience: float = TIME_LIMIT
) -> Iterator[None]:
    """Raise StateError where reading the database takes longer than `patience` seconds."""
    end = time.monotonic() + patience
    conn.set_progress_handler(lambda: time.monotonic() > end, _INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError as error:
        # An error that the module raises by itself, such as for bytes that are no text, has no
        # code.
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise damage_error(path, f"it could not be looked through within {patience:g} s") from error
    finally:
        conn.set_progress_handler(None, 0)


@contextlib.contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and durable at the end."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back by itself where the disk was full.
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise


def open_database(
    path: Path, patience: float = TIME_LIMIT, *, in_transit: bool = False
) -> sqlite3.Connection:
    """Open a file that is a sound state of this format or an older one; raises StateError.

    It waits no longer than `patience` for another process either. One that is not in use is opened
    only `in_transit`.
    """
    check_is_file(path)
    conn = connect(path, timeout=min(_BUSY_TIMEOUT, patience))
    try:
        with time_limited(conn, path, patience):
            check_ours(conn, path)
            check_schema(conn, path, version_of(conn))
            if not in_transit:
                need_in_use(conn, path)
            set_journal(conn, "TRUNCATE")
            # A row that a damaged page hides would look like one that was never written, and its
            # workload would be created a second time.
            soundness = conn.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if soundness != "ok":
                raise damage_error(path, soundness)
    except BaseException:
        conn.close()
        raise
    return conn


def is_older(conn: sqlite3.Connection) -> bool:
    """Whether a database has to be migrated before this version can use it."""
    return version_of(conn) < SCHEMA_VERSION


def version_of(conn: sqlite3.Connection) -> int:
    """The format of a database."""
    return _user_version(conn) % _NOT_IN_USE


def _user_version(conn: sqlite3.Connection) -> int:
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def need_in_use(conn: sqlite3.Connection, path: Path) -> None:
    """Raise NotInUseError for a state that has moved, or has not arrived; its schema is ours."""
    if _user_version(conn) >= _NOT_IN_USE:
        refuse_transit(path, transit_of(read_meta(conn, path)))


def transit_of(meta: Mapping[str, str]) -> Transit:
    """Why a state is not in use, as it was written down."""
    return Transit(arriving_from=meta.get("arriving_from", ""), moved_to=meta.get("moved_to", ""))


def write_transit(conn: sqlite3.Connection, path: Path, transit: Transit) -> None:
    """Write down why a state is not in use; within a transaction."""
    meta = {**read_meta(conn, path), **dataclasses.asdict(transit)}
    # A state that never moved has no trace of it.
    write_meta(conn, {name: value for name, value in meta.items() if value or name not in _TRANSIT})
    conn.executemany(
        "DELETE FROM meta WHERE key = ?", [[name] for name in _TRANSIT if not meta[name]]
    )
    offset = 0 if transit == IN_USE else _NOT_IN_USE
    conn.execute(f"PRAGMA user_version = {version_of(conn) + offset}")


def migrate(conn: sqlite3.Connection) -> None:
    """Bring a database to this version's format, wholly or not at all.

    The caller holds the lock of the file, where others may open it.
    """
    # Most runs migrate nothing, and this library takes longer to load than a state to open.
    from sqlite_utils import Database

    from reconciler.state.migrations import migrations

    with transaction(conn):
        # Plugins are whatever else is installed beside us, and run code of their own.
        migrations.apply(Database(conn, execute_plugins=False))
        offset = _user_version(conn) - version_of(conn)
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION + offset}")


def migrated_copy(conn: sqlite3.Connection) -> sqlite3.Connection:
    """The same content in memory and in this version's format; the file stays as it is.

    Its free pages, of which there may be any number, are not copied.
    """
    name = str(uuid.uuid4())
    copy = connect(name, mode=_IN_MEMORY)
    try:
        conn.execute("VACUUM INTO ?", [_uri(name, _IN_MEMORY)])
        migrate(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def build(path: Path, target: Target, transit: Transit = IN_USE) -> None:
    """Fill a new file with an empty state."""
    create_private(path)
    conn = connect(path)
    try:
        conn.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        # The file gets another name: a truncated journal would stay beside the hidden one.
        set_journal(conn, "DELETE")
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(conn)
        meta = {
            "lineage": str(uuid.uuid4()),
            "serial": "0",
            "nonce": str(uuid.uuid4()),
            "epoch": "0",
            "created_at": now(),
            **target_meta(target),
        }
        with transaction(conn):
            write_meta(conn, meta)
            write_transit(conn, path, transit)
    finally:
        conn.close()


def set_journal(conn: sqlite3.Connection, mode: str) -> None:
    """Choose how a transaction survives a crash."""
    # One file holds everything that is committed, whoever copies it (see docs/architecture.md).
    conn.execute(f"PRAGMA journal_mode = {mode}")
    conn.execute("PRAGMA synchronous = FULL")


def write_meta(conn: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    """Write down what the state says of itself, with a checksum."""
    entries = {key: value for key, value in meta.items() if key != "checksum"}
    conn.executemany(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
        [*entries.items(), ("checksum", digest(entries))],
    )


def read_meta(conn: sqlite3.Connection, path: Path) -> dict[str, str]:
    """What the state says of itself; raises StateError when that was damaged."""
    meta = dict(conn.execute("SELECT key, value FROM meta").fetchall())
    checksum = meta.pop("checksum", None)
    # A table from elsewhere may hold numbers and blobs, of which there is no digest.
    is_text = all(isinstance(text, str) for pair in meta.items() for text in pair)
    if not is_text or checksum != digest(meta):
        raise damage_error(path, "its header does not match its checksum")
    return meta


def target_meta(target: Target) -> dict[str, str]:
    """A target as it is written down."""
    tenant = "" if target.tenant_id is None else str(target.tenant_id)
    return {
        "url": target.url,
        "stack": target.stack,
        "issuer": target.issuer or "",
        "tenant_id": tenant,
        # Only once they are known: a state that knows nothing of them stays as it is.
        **({"can_update": "yes"} if target.can_update else {}),
        **({"keeps_removed": "yes"} if target.keeps_removed else {}),
        "pins": encode_pins(target.pins),
    }


def target_of(meta: Mapping[str, str]) -> Target:
    """A target as it was written down."""
    return Target(
        url=meta["url"],
        stack=meta["stack"],
        issuer=meta.get("issuer") or None,
        tenant_id=int(meta["tenant_id"]) if meta.get("tenant_id") else None,
        can_update=meta.get("can_update") == "yes",
        keeps_removed=meta.get("keeps_removed") == "yes",
        pins=read_pins(meta.get("pins", "")),
    )


def now() -> str:
    """The moment, as states write it down."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def create_private(path: Path) -> None:
    """Make an empty file that is nobody else's to read; raises FileExistsError."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def sync(path: Path) -> None:
    """Make a file durable, or the names in a folder."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_is_file(path: Path) -> None:
    """Raise StateError where no file is: SQLite would make one, or wait for a pipe's other end."""
    if not path.exists():
        raise StateError(
            f"there is no state at {path}",
            hint="if there was one, restore it or run 'reconciler state recover'; "
            "only the very first apply makes one, with --init",
        )
    if not path.is_file():
        raise StateError(f"{path} is not a file", hint="give the path of a state with --state")


def check_ours(conn: sqlite3.Connection, path: Path) -> None:
    """Raise StateError for the database of another program or of a newer version."""
    application_id = conn.execute("PRAGMA application_id").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise StateError(
            f"{path} is not a state of this program",
            hint="give the path of a state with --state; nothing was changed",
        )
    version = version_of(conn)
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path} was written by a newer version of this program (format {version}, "
            f"this one knows {SCHEMA_VERSION})",
            hint="upgrade the program that runs here; nothing was changed",
        )
