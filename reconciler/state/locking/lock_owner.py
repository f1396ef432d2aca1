"""Which process holds the lock of a state, for the message to the next one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import LockedError
from reconciler.state.database import now, transaction
from reconciler.state.locking.lock import StateLock
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """The process that holds the lock of a state, and the command that it carries out."""

    host: str
    pid: int
    user: str
    command: str
    since: str
    link: str = ""

    def __str__(self) -> str:
        job = f", {self.link}" if self.link else ""
        return (
            f"{self.user}@{self.host}, process {self.pid}, since {self.since} ({self.command}){job}"
        )

    @property
    def title(self) -> str:
        """Who and what, for people elsewhere, to whom the number of a process says nothing."""
        return f"{self.user}@{self.host} ({self.command})"


def this_process(command: str) -> LockOwner:
    """This process as the owner of a lock."""
    # Only here: whoever reads a state holds no lock, and need load neither of these.
    import getpass
    import socket

    try:
        user = getpass.getuser()
    # A container often runs under a number that has no name: KeyError up to Python 3.12.
    except (KeyError, OSError):
        user = str(os.getuid())
    return LockOwner(
        host=socket.gethostname(),
        pid=os.getpid(),
        user=user,
        command=command,
        since=now(),
        link=job_link(),
    )


def job_link(environ: Mapping[str, str] = os.environ) -> str:
    """Where people see the CI job that this process belongs to; empty outside of one we know."""
    if link := environ.get("CI_JOB_URL"):
        return link
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name) for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""


def write_owner(conn: sqlite3.Connection, owner: LockOwner) -> None:
    """Record who holds the lock; this also proves that the file can be written."""
    with transaction(conn):
        conn.execute(
            "INSERT OR REPLACE INTO holder (slot, host, pid, user, command, since) "
            "VALUES (1, ?, ?, ?, ?, ?)",
            [owner.host, owner.pid, owner.user, owner.command, owner.since],
        )


def clear_owner(conn: sqlite3.Connection) -> None:
    """Take the owner out again."""
    # After a failure the row stays, which misleads nobody: only the kernel's lock counts.
    with contextlib.suppress(sqlite3.Error):
        conn.execute("DELETE FROM holder")


def locked_error(lock: StateLock, path: Path) -> LockedError:
    """The error for a state whose lock another process has."""
    owner = ""
    with contextlib.suppress(OSError):
        owner = lock.owner()
    return LockedError(
        f"the state {path} is in use by {owner or 'another run'}",
        hint="wait for it with --lock-timeout 10m; a run that was killed holds nothing",
    )
