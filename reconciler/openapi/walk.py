"""The structure of a JSON Schema: where its subschemas are, and what it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

DEFS = "#/$defs/"

SINGLE = frozenset(
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
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})


def references(schema: Any) -> Iterator[str]:
    """Yield every `$ref` in a schema but not in its definitions, nor in data such as an enum."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(reference := schema.get("$ref"), str):
        yield reference
    for keyword, value in schema.items():
        subschemas: Iterable[Any] = ()
        if keyword in SINGLE:
            subschemas = (value,)
        elif keyword in LISTS and isinstance(value, list):
            subschemas = value
        elif keyword in MAPS and isinstance(value, Mapping):
            subschemas = value.values()
        for subschema in subschemas:
            yield from references(subschema)


def reachable(schema: Schema) -> tuple[set[str], set[str]]:
    """Return the references that are followed from the root, as (defined, undefined).

    Defined are the names of definitions, undefined the references as they are written.
    """
    definitions = schema.get("$defs", {})
    defined: set[str] = set()
    undefined: set[str] = set()
    pending = list(references(schema))
    while pending:
        name = (reference := pending.pop()).removeprefix(DEFS)
        if not reference.startswith(DEFS) or name not in definitions:
            undefined.add(reference)
        elif name not in defined:
            defined.add(name)
            pending.extend(references(definitions[name]))
    return defined, undefined
