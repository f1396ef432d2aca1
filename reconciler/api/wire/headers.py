"""What the headers of an answer say about time and identity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id", "request-id", "x-trace-id")

# Longer than any delay anyone means, and short enough to stay a finite number.
_MOST_DIGITS = 9
_MOST_ID = 200


def retry_after(value: str | None, date: str | None) -> float | None:
    """Read Retry-After in seconds (RFC 9110 10.2.3), as asked for: clamping is the caller's.

    A date counts from the answer's own Date, so that two clocks need not agree. None for a
    missing or unreadable value; never negative.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MOST_DIGITS else None
    until, now = http_date(text), http_date(date)
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Read an HTTP date as a moment in UTC; None where there is none to read."""
    try:
        return parsedate_to_datetime(value or "").astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def server_date(headers: Mapping[str, str]) -> str | None:
    """The server's clock in RFC 3339, from the Date header."""
    return _in_rfc3339(headers.get("date"))


# A second has one date, however many answers come within it.
@lru_cache(maxsize=16)
def _in_rfc3339(value: str | None) -> str | None:
    date = http_date(value)
    return None if date is None else date.strftime("%Y-%m-%dT%H:%M:%SZ")


def request_id(headers: Mapping[str, str]) -> str:
    """The id under which the server's operators find this request; empty where it gave none."""
    found = (headers.get(name, "") for name in REQUEST_ID_HEADERS)
    return next((value[:_MOST_ID] for value in found if value), "")
