"""What a state of each format consists of, to the letter: nothing else in a file is ours.

A trigger changes what a write writes, a view or a generated column computes what a read reads, for
as long as it likes. A state may come from a branch or a cache that others can write to, so all of
it is compared, and not searched for what is known to be bad.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from reconciler.state.state_errors import damage_error

# The library that writes the statements chooses layout and quotes, and changes them in time.
_SPACE = re.compile(r"\s+")
_AROUND = re.compile(r" ?([(),]) ?")
_QUOTED = re.compile(r'"(\w+)"')
_MAX_LABEL = 60

_ALWAYS = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) STRICT;
CREATE TABLE operations (
  op TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, own TEXT NOT NULL,
  seen TEXT NOT NULL, id TEXT, ambiguous INTEGER, attempts INTEGER, first_sent_at TEXT,
  last_sent_at TEXT, purpose TEXT, digest TEXT NOT NULL, spec TEXT NOT NULL, echo TEXT,
  lifecycle TEXT, message TEXT, marker TEXT, protected INTEGER, source TEXT, run TEXT,
  epoch INTEGER, checksum TEXT NOT NULL) STRICT;
CREATE INDEX idx_operations_project_name ON operations (project, name);
CREATE TABLE holder (
  slot INTEGER PRIMARY KEY, host TEXT, pid INTEGER, user TEXT, command TEXT, since TEXT) STRICT;
CREATE TABLE _sqlite_migrations (
  id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT);
CREATE UNIQUE INDEX idx__sqlite_migrations_migration_set_name
  ON _sqlite_migrations (migration_set, name);
"""
_WITH_MEMORY = _ALWAYS.replace("checksum TEXT NOT NULL)", "checksum TEXT NOT NULL, memory TEXT)")
_HISTORY = """
CREATE TABLE run_actions (
  run TEXT, number INTEGER, address TEXT NOT NULL, action TEXT NOT NULL, reason TEXT,
  outcome TEXT NOT NULL, message TEXT, id TEXT, seconds REAL, PRIMARY KEY (run, number)) STRICT;
CREATE INDEX idx_runs_started ON runs (started);
CREATE TABLE runs (
  id TEXT PRIMARY KEY, command TEXT NOT NULL, user TEXT NOT NULL, host TEXT NOT NULL,
  started TEXT NOT NULL, finished TEXT, took REAL, stopped_by TEXT, exit_code INTEGER,
  counts TEXT NOT NULL"""
_WITH_LINKS = (
    f"{_WITH_MEMORY} {_HISTORY}, plan TEXT NOT NULL DEFAULT '', "
    "link TEXT NOT NULL DEFAULT '') STRICT"
)
_SCHEMAS: Mapping[int, str] = {
    1: f"{_ALWAYS} CREATE INDEX idx_operations_own ON operations (own)",
    2: f"{_ALWAYS} {_HISTORY}) STRICT",
    3: f"{_ALWAYS} {_HISTORY}, plan TEXT NOT NULL DEFAULT '') STRICT",
    4: f"{_WITH_MEMORY} {_HISTORY}, plan TEXT NOT NULL DEFAULT '') STRICT",
    5: _WITH_LINKS,
    # No other tables: other words in them, which the programs before would take for damage.
    6: _WITH_LINKS,
}


def check_schema(conn: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise StateError where a file holds anything but what its format consists of, or not all."""
    expected = {_normalise(statement) for statement in _SCHEMAS.get(version, "").split(";")}
    # An index without a statement comes with the key of its table.
    rows = conn.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    differing = expected ^ {_normalise(sql) for (sql,) in rows}
    if differing:
        # "TABLE name", cut short: the statement may be somebody else's.
        label = min(differing).partition("(")[0].removeprefix("CREATE ")[:_MAX_LABEL]
        others = " and more" if len(differing) > 1 else ""
        raise damage_error(path, f"its schema is not the one of its format ({label}{others})")


def _normalise(sql: object) -> str:
    """A statement in one spelling."""
    return _QUOTED.sub(r"\1", _AROUND.sub(r"\1", _SPACE.sub(" ", str(sql)))).strip()
