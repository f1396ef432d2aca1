"""The `x-` keys of a JSON Schema: what its author notes beside its keywords."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.core.json_pointer import split_pointer
from reconciler.specs.source.nodes import Step

# Following each other without a keyword between them; a longer chain is a loop.
_MOST_REFERENCES = 10


def collect_notes(root: Any, path: Iterable[Step]) -> dict[str, str]:
    """Return the `x-` keys on the way to a violated keyword; the nearest ones win."""
    notes: dict[str, str] = {}
    for schema in _trail(root, root, tuple(path)) or ():
        texts = ((key, value) for key, value in schema.items() if isinstance(value, str))
        notes |= {key: value for key, value in texts if key.startswith("x-")}
    return notes


def _trail(
    root: Any, schema: Any, path: tuple[Step, ...], references: int = 0
) -> list[dict[str, Any]] | None:
    """List the mappings along a path through a schema; None where it does not lead anywhere.

    jsonschema leaves the references out of the paths that it reports, so any may stand between.
    """
    if not path:
        return []
    if isinstance(schema, list):
        is_in = isinstance(path[0], int) and path[0] < len(schema)
        return _trail(root, schema[int(path[0])], path[1:]) if is_in else None
    if not isinstance(schema, dict):
        return None
    below = _trail(root, schema[str(path[0])], path[1:]) if path[0] in schema else None
    if below is None and references < _MOST_REFERENCES and "$ref" in schema:
        reference = str(schema["$ref"])
        # Anything but a path from the root is rare, and then only notes are missed.
        target = root if reference.startswith("#") else None
        for name in split_pointer(reference):
            target = target.get(name) if isinstance(target, dict) else None
        below = _trail(root, target, path, references + 1)
    return None if below is None else [schema, *below]
