"""Looks at all of a state and says everything that is wrong with it, not the first thing only."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import field
from pathlib import Path

from reconciler.core.model import Own, Purpose, Recorded
from reconciler.core.states.inspection import Inspection, StateFlaw
from reconciler.errors import StateError
from reconciler.state import database, history
from reconciler.state.backups import list_backups
from reconciler.state.locking.lock import StateLock
from reconciler.state.rows import SELECT, from_values
from reconciler.state.schema import check_schema
from reconciler.state.state_errors import explain_errors
from reconciler.values import dataclass

# Of a badly damaged file SQLite has a great deal to say, and all of it means the same.
_MOST_PAGES = 10


@dataclass()
class _Content:
    """What one file holds, and what is wrong with it."""

    format: int = 0
    lineage: str = ""
    flaws: list[StateFlaw] = field(default_factory=list)
    rows: list[Recorded] = field(default_factory=list)
    runs: int = 0


def inspect_state(path: Path) -> Inspection:
    """Check a state; raises StateError for what is no state of ours at all, or a newer one."""
    backups = list_backups(path)
    with explain_errors(path):
        content = _inspect_file(path, hint=lambda: _restore_hint(path, backups))
    return make_inspection(
        str(path),
        content.rows,
        format_number=content.format,
        lineage=content.lineage,
        is_held=StateLock(path).is_held(),
        runs=content.runs,
        backups=len(backups),
        flaws=content.flaws,
    )


def make_inspection(
    path: str,
    rows: Iterable[Recorded],
    *,
    format_number: int,
    lineage: str,
    is_held: bool,
    runs: int,
    backups: int,
    flaws: Iterable[StateFlaw],
) -> Inspection:
    """The result for a state of these records; `is_held` says that some run has its lock."""
    alive = [row for row in rows if row.own is not Own.GONE]
    # An address that is down for a replace has no workload, and a person has decided about a
    # delete that was given up: there is nothing to find out.
    doubtful = [
        row
        for row in alive
        if row.own is not Own.ACCEPTED
        and row.own is not Own.ENDED
        and (row.ambiguous or not row.is_down)
        and row.purpose is not Purpose.GIVEN_UP
    ]
    # A run that has the lock settles what it has begun; only after its end is that in doubt.
    begun = [row for row in doubtful if row.own in (Own.CREATING, Own.DELETING)]
    under_way = len(begun) if is_held else 0
    return Inspection(
        path=path,
        format=format_number,
        lineage=lineage,
        records=len(alive),
        in_doubt=len(doubtful) - under_way,
        under_way=under_way,
        runs=runs,
        backups=backups,
        flaws=tuple(flaws),
    )


def _restore_hint(path: Path, backups: Iterable[Path]) -> str:
    """What to do about damage; the backups are checked only when there is some."""
    for backup in backups:
        try:
            is_sound = not _inspect_file(backup, hint=str).flaws
        except (StateError, sqlite3.DatabaseError, UnicodeDecodeError, OSError):
            continue
        if is_sound:
            return (
                f"restore the newest sound backup while nothing else runs: cp '{backup}' '{path}'; "
                "the next apply finds by its markers what is missing in it"
            )
    return "there is no sound backup beside it; restore a copy from where your CI system keeps them"


def _inspect_file(path: Path, hint: Callable[[], str]) -> _Content:
    database.check_is_file(path)
    conn = database.connect(path)
    with closing(conn), database.time_limited(conn, path):
        database.check_ours(conn, path)
        content = _Content(format=database.version_of(conn))
        # In this order: no table is read before the schema is known to be ours, since a view or a
        # generated column would run for as long as its author likes.
        try:
            check_schema(conn, path, content.format)
        except StateError as error:
            content.flaws.append(StateFlaw(message=error.message, hint=hint()))
            return content
        database.need_in_use(conn, path)
        pages = conn.execute(f"PRAGMA integrity_check({_MOST_PAGES})").fetchall()
        content.flaws += [
            StateFlaw(message=message, hint=hint()) for (message,) in pages if message != "ok"
        ]
        if content.flaws:
            return content
        try:
            if database.is_older(conn):
                with closing(database.migrated_copy(conn)) as copy:
                    _read_content(copy, path, content, hint)
            else:
                _read_content(conn, path, content, hint)
        except sqlite3.DatabaseError as error:
            content.flaws.append(StateFlaw(message=str(error), hint=hint()))
        return content


def _read_content(
    conn: sqlite3.Connection, path: Path, content: _Content, hint: Callable[[], str]
) -> None:
    try:
        content.lineage = database.read_meta(conn, path)["lineage"]
    except StateError as error:
        content.flaws.append(StateFlaw(message=error.message, hint=hint()))
    for values in conn.execute(f"{SELECT} ORDER BY op"):
        try:
            content.rows.append(from_values(values))
        except StateError as error:
            content.flaws.append(StateFlaw(message=error.message, hint=hint()))
    content.flaws += find_duplicates(content.rows)
    content.runs = len(history.get_runs(conn))
    orphans = history.count_orphans(conn)
    if orphans:
        content.flaws.append(
            StateFlaw(
                message=f"{orphans} actions in the history belong to no run",
                hint="they harm nothing; the next apply takes them out",
            )
        )


def find_duplicates(rows: Iterable[Recorded]) -> Iterator[StateFlaw]:
    """One workload has one record: of two with one id, or with one address, one is too many."""
    ids: dict[str, list[Recorded]] = defaultdict(list)
    owners: dict[str, list[Recorded]] = defaultdict(list)
    for row in rows:
        # One that was forgotten at its end runs on, and may have been adopted again.
        if row.id is not None and row.own not in (Own.ENDED, Own.GONE):
            ids[row.id].append(row)
        # Other records beside an accepted one are normal: a deletion that is under way, or a
        # create that may still come late.
        if row.own is Own.ACCEPTED:
            owners[str(row.address)].append(row)
    groups = [(f"id {id_}", same) for id_, same in ids.items() if len(same) > 1]
    # Two records with one id and one address are told of once, by their id.
    groups += [
        (f"address {address}", same)
        for address, same in owners.items()
        if len({row.id for row in same}) > 1
    ]
    for identity, same in groups:
        operations = ", ".join(f"{row.op} ({row.address})" for row in same)
        yield StateFlaw(
            message=f"{len(same)} records have the {identity}: operations {operations}",
            hint=f"'reconciler state rm {same[-1].address}' forgets the record of this address; "
            "the next apply takes a living workload back by its marker",
        )
