"""Reads single fields of a manifest; an error describes a field that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from reconciler.kinds.devices import device_of

Template: TypeAlias = Mapping[str, Any]
"""Anything shaped like a pod: `metadata.annotations` and `spec`."""

# Kubernetes keeps replica counts in an int32; what is larger is a mistake, not a request.
LARGEST_COUNT = 2**31 - 1
NOTHING: Mapping[str, Any] = {}


class UnreadableError(Exception):
    """The manifest does not say; the message ends up in `GpuRequest.unknown`."""


def need(parent: Template, key: str) -> Template:
    """A mapping that must be there."""
    value = parent.get(key)
    # To ask an abstract class takes five times as long.
    if not isinstance(value, dict) and not isinstance(value, Mapping):
        gap = "missing" if value is None else f"{describe(value)}, not a mapping"
        raise UnreadableError(f"{key} is {gap}")
    return value


def optional(parent: Template, key: str) -> Template:
    """A mapping that may be left out."""
    return NOTHING if parent.get(key) is None else need(parent, key)


def read_annotations(parent: Template) -> Template:
    """The annotations of an object or template."""
    return optional(optional(parent, "metadata"), "annotations")


def read_items(parent: Template, key: str) -> list[Template]:
    """A list of mappings that may be left out."""
    values = parent.get(key)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
        raise UnreadableError(f"{key} is not a list of mappings")
    return values


def read_flag(parent: Template, key: str) -> bool:
    """A truth value; left out is false."""
    value = parent.get(key)
    if value is not None and not isinstance(value, bool):
        raise UnreadableError(f"{key} is {describe(value)}, not true or false")
    return bool(value)


def read_count(parent: Template, key: str, default: int) -> int:
    """Read a whole number that may be quoted; null is Kubernetes' way of leaving it out."""
    value = parent.get(key)
    if value is None:
        return default
    # Ten digits hold every int32; Python refuses to read thousands of them.
    quoted = isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value)
    # JSON has one type of numbers, in which 2.0 is a whole one.
    whole = isinstance(value, float) and value.is_integer()
    number = int(value) if quoted or whole else value
    # By exact type, since a bool is an int to `isinstance`.
    if type(number) is int and 0 <= number <= LARGEST_COUNT:
        return number
    raise UnreadableError(f"{key} is {describe(value)}, not a count")


def read_positive(parent: Template, key: str, default: int) -> int:
    """A count of which there is at least one."""
    count = read_count(parent, key, default)
    if not count:
        raise UnreadableError(f"{key} is 0, not a share")
    return count


def read_fraction(value: Any) -> Fraction:
    """Read a share of one device; no exponent, since that could fill the memory with digits."""
    text = str(value) if isinstance(value, float) or type(value) is int else value
    if isinstance(text, str) and re.fullmatch(r"0?\.[0-9]{1,9}|1(\.0{1,9})?", text):
        share = Fraction(text)
        if share:
            return share
    raise UnreadableError(f"gpu-fraction is {describe(value)}, not a share of one GPU")


def describe(value: Any) -> str:
    """A value in words, however large it is."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 32 else value[:32] + "…")
        case int() | float():
            # Spelling out a huge integer is refused by Python itself.
            return str(value) if -1e15 < value < 1e15 else "a number out of range"
        case _:
            return "a list" if isinstance(value, list) else "a mapping"


def read_gpus(container: Template) -> dict[str, int]:
    """The GPUs and the like of a container, by the name of the resource: limits before requests."""
    resources = optional(container, "resources")
    if not resources:
        return {}
    # Kubernetes takes no request of an extended resource that differs from its limit.
    requested = {**optional(resources, "requests"), **optional(resources, "limits")}
    return {
        name: read_count(requested, name, 0)
        for name in map(str, requested)
        if device_of(name) is not None
    }
