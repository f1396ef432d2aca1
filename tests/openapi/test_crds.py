from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.kinds.registry import KINDS
from reconciler.openapi.crds import custom_kinds, translate
from reconciler.resources import crd_file_name, crd_text
from reconciler.specs.kubernetes.object_schemas import compile_crd
from reconciler.specs.kubernetes.structure import without_nulls
from reconciler.specs.schema.compiled_schema import CompiledSchema
from tests.openapi.apiserver import accepts
from tests.support.mistakes.manifests import manifests
from tests.support.mistakes.ways import WAYS
from tools.derive_crds import derive, read_kept

CRDS = read_kept()
CUSTOM = [(kind, manifest) for kind, _, manifest in manifests() if kind in CRDS]

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("integer")},
        optional={
            "format": st.sampled_from(["int32", "int64"]),
            "minimum": st.integers(-1, 1),
            "exclusiveMinimum": st.booleans(),
            "maximum": st.integers(0, 2),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "enum": st.just(["a", "b"]),
            "minLength": st.integers(0, 2),
            "pattern": st.just("^a"),
            "default": st.just("a"),
        },
    ),
    st.just({"type": "boolean"}),
    st.just(
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    ),
    st.just({"x-kubernetes-preserve-unknown-fields": True}),
    st.just({"type": "object"}),
    st.just({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
            optional={
                "required": st.lists(NAMES, max_size=2, unique=True),
                "x-kubernetes-preserve-unknown-fields": st.just(True),
                "maxProperties": st.integers(0, 2),
                "oneOf": st.just([{"required": ["a"]}, {"required": ["b"]}]),
            },
        ),
        st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner}),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.integers(0, 1), "x-kubernetes-list-type": st.just("set")},
        ),
    ),
    max_leaves=6,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.sampled_from(["a", "b", "", "ab", "7"]),
        st.integers(-2, 3),
        st.booleans(),
        st.none(),
        st.sampled_from([2**31, 0.5]),
    ),
    lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=6,
)


@settings(max_examples=300)
@given(schema=SCHEMAS, value=VALUES)
def test_a_translated_schema_accepts_what_the_api_server_accepts(schema: Any, value: Any) -> None:
    """It does if and only if the server does, which drops null and fills in defaults."""
    translated = Draft202012Validator(translate(schema))
    # In a list null is a value, and nobody writes one there.
    if "null" not in json.dumps(_lists(value)):
        assert translated.is_valid(without_nulls(value)) is accepts(schema, value)


def _lists(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [*value, *(part for item in value for part in _lists(item))]
    return (
        [part for item in value.values() for part in _lists(item)]
        if isinstance(value, dict)
        else []
    )


@cache
def shipped(kind: str) -> CompiledSchema:
    """The shipped schema of a kind, without the limits that no definition has."""
    version, _, name = kind.rpartition("/")
    text = crd_text(version, name)
    assert text
    return compile_crd(json.loads(text), limited=False)


@pytest.mark.parametrize("kind", CRDS)
def test_the_shipped_schemas_follow_from_the_definitions(kind: str) -> None:
    """Each is what the tool writes for the definition that it comes from."""
    version, _, name = kind.rpartition("/")
    group, _, number = version.partition("/")
    crd = {
        "spec": {
            "group": group,
            "names": {"kind": name},
            "versions": [{"name": number, "schema": {"openAPIV3Schema": CRDS[kind]}}],
        }
    }
    text = crd_text(version, name)
    assert text
    whole = json.loads(text)
    terms = whole["$comment"].partition("(")[2].partition(")")[0]
    made = derive(custom_kinds(crd, name), whole["x-origin"], terms)
    assert made == {crd_file_name(version, name): text.encode()}


def test_each_kind_with_a_definition_has_a_schema() -> None:
    """And each schema a definition; what is missing belongs to services that publish none."""
    custom = {
        f"{version}/{kind.name}"
        for kind in KINDS.values()
        if not kind.is_core
        for version in kind.api_versions
    }
    assert {name.rpartition("/")[2] for name in custom - CRDS.keys()} == {
        *("AMLJob", "SPOTRequest", "ScheduledWorkflow")
    }
    assert CRDS.keys() <= custom


@settings(max_examples=150)
@given(case=st.sampled_from(CUSTOM), way=st.sampled_from(sorted(WAYS)), seed=st.integers(0, 9))
def test_the_shipped_schemas_accept_what_the_definitions_accept(
    case: tuple[str, Any], way: str, seed: int
) -> None:
    """Nothing that the API server takes is an error; outside of pods nothing else is taken.

    In pods the schemas are newer than what an operator has copied, and amounts are read by a rule.
    """
    kind, manifest = case
    assert accepts(CRDS[kind], manifest, is_object=True)
    assert shipped(kind).validator.is_valid(manifest)
    planted = WAYS[way].plant(manifest, Random(seed))  # noqa: S311 - drawn by seed
    # The head of an object is not in its definition.
    if planted is None or planted.paths[0][:1] in (("metadata",), ("apiVersion",), ("kind",)):
        return
    value = without_nulls(planted.manifest)
    expected = accepts(CRDS[kind], value, is_object=True)
    is_taken = shipped(kind).validator.is_valid(value)
    assert is_taken or not expected
    is_left_to_rules = planted.is_in_pod or "resources" in planted.paths[0]
    assert is_left_to_rules or is_taken is expected
