"""A quick look at a state without its documents, for whoever must neither wait nor disturb."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.model import Own, Purpose
from reconciler.state import database, holder
from reconciler.state.lock import StateLock
from reconciler.state.mounts import check_local
from reconciler.state.schema import check_schema
from reconciler.state.trouble import explained

# As long as a person at a prompt waits without wondering.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a state records: its addresses in order, each once, and how many are owned how.

    `down` counts the addresses at which something was deleted to be replaced, and nothing is known
    to run since; `is_held` says that a run has the lock, and is at work on what it has begun.
    """

    addresses: tuple[str, ...]
    owned: Mapping[Own, int]
    down: int = 0
    is_held: bool = False

    @property
    def in_doubt(self) -> int:
        """How many creates have an outcome that nobody knows, and nobody is about to find out."""
        begun = 0 if self.is_held else self.owned[Own.CREATING]
        return begun + self.owned[Own.UNCONFIRMED]


def glance(path: Path) -> Glance:
    """Look at a state of any format that is known; raises StateError where there is none.

    The file is opened to be read only, no lock is waited for longer than an instant, and nothing
    is checked that takes time.
    """
    query = "SELECT project || '/' || name, own, purpose FROM operations WHERE own != ?"
    with _open(path) as conn:
        rows = conn.execute(query, [Own.GONE]).fetchall()
    counts = Counter(own for _, own, _ in rows)
    occupied = {address for address, own, _ in rows if own in (Own.ACCEPTED, Own.DELETING)}
    # Without the record's memory: a format that has none is looked at as well.
    emptied = (Own.LATE_CREATE_POSSIBLE, Purpose.REPLACE)
    down = {address for address, *columns in rows if tuple(columns) == emptied}
    return Glance(
        addresses=tuple(sorted({address for address, *_ in rows})),
        owned={own: counts[own] for own in Own if own is not Own.GONE},
        down=len(down - occupied),
        is_held=StateLock(path).is_held(),
    )


def try_lock(path: Path, command: str) -> None:
    """Take the lock of a state and give it back at once; the file itself is not touched.

    Raises LockedError, which names who has it, and StateError where a lock would mean nothing.
    """
    database.check_there(path)
    check_local(path)
    lock = StateLock(path)
    with explained(path):
        if not lock.acquire(name=str(holder.myself(command))):
            raise holder.locked(lock, path)
        lock.release()


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with explained(path):
        database.check_there(path)
        conn = database.connect(path, mode="ro", timeout=_PATIENCE)
        with closing(conn), database.bounded(conn, path, _PATIENCE):
            database.check_ours(conn, path)
            check_schema(conn, path, database.version_of(conn))
            yield conn
