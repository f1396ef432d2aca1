"""The runs of a state and what each did, as rows beside the records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from reconciler.ports import ActionEntry, RunEntry
from reconciler.state.rows import storable

# Of runs only; the record of a workload stays as long as the workload does.
RETENTION = timedelta(days=90)

_RUN = tuple(field.name for field in fields(RunEntry))
_ACTION = tuple(field.name for field in fields(ActionEntry))
_PUT_RUN = (
    f"INSERT OR REPLACE INTO runs ({', '.join(_RUN)}) "  # noqa: S608 - our own columns
    f"VALUES ({', '.join('?' * len(_RUN))})"
)
_GET_RUNS = f"SELECT {', '.join(_RUN)} FROM runs ORDER BY started DESC, rowid DESC"  # noqa: S608 - our own columns
_PUT_ACTION = (
    f"INSERT INTO run_actions (run, number, {', '.join(_ACTION)}) "  # noqa: S608 - our own columns
    f"VALUES (?, ?, {', '.join('?' * len(_ACTION))})"
)
_GET_ACTIONS = f"SELECT {', '.join(_ACTION)} FROM run_actions WHERE run = ? ORDER BY number"  # noqa: S608 - our own columns

_ORPHANS = "WHERE run NOT IN (SELECT id FROM runs)"


def put_run(conn: sqlite3.Connection, run: RunEntry) -> None:
    """Write a run down, in the place of what was known of it."""
    values = {name: getattr(run, name) for name in _RUN}
    values |= {
        name: storable(values[name]) for name in ("command", "user", "host", "stopped_by", "link")
    }
    values["counts"] = json.dumps(dict(run.counts))
    conn.execute(_PUT_RUN, list(values.values()))


def put_actions(conn: sqlite3.Connection, run_id: str, actions: Iterable[ActionEntry]) -> None:
    """Write down what a run did, after what is there of it."""
    query = "SELECT max(number) FROM run_actions WHERE run = ?"
    (last,) = conn.execute(query, [run_id]).fetchone()
    rows = []
    for number, action in enumerate(actions, 0 if last is None else last + 1):
        values = (getattr(action, name) for name in _ACTION)
        # Messages quote servers and specs, which may hold what no SQLite text can.
        storables = (storable(value) if isinstance(value, str) else value for value in values)
        rows.append((run_id, number, *storables))
    conn.executemany(_PUT_ACTION, rows)


def get_runs(conn: sqlite3.Connection) -> list[RunEntry]:
    """Every run, the newest first."""
    rows = (dict(zip(_RUN, values, strict=True)) for values in conn.execute(_GET_RUNS))
    return [RunEntry(**{**row, "counts": json.loads(row["counts"])}) for row in rows]


def get_actions(conn: sqlite3.Connection, run_id: str) -> list[ActionEntry]:
    """What one run did, in order."""
    rows = conn.execute(_GET_ACTIONS, [run_id]).fetchall()
    return [ActionEntry(**dict(zip(_ACTION, values, strict=True))) for values in rows]


def count_orphans(conn: sqlite3.Connection) -> int:
    """How many actions belong to no run; there should be none."""
    return int(conn.execute(f"SELECT count(*) FROM run_actions {_ORPHANS}").fetchone()[0])  # noqa: S608 - our own words


def prune(conn: sqlite3.Connection, at: str) -> None:
    """Forget the runs that are too old at that moment, and what they did."""
    conn.execute("DELETE FROM runs WHERE started < ?", [oldest_kept(at)])
    conn.execute(f"DELETE FROM run_actions {_ORPHANS}")  # noqa: S608 - our own words


def oldest_kept(at: str) -> str:
    """The moment before which runs are too old to be kept at another moment."""
    oldest = datetime.fromisoformat(at).astimezone(UTC) - RETENTION
    # Times are compared as texts: all of them are written in UTC, to the second, in one form.
    return oldest.isoformat(timespec="seconds")
