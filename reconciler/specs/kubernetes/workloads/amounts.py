"""Numbers in the specifications of kinds: counts, shares, and bounds of a scale."""

from __future__ import annotations

import re
from typing import Any

from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import Problem, Problems, is_number
from reconciler.specs.schema.compiled_schema import quote_value

_PERCENT = re.compile(r"(?P<share>[0-9]+)%")


def check_share(path: Path, value: Any) -> Problems:
    """A number of pods, or a share of them: at most all."""
    if value is None or isinstance(value, bool | float | dict | list):
        return
    if is_number(value):
        if value < 0:
            yield Problem(path, f"'{path[-1]}' must be 0 or more, not {value}")
        return
    written = _PERCENT.fullmatch(value)
    if written is None:
        message = f"'{path[-1]}' is a whole number or a percentage, not {quote_value(value)}"
        hint = "remove the quotes, or write a '%'" if value.isdecimal() else ""
        yield Problem(path, message, hint)


def check_most_share(path: Path, value: Any) -> Problems:
    """A share of what there is: not more than 100%."""
    written = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if written is not None and int(written["share"][:9]) > 100:
        yield Problem(path, f"'{path[-1]}' is 100% at most, not {quote_value(value)}")


def is_zero(value: Any) -> bool:
    """Whether a number or a share is none at all."""
    written = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return int(written["share"][:9]) == 0 if written else is_number(value) and value == 0


def check_bounds(path: Path, holder: Manifest, least: str, most: str) -> Problems:
    """The lower bound of a scale is not above its upper one."""
    low, high = holder.get(least), holder.get(most)
    # KServe's upper bound of 0 is none.
    if is_number(low) and is_number(high) and low > high > 0:
        message = f"'{least}' is {low}, which is above the '{most}' of {high}"
        yield Problem((*path, least), message)


def check_least(path: Path, holder: Manifest, field: str, least: int) -> Problems:
    """A number that is not below a bound."""
    value = holder.get(field)
    if is_number(value) and value < least:
        yield Problem((*path, field), f"'{field}' must be {least} or more, not {value}")
