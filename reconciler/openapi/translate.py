"""Translates OpenAPI 3.0 Schema Objects into JSON Schema draft 2020-12.

The two accept the same documents, with one exception that JSON Schema itself made since the
draft that OpenAPI 3.0 builds on: 1.0 counts as an integer now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.json_pointer import escape_step
from reconciler.errors import InvalidInputError
from reconciler.openapi.walk import DEFS, Schema

COMPONENTS = "#/components/schemas"

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
ANYTHING = ".*"


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
        translated |= _translate_keyword(keyword, value, source, f"{at}/{escape_step(keyword)}")
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


def _translate_keyword(  # noqa: PLR0912 - a table: one case for each keyword
    keyword: str, value: Any, source: Mapping[str, Any], at: str
) -> Schema:
    match keyword:
        case _ if keyword in _SAME:
            return {keyword: value}
        case _ if keyword in _WITHOUT_MEANING or keyword.startswith("x-"):
            return {}
        case "type":
            if not isinstance(value, str) or value not in _TYPES:
                raise InvalidInputError(f"{at}: {value!r} is not a type of OpenAPI 3.0")
            return {"type": [value, "null"] if source.get("nullable") is True else value}
        case "nullable":
            # OpenAPI 3.0.3: it widens the `type` beside it and nothing else. Without a type it says
            # nothing, and an enum or an allOf beside it still has to allow null itself.
            _flag(value, at)
            return {}
        case "format" | "pattern" if value == ANYTHING:
            return {}
        case "format" if value == "byte":
            # An annotation in both: a validator does not decode. Who uses the text must.
            return {"contentEncoding": "base64"}
        case "format" if value == "binary":
            raise InvalidInputError(f"{at}: raw bytes ('binary') cannot stand in a JSON document")
        case "format" | "pattern":
            return {keyword: value}
        case "minimum" | "maximum":
            # OpenAPI has a flag beside the limit, JSON Schema a keyword of its own.
            exclusive = f"exclusive{keyword.capitalize()}"
            return {exclusive if source.get(exclusive) is True else keyword: value}
        case "exclusiveMinimum" | "exclusiveMaximum":
            limit = keyword.removeprefix("exclusive").lower()
            if _flag(value, at) and limit not in source:
                raise InvalidInputError(f"{at}: means nothing without '{limit}' beside it")
            return {}
        case "example":
            return {"examples": [value]}
        case "examples":
            return {"examples": as_list(value, at)}
        case "additionalProperties" if isinstance(value, bool):
            return {keyword: value}
        case "items" | "not" | "additionalProperties":
            return {keyword: translate(value, at)}
        case "allOf" | "anyOf" | "oneOf":
            branches = enumerate(as_list(value, at))
            return {keyword: [translate(branch, f"{at}/{index}") for index, branch in branches]}
        case "properties":
            return {
                "properties": {
                    name: translate(field, f"{at}/{escape_step(name)}")
                    for name, field in as_object(value, at).items()
                }
            }
        case _:
            reason = _UNTRANSLATABLE.get(keyword, "OpenAPI 3.0 has no such keyword")
            raise InvalidInputError(
                f"{at}: '{keyword}' cannot be translated: {reason}",
                hint="take it out of the OpenAPI document, and state the rule in the overlay"
                " if it matters",
            )


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
