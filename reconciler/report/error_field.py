"""Finds the field of a spec that a server's message names, and its place in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.core.json_pointer import join_steps
from reconciler.core.model import Address, Json
from reconciler.core.planning.actions import AnyAction, desired_of
from reconciler.errors import Where

_PATH = re.compile(r"/?[A-Za-z_][\w-]*(?:(?:\.|/)[\w-]+|\[\d+\])+")
_STEP = re.compile(r"[\w-]+")
# The documented messages about properties name the property alone: "priority 'x' is not …".
_PROPERTY = re.compile(r"\b(priority|category) '")

Locate = Callable[[Address, str], Where]
"""Finds the place of a part of a spec; raises KeyError for an address that no spec declares."""


def find_place(action: AnyAction | None, message: str, locate: Locate | None) -> Where | None:
    """The line of the field that a message names, else the first line of the spec, if any."""
    if action is None or action.source is None:
        return None
    desired = desired_of(action)
    if locate and desired is not None:
        field = find_field(message, desired.spec)
        try:
            # Without a field the first line is all that is known.
            return locate(action.address, field) if field else action.source
        except KeyError:
            return action.source
    return action.source


def find_field(message: str, spec: Json) -> str | None:
    """The JSON pointer of the only field that a message names, or None.

    A dotted path (`metadata.priority`, `spec.template.spec.containers[0].image`) or a JSON pointer
    counts if all of it is in the spec: from its root, or from that of the manifest.
    """
    paths = [_STEP.findall(match[0]) for match in _PATH.finditer(message)]
    paths += [["metadata", match[1]] for match in _PROPERTY.finditer(message)]
    pointers = set()
    for path in paths:
        # A server may count from the manifest, which is the whole of what the cluster was sent.
        whole = next((p for p in (path, ["manifest", *path]) if _leads_somewhere(p, spec)), None)
        if whole:
            pointers.add(join_steps(whole))
    # Of two fields neither is the one to show: the first line of the spec misleads nobody.
    return pointers.pop() if len(pointers) == 1 else None


def _leads_somewhere(path: list[str], value: Any) -> bool:
    for step in path:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        # By digits alone: int() would take "-1" as well, which is the last item of a list.
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return False
    return True
