"""Looks at a whole state in PostgreSQL, and at its numbers alone."""

from __future__ import annotations

from contextlib import closing

from reconciler.core.model import Recorded
from reconciler.core.states.inspection import Inspection, StateFlaw, StateSummary
from reconciler.core.states.places import PostgresPlace
from reconciler.errors import StateError
from reconciler.state.check import find_duplicates, make_inspection
from reconciler.state.postgres import statements
from reconciler.state.postgres.connection import Channel, Connection, snapshot
from reconciler.state.postgres.row import read_state_row
from reconciler.state.rows import from_values
from reconciler.state.shared import timings
from reconciler.state.summary import make_summary

# The database checks its pages by itself; what is left to check takes as long as reading it all.
_SECONDS = 60.0
_HINT = "'reconciler state restore' takes back a copy; 'reconciler state recover' rebuilds it"


def inspect_state(place: PostgresPlace) -> Inspection:
    """Check every record; raises StateError where there is no state of ours."""

    def inspect(conn: Connection) -> Inspection:
        with snapshot(conn):
            state = read_state_row(conn, place)
            query = statements.select_rows(place.schema, ended=True).encode()
            values = conn.cursor(binary=True).execute(query, [state.id]).fetchall()
            counts = statements.count_history(place.schema).encode()
            ((runs, copies),) = conn.execute(counts, [state.id, state.id]).fetchall()
        rows: list[Recorded] = []
        flaws: list[StateFlaw] = []
        for row in values:
            try:
                rows.append(from_values(row))
            except StateError as error:
                flaws.append(StateFlaw(message=error.message, hint=_HINT))
        return make_inspection(
            str(place),
            rows,
            format_number=state.version,
            lineage=state.header.lineage,
            is_held=state.is_held,
            runs=runs,
            backups=copies,
            flaws=[*flaws, *find_duplicates(rows)],
        )

    with closing(Channel(place, timings.DEFAULT)) as channel:
        return channel.once(inspect, _SECONDS)


def summarize_state(place: PostgresPlace) -> StateSummary:
    """Summarise a state without its documents; raises StateError where there is none."""

    def summarize(conn: Connection) -> StateSummary:
        with snapshot(conn):
            state = read_state_row(conn, place)
            query = statements.select_summary(place.schema).encode()
            rows = conn.execute(query, [state.id]).fetchall()
        summary = [(str(address), str(own), purpose) for address, own, purpose in rows]
        return make_summary(summary, is_held=state.is_held)

    with closing(Channel(place, timings.DEFAULT)) as channel:
        return channel.once(summarize)
