"""The last moment at which a request may have been sent by a holder that was replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler.core.model import Own, Recorded


def date_request(row: Recorded, now: str) -> Recorded:
    """A record whose request may have been sent until now."""
    if row.own is Own.CREATING:
        row = replace(row, last_sent_at=_later(row.last_sent_at, now))
    if row.change.open is not None:
        sent = replace(row.change.open, last_sent_at=_later(row.change.open.last_sent_at, now))
        row = replace(row, change=replace(row.change, open=sent))
    return row


def _later(first: str | None, second: str) -> str:
    if first is None:
        return second
    return max(first, second, key=datetime.fromisoformat)
