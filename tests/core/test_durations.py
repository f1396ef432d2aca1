"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1h30m", 5400), ("2d", 172800), ("250ms", 0.25), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: float) -> None:
    """Each a number and a unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "24", "tomorrow", "-1h", "1h 30m", "1w", "h", "٣h"])
def test_anything_else_is_none(text: str) -> None:
    """A number alone could be seconds or hours."""
    with pytest.raises(ValueError, match="is not a duration such as 30s, 5m or 1h30m"):
        parse_duration(text)


def test_what_nobody_lives_to_see_is_none() -> None:
    """Nor could it be counted."""
    with pytest.raises(ValueError, match="is longer than 100,000 days"):
        parse_duration("999999999999d")
