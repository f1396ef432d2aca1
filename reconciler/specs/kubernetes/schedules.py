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
_PART = re.compile(r"(?P<from>[a-z0-9]+|[*?])(?:-(?P<to>[a-z0-9]+))?(?:/(?P<step>[0-9]+))?")


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
    """What is wrong with a schedule, in words that follow it; nothing where it is right."""
    if "TZ=" in text:
        return "sets a time zone, which belongs into 'timeZone'"
    if text.startswith("@"):
        known = text in _WORDS or _EVERY.fullmatch(text)
        return "" if known else f"is none of {', '.join(sorted(_WORDS))} and '@every <duration>'"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return (
            f"has {len(fields)} fields instead of five: minute, hour, day, month, day of the week"
        )
    problems = (_problem(field, given) for field, given in zip(_FIELDS, fields, strict=True))
    return next(filter(None, problems), "")


def _problem(field: _Field, text: str) -> str:
    for part in text.lower().split(","):
        if problem := _problem_of_part(field, part):
            return f"has a {field.name} '{text}' that {problem}"
    return ""


def _problem_of_part(field: _Field, text: str) -> str:
    found = _PART.fullmatch(text)
    if found is None:
        return "cannot be read"
    if found["step"] is not None and not int(found["step"][:9]):
        return "has a step of 0"
    if found["from"] in "*?":
        return ""
    first = field.read(found["from"])
    last = first if found["to"] is None else field.read(found["to"])
    if first is None or last is None:
        return f"is not within {field.least} to {field.most}"
    return "ends before it begins" if last < first else ""
