"""The small grammars of Kubernetes: names, label keys and values, resource quantities.

Each function returns the rest of a sentence about the quoted text, or nothing. The rules are
those of `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/resource`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

# The same few names, keys and amounts stand in thousands of files.
_REMEMBERED = 4096

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_QUANTITY = re.compile(
    r"(?P<number>[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[-+]?[0-9]{1,3}))?"
)
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
# Longer ones overflow what they are compared with, and nobody means them.
_LONGEST_QUANTITY = 64
_BYTES = re.compile(r"([0-9.]+) ?([kKmMgGtT])(i?)[bB]?(?:ytes)?")


@lru_cache(maxsize=_REMEMBERED)
def problem_of_label(text: str) -> str:
    """A DNS label (RFC 1123), such as the name of a container."""
    if len(text) > 63:
        return "has more than 63 characters"
    if _LABEL.fullmatch(text):
        return ""
    return "may hold lower case letters, digits and '-' only, and begins and ends without a '-'"


@lru_cache(maxsize=_REMEMBERED)
def problem_of_name(text: str, longest: int = 253) -> str:
    """A DNS subdomain (RFC 1123), such as the name of an object."""
    if len(text) > longest:
        return f"has more than {longest} characters"
    if _SUBDOMAIN.fullmatch(text):
        return ""
    return "may hold lower case letters, digits, '-' and '.' only, and begins and ends with neither"


@lru_cache(maxsize=_REMEMBERED)
def problem_of_key(text: str) -> str:
    """The key of a label or annotation: a name, or a DNS subdomain, a slash and a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "has nothing before its slash"
    if slash and problem_of_name(prefix):
        return f"has a prefix that is no domain name: it {problem_of_name(prefix)}"
    if not name:
        return "has no name behind its slash" if slash else "is empty"
    return _problem_of_qualified(name)


def problem_of_label_value(text: str) -> str:
    """The value of a label."""
    return _problem_of_qualified(text) if text else ""


@lru_cache(maxsize=_REMEMBERED)
def _problem_of_qualified(text: str) -> str:
    if len(text) > 63:
        return "has more than 63 characters"
    if _QUALIFIED.fullmatch(text):
        return ""
    return "may hold letters, digits, '-', '_' and '.' only, the latter three only inside"


@lru_cache(maxsize=_REMEMBERED)
def problem_of_api_version(text: str) -> str:
    """An API version: a version alone, or a group, a slash and a version."""
    group, slash, version = text.rpartition("/")
    if slash and problem_of_name(group):
        return "has a group that is no domain name"
    return "" if _VERSION.fullmatch(version) else "is not written as <group>/<version>, or v1 alone"


@lru_cache(maxsize=_REMEMBERED)
def problem_of_kind(text: str) -> str:
    """A kind: letters and digits."""
    return "" if _KIND.fullmatch(text) else "is not one word of letters and digits"


def read_quantity(value: object) -> Decimal | None:
    """An amount of a resource, or None where it is not written as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # As text, since the cache below would take 1 and True, or 1 and 1.0, for one key.
    return _read_amount(str(value))


@lru_cache(maxsize=_REMEMBERED)
def _read_amount(text: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST_QUANTITY else None
    if match is None:
        return None
    number, suffix = Decimal(match["number"]), match["suffix"]
    if suffix in _BINARY:
        return number * Decimal(2) ** _BINARY[suffix]
    return number.scaleb(_SUFFIXES[suffix] if suffix else int(match["exponent"] or 0))


def hint_at_quantity(text: str) -> str:
    """The quantity that was likely meant by something like `4GB`."""
    match = _BYTES.fullmatch(text)
    if match is None:
        return "write a number, and a unit such as m, k, M, G, Ki, Mi or Gi"
    number, unit, _ = match.groups()
    decimal = "k" if unit in "kK" else unit.upper()
    return f"did you mean {number}{unit.upper()}i or {number}{decimal}?"
