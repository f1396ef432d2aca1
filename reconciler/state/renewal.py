"""Writes a whole state anew under today's rules of what is a secret, with its history."""

from __future__ import annotations

import sqlite3

from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.errors import StateError
from reconciler.state.rows import SELECT, UPSERT, RowWriter, from_values, storable


def renew_rows(conn: sqlite3.Connection, redactor: Redactor) -> int:
    """Write anew every row that other rules wrote; returns how many those are.

    A damaged row stays as it is: what it held cannot be told.
    """
    writer = RowWriter()
    renewed = []
    for values in conn.execute(SELECT):
        try:
            row = from_values(values)
        except StateError:
            continue
        fresh = renew_row(row, redactor)
        if fresh is not row:
            renewed.append(writer.values(fresh))
    conn.executemany(UPSERT, renewed)
    messages = [
        (storable(redactor.strict.redact(message)), run, number)
        for run, number, message in conn.execute(
            "SELECT run, number, message FROM run_actions WHERE message IS NOT NULL"
        )
        if redactor.strict.redact(message) != message
    ]
    conn.executemany("UPDATE run_actions SET message = ? WHERE run = ? AND number = ?", messages)
    return len(renewed) + len(messages)
