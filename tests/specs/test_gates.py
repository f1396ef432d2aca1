from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry

from reconciler.specs.schema.compiled_schema import (
    CompiledSchema,
    find_violations,
    list_violations,
    shipped_schema,
)
from reconciler.specs.schema.schema_precheck import Prechecks
from tests.specs.strategies import VALUES

SPEC = {
    "metadata": {"name": "llm", "projectId": "4501", "priority": None, "category": "Train"},
    "manifest": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}, "x": [1]},
    "lifecycle": {"protect": True, "onRemove": "forget", "wave": 2, "ignoreChanges": ["/manifest"]},
}
CONFIG = {
    "url": "https://example.com",
    "projects": {"team-a": "4501"},
    "limits": {"max_delete": "30%", "gpus": {"4501": 8}},
}
WORDS = ["name", "a", "llm\n", "-", "/", "/manifest\n", "x" * 64, "4501", "30%", "low", "v1", ""]
TYPES = ["object", "array", "string", "integer", "number", "boolean", "null"]
FIELDS = ["a", "b", "name"]


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Replace, add or take away something somewhere in a value."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: draw(changed(value[key]))}
    if isinstance(value, dict) and draw(st.booleans()):
        left = dict(list(value.items())[1:])
        return left | draw(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=1))
    return draw(st.one_of(VALUES, st.sampled_from(WORDS), st.floats(0, 3).map(round).map(float)))


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.booleans(),
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.one_of(
                    st.sampled_from(TYPES), st.lists(st.sampled_from(TYPES), min_size=1, max_size=2)
                ),
                "minimum": st.integers(-1, 1),
                "exclusiveMaximum": st.integers(0, 2),
                "maxLength": st.integers(0, 2),
                "minItems": st.integers(0, 2),
                "minProperties": st.integers(0, 2),
                "uniqueItems": st.booleans(),
                "pattern": st.sampled_from(["^a", "b$", "^[^/]*$"]),
                "not": st.sampled_from([{"pattern": "a"}, {"type": "string", "pattern": "b"}]),
                "enum": st.sampled_from([["a", None], [1, 1.0, True], ["b"]]),
                "const": st.sampled_from(["a", 1, None]),
                "required": st.lists(st.sampled_from(FIELDS), max_size=2, unique=True),
                "oneOf": st.just([{"required": ["a"]}, {"required": ["b"]}]),
                "$ref": st.just("#/$defs/a"),
                "format": st.just("date"),
                "if": st.just({"type": "object"}),
            },
        ),
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "type": st.sampled_from(TYPES),
        },
    ),
    max_leaves=6,
)
SMALL: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, 1, 1.0, 0.5, "a", "b\n", "a/b", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=500)
@given(SCHEMAS, SCHEMAS, SMALL)
def test_what_passes_has_no_error(schema: Any, definition: Any, value: Any) -> None:
    """jsonschema finds nothing in what a gate lets pass, whatever the schema."""
    whole = {**schema, "$defs": {"a": definition}} if isinstance(schema, dict) else schema
    shape = CompiledSchema(whole)
    if shape.passes(value):
        # A validator of its own: that of the shape asks the same gates.
        assert Draft202012Validator(whole, registry=Registry()).is_valid(value)


@settings(max_examples=300)
@given(st.sampled_from([("spec", SPEC), ("config", CONFIG), ("defaults", SPEC)]), st.data())
def test_the_shipped_gates_agree_with_jsonschema(
    case: tuple[str, Any], data: st.DataObject
) -> None:
    """What passes is valid also near right specs and configurations, where patterns matter."""
    name, right = case
    value = data.draw(changed(right))
    shape = shipped_schema(name)
    plain = Draft202012Validator(shape.schema, registry=Registry())
    assert not shape.passes(value) or plain.is_valid(value)


@pytest.mark.parametrize(("name", "value"), [("spec", SPEC), ("config", CONFIG)])
def test_right_values_pass_the_shipped_gates(name: str, value: Any) -> None:
    """Every keyword of the shipped schemas is known, so that what is right costs no time."""
    assert shipped_schema(name).passes(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/a.json"},
        {"anyOf": [{"$dynamicRef": "#gone"}, {}]},
        {"not": {"type": "object"}},
        {"oneOf": [{}, False]},
        {"pattern": "("},
        {"properties": 3},
        {"type": "thing"},
        {"patternProperties": {"a": {}}},
        {"x-other": 1, "multipleOf": 2},
        7,
    ],
)
def test_a_schema_beyond_the_gate_declines_everything(schema: Any) -> None:
    """jsonschema decides, or raises, as if there were no gate."""
    gate = Prechecks(schema).whole
    values: list[Any] = [{}, [], "a", 2, None]
    assert not any(map(gate, values))


@settings(max_examples=200)
@given(SCHEMAS, SCHEMAS, SMALL)
def test_parts_that_pass_are_not_looked_at_again(schema: Any, definition: Any, value: Any) -> None:
    """The violations, their order and places are those of jsonschema, which looks at everything."""
    whole = {**schema, "$defs": {"a": definition}} if isinstance(schema, dict) else schema
    plain = Draft202012Validator(whole, registry=Registry())
    try:
        expected = list_violations(plain, value)
    except RecursionError:
        return  # the definition refers to itself without a step into the value
    assert list_violations(CompiledSchema(whole).validator, value) == expected


@given(data=st.data())
def test_the_shipped_schemas_say_the_same_with_and_without_prechecks(data: st.DataObject) -> None:
    """Also of a spec with one part that is wrong: the usual case."""
    schema = shipped_schema("spec")
    value = data.draw(changed(SPEC))
    plain = Draft202012Validator(schema.schema, registry=Registry())
    assert list_violations(schema.validator, value) == list_violations(plain, value)


def test_a_schema_that_refers_to_itself() -> None:
    """One along the value is followed down it; one that goes nowhere is left to jsonschema."""
    tree = CompiledSchema(
        {
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}},
        }
    )
    assert tree.passes({"a": {"b": {}}})
    assert [one.code for one in find_violations(tree, {"a": {"b": 1}})] == ["wrong-type"]
    loop = CompiledSchema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})
    assert not loop.passes({})
