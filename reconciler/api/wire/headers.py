"""Headers of a response about time and identity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

REQUEST_ID_HEADERS = ("x-request-id", "x-correlation-id", "request-id", "x-trace-id")

# The form that every server has to send; two older ones are still read (RFC 9110 5.6.7).
_USUAL_DATE = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) ([1-9]\d{3}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Thirty years: longer than any delay that is meant, and still a finite number.
_MAX_DIGITS = 9
_MAX_ID = 200


def retry_after(value: str | None, date: str | None) -> float | None:
    """Read Retry-After in seconds (RFC 9110 10.2.3), not clamped and never negative.

    None for a missing or unreadable value.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MAX_DIGITS else None
    # A date counts from the response's own Date, so that our clock need not be right.
    until, now = http_date(text), http_date(date)
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """Read an HTTP date as a moment in UTC; None for a missing or unreadable one."""
    if not value:
        return None
    usual = _USUAL_DATE.fullmatch(value)
    try:
        if usual is None:
            return _read_old_form(value)
        day, month, year, *clock = usual.groups()
        hour, minute, second = map(int, clock)
        number = _MONTHS.index(month) + 1
        return datetime(int(year), number, int(day), hour, minute, second, tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _read_old_form(value: str) -> datetime:
    # It loads a library for mail, which takes longer than all other reading of responses.
    from email.utils import parsedate_to_datetime

    date = parsedate_to_datetime(value)
    # The form of asctime names no zone, and means UTC.
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def server_date(headers: Mapping[str, str]) -> str | None:
    """The server's clock in RFC 3339, from the Date header."""
    return _to_rfc3339(headers.get("date"))


# Hundreds of responses come within one second, and have one date.
@lru_cache(maxsize=16)
def _to_rfc3339(value: str | None) -> str | None:
    date = http_date(value)
    return None if date is None else date.strftime("%Y-%m-%dT%H:%M:%SZ")


def request_id(headers: Mapping[str, str]) -> str:
    """The id under which the server's operators find this request; empty for none."""
    values = (headers.get(name, "") for name in REQUEST_ID_HEADERS)
    return next(filter(None, values), "")[:_MAX_ID]
