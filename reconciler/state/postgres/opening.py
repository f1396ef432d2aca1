"""The ways to a state in PostgreSQL: opened, made, looked for."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

from reconciler.core.model import Target
from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError
from reconciler.ports import IN_USE, Transit
from reconciler.state.postgres import statements
from reconciler.state.postgres.connection import Channel, Connection
from reconciler.state.postgres.holding import take_lock
from reconciler.state.postgres.row import find_state_row
from reconciler.state.postgres.schema import has_tables, make_tables, need_present_format
from reconciler.state.postgres.store import PostgresStore
from reconciler.state.shared import timings
from reconciler.state.shared.store import target_fields


def open_state(place: PostgresPlace, patience: float, *, in_transit: bool = False) -> PostgresStore:
    """Open a state that exists; each read of it takes at most `patience` seconds.

    Raises UnreachableError, and StateError where it is absent, not ours, or too new.
    """
    return PostgresStore(place, patience=patience, in_transit=in_transit)


def create_state(
    place: PostgresPlace, target: Target, patience: float, transit: Transit = IN_USE
) -> PostgresStore:
    """Make a new, empty state, and the tables where there are none; raises StateError."""
    values = {
        "stack": place.stack,
        "lineage": str(uuid.uuid4()),
        "nonce": str(uuid.uuid4()),
        **target_fields(target),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **asdict(transit),
    }
    query = statements.insert_state(place.schema).encode()
    versions = statements.select_version(place.schema).encode()

    def make(conn: Connection) -> bool:
        make_tables(conn, place.schema)
        for (version,) in conn.execute(versions).fetchall():
            need_present_format(place, version)
        return conn.execute(query, values).fetchone() is not None

    with closing(Channel(place, timings.DEFAULT, writes=True)) as channel:
        is_new = channel.once(make)
    if not is_new:
        raise StateError(
            f"there is already a state {place.title}", hint="use it, or give another stack:"
        )
    return open_state(place, patience, in_transit=transit != IN_USE)


def is_there(place: PostgresPlace) -> bool:
    """Whether the stack has a state; raises UnreachableError, StateError."""

    def look(conn: Connection) -> bool:
        return has_tables(conn, place.schema) and find_state_row(conn, place) is not None

    with closing(Channel(place, timings.DEFAULT)) as channel:
        return channel.once(look)


def try_lock(place: PostgresPlace, command: str) -> None:
    """Take the lock and give it back at once; raises LockedError, StateError."""
    take_lock(place, timings.DEFAULT, command, timeout=0.0, on_wait=None).release()
