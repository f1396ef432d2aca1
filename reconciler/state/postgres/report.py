"""What can be told of a database, and of this account in it, without writing anything."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from reconciler.core.states.inspection import StateFlaw, StorageReport
from reconciler.core.states.places import PostgresPlace
from reconciler.state.postgres.connection import Channel, Connection, is_this_machine
from reconciler.state.shared import timings

_OLDEST = 14
_ROUND_TRIPS = 5
_RIGHTS = b"""
    SELECT has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'UPDATE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = 'states'"""
_SERVER = b"""
    SELECT pg_is_in_recovery(), current_setting('fsync') = 'on',
      has_database_privilege(current_database(), 'CREATE')"""


def report_storage(place: PostgresPlace) -> StorageReport:
    """Look at the database of a state; raises UnreachableError, StateError."""
    with closing(Channel(place, timings.DEFAULT)) as channel:
        return channel.once(partial(_look, place=place))


def _look(conn: Connection, *, place: PostgresPlace) -> StorageReport:
    seconds, backends = [], set()
    for _ in range(_ROUND_TRIPS):
        began = time.perf_counter()
        backends.add(_row(conn, b"SELECT pg_backend_pid()")[0])
        seconds.append(time.perf_counter() - began)
    is_standby, is_durable, may_make = _row(conn, _SERVER)
    rights = conn.execute(_RIGHTS, [place.schema]).fetchone()
    parts = [
        f"PostgreSQL {_version(conn)}, {'a standby' if is_standby else 'the primary'}",
        _way(conn),
        f"this account {_may(rights, may_make=bool(may_make))}",
        f"round trip {statistics.median(seconds) * 1000:.1f} ms",
    ]
    # Behind a pooler, a connection is told another process than the one that serves it.
    if len(backends) > 1 or conn.info.backend_pid not in backends:
        parts.insert(1, "through a pooler")
    flaws = _flaws(conn, place, bool(is_standby), bool(is_durable), rights)
    return StorageReport(facts="; ".join(parts), flaws=tuple(flaws))


def _row(conn: Connection, query: bytes) -> tuple[object, ...]:
    row = conn.execute(query).fetchone()
    return row or ()


def _version(conn: Connection) -> str:
    number = conn.info.server_version
    return f"{number // 10_000}.{number % 10_000}"


def _mode(conn: Connection) -> str:
    return conn.info.get_parameters().get("sslmode", "prefer")


def _is_local(conn: Connection) -> bool:
    return is_this_machine(conn.info.host)


def _way(conn: Connection) -> str:
    if conn.pgconn.ssl_in_use:
        return f"TLS ({_mode(conn)})"
    return "on this machine" if _is_local(conn) else "without TLS"


def _may(rights: tuple[bool, ...] | None, *, may_make: bool) -> str:
    if rights is None:
        return "finds no tables, and may make them" if may_make else "finds no tables"
    may_read, may_write = rights
    return "may read and write" if may_write else "may read" if may_read else "may not even read"


def _flaws(
    conn: Connection,
    place: PostgresPlace,
    is_standby: bool,
    is_durable: bool,
    rights: tuple[bool, ...] | None,
) -> Iterator[StateFlaw]:
    if conn.info.server_version < _OLDEST * 10_000:
        yield StateFlaw(
            message=f"PostgreSQL {_version(conn)} is older than {_OLDEST}",
            hint="nothing here is tested with it: upgrade the server",
        )
    if is_standby:
        yield StateFlaw(
            message="this server is read-only (a standby)",
            hint="name all hosts in the state's address; an apply finds the primary by itself",
        )
    if rights is not None and not rights[1]:
        yield StateFlaw(
            message="this account may not write, so it can plan and not apply",
            hint=f"GRANT {place.schema}_writer TO the account, if it should",
        )
    if not is_durable:
        yield StateFlaw(
            message="fsync is off: after a crash the database may have lost what it confirmed",
            hint="set fsync = on in postgresql.conf",
        )
    if not _is_local(conn) and _mode(conn) != "verify-full":
        yield StateFlaw(
            message=f"sslmode={_mode(conn)} does not prove whose server this is",
            hint="leave sslmode out, or write sslmode=verify-full with sslrootcert",
        )
