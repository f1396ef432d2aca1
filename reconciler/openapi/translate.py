"""OpenAPI 3.0 Schema Objects, said again in JSON Schema draft 2020-12.

The two accept the same documents, with one exception that JSON Schema itself made since the
draft that OpenAPI 3.0 builds on: 1.0 counts as an integer now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError
from reconciler.openapi.walk import DEFS, Schema

COMPONENTS = "#/components/schemas"

_Handler = Callable[[Any, Mapping[str, Any], str], Schema]

_TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})

_SAME = frozenset(
    {
        "default",
        "deprecated",
        "description",
        "enum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minItems",
        "minLength",
        "minProperties",
        "multipleOf",
        "required",
        "title",
        "uniqueItems",
    }
)

# They shape documentation and XML; what is accepted does not depend on them.
_WITHOUT_MEANING = frozenset({"externalDocs", "xml"})

_UNTRANSLATABLE = {
    "discriminator": "it picks a schema by a property's value, in a way JSON Schema cannot say",
    "readOnly": "whether a property is required would depend on the direction of the message",
    "writeOnly": "whether a property is required would depend on the direction of the message",
}

# The publisher writes this pattern and this format where it means "anything".
_ANYTHING = ".*"


def translate(schema: object, at: str) -> Schema:
    """Translate one Schema Object, found at the JSON pointer `at`; references become `#/$defs/…`.

    Raises InvalidInputError, naming the JSON pointer, for whatever has no exact translation.
    """
    source = as_object(schema, at)
    if "$ref" in source:
        # OpenAPI 3.0.3, Reference Object: whatever stands beside a $ref is ignored.
        return {"$ref": DEFS + component_of(source["$ref"], f"{at}/$ref")}
    translated: Schema = {}
    for keyword, value in source.items():
        translated |= _keyword(keyword, value, source, f"{at}/{escape_step(keyword)}")
    return translated


def component_of(reference: object, at: str) -> str:
    """Return the name of the component that a `$ref` points to; raises InvalidInputError."""
    match = re.fullmatch(rf"{COMPONENTS}/([A-Za-z0-9._-]+)", str(reference))
    if match is None:
        raise InvalidInputError(
            f"{at}: the reference {reference!r} leads out of {COMPONENTS}",
            hint="a derived schema stands alone: move what is meant into the document's components",
        )
    return match[1]


def as_object(value: object, at: str) -> Mapping[str, Any]:
    """Return a JSON object unchanged; raises InvalidInputError for anything else."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{at}: expected an object, found {_kind(value)}")
    return value


def _keyword(keyword: str, value: Any, source: Mapping[str, Any], at: str) -> Schema:
    if keyword in _SAME:
        return {keyword: value}
    if keyword in _WITHOUT_MEANING or keyword.startswith("x-"):
        return {}
    if (handler := _HANDLERS.get(keyword)) is not None:
        return handler(value, source, at)
    reason = _UNTRANSLATABLE.get(keyword, "OpenAPI 3.0 has no such keyword")
    raise InvalidInputError(
        f"{at}: '{keyword}' cannot be translated: {reason}",
        hint="take it out of the OpenAPI document, and state the rule in the overlay if it matters",
    )


def _type(value: Any, source: Mapping[str, Any], at: str) -> Schema:
    if not isinstance(value, str) or value not in _TYPES:
        raise InvalidInputError(f"{at}: {value!r} is not a type of OpenAPI 3.0")
    return {"type": [value, "null"] if source.get("nullable") is True else value}


def _nullable(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
    # OpenAPI 3.0.3: it widens the `type` beside it and nothing else. Without a type it says
    # nothing, and an enum or an allOf beside it still has to allow null itself.
    _flag(value, at)
    return {}


def _format(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
    if value == _ANYTHING:
        return {}
    if value == "byte":
        # An annotation in both worlds: a validator does not decode. Who uses the text must.
        return {"contentEncoding": "base64"}
    if value == "binary":
        raise InvalidInputError(f"{at}: raw bytes ('binary') cannot stand in a JSON document")
    return {"format": value}


def _pattern(value: Any, _source: Mapping[str, Any], _at: str) -> Schema:
    return {} if value == _ANYTHING else {"pattern": value}


def _bound(limit: str, exclusive: str) -> _Handler:
    def handler(value: Any, source: Mapping[str, Any], _at: str) -> Schema:
        return {exclusive if source.get(exclusive) is True else limit: value}

    return handler


def _exclusive(limit: str) -> _Handler:
    def handler(value: Any, source: Mapping[str, Any], at: str) -> Schema:
        if _flag(value, at) and limit not in source:
            raise InvalidInputError(f"{at}: means nothing without '{limit}' beside it")
        return {}

    return handler


def _example(value: Any, _source: Mapping[str, Any], _at: str) -> Schema:
    return {"examples": [value]}


def _examples(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
    return {"examples": as_list(value, at)}


def _one(keyword: str) -> _Handler:
    return lambda value, _source, at: {keyword: translate(value, at)}


def _several(keyword: str) -> _Handler:
    def handler(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
        members = enumerate(as_list(value, at))
        return {keyword: [translate(member, f"{at}/{index}") for index, member in members]}

    return handler


def _properties(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
    members = as_object(value, at).items()
    return {
        "properties": {name: translate(sub, f"{at}/{escape_step(name)}") for name, sub in members}
    }


def _additional(value: Any, _source: Mapping[str, Any], at: str) -> Schema:
    return {"additionalProperties": value if isinstance(value, bool) else translate(value, at)}


def as_list(value: object, at: str) -> list[Any]:
    """Return a JSON array unchanged; raises InvalidInputError for anything else."""
    if not isinstance(value, list):
        raise InvalidInputError(f"{at}: expected a list, found {_kind(value)}")
    return value


def _flag(value: object, at: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInputError(f"{at}: expected true or false, found {_kind(value)}")
    return value


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)


_HANDLERS: Mapping[str, _Handler] = {
    "additionalProperties": _additional,
    "allOf": _several("allOf"),
    "anyOf": _several("anyOf"),
    "example": _example,
    "examples": _examples,
    "exclusiveMaximum": _exclusive("maximum"),
    "exclusiveMinimum": _exclusive("minimum"),
    "format": _format,
    "items": _one("items"),
    "maximum": _bound("maximum", "exclusiveMaximum"),
    "minimum": _bound("minimum", "exclusiveMinimum"),
    "not": _one("not"),
    "nullable": _nullable,
    "oneOf": _several("oneOf"),
    "pattern": _pattern,
    "properties": _properties,
    "type": _type,
}
