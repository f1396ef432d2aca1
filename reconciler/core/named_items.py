"""Lists whose items have names: containers, environment variables, ports, volumes and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.stored_json import MAPS


def names_of(items: Sequence[Any]) -> list[str] | None:
    """The `name` of each item; None unless every item has one and all are different."""
    names = [item.get("name") if isinstance(item, MAPS) else None for item in items]
    texts = [name for name in names if isinstance(name, str)]
    return texts if len({*texts}) == len(items) else None


def items_by_name(items: Sequence[Any]) -> dict[str, Any] | None:
    """The items by their names; None where `names_of` has none."""
    names = names_of(items)
    return None if names is None else dict(zip(names, items, strict=True))
