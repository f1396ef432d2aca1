"""Short forms for the hand-written JSON Schemas of `Kind.structure`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}


def mapping(
    properties: Mapping[str, Any] | None = None, required: tuple[str, ...] = (), **keywords: Any
) -> dict[str, Any]:
    """A mapping of which these fields are known and those are required; others may stand there."""
    schema: dict[str, Any] = {"type": "object"}
    if properties:
        schema["properties"] = dict(properties)
    if required:
        schema["required"] = list(required)
    return schema | keywords


def list_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """A list of such items."""
    return {"type": "array", "items": dict(item)}


def any_of(*names: str) -> list[dict[str, Any]]:
    """For `anyOf`: at least one of these fields."""
    return [{"required": [name]} for name in names]
