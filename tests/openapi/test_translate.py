from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS30Validator

from reconciler.errors import InvalidInputError
from reconciler.openapi.derive import standalone
from reconciler.openapi.translate import translate

PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nullable widens the type beside it": (
        {"type": "string", "nullable": True},
        {"type": ["string", "null"]},
    ),
    "not nullable is no news": ({"type": "string", "nullable": False}, {"type": "string"}),
    "nullable without a type says nothing": ({"nullable": True, "minLength": 1}, {"minLength": 1}),
    "an enum has to list null itself": (
        {"type": "string", "nullable": True, "enum": ["a"]},
        {"type": ["string", "null"], "enum": ["a"]},
    ),
    "an enum that lists null keeps it": (
        {"type": "string", "nullable": True, "enum": ["a", None]},
        {"type": ["string", "null"], "enum": ["a", None]},
    ),
    "an allOf beside nullable has to allow null itself": (
        {"type": "object", "nullable": True, "allOf": [{"$ref": "#/components/schemas/A"}]},
        {"type": ["object", "null"], "allOf": [{"$ref": "#/$defs/A"}]},
    ),
    "whatever stands beside a reference is ignored": (
        {"$ref": "#/components/schemas/A", "nullable": True, "readOnly": True},
        {"$ref": "#/$defs/A"},
    ),
    "byte is base64 text": (
        {"type": "string", "format": "byte"},
        {"type": "string", "contentEncoding": "base64"},
    ),
    "other formats stay": (
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date-time"},
    ),
    "a pattern and a format that mean anything are dropped": (
        {"type": "string", "pattern": ".*", "format": ".*"},
        {"type": "string"},
    ),
    "other patterns stay": ({"pattern": "^a.*"}, {"pattern": "^a.*"}),
    "an exclusive limit carries its own number": (
        {"minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
        {"exclusiveMinimum": 1, "maximum": 9},
    ),
    "an example becomes the only one of several": ({"example": "x"}, {"examples": ["x"]}),
    "several examples stay": ({"examples": ["x", "y"]}, {"examples": ["x", "y"]}),
    "what only shapes documentation is dropped": (
        {"type": "object", "externalDocs": {"url": "u"}, "xml": {"name": "n"}, "x-order": 1},
        {"type": "object"},
    ),
    "subschemas are translated wherever they are": (
        {
            "properties": {"a": {"type": "integer", "nullable": True}},
            "additionalProperties": {"format": "byte"},
            "items": {"pattern": ".*"},
            "not": {"example": 1},
            "anyOf": [{"type": "string"}],
            "oneOf": [{"$ref": "#/components/schemas/A"}],
        },
        {
            "properties": {"a": {"type": ["integer", "null"]}},
            "additionalProperties": {"contentEncoding": "base64"},
            "items": {},
            "not": {"examples": [1]},
            "anyOf": [{"type": "string"}],
            "oneOf": [{"$ref": "#/$defs/A"}],
        },
    ),
    "closed objects stay closed": (
        {"additionalProperties": False},
        {"additionalProperties": False},
    ),
}


@pytest.mark.parametrize(("openapi", "expected"), PAIRS.values(), ids=PAIRS.keys())
def test_translation(openapi: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each OpenAPI 3.0 construct has exactly one form in JSON Schema."""
    assert translate(openapi, "#") == expected


@pytest.mark.parametrize(
    ("openapi", "message"),
    [
        ({"properties": {"a/b": {"readOnly": True}}}, "#/properties/a~1b/readOnly: 'readOnly'"),
        ({"allOf": [{}, {"discriminator": {}}]}, "#/allOf/1/discriminator: 'discriminator'"),
        ({"writeOnly": True}, "#/writeOnly: 'writeOnly' cannot be translated"),
        ({"patternProperties": {}}, "#/patternProperties: 'patternProperties' cannot be"),
        ({"const": 1}, "#/const: 'const' cannot be translated: OpenAPI 3.0 has no such keyword"),
        ({"type": ["string", "null"]}, "#/type: ['string', 'null'] is not a type of OpenAPI 3.0"),
        ({"type": "null"}, "#/type: 'null' is not a type of OpenAPI 3.0"),
        ({"nullable": "yes"}, "#/nullable: expected true or false, found 'yes'"),
        ({"exclusiveMinimum": 3}, "#/exclusiveMinimum: expected true or false, found 3"),
        ({"exclusiveMaximum": True}, "#/exclusiveMaximum: means nothing without 'maximum'"),
        ({"format": "binary"}, "#/format: raw bytes ('binary') cannot stand in a JSON document"),
        ({"items": [{}]}, "#/items: expected an object, found a list"),
        ({"properties": []}, "#/properties: expected an object, found a list"),
        ({"anyOf": {}}, "#/anyOf: expected a list, found an object"),
        ({"examples": {"a": {}}}, "#/examples: expected a list, found an object"),
        ({"not": True}, "#/not: expected an object, found True"),
        ({"$ref": "other.json#/A"}, "#/$ref: the reference 'other.json#/A' leads out of"),
        ({"items": {"$ref": "#/paths/x"}}, "#/items/$ref: the reference '#/paths/x' leads out of"),
    ],
)
def test_what_has_no_translation_is_refused(openapi: dict[str, Any], message: str) -> None:
    """What cannot be said exactly is refused, and the message begins with its JSON pointer."""
    with pytest.raises(InvalidInputError) as refusal:
        translate(openapi, "#")
    assert refusal.value.message.startswith(message)


LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["array", "boolean", "integer", "number", "object", "string"]),
        "nullable": st.booleans(),
        "enum": st.lists(st.sampled_from(["a", 1, None, False]), min_size=1, unique_by=repr),
        "minLength": st.integers(0, 2),
        "pattern": st.sampled_from([".*", "^a", "b$"]),
        "format": st.sampled_from(["byte", ".*", "date-time"]),
        "maxItems": st.integers(0, 2),
        "minProperties": st.integers(0, 2),
        "example": st.just("anything"),
    },
)
LIMITS = st.fixed_dictionaries(
    {"minimum": st.integers(0, 2), "maximum": st.integers(1, 3)},
    optional={"exclusiveMinimum": st.booleans(), "exclusiveMaximum": st.booleans()},
)
REFERENCES = st.sampled_from(
    [{"$ref": "#/components/schemas/Root"}, {"$ref": "#/components/schemas/Other"}]
)


def _grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    composed = st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.lists(st.sampled_from("ab"), min_size=1, unique=True),
            "additionalProperties": st.booleans() | inner,
            "items": inner | REFERENCES,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )
    return st.builds(lambda leaf, more: leaf | more, LEAVES, composed)


SCHEMAS = st.recursive(LEAVES | LIMITS, _grow, max_leaves=6)
INSTANCES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 4)
    | st.floats(0, 4).filter(lambda x: not math.isclose(x, round(x)))
    | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(root=SCHEMAS, other=LEAVES | LIMITS, instance=INSTANCES)
def test_both_languages_accept_the_same(root: Any, other: Any, instance: Any) -> None:
    """A translated schema accepts a document if and only if an OpenAPI 3.0 validator does."""
    components = {"schemas": {"Root": root, "Other": other}}
    openapi = {"$ref": "#/components/schemas/Root", "components": components}
    translated = standalone({"openapi": "3.0.3", "components": components}, "Root")
    expected = OAS30Validator(openapi).is_valid(instance)
    assert Draft202012Validator(translated).is_valid(instance) is expected
