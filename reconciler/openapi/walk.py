"""How a JSON Schema is put together: where its subschemas are, and what it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

DEFS = "#/$defs/"

_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})


def references(schema: Any) -> Iterator[str]:
    """Yield every `$ref` in a schema but not in its definitions, nor in data such as an enum."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield reference
    for keyword, value in schema.items():
        if keyword != "$defs":
            for subschema in _subschemas(keyword, value):
                yield from references(subschema)


def reachable(schema: Schema) -> tuple[set[str], set[str]]:
    """Return the references that are followed from the root, as (found, not to be found).

    Found are the names of definitions, not to be found the references as they are written.
    """
    definitions = schema.get("$defs", {})
    found: set[str] = set()
    lost: set[str] = set()
    waiting = list(references(schema))
    while waiting:
        name = (reference := waiting.pop()).removeprefix(DEFS)
        if not reference.startswith(DEFS) or name not in definitions:
            lost.add(reference)
        elif name not in found:
            found.add(name)
            waiting.extend(references(definitions[name]))
    return found, lost


def _subschemas(keyword: str, value: Any) -> list[Any]:
    if keyword in _ONE:
        return [value]
    if keyword in _LIST and isinstance(value, list):
        return value
    if keyword in _MAP and isinstance(value, Mapping):
        return list(value.values())
    return []
