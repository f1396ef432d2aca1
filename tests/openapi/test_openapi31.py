"""Documents of OpenAPI 3.1, and documents that write their schemas where they are used."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS31Validator

from reconciler.cli.main import cli
from reconciler.errors import InvalidInputError
from reconciler.openapi.derive import derive, standalone
from reconciler.openapi.translate31 import translate_3_1
from reconciler.resources import load_schema, schemas_folder

OVERLAY: Any = json.loads(schemas_folder().joinpath("overlay.json").read_bytes())
DERIVED = [*OVERLAY["schemas"]]


def shipped(version: str) -> dict[str, Any]:
    """An OpenAPI document that ships."""
    file = schemas_folder().joinpath("openapi", f"workloads-v2-{version}.json")
    document: dict[str, Any] = json.loads(file.read_bytes())
    return document


LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["array", "integer", "object", "string", ["string", "null"]]),
        "enum": st.lists(st.sampled_from(["a", 1, None]), min_size=1, unique_by=repr),
        "const": st.sampled_from(["a", None]),
        "exclusiveMinimum": st.integers(0, 2),
        "minLength": st.integers(0, 2),
        "example": st.just("anything"),
        "nullable": st.booleans(),
        "xml": st.just({"name": "x"}),
        "x-order": st.just(1),
    },
)
REFERENCES = st.builds(
    lambda name, beside: {"$ref": f"#/components/schemas/{name}"} | beside,
    st.sampled_from(["Root", "Other"]),
    LEAVES,
)


def _grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from("ab"), inner | st.booleans(), max_size=2)
    composed = st.fixed_dictionaries(
        {},
        optional={
            "properties": fields,
            "patternProperties": fields,
            "dependentSchemas": fields,
            "propertyNames": inner,
            "required": st.lists(st.sampled_from("ab"), min_size=1, unique=True),
            "additionalProperties": st.booleans() | inner,
            "unevaluatedProperties": st.booleans() | inner,
            "items": inner | REFERENCES,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )
    return st.builds(lambda leaf, more: leaf | more, LEAVES, composed)


INSTANCES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 4) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(root=st.recursive(LEAVES, _grow, max_leaves=6), other=LEAVES, instance=INSTANCES)
def test_what_is_taken_over_accepts_the_same(root: Any, other: Any, instance: Any) -> None:
    """A schema of 3.1 accepts a document afterwards if and only if it did so before."""
    components = {"schemas": {"Root": root, "Other": other}}
    openapi = {"$ref": "#/components/schemas/Root", "components": components}
    taken_over = standalone({"openapi": "3.1.0", "components": components}, "Root")
    expected = OAS31Validator(openapi).is_valid(instance)
    assert Draft202012Validator(taken_over).is_valid(instance) is expected


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"$dynamicRef": "#a"}, "#/properties/x/$dynamicRef: '$dynamicRef' cannot be taken over"),
        ({"$defs": {}}, "#/properties/x/$defs: '$defs' cannot be taken over"),
        ({"$id": "a"}, "#/properties/x/$id: '$id' cannot be taken over"),
        ({"$ref": "a.json"}, "#/properties/x/$ref: the reference 'a.json' leads out of"),
        ({"allOf": {}}, "#/properties/x/allOf: expected a list"),
        ({"items": 1}, "#/properties/x/items: expected an object"),
    ],
)
def test_what_cannot_be_taken_over(part: Any, message: str) -> None:
    """It is refused by its place: a derived schema stands alone."""
    with pytest.raises(InvalidInputError) as refusal:
        translate_3_1({"properties": {"x": part}}, "#")
    assert refusal.value.message.startswith(message)


def as_3_1(value: Any) -> Any:
    """The same document in the language of 3.1."""
    if isinstance(value, list):
        return [as_3_1(item) for item in value]
    if not isinstance(value, dict):
        return value
    other = {key: as_3_1(item) for key, item in value.items() if key != "nullable"}
    if value.get("nullable") is True and isinstance(value.get("type"), str):
        other["type"] = [value["type"], "null"]
    if value.get("format") == "byte":
        del other["format"]
        other["contentEncoding"] = "base64"
    return other


def inlined(document: dict[str, Any]) -> dict[str, Any]:
    """The same document without components: everything stands where it is used."""

    def put_in(value: Any) -> Any:
        if isinstance(value, list):
            return [put_in(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("$ref"), str):
            target: Any = document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return put_in(target)
        return {key: put_in(item) for key, item in value.items()}

    return {key: put_in(part) for key, part in document.items() if key != "components"}


def resolved(value: Any, definitions: dict[str, Any]) -> Any:
    """A schema with everything that it refers to in place, and without words and comments."""
    if isinstance(value, list):
        return [resolved(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    words = {key for key in ("$comment", "description") if isinstance(value.get(key), str)}
    own = {
        key: resolved(item, definitions)
        for key, item in value.items()
        if key not in {"$defs", "$id", "$ref", *words}
    }
    if not isinstance(reference := value.get("$ref"), str):
        return own
    return resolved(definitions[reference.removeprefix("#/$defs/")], definitions) | own


@pytest.mark.parametrize("version", ["2.23", "2.24", "2.25", "3.0"])
@pytest.mark.parametrize(
    "form",
    [
        lambda document: as_3_1(document) | {"openapi": "3.1.0"},
        inlined,
        lambda document: inlined(as_3_1(document)) | {"openapi": "3.1.0"},
    ],
    ids=["3.1", "inline", "3.1 and inline"],
)
def test_every_form_of_a_document_means_the_same(version: str, form: Any) -> None:
    """In 3.1, inline, or both: the schemas that follow are those that ship."""
    document = shipped(version)
    expected = derive(document, OVERLAY)
    derived = derive(form(copy.deepcopy(document)), OVERLAY)
    assert [*derived] == [*expected]
    for name, one in expected.items():
        assert resolved(derived[name], derived[name].get("$defs", {})) == resolved(
            one, one.get("$defs", {})
        )


def test_definitions_under_other_names() -> None:
    """A publisher that renumbers its components changes nothing."""
    text = json.dumps(shipped("3.0"))
    for name in ("ProjectId", "PriorityClass", "Manifest", "WorkloadV2CreateRequest"):
        text = text.replace(f'"{name}":', f'"{name}7":').replace(f'/{name}"', f'/{name}7"')
    derived = derive(json.loads(text), OVERLAY)["create-request"]
    expected = load_schema("create-request")
    assert resolved(derived, derived["$defs"]) == resolved(expected, expected["$defs"])


def test_a_name_at_a_place_that_is_not_there() -> None:
    """The overlay and the document have come apart, which is said."""
    document = shipped("2.24")
    del document["components"]["schemas"]["WorkloadV2MetadataCreateParams"]["properties"]["name"]
    with pytest.raises(InvalidInputError) as refusal:
        derive(document, OVERLAY)
    assert refusal.value.message == (
        "overlay#/schemas/create-request/named/WorkloadName: the document has nothing there"
    )


def test_references_that_lead_round() -> None:
    """They are no schema, and nobody follows them for ever."""
    document = inlined(shipped("3.0"))
    document["components"] = {
        "schemas": {
            "A": {"$ref": "#/components/schemas/B"},
            "B": {"$ref": "#/components/schemas/A"},
        }
    }
    content = document["paths"]["/api/v2/workloads"]["post"]["requestBody"]["content"]
    content["application/json"]["schema"] = {"$ref": "#/components/schemas/A"}
    with pytest.raises(InvalidInputError, match="WorkloadV2CreateRequest: the OpenAPI document"):
        derive(document, OVERLAY)


def test_a_document_called_latest(tmp_path: Path) -> None:
    """A publisher whose version has no number is taken at its word; YAML does as well."""
    document = inlined(as_3_1(shipped("3.0"))) | {"openapi": "3.1.0"}
    document["info"]["version"] = "latest"
    (tmp_path / "api.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    out = tmp_path / "out"
    result = CliRunner().invoke(
        cli, ["schema", "import", str(tmp_path / "api.yaml"), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert (out / "openapi" / "workloads-v2-latest.json").is_file()
    identity = json.loads((out / "spec.schema.json").read_bytes())["$id"]
    assert identity == "urn:workload-reconciler:schema:spec:latest"
