"""Kubernetes quantities (`1000m`, `1Gi`, `0.5`) by their value, exact however they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# No quantity of Kubernetes is longer, and digits without a bound would fill the memory.
_LONGEST = 64
_LARGEST = 10**_LONGEST
_QUANTITY = (
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
    """One spelling for all quantities of one value; anything else is returned as it is."""
    # The spelling (`15e-1`) is a quantity itself, so that no other text can equal it. Values below
    # a nano are not rounded up as a server does: more of them count as different than are.
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST else ""
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return value
    else:
        text = repr(value) if -_LARGEST < value < _LARGEST else ""
    quantity = re.fullmatch(_QUANTITY, text)
    if quantity is None:
        return value
    part = quantity["part"] or quantity["only"] or ""
    # Whole numbers only: a float would make quantities equal that are not.
    number = int((quantity["whole"] or "") + part)
    suffix = quantity["suffix"] or ""
    number *= 1024 ** _POWERS_OF_1024.get(suffix, 0)
    power = int(quantity["exponent"] or 0) + _POWERS_OF_TEN.get(suffix, 0) - len(part)
    if number == 0:
        return "0"
    while number % 10 == 0:
        number, power = number // 10, power + 1
    return f"{'-' if quantity['sign'] == '-' else ''}{number}e{power}"
