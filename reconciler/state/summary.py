"""A state in numbers, read without its documents: nobody waits for it, nobody is disturbed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from reconciler.core.model import Own, Purpose
from reconciler.core.states.inspection import StateSummary
from reconciler.state import database
from reconciler.state.locking import lock_owner
from reconciler.state.locking.lock import StateLock
from reconciler.state.locking.mounts import check_local
from reconciler.state.schema import check_schema
from reconciler.state.state_errors import explain_errors

# Seconds: a person presses the Tab key and waits for the completion.
_TIME_LIMIT = 1.0


def summarize_state(path: Path) -> StateSummary:
    """Summarise a state of any known format; raises StateError where there is none.

    It opens the file for reading only, waits a second at most for a writer, and skips the checks
    that read every page.
    """
    query = "SELECT project || '/' || name, own, purpose FROM operations WHERE own != ?"
    with explain_errors(path):
        database.check_is_file(path)
        conn = database.connect(path, mode="ro", timeout=_TIME_LIMIT)
        with closing(conn), database.time_limited(conn, path, _TIME_LIMIT):
            database.check_ours(conn, path)
            check_schema(conn, path, database.version_of(conn))
            database.need_in_use(conn, path)
            rows = conn.execute(query, [Own.GONE]).fetchall()
    return make_summary(rows, is_held=StateLock(path).is_held())


def make_summary(rows: Sequence[tuple[str, str, str | None]], *, is_held: bool) -> StateSummary:
    """The summary of records that are not GONE: address, ownership and purpose of each."""
    counts = Counter(own for _, own, _ in rows)
    occupied = {address for address, own, _ in rows if own in (Own.ACCEPTED, Own.DELETING)}
    # `Recorded.is_down` asks the record's memory as well, a column that older formats do not have.
    down = {
        address
        for address, own, purpose in rows
        if own == Own.LATE_CREATE_POSSIBLE and purpose == Purpose.REPLACE
    }
    return StateSummary(
        addresses=tuple(sorted({address for address, *_ in rows})),
        owned={own: counts[own] for own in Own if own is not Own.GONE},
        down=len(down - occupied),
        is_held=is_held,
    )


def try_lock(path: Path, command: str) -> None:
    """Take the lock of a state and give it back at once; the file itself is not touched.

    Raises LockedError, which names the owner, and StateError on a network file system.
    """
    database.check_is_file(path)
    check_local(path)
    lock = StateLock(path)
    with explain_errors(path):
        if not lock.acquire(name=str(lock_owner.this_process(command))):
            raise lock_owner.locked_error(lock, path)
        lock.release()
