from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS30Validator

from reconciler.errors import InvalidInputError
from reconciler.openapi.derive import derive, standalone, write_schema
from reconciler.openapi.overlay import merge
from reconciler.openapi.walk import references
from reconciler.resources import schemas_folder

DOCUMENT: dict[str, Any] = json.loads(
    schemas_folder().joinpath("openapi", "workloads-v2-2.23.json").read_bytes()
)
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]

SMALL: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"version": "9.9"},
    "components": {
        "schemas": {
            "Tree": {
                "type": "object",
                "description": "A tree.",
                "properties": {
                    "label": {"$ref": "#/components/schemas/Label"},
                    "child": {"$ref": "#/components/schemas/Tree"},
                },
            },
            "Unused": {"type": "string"},
            "Label": {"type": "string", "nullable": True},
        }
    },
}


def overlay(**recipes: Any) -> dict[str, Any]:
    """Build an overlay whose recipes need no titles of their own."""
    words = {"title": "T", "description": "D"}
    return {"schemas": {name: words | recipe for name, recipe in recipes.items()}}


def test_a_schema_carries_all_that_it_refers_to() -> None:
    """References, also circular ones, end in `$defs` of the same schema, and nothing else does."""
    assert standalone(SMALL, "Tree") == {
        "type": "object",
        "description": "A tree.",
        "properties": {"label": {"$ref": "#/$defs/Label"}, "child": {"$ref": "#/$defs/Tree"}},
        "$defs": {
            "Tree": {
                "type": "object",
                "description": "A tree.",
                "properties": {
                    "label": {"$ref": "#/$defs/Label"},
                    "child": {"$ref": "#/$defs/Tree"},
                },
            },
            "Label": {"type": ["string", "null"]},
        },
    }


def test_a_derived_schema_says_what_it_is() -> None:
    """The head names dialect, identity with the API's version, origin, title and description."""
    schema = derive(SMALL, overlay(label={"component": "Label", "patch": {"maxLength": 3}}))[
        "label"
    ]
    assert write_schema(schema) == (
        "{\n"
        '  "$schema": "https://json-schema.org/draft/2020-12/schema",\n'
        '  "$id": "urn:workload-reconciler:schema:label:9.9",\n'
        '  "$comment": "Derived from the API\'s OpenAPI document and overlay.json; '
        'change those, then run `reconciler schema derive`.",\n'
        '  "title": "T",\n'
        '  "description": "D",\n'
        '  "type": [\n    "string",\n    "null"\n  ],\n'
        '  "maxLength": 3\n'
        "}\n"
    )


def test_a_schema_can_extend_another() -> None:
    """What extends a schema begins with that schema's rules, and leaves them as they are there."""
    schemas = derive(
        SMALL,
        overlay(
            strict={"component": "Label", "patch": {"minLength": 1, "maxLength": 3}},
            loose={"extends": "strict", "patch": {"minLength": None}},
        ),
    )
    rules = {name: schema.keys() & {"minLength", "maxLength"} for name, schema in schemas.items()}
    assert rules == {"strict": {"minLength", "maxLength"}, "loose": {"maxLength"}}


@pytest.mark.parametrize(
    ("document", "rules", "message"),
    [
        ([], overlay(), "OpenAPI document: expected an object, found a list"),
        ({"openapi": "3.2.0"}, overlay(), "#/openapi: expected an OpenAPI document of 3.0 or"),
        ({"swagger": "2.0"}, overlay(), "#/openapi: expected an OpenAPI document of 3.0 or"),
        ({"openapi": "3.0.3"}, overlay(), "#/info: the OpenAPI document has no such section"),
        ({"openapi": "3.0.3", "info": {"version": 2.2}}, overlay(), "#/info/version: the document"),
        (
            {"openapi": "3.0.3", "info": {"version": "1"}},
            overlay(a={"component": "A"}),
            "#/components: the OpenAPI document has no such section",
        ),
        (SMALL, {}, "overlay#/schemas: expected an object, found None"),
        (SMALL, overlay(a={}), "overlay#/schemas/a: exactly one of 'component' and 'extends'"),
        (SMALL, overlay(a={"component": 1}), "overlay#/schemas/a/component: expected a text"),
        (SMALL, overlay(a={"extends": "b"}), "overlay#/schemas/a/extends: no schema before this"),
        (SMALL, overlay(a={"extends": []}), "overlay#/schemas/a/extends: no schema before this"),
        (SMALL, overlay(a={"component": "Label", "ptach": {}}), "overlay#/schemas/a: unknown key"),
        (
            SMALL,
            overlay(a={"component": "Label", "title": ""}),
            "overlay#/schemas/a/title: expected",
        ),
        (
            SMALL,
            overlay(a={"component": "Leaf"}),
            "#/components/schemas/Leaf: the OpenAPI document",
        ),
        (
            SMALL,
            overlay(a={"component": "Tree", "patch": {"$defs": {"Lable": {"maxLength": 3}}}}),
            "overlay#/schemas/a/patch/$defs/Lable: nothing refers to it",
        ),
        (
            SMALL,
            overlay(a={"component": "Tree", "patch": {"items": {"$ref": "#/$defs/Lable"}}}),
            "overlay#/schemas/a: nothing is defined at '#/$defs/Lable'",
        ),
        (
            SMALL,
            overlay(a={"component": "Tree", "patch": {"$defs": {"Label": {"pattern": None}}}}),
            "overlay#/schemas/a/patch/$defs/Label/pattern: the overlay takes away what is not",
        ),
        (
            SMALL,
            overlay(a={"component": "Tree", "patch": {"$defs": {"Label": {"maxLength": "3"}}}}),
            "a#/$defs/Label/maxLength: not a valid JSON Schema",
        ),
        (
            SMALL,
            overlay(a={"component": "Label", "patch": {"pattern": "("}}),
            "a#/pattern: not a valid JSON Schema",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused(document: Any, rules: Any, message: str) -> None:
    """A document or overlay that cannot be followed to the letter is refused by its place."""
    with pytest.raises(InvalidInputError) as refusal:
        derive(document, rules)
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d"}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ],
)
def test_merge_patch(target: Any, patch: Any, expected: Any) -> None:
    """A patch does what RFC 7396 says of its own examples, and leaves its target alone."""
    before = json.dumps(target)
    assert merge(target, patch, "") == expected
    assert json.dumps(target) == before


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
MAPS = st.dictionaries(st.text(max_size=3), SCALARS, max_size=3)
METADATA = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=5)},
    optional={
        "projectId": st.text(max_size=3),
        "priority": st.sampled_from(["high", "urgent", None]),
        "category": st.text(max_size=3) | st.none(),
        "clusterId": SCALARS,
    },
)


def _spoilt(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 7).flatmap(lambda die: good if die else SCALARS | MAPS)


REQUESTS = _spoilt(
    st.fixed_dictionaries(
        {"metadata": _spoilt(METADATA.flatmap(lambda m: st.sampled_from([m, m | {"name": ""}])))},
        optional={
            "manifest": _spoilt(MAPS),
            "manifestBase64Encoded": _spoilt(st.sampled_from(["YTogYgo=", "not base64", ""])),
            "unknown": SCALARS,
        },
    )
)


def _verdicts(component: str) -> tuple[Callable[[Any], bool], Callable[[Any], bool]]:
    openapi = {"$ref": f"#/components/schemas/{component}", "components": DOCUMENT["components"]}
    derived = Draft202012Validator(standalone(DOCUMENT, component))
    return OAS30Validator(openapi).is_valid, derived.is_valid


@given(REQUESTS)
def test_the_bare_create_request_is_the_documents(request_body: Any) -> None:
    """Without the overlay, the create request accepts exactly what the OpenAPI document does."""
    expected, derived = _verdicts("WorkloadV2CreateRequest")
    assert derived(request_body) is expected(request_body)


WORKLOAD: dict[str, Any] = {
    "metadata": {
        "name": "llm-finetune",
        "projectId": "4501",
        "priority": None,
        "id": "0b0c7a1e-2f6b-4d0e-9f0a-1d2f3a4b5c6d",
        "gvk": {"group": "batch", "version": "v1", "kind": "Job"},
        "projectName": "team-a",
        "clusterId": "7d1c2b3a-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "tenantId": 1,
        "departmentId": "2",
        "departmentName": "research",
        "createdAt": "2025-06-01T12:00:00Z",
        "createdBy": "ci",
        "updatedAt": "2025-06-01T12:00:00Z",
        "updatedBy": "ci",
        "deletedAt": None,
    },
    "desiredPhase": "Running",
    "workloadManifest": {"kind": "Job"},
    "rawManifest": {"kind": "Job"},
}
ANSWER: dict[str, Any] = {"workload": WORKLOAD, "syncInfo": {"status": "Synced"}}


@given(
    path=st.sampled_from(["workload", "workload/metadata", "workload/metadata/gvk", "syncInfo"]),
    data=st.data(),
)
def test_the_bare_answer_is_the_documents(path: str, data: st.DataObject) -> None:
    """A workload with any one field changed or missing is judged as the OpenAPI document judges."""
    answer = json.loads(json.dumps(ANSWER))
    place = answer
    for step in path.split("/"):
        place = place[step]
    key = data.draw(st.sampled_from(sorted(place)))
    if data.draw(st.booleans()):
        place[key] = data.draw(SCALARS | MAPS)
    else:
        del place[key]
    expected, derived = _verdicts("WorkloadV2GetResponse")
    assert derived(answer) is expected(answer)


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_every_component_can_be_translated(component: str) -> None:
    """Each component of the shipped document becomes a valid schema that refers to itself only."""
    schema = standalone(DOCUMENT, component)
    Draft202012Validator.check_schema(schema)
    inside = {f"#/$defs/{name}" for name in schema.get("$defs", {})}
    assert {*references(schema)} <= inside
