"""Which field of a spec a server's words are about, where they name one that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.json_pointer import join_steps
from reconciler.core.model import Json

_PATH = re.compile(r"/?[A-Za-z_][\w-]*(?:(?:\.|/)[\w-]+|\[\d+\])+")
_STEP = re.compile(r"[\w-]+")
# The documented messages about properties name the property alone: "priority 'x' is not …".
_PROPERTY = re.compile(r"\b(priority|category) '")


def find_field(message: str, spec: Json) -> str | None:
    """The JSON pointer of the only field that a message names, or None.

    A dotted path (`metadata.priority`, `spec.template.spec.containers[0].image`) or a JSON pointer
    counts if all of it is in the spec: from its root, or from that of the manifest.
    """
    found = {place for steps in _named(message) if (place := _place(steps, spec))}
    return found.pop() if len(found) == 1 else None


def _named(message: str) -> Iterator[list[str]]:
    for match in _PATH.finditer(message):
        yield _STEP.findall(match[0])
    for match in _PROPERTY.finditer(message):
        yield ["metadata", match[1]]


def _place(steps: list[str], spec: Json) -> str | None:
    """Where a path leads; a server speaks of what it got, which has no manifest of its own name."""
    for start in ((), ("manifest",)):
        path = (*start, *steps)
        if _leads_somewhere(path, spec):
            return join_steps(path)
    return None


def _leads_somewhere(path: tuple[str, ...], value: Any) -> bool:
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return True
