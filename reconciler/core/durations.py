"""Lengths of time as people write them: `30s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
# What is longer than this is no length of time that anybody waits for, and no timedelta either.
_LONGEST = timedelta(days=100_000)


def parse_duration(text: str) -> timedelta:
    """Read a length of time; raises ValueError for anything else."""
    # What `findall` leaves out between the parts is missing in their sum.
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than {_LONGEST.days:,} days")
    return timedelta(seconds=seconds)
