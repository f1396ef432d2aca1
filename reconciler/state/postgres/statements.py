"""The statements of a state in PostgreSQL: each write is one of them, fenced and repeatable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from reconciler.core.model import Own
from reconciler.ports import ActionEntry, RunEntry
from reconciler.state.postgres.schema import quote_name
from reconciler.state.rows import COLUMNS, storable
from reconciler.state.shared.commit import MAX_COPIES, Commit
from reconciler.values import dataclass

_SQL_TYPES = {str: "text", int: "bigint"}
_RUN = tuple(field.name for field in fields(RunEntry))
_ACTION_FIELDS = tuple(field.name for field in fields(ActionEntry))
_ACTION: Mapping[str, str] = {
    "run": "text",
    "number": "int",
    **dict.fromkeys(_ACTION_FIELDS, "text"),
    "seconds": "float8",
}
_RUN_COLUMNS = ", ".join(quote_name(name) for name in _RUN)
_NAMES = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a commit proves before it writes: the state's row is as this holder has left it.

    `number` counts the commits of a state; the row has the one before, or this one already where
    its answer was lost. `lease` is in seconds.
    """

    state: int
    epoch: int
    token: str
    number: int
    lease: float


def select_header(schema: str) -> str:
    """The format of the tables and the row of a stack, which may be absent."""
    s = quote_name(schema)
    # By its name within the row: tables of format 1, which can be read, have no such column.
    return f"""
        SELECT f.application, f.version, f.oldest_writer, s.id, s.lineage, s.serial, s.url,
          s.issuer, s.tenant_id, s.can_update, s.keeps_removed,
          coalesce(to_jsonb(s) ->> 'pins', ''), s.rules, s.arriving_from,
          s.moved_to, s.epoch, s.writes, s.token::text, s.holder, s.link, s.since,
          extract(epoch FROM s.lease_until - clock_timestamp())::float8
        FROM {s}.format f LEFT JOIN {s}.states s ON s.stack = %b"""


def select_version(schema: str) -> str:
    """The format of the tables alone."""
    return f"SELECT version FROM {quote_name(schema)}.format"


def select_rows(schema: str, *, ended: bool = False) -> str:
    """Records in the order of their operations, as columns."""
    only = "" if ended else f" AND own <> '{Own.GONE.value}'"
    return (
        f"SELECT {_NAMES} FROM {quote_name(schema)}.operations WHERE state = %b{only} ORDER BY op"
    )


def select_stacks(schema: str) -> str:
    """The stacks that have a state here."""
    return f"SELECT stack FROM {quote_name(schema)}.states ORDER BY stack"


def insert_state(schema: str) -> str:
    """A new, empty state, if its stack has none."""
    return f"""
        INSERT INTO {quote_name(schema)}.states
          (stack, lineage, nonce, url, issuer, tenant_id, can_update, keeps_removed, pins,
           created_at, arriving_from, moved_to)
        VALUES (%(stack)s, %(lineage)s, %(nonce)s, %(url)s, %(issuer)s, %(tenant_id)s,
          %(can_update)s, %(keeps_removed)s, %(pins)s, %(created_at)s,
          %(arriving_from)s, %(moved_to)s)
        ON CONFLICT (stack) DO NOTHING RETURNING 1"""


def take_lock(schema: str) -> str:
    """Take the lock, if the row is as it was looked at and nobody's lease runs."""
    return f"""
        UPDATE {quote_name(schema)}.states SET epoch = epoch + 1, token = %(token)s::uuid,
          holder = %(holder)s, link = %(link)s, since = clock_timestamp(),
          lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE id = %(state)s AND epoch = %(epoch)s
          AND (token IS NULL OR lease_until < clock_timestamp())"""


def renew_lease(schema: str) -> str:
    """A sign of life: an UPDATE of what is held, which takes nothing back."""
    return f"""
        UPDATE {quote_name(schema)}.states
        SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
        WHERE id = %(state)s AND epoch = %(epoch)s AND token = %(token)s::uuid RETURNING 1"""


def free_lock(schema: str) -> str:
    """Give the lock back, if it is still held."""
    return f"""
        UPDATE {quote_name(schema)}.states
        SET token = NULL, lease_until = NULL, holder = '', link = '', since = NULL
        WHERE id = %(state)s AND epoch = %(epoch)s AND token = %(token)s::uuid"""


def commit_statement(schema: str, fence: Fence, commit: Commit) -> tuple[str, dict[str, Any]]:
    """One statement that writes all of a commit, or nothing where the fence does not hold.

    It returns how many rows the fence has found: 1 or 0. Its values are named.
    """
    s = quote_name(schema)
    values: dict[str, Any] = {
        "state": fence.state,
        "epoch": fence.epoch,
        "token": fence.token,
        "n": fence.number,
        "lease": fence.lease,
        **{f"set_{name}": value for name, value in commit.header.items()},
    }
    sets = "".join(f", {name} = %(set_{name})b" for name in commit.header)
    parts = [
        _DURABLE,
        f"""fence AS (
          UPDATE {s}.states SET writes = %(n)b,
            lease_until = clock_timestamp() + make_interval(secs => %(lease)b){sets}
          FROM durable WHERE id = %(state)b AND epoch = %(epoch)b AND token = %(token)b::uuid
            AND writes IN (%(n)b - 1, %(n)b) RETURNING 1)""",
        *_put_rows(s, commit, values),
        *_put_runs(s, commit, values),
        *_put_actions(s, commit, values),
        *_delete(s, commit, values),
        *_put_copy(s, commit, values),
    ]
    return f"WITH {', '.join(parts)} SELECT count(*) FROM fence", values


# A database may be set up to confirm what it can still forget. `remote_apply` is stricter than on.
_DURABLE = """durable AS MATERIALIZED (
          SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
            WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true))"""
_HELD = "EXISTS (SELECT FROM fence)"


def _put_rows(s: str, commit: Commit, values: dict[str, Any]) -> list[str]:
    if not commit.rows:
        return []
    # Arrays, one for each column: the text of the statement stays the same for any number of rows,
    # and binary ones cost a third of what texts do.
    for name, column in zip(COLUMNS, zip(*commit.rows, strict=True), strict=True):
        values[f"row_{name}"] = list(column)
    arrays = ", ".join(f"%(row_{name})b::{_SQL_TYPES[kind]}[]" for name, kind in COLUMNS.items())
    sets = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "op")
    put = f"""put AS (
          INSERT INTO {s}.operations (state, {_NAMES})
          SELECT %(state)b, r.* FROM unnest({arrays}) AS r WHERE {_HELD}
          ON CONFLICT (state, op) DO UPDATE SET {sets})"""
    return [put]


def _put_runs(s: str, commit: Commit, values: dict[str, Any]) -> list[str]:
    parts = []
    sets = ", ".join(
        f"{quote_name(name)} = excluded.{quote_name(name)}" for name in _RUN if name != "id"
    )
    for number, run in enumerate(commit.runs):
        marks = ", ".join(f"%(run{number}_{name})b" for name in _RUN)
        values |= {f"run{number}_{name}": value for name, value in _run_values(run).items()}
        parts.append(
            f"""run{number} AS (
          INSERT INTO {s}.runs (state, {_RUN_COLUMNS}) SELECT %(state)b, {marks} WHERE {_HELD}
          ON CONFLICT (state, id) DO UPDATE SET {sets})"""
        )
    return parts


def _run_values(run: RunEntry) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in _RUN}
    values = {
        name: storable(value) if isinstance(value, str) else value for name, value in values.items()
    }
    return {**values, "counts": json.dumps(dict(run.counts))}


def _put_actions(s: str, commit: Commit, values: dict[str, Any]) -> list[str]:
    parts = []
    if commit.actions:
        columns: dict[str, list[Any]] = {name: [] for name in _ACTION}
        for run, number, action in commit.actions:
            columns["run"].append(run)
            columns["number"].append(number)
            for name in _ACTION_FIELDS:
                value = getattr(action, name)
                columns[name].append(storable(value) if isinstance(value, str) else value)
        values |= {f"action_{name}": column for name, column in columns.items()}
        arrays = ", ".join(f"%(action_{name})b::{kind}[]" for name, kind in _ACTION.items())
        parts.append(
            f"""acted AS (
          INSERT INTO {s}.run_actions (state, {", ".join(_ACTION)})
          SELECT %(state)b, a.* FROM unnest({arrays}) AS a WHERE {_HELD}
          ON CONFLICT (state, run, number) DO NOTHING)"""
        )
    if commit.messages:
        runs, numbers, messages = (list(column) for column in zip(*commit.messages, strict=True))
        values |= {"said_run": runs, "said_number": numbers, "said": messages}
        parts.append(
            f"""said AS (
          UPDATE {s}.run_actions a SET message = m.message
          FROM unnest(%(said_run)b::text[], %(said_number)b::int[], %(said)b::text[])
            AS m(run, number, message)
          WHERE a.state = %(state)b AND a.run = m.run AND a.number = m.number AND {_HELD})"""
        )
    return parts


def _delete(s: str, commit: Commit, values: dict[str, Any]) -> list[str]:
    parts = []
    if commit.without:
        values["without"] = list(commit.without)
        parts.append(
            f"""dropped AS (
          DELETE FROM {s}.operations
          WHERE state = %(state)b AND op = ANY(%(without)b::text[]) AND {_HELD})"""
        )
    if commit.oldest is not None:
        values["oldest"] = commit.oldest
        parts.append(
            f"""aged_runs AS (
          DELETE FROM {s}.runs
          WHERE state = %(state)b AND started < %(oldest)b::text AND {_HELD})"""
        )
    # One statement may not write and delete the same record.
    if commit.oldest is not None and not commit.rows:
        parts.append(
            f"""aged AS (
          DELETE FROM {s}.operations WHERE state = %(state)b AND own = '{Own.GONE.value}'
            AND last_sent_at COLLATE "C" < %(oldest)b::text AND {_HELD})"""
        )
    return parts


def _put_copy(s: str, commit: Commit, values: dict[str, Any]) -> list[str]:
    if commit.copy is None:
        return []
    taken_at, serial, content = commit.copy
    values |= {"copy_at": taken_at, "copy_serial": serial, "copy": content}
    copied = f"""copied AS (
          INSERT INTO {s}.copies (state, taken_at, serial, rows)
          SELECT %(state)b, %(copy_at)b, %(copy_serial)b, %(copy)b WHERE {_HELD}
          ON CONFLICT (state, taken_at) DO NOTHING)"""
    # The statement does not see the copy that it makes: that one stays, whatever its clock says.
    rotated = f"""rotated AS (
          DELETE FROM {s}.copies
          WHERE state = %(state)b AND {_HELD} AND taken_at <> %(copy_at)b AND taken_at NOT IN (
            SELECT taken_at FROM {s}.copies WHERE state = %(state)b AND taken_at <> %(copy_at)b
            ORDER BY taken_at DESC LIMIT {MAX_COPIES - 1}))"""
    return [copied, rotated]


def select_runs(schema: str) -> str:
    """Every run, the newest first."""
    return f"""
        SELECT {_RUN_COLUMNS} FROM {quote_name(schema)}.runs WHERE state = %b
        ORDER BY started DESC, number DESC"""


def read_run(values: Sequence[Any]) -> RunEntry:
    """A row of `select_runs`."""
    row = dict(zip(_RUN, values, strict=True))
    return RunEntry(**{**row, "counts": json.loads(row["counts"])})


def select_actions(schema: str) -> str:
    """The actions of a run, in their order."""
    return f"""
        SELECT {", ".join(_ACTION_FIELDS)} FROM {quote_name(schema)}.run_actions
        WHERE state = %b AND run = %b ORDER BY number"""


def read_action(values: Sequence[Any]) -> ActionEntry:
    """A row of `select_actions`."""
    return ActionEntry(**dict(zip(_ACTION_FIELDS, values, strict=True)))


def select_last_number(schema: str) -> str:
    """The number of the last action of a run; -1 before the first."""
    return f"""
        SELECT coalesce(max(number), -1) FROM {quote_name(schema)}.run_actions
        WHERE state = %b AND run = %b"""


def select_messages(schema: str) -> str:
    """What the actions of all runs say."""
    return f"SELECT run, number, message FROM {quote_name(schema)}.run_actions WHERE state = %b"


def select_copies(schema: str) -> str:
    """When each copy was taken and of which serial, the newest first."""
    return f"""
        SELECT taken_at, serial FROM {quote_name(schema)}.copies WHERE state = %b
        ORDER BY taken_at DESC"""


def select_copy(schema: str) -> str:
    """The content of one copy."""
    return f"SELECT rows FROM {quote_name(schema)}.copies WHERE state = %b AND taken_at = %b"


def count_history(schema: str) -> str:
    """How many runs and copies a state has."""
    s = quote_name(schema)
    return f"""
        SELECT (SELECT count(*) FROM {s}.runs WHERE state = %b),
          (SELECT count(*) FROM {s}.copies WHERE state = %b)"""


def select_summary(schema: str) -> str:
    """Address, ownership and purpose of each record."""
    return f"""
        SELECT project || '/' || name, own, purpose FROM {quote_name(schema)}.operations
        WHERE state = %b AND own <> '{Own.GONE.value}'"""
