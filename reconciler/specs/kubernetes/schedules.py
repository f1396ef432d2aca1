"""The schedules of a CronJob, by the grammar of the parser that its controller uses.

That is robfig/cron's standard parser: five fields, or one of a few words. It knows no seventh day
of the week, no `L`, `W` or `#`, and no sixth field, which other readers of such schedules do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORDS = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)
_EVERY = re.compile(r"@every (?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+")
_ENTRY = re.compile(r"(?P<from>[a-z0-9]+|[*?])(?:-(?P<to>[a-z0-9]+))?(?:/(?P<step>[0-9]+))?")


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()

    def read(self, text: str) -> int | None:
        """The number of a bound, or None where it is none or out of range."""
        if text in self.words:
            return self.words.index(text) + self.least
        if not text.isdecimal() or len(text) > 9:
            return None
        number = int(text)
        return number if self.least <= number <= self.most else None


_FIELDS = (
    _Field(name="minute", least=0, most=59),
    _Field(name="hour", least=0, most=23),
    _Field(name="day of the month", least=1, most=31),
    _Field(
        name="month",
        least=1,
        most=12,
        words=("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    ),
    _Field(
        name="day of the week",
        least=0,
        most=6,
        words=("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    ),
)


def problem_of_schedule(text: str) -> str:
    """What is wrong with a schedule, as the rest of a sentence about it; nothing if it is right."""
    if "TZ=" in text:
        return "sets a time zone, which belongs into 'timeZone'"
    if text.startswith("@"):
        is_valid = text in _WORDS or _EVERY.fullmatch(text)
        return "" if is_valid else f"is none of {', '.join(sorted(_WORDS))} and '@every <duration>'"
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"has {len(parts)} fields instead of five: minute, hour, day, month, day of the week"
    for field, part in zip(_FIELDS, parts, strict=True):
        for entry in part.lower().split(","):
            if problem := _problem_of_entry(field, entry):
                return f"has a {field.name} '{part}' that {problem}"
    return ""


def _problem_of_entry(field: _Field, text: str) -> str:
    match = _ENTRY.fullmatch(text)
    if match is None:
        return "cannot be read"
    # Cut, since Python refuses to read a number of thousands of digits.
    if match["step"] is not None and not int(match["step"][:9]):
        return "has a step of 0"
    if match["from"] in "*?":
        return ""
    first = field.read(match["from"])
    last = first if match["to"] is None else field.read(match["to"])
    if first is None or last is None:
        return f"is not within {field.least} to {field.most}"
    return "ends before it begins" if last < first else ""
