"""The shape that Kubernetes' own schemas give to its core kinds, and to the pods inside others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from jsonschema.protocols import Validator

from reconciler.resources import schemas_folder
from reconciler.specs.nodes import Step
from reconciler.specs.shapes import find_breaches, make_validator, show
from reconciler.specs.sheet import Sheet

SCHEMA_FILE = "v1.37.json"

_CODES = {
    "unknown-field": "kubernetes-unknown-field",
    "missing-field": "kubernetes-missing-field",
    "wrong-type": "kubernetes-wrong-type",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def check_structure(sheet: Sheet, value: Any, path: Sequence[Step], definition: str) -> None:
    """Say what a definition has against a part of a spec, where no rule has said it better."""
    known = definitions()
    if fits(known[definition], value, known):
        return
    for breach in find_breaches(validator_of(definition), without_nulls(value)):
        code = _CODES.get(breach.code, "kubernetes-invalid-value")
        here = (*path, *breach.path)
        if breach.code == "missing-field" or not sheet.has_said(here):
            message = breach.message
            if breach.code == "unknown-field":
                message = f"Kubernetes has no field {show(here[-1])} here"
            sheet.say_breach(replace(breach, code=code, path=here, message=message))


@cache
def definitions() -> dict[str, Any]:
    """The shipped definitions by name."""
    file = schemas_folder().joinpath("kubernetes", SCHEMA_FILE)
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    return loaded


def fits(schema: dict[str, Any], value: Any, known: dict[str, Any]) -> bool:
    """Whether a value is beyond doubt what a schema wants.

    This decides in microseconds about what is right, which most manifests are; what it declines
    is left to jsonschema. It knows the few keywords that the shipped definitions use.
    """
    if (reference := schema.get("$ref")) is not None:
        schema = known[reference[8:]]
    if value is None or not schema:
        return not schema
    kinds = schema["type"]
    here = type(value)
    if here not in _TYPES[kinds] if type(kinds) is str else not _is_one_of(here, kinds):
        return False
    if here is dict:
        return _fits_fields(schema, value, known)
    if here is list:
        items = schema.get("items", {})
        return all(fits(items, one, known) for one in value)
    return _fits_bounds(schema, value)


def _is_one_of(kind: type, names: list[str]) -> bool:
    return any(kind in _TYPES[name] for name in names)


def _fits_fields(schema: dict[str, Any], value: dict[str, Any], known: dict[str, Any]) -> bool:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, one in value.items():
        field = fields.get(name, others)
        if field is False or not fits(field, one, known):
            return False
    return value.keys() >= set(schema.get("required", ()))


def _fits_bounds(schema: dict[str, Any], value: Any) -> bool:
    if "enum" in schema and value not in schema["enum"]:
        return False
    return "minimum" not in schema or bool(schema["minimum"] <= value <= schema["maximum"])


@cache
def validator_of(definition: str) -> Validator:
    """Build the validator of one definition, once per process."""
    return make_validator({"$ref": f"#/$defs/{definition}", "$defs": definitions()})


def without_nulls(value: Any) -> Any:
    """Leave out what is null, which to Kubernetes are fields that were left out."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value
