"""What a plain YAML scalar means: the core schema of YAML 1.2, and how 1.1 would differ."""

from __future__ import annotations

import math
import re
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.specs.source.quoting import quote

# Section 10.3.2 of the YAML 1.2.2 specification.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_DECIMAL = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
# As Go reads an integer whose base its own beginning tells, underscores taken out: the reader of
# Kubernetes does so. Neither it nor JSON knows the base 60 of YAML 1.1 (`1:30`).
_GO_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[bB](?P<b2>[01]+)|0[xX](?P<b16>[0-9a-fA-F]+)"
    r"|0[oO]?(?P<b8>[0-7]+)|(?P<b10>0|[1-9][0-9]*))\Z"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")

# No other first character begins a null, a boolean, a number or a date, in 1.1 or 1.2.
TYPED_STARTS = frozenset("-+.0123456789tTfFnNyYoO~")

# PyYAML leaves these two letters alone; the specification of 1.1 and older Go readers do not.
_LETTERS = {"y": "true", "Y": "true", "n": "false", "N": "false"}

LARGEST = 2**64 - 1
SMALLEST = -(2**63)
# More of them than 64 bits take in any base.
_MOST_DIGITS = 72

# What 1.1 reads alike, so that most files are read without loading PyYAML's patterns for it:
# a decimal number, one with a unit, an option, any word but these.
_ALIKE = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17}|m|[KMGTP]i?)?\Z|--?[A-Za-z]|[A-Za-z~]")
_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})


class PlainScalar(NamedTuple):
    """The value of a plain scalar; `yaml11` describes the reading of YAML 1.1 where it differs.

    `unusable` says why a number cannot be used. `integer` is what Kubernetes reads, where that is
    an integer and YAML 1.1 and 1.2 differ.
    """

    value: Any
    yaml11: str = ""
    unusable: str = ""
    integer: int | None = None


_EMPTY = PlainScalar(None)


def read_plain(text: str) -> PlainScalar:
    """Read an unquoted, untagged scalar."""
    if not text:
        return _EMPTY
    if text[0] not in TYPED_STARTS:
        return PlainScalar(text)
    return _read_typed(text)


# The same numbers and words stand in a repository many times.
@lru_cache(maxsize=8192)
def _read_typed(text: str) -> PlainScalar:
    value, unusable = read_core(text)
    if unusable:
        return PlainScalar(value, unusable=unusable)
    if _ALIKE.match(text) and text.lower() not in _WORDS:
        return PlainScalar(value)
    yaml11 = _LETTERS.get(text) or _read_yaml11(text)
    integer = read_kubernetes_integer(text)
    if not _is_same(value, yaml11):
        return PlainScalar(value, yaml11=_describe_yaml11(yaml11), integer=integer)
    if integer is None or _is_same(value, integer):
        return PlainScalar(value)
    # Capital letters (`0X1F`), which only Go takes.
    return PlainScalar(value, yaml11=_describe_yaml11(integer), integer=integer)


def _is_same(value: Any, other: Any) -> bool:
    # The types as well: to Python, 1 == 1.0 == True.
    return other is _SAME or (type(value) is type(other) and value == other)


def read_core(text: str) -> tuple[Any, str]:
    """Read by the core schema of YAML 1.2; the second value says why a number is unusable."""
    if text in _NULL:
        return None, ""
    if text in _BOOL:
        return _BOOL[text], ""
    if _DECIMAL.match(text):
        return read_integer(text, 10)
    if _OCTAL.match(text):
        return read_integer(text[2:], 8)
    if _HEXADECIMAL.match(text):
        return read_integer(text[2:], 16)
    if _FLOAT.match(text):
        return read_float(text)
    if _NOT_FINITE.match(text):
        return 0, "is not a number that JSON can hold"
    return text, ""


def read_kubernetes_integer(text: str) -> int | None:
    """Read an integer as Kubernetes reads its YAML; None for whatever is none there."""
    written = _GO_INTEGER.match(text.replace("_", "")) if text[0] != "_" else None
    if written is None:
        return None
    base = written.lastgroup or ""
    number, unusable = read_integer(written["sign"] + written[base], int(base.removeprefix("b")))
    return None if unusable else number


def read_integer(text: str, base: int) -> tuple[int, str]:
    """Read digits of a 64-bit number; 0 and a reason where they do not fit."""
    digits = text.lstrip("+-").lstrip("0") or "0"
    # Python refuses to read thousands of digits at all, so the length is looked at first.
    number = int(digits, base) if len(digits) <= _MOST_DIGITS else LARGEST + 1
    number = -number if text.startswith("-") else number
    if SMALLEST <= number <= LARGEST:
        return number, ""
    return 0, "does not fit into 64 bits"


def read_float(text: str) -> tuple[float, str]:
    """Read a decimal fraction; 0 and a reason where it overflows."""
    number = float(text)
    return (number, "") if math.isfinite(number) else (0.0, "is too large for a number")


_SAME: Any = object()


def _read_yaml11(text: str) -> Any:
    """Read by YAML 1.1, as PyYAML does; _SAME for a string, ValueError where PyYAML fails."""
    from yaml import ScalarNode
    from yaml.constructor import SafeConstructor
    from yaml.resolver import Resolver

    for tag, pattern in Resolver.yaml_implicit_resolvers.get(text[0], ()):
        if not pattern.match(text):
            continue
        kind = tag.rpartition(":")[2]
        construct = getattr(SafeConstructor, f"construct_yaml_{kind}", None)
        if construct is None:
            return _SAME
        if kind in ("int", "float") and ":" in text and len(text) > _MOST_DIGITS:
            # Base 60: what PyYAML computes takes time with the square of the length.
            return LARGEST + 1
        try:
            return construct(SafeConstructor(), ScalarNode(tag, text))
        except (ValueError, OverflowError):
            return ValueError
    # A string to 1.1. That is another reading only where 1.2 has a number, as for `1e3`.
    return _SAME if not isinstance(read_core(text)[0], (int, float)) else text


def _describe_yaml11(value: Any) -> str:
    if value is ValueError:
        return "an error"
    if isinstance(value, date):
        return "a date"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        # Python refuses to write thousands of digits, and nobody wants to read them.
        return f"the number {value}" if abs(value) <= LARGEST else "a large number"
    return value if value in {"true", "false"} else f"the text '{quote(value)}'"
