"""The tables of a state in PostgreSQL: made once, by whoever owns the database."""

from __future__ import annotations

from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError
from reconciler.state.postgres.connection import Connection
from reconciler.state.rows import COLUMNS

APPLICATION = "workload-reconciler"
VERSION = 2
# Of the lock that keeps two that make the same tables apart; any number that is always the same.
_MAKING = 0x5263576C

_TYPES = {str: "text", int: "bigint"}
_OPTIONAL = frozenset({"id", "first_sent_at", "last_sent_at", "purpose", "echo", "memory"})


def _operation_columns() -> str:
    lines = []
    for name, kind in COLUMNS.items():
        # Records are in the order of their operations, whatever language the database speaks.
        collation = ' COLLATE "C"' if name == "op" else ""
        optional = "" if name in _OPTIONAL else " NOT NULL"
        lines.append(f"  {name} {_TYPES[kind]}{collation}{optional},")
    return "\n".join(lines)


_TABLES = f"""\
CREATE TABLE {{s}}.format (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  application text NOT NULL CHECK (application = '{APPLICATION}'),
  version int NOT NULL,
  oldest_writer int NOT NULL
);
CREATE TABLE {{s}}.states (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stack text NOT NULL UNIQUE,
  lineage text NOT NULL,
  serial bigint NOT NULL DEFAULT 0,
  nonce text NOT NULL,
  url text NOT NULL,
  issuer text NOT NULL DEFAULT '',
  tenant_id bigint,
  can_update boolean NOT NULL DEFAULT false,
  keeps_removed boolean NOT NULL DEFAULT false,
  pins text NOT NULL DEFAULT '',
  rules text NOT NULL DEFAULT '',
  created_at text NOT NULL,
  arriving_from text NOT NULL DEFAULT '',
  moved_to text NOT NULL DEFAULT '',
  epoch bigint NOT NULL DEFAULT 0,
  writes bigint NOT NULL DEFAULT 0,
  token uuid,
  holder text NOT NULL DEFAULT '',
  link text NOT NULL DEFAULT '',
  since timestamptz,
  lease_until timestamptz
) WITH (fillfactor = 50);
CREATE TABLE {{s}}.operations (
  state bigint NOT NULL REFERENCES {{s}}.states,
{_operation_columns()}
  PRIMARY KEY (state, op)
) WITH (fillfactor = 70);
CREATE TABLE {{s}}.runs (
  state bigint NOT NULL REFERENCES {{s}}.states,
  id text NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  command text NOT NULL,
  "user" text NOT NULL,
  host text NOT NULL,
  link text NOT NULL DEFAULT '',
  started text COLLATE "C" NOT NULL,
  finished text,
  took float8,
  stopped_by text NOT NULL,
  exit_code int,
  plan text NOT NULL,
  counts text NOT NULL,
  PRIMARY KEY (state, id)
);
CREATE TABLE {{s}}.run_actions (
  state bigint NOT NULL,
  run text NOT NULL,
  number int NOT NULL,
  address text NOT NULL,
  action text NOT NULL,
  outcome text NOT NULL,
  reason text NOT NULL,
  message text NOT NULL,
  id text,
  seconds float8,
  PRIMARY KEY (state, run, number),
  FOREIGN KEY (state, run) REFERENCES {{s}}.runs ON DELETE CASCADE
);
CREATE TABLE {{s}}.copies (
  state bigint NOT NULL REFERENCES {{s}}.states,
  taken_at timestamptz NOT NULL,
  serial bigint NOT NULL,
  rows bytea NOT NULL,
  PRIMARY KEY (state, taken_at)
);
INSERT INTO {{s}}.format (application, version, oldest_writer)
  VALUES ('{APPLICATION}', {VERSION}, {VERSION});
"""

# Whoever reads the version of the tables sees them whole, before or after: one transaction.
_UPGRADE = f"""\
BEGIN;
ALTER TABLE {{s}}.states ADD COLUMN IF NOT EXISTS pins text NOT NULL DEFAULT '';
UPDATE {{s}}.format SET version = {VERSION}, oldest_writer = {VERSION}
  WHERE application = '{APPLICATION}' AND version < {VERSION};
COMMIT;
"""

_RIGHTS = """\
-- Who may what: group roles without a login. Grant them to the accounts of people and of CI:
--   GRANT {name}_writer TO ci;
--   GRANT {name}_reader TO anna;
CREATE ROLE {reader} NOLOGIN;
CREATE ROLE {writer} NOLOGIN;
GRANT USAGE ON SCHEMA {s} TO {reader}, {writer};
GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO {reader}, {writer};
GRANT INSERT, UPDATE, DELETE ON {s}.states, {s}.operations, {s}.runs, {s}.run_actions, {s}.copies
  TO {writer};
"""


def sql_text(schema: str) -> str:
    """Everything that whoever owns a database runs once: tables, roles and grants."""
    rights = _RIGHTS.format(
        s=quote_name(schema),
        name=schema,
        reader=quote_name(f"{schema}_reader"),
        writer=quote_name(f"{schema}_writer"),
    )
    quoted = quote_name(schema)
    tables = _TABLES.format(s=quoted)
    return f"BEGIN;\nCREATE SCHEMA IF NOT EXISTS {quoted};\n{tables}{rights}COMMIT;\n"


def upgrade_text(schema: str) -> str:
    """What whoever owns a database runs once after an upgrade of this program; again, it is idle.

    Older programs refuse the tables from then on.
    """
    return _UPGRADE.format(s=quote_name(schema))


def make_tables(conn: Connection, schema: str) -> None:
    """Make schema and tables where they are absent, for the account that asks; not the roles."""
    # IF NOT EXISTS is no lock: of two that make the same at once, one fails in the middle.
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", [_MAKING])
        if not has_tables(conn, schema):
            # An account that may use a schema of its own need not be able to make one.
            if not _has_schema(conn, schema):
                conn.execute(f"CREATE SCHEMA {quote_name(schema)}".encode())
            conn.execute(_TABLES.format(s=quote_name(schema)).encode())


def check_format(place: PostgresPlace, application: str, version: int, oldest_writer: int) -> None:
    """Raise StateError for the tables of another program, or of a version that this one breaks."""
    if application != APPLICATION:
        raise StateError(
            f"the tables in schema {place.schema} are not of this program",
            hint="name another schema with ?schema=NAME; nothing was changed",
        )
    if oldest_writer > VERSION:
        raise StateError(
            f"the state {place.title} is of a newer version of this program (format {version}, "
            f"this one knows {VERSION})",
            hint="upgrade the program that runs here; nothing was changed",
        )


def need_present_format(place: PostgresPlace, version: int) -> None:
    """Raise StateError for older tables, which can only be read."""
    if version < VERSION:
        raise StateError(
            f"the tables of the state {place.title} are of format {version}, and this version of "
            f"the program writes {VERSION}",
            hint="as their owner: reconciler state sql --upgrade | psql; nothing was changed",
        )


def quote_name(name: str) -> str:
    """A name in SQL, also where it is a reserved word."""
    return '"' + name.replace('"', '""') + '"'


def _has_schema(conn: Connection, schema: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
    return _is_true(conn, query, schema)


def has_tables(conn: Connection, schema: str) -> bool:
    """Whether there are tables of a state in a schema."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relname = 'format')"
    )
    return _is_true(conn, query, schema)


def _is_true(conn: Connection, query: str, name: str) -> bool:
    row = conn.execute(query.encode(), [name]).fetchone()
    return row is not None and bool(row[0])
