"""Durations, sizes, shares and spans as people write them on a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# Binary units only: with "100MB" nobody knows how many bytes are meant.
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)?")
_BYTES = {None: 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An inclusive range of ordinals; `last` of None has no end."""

    first: int
    last: int | None

    def __contains__(self, number: int) -> bool:
        return number >= self.first and (self.last is None or number <= self.last)


def read_duration(text: str) -> float:
    """Read `250ms`, `30s`, `5m` or `1h` as seconds; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a duration such as 250ms, 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def read_size(text: str) -> int:
    """Read `512`, `64KiB` or `100MiB` as bytes; raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a size such as 512, 64KiB or 100MiB")
    return int(match[1]) * _BYTES[match[2]]


def read_share(text: str) -> float:
    """Read `30%` or `0.3` as a fraction; raises ValueError outside 0 to 1."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        # Refused below, with the same message as a number that is out of range.
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"'{text}' is not a share such as 30% or 0.3")
    return share


def read_count(text: str) -> int:
    """Read a whole number of at least 1; raises ValueError."""
    # isdigit() alone takes digits of every script, and int() reads them.
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def read_span(text: str) -> Span:
    """Read `3`, `1-5` or `4-` as a range of ordinals; raises ValueError."""
    first, dash, last = text.partition("-")
    low = read_count(first)
    if not dash:
        return Span(first=low, last=low)
    return Span(first=low, last=read_count(last) if last else None)
