"""Looks at all of a state and says everything that is wrong with it, not the first thing only."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.model import Own, Recorded
from reconciler.errors import StateError
from reconciler.ports import Inspection, StateFlaw
from reconciler.state import database, history
from reconciler.state.backups import list_backups
from reconciler.state.lock import StateLock
from reconciler.state.rows import SELECT, from_values
from reconciler.state.schema import check_schema
from reconciler.state.trouble import explained

# Of a badly damaged file SQLite has a great deal to say, and all of it means the same.
_MOST_PAGES = 10


@dataclass
class _Found:
    """What one file holds, and what speaks against it."""

    format: int = 0
    lineage: str = ""
    flaws: list[StateFlaw] = field(default_factory=list)
    rows: list[Recorded] = field(default_factory=list)
    runs: int = 0


def inspect_state(path: Path) -> Inspection:
    """Check a state; raises StateError for what is no state of ours at all, or a newer one."""
    backups = list_backups(path)
    with explained(path):
        found = _look(path, way_out=lambda: _way_out(path, backups))
    alive = [row for row in found.rows if row.own is not Own.GONE]
    # What a run has begun while it has the lock is no doubt before it ends.
    under_way = sum(map(_is_begun, alive)) if StateLock(path).is_held() else 0
    return Inspection(
        path=str(path),
        format=found.format,
        lineage=found.lineage,
        records=len(alive),
        in_doubt=sum(map(_is_in_doubt, alive)) - under_way,
        under_way=under_way,
        runs=found.runs,
        backups=len(backups),
        flaws=tuple(found.flaws),
    )


def _is_begun(row: Recorded) -> bool:
    return row.own in (Own.CREATING, Own.DELETING)


def _is_in_doubt(row: Recorded) -> bool:
    """Whether the server may have something that this record does not know, or is losing it."""
    is_settled = row.is_down and not row.ambiguous
    return row.own is not Own.ACCEPTED and not is_settled


def _way_out(path: Path, backups: Iterable[Path]) -> str:
    """What to do about damage; the backups are looked at only when there is some."""
    for backup in backups:
        try:
            sound = not _look(backup, way_out=str).flaws
        except (StateError, sqlite3.DatabaseError, UnicodeDecodeError, OSError):
            continue
        if sound:
            return (
                f"restore the newest sound backup while nothing else runs: cp '{backup}' '{path}'; "
                "the next apply finds by its markers what is missing in it"
            )
    return "there is no sound backup beside it; restore a copy from where your CI system keeps them"


def _look(path: Path, way_out: Callable[[], str]) -> _Found:
    database.check_there(path)
    conn = database.connect(path)
    with closing(conn), database.bounded(conn, path):
        database.check_ours(conn, path)
        found = _Found(format=database.version_of(conn))
        try:
            check_schema(conn, path, found.format)
        except StateError as error:
            found.flaws.append(StateFlaw(message=error.message, hint=way_out()))
            return found
        pages = conn.execute(f"PRAGMA integrity_check({_MOST_PAGES})").fetchall()
        found.flaws += [
            StateFlaw(message=said, hint=way_out()) for (said,) in pages if said != "ok"
        ]
        if found.flaws:
            return found
        try:
            if database.is_older(conn):
                with closing(database.migrated_copy(conn)) as copy:
                    _read(copy, path, found, way_out)
            else:
                _read(conn, path, found, way_out)
        except sqlite3.DatabaseError as error:
            found.flaws.append(StateFlaw(message=str(error), hint=way_out()))
        return found


def _read(conn: sqlite3.Connection, path: Path, found: _Found, way_out: Callable[[], str]) -> None:
    try:
        found.lineage = database.read_meta(conn, path)["lineage"]
    except StateError as error:
        found.flaws.append(StateFlaw(message=error.message, hint=way_out()))
    for values in conn.execute(f"{SELECT} ORDER BY op"):
        try:
            found.rows.append(from_values(values))
        except StateError as error:
            found.flaws.append(StateFlaw(message=error.message, hint=way_out()))
    found.flaws += _doubles(found.rows)
    found.runs = len(history.get_runs(conn))
    orphans = history.count_orphans(conn)
    if orphans:
        found.flaws.append(
            StateFlaw(
                message=f"{orphans} actions in the history belong to no run",
                hint="they harm nothing; the next apply takes them out",
            )
        )


def _doubles(rows: Iterable[Recorded]) -> Iterator[StateFlaw]:
    """One workload has one record: of two with one id, or with one address, one is too many."""
    ids: dict[str, list[Recorded]] = defaultdict(list)
    owners: dict[str, list[Recorded]] = defaultdict(list)
    for row in rows:
        if row.id is not None and row.own is not Own.GONE:
            ids[row.id].append(row)
        if row.own is Own.ACCEPTED:
            owners[str(row.address)].append(row)
    for id_, same in ids.items():
        if len(same) > 1:
            yield _double(f"id {id_}", same)
    for address, same in owners.items():
        if len(same) > 1 and len({row.id for row in same}) > 1:
            yield _double(f"address {address}", same)


def _double(what: str, rows: list[Recorded]) -> StateFlaw:
    operations = ", ".join(f"{row.op} ({row.address})" for row in rows)
    return StateFlaw(
        message=f"{len(rows)} records have the {what}: operations {operations}",
        hint=f"'reconciler state rm {rows[-1].address}' forgets what has this address; "
        "the next apply takes a living workload back by its marker",
    )
