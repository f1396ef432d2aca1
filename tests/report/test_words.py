"""How reports say ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.report.text.formatting import age

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(), "less than a minute"),
        (timedelta(minutes=5), "5 min"),
        (timedelta(hours=40), "40 h"),
        (-timedelta(seconds=1), "less than a minute"),
        (-timedelta(minutes=5), ""),
    ],
)
def test_an_age(ago: timedelta, expected: str) -> None:
    """Two readings of the server's clock may be a second apart; what lies far ahead has no age."""
    assert age((NOW - ago).isoformat(), NOW) == expected


@pytest.mark.parametrize("since", ["", "yesterday", "2026-03-01T12:00:00"])
def test_a_time_that_cannot_be_read_has_no_age(since: str) -> None:
    """Neither no time, nor words, nor one without its zone."""
    assert age(since, NOW) == ""
