"""Who is writing to a state, for the message to whoever comes second."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sqlite3
from dataclasses import astuple, dataclass
from pathlib import Path

from reconciler.errors import LockedError
from reconciler.state.database import now, transaction
from reconciler.state.lock import StateLock


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


def myself(command: str) -> Holder:
    """This process, while it carries out that command."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Holder(
        host=socket.gethostname(), pid=os.getpid(), user=user, command=command, since=now()
    )


def write_owner(conn: sqlite3.Connection, holder: Holder) -> None:
    """Write down who holds the state; this also proves that it can be written."""
    with transaction(conn):
        conn.execute(
            "INSERT OR REPLACE INTO holder (slot, host, pid, user, command, since) "
            "VALUES (1, ?, ?, ?, ?, ?)",
            astuple(holder),
        )


def clear_owner(conn: sqlite3.Connection) -> None:
    """Take the name away again; one left behind misleads nobody while the kernel lock is free."""
    with contextlib.suppress(sqlite3.Error):
        conn.execute("DELETE FROM holder")


def locked(lock: StateLock, path: Path) -> LockedError:
    """What to say to whoever meets a state that is held."""
    name = ""
    with contextlib.suppress(OSError):
        name = lock.holder()
    return LockedError(
        f"the state {path} is in use by {name or 'another run'}",
        hint="wait for it with --lock-timeout 10m; a run that was killed holds nothing",
    )
