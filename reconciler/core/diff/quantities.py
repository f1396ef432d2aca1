"""Kubernetes quantities (`1000m`, `1Gi`, `0.5`) by their value, exact however they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# No quantity that Kubernetes takes is longer; a longer one would only fill the memory with digits.
_LONGEST = 64
_LARGEST = 10**_LONGEST
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>[0-9]+)\.?(?P<part>[0-9]*)|\.(?P<only>[0-9]+))"
    r"(?:(?P<suffix>[numkMGTPE]|[KMGTPE]i)|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_POWERS_OF_TEN: Mapping[str, int] = {
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_POWERS_OF_1024: Mapping[str, int] = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def normal_quantity(value: Any) -> Any:
    """One spelling for all quantities of one value; what is none is returned as it is.

    The spelling (`15e-1`) is a quantity itself, so nothing that is none can look like it. Values
    below a nano are not rounded up, as a server does: that would only make more of them equal.
    """
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST else ""
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return value
    else:
        text = repr(value) if -_LARGEST < value < _LARGEST else ""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return value
    part = found["part"] or found["only"] or ""
    number = int((found["whole"] or "") + part)
    suffix = found["suffix"] or ""
    number *= 1024 ** _POWERS_OF_1024.get(suffix, 0)
    power = int(found["exponent"] or 0) + _POWERS_OF_TEN.get(suffix, 0) - len(part)
    if number == 0:
        return "0"
    while number % 10 == 0:
        number, power = number // 10, power + 1
    return f"{'-' if found['sign'] == '-' else ''}{number}e{power}"
