"""The runs of a state and what each did, as rows beside the records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta

from reconciler.ports import ActionEntry, RunEntry
from reconciler.state.rows import storable

# A run is remembered this long; what it recorded of a workload is kept as long as the workload.
KEPT = timedelta(days=90)

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
    values |= {name: storable(values[name]) for name in ("command", "user", "host", "stopped_by")}
    values["counts"] = json.dumps(dict(run.counts))
    conn.execute(_PUT_RUN, list(values.values()))


def put_actions(conn: sqlite3.Connection, run_id: str, actions: Iterable[ActionEntry]) -> None:
    """Write down what a run did, after what is there of it."""
    found = conn.execute("SELECT max(number) FROM run_actions WHERE run = ?", [run_id]).fetchone()
    first = 0 if found[0] is None else found[0] + 1
    conn.executemany(
        _PUT_ACTION,
        [
            (run_id, number, *(_value(getattr(action, name)) for name in _ACTION))
            for number, action in enumerate(actions, first)
        ],
    )


def _value(value: object) -> object:
    return storable(value) if isinstance(value, str) else value


def get_runs(conn: sqlite3.Connection) -> list[RunEntry]:
    """Every run, the newest first."""
    found = []
    for values in conn.execute(_GET_RUNS):
        row = dict(zip(_RUN, values, strict=True))
        found.append(RunEntry(**{**row, "counts": json.loads(row["counts"])}))
    return found


def get_actions(conn: sqlite3.Connection, run_id: str) -> list[ActionEntry]:
    """What one run did, in order."""
    rows = conn.execute(_GET_ACTIONS, [run_id]).fetchall()
    return [ActionEntry(**dict(zip(_ACTION, values, strict=True))) for values in rows]


def count_orphans(conn: sqlite3.Connection) -> int:
    """How many actions belong to no run; there should be none."""
    return int(conn.execute(f"SELECT count(*) FROM run_actions {_ORPHANS}").fetchone()[0])  # noqa: S608 - our own words


def prune(conn: sqlite3.Connection, at: str) -> None:
    """Forget the runs that began more than `KEPT` before that moment, and what they did."""
    oldest = (datetime.fromisoformat(at).astimezone(UTC) - KEPT).isoformat(timespec="seconds")
    conn.execute("DELETE FROM runs WHERE started < ?", [oldest])
    conn.execute(f"DELETE FROM run_actions {_ORPHANS}")  # noqa: S608 - our own words
