from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.wire.headers import http_date, request_id, retry_after, server_date
from tests.api.factories import AT, DATE

MOMENTS = st.integers(10**5, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120.0),
        (" 0 ", None, 0.0),
        ("Tue, 03 Mar 2026 10:00:30 GMT", DATE, 30.0),
        ("Tuesday, 03-Mar-26 10:00:30 GMT", DATE, 30.0),
        ("Tue Mar  3 10:00:30 2026", DATE, 30.0),
        ("Tue, 03 Mar 2026 09:00:00 GMT", DATE, 0.0),
        ("Tue, 03 Mar 2026 10:00:30 GMT", None, None),
        (None, DATE, None),
        ("", DATE, None),
        ("-5", DATE, None),
        ("+5", DATE, None),
        ("1.5", DATE, None),
        ("5, 10", DATE, None),
        ("١٢", DATE, None),
        ("9" * 5000, DATE, None),
        ("soon", DATE, None),
    ],
)
def test_retry_after_is_digits_or_a_date(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    """ASCII digits, or any of HTTP's three date forms against the answer's Date; else nothing."""
    assert retry_after(value, date) == seconds


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock shows another hour than UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize(
    "value",
    [
        "Tue, 03 Mar 2026 10:00:00 GMT",
        "Tuesday, 03-Mar-26 10:00:00 GMT",
        "Tue Mar  3 10:00:00 2026",
        "Tue, 03 Mar 2026 10:00:00 -0000",
    ],
)
def test_a_date_means_utc_wherever_it_is_read(value: str) -> None:
    """Also in a form that names no zone (RFC 9110 5.6.7)."""
    assert http_date(value) == datetime(2026, 3, 3, 10, tzinfo=UTC)


@given(st.none() | st.text(), st.none() | st.text())
def test_retry_after_never_raises_and_is_never_negative(
    value: str | None, date: str | None
) -> None:
    """Junk in either header gives None."""
    seconds = retry_after(value, date)
    assert seconds is None or seconds >= 0


@given(MOMENTS, st.integers(0, 10**6))
def test_a_date_counts_from_the_servers_clock(moment: datetime, seconds: int) -> None:
    """The delay is the distance of two dates of one answer, to the second."""
    later = format_datetime(moment + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(later, format_datetime(moment, usegmt=True)) == seconds


@given(
    st.from_regex(
        r"(Mon|Xyz), [0-9]{2} (Jan|Feb|Apr|Dec|Foo) ([0-9]{4}|2026) "
        r"[0-2][0-9](:[0-6][0-9]){2} (GMT|UT)",
        fullmatch=True,
    )
)
def test_dates_are_read_as_pythons_library_for_mail_reads_them(value: str) -> None:
    """That takes a while to load, and so only reads the forms that servers seldom send."""
    try:
        expected = parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        expected = None
    assert http_date(value) == expected


def test_the_servers_date_is_given_in_rfc_3339() -> None:
    """What cannot be read as a date is none."""
    assert server_date({"date": DATE}) == AT
    assert server_date({"date": "yesterday"}) is None
    assert server_date({}) is None


def test_the_request_id_is_the_first_that_is_known() -> None:
    """Several headers are in use; the text is bounded."""
    assert request_id({"x-correlation-id": "c", "x-request-id": "r"}) == "r"
    assert request_id({"x-trace-id": "t" * 500}) == "t" * 200
    assert request_id({}) == ""
