"""The shape that Kubernetes' own schemas give to its core kinds, and to the pods inside others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from reconciler.kinds.registry import KINDS
from reconciler.resources import schemas_folder
from reconciler.specs.kubernetes.limits import with_limits
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import CompiledSchema, find_violations, quote_value
from reconciler.specs.source.nodes import Step

SCHEMA_FILE = "v1.37.json"

_CODES = {
    "unknown-field": "kubernetes-unknown-field",
    "missing-field": "kubernetes-missing-field",
    "wrong-type": "kubernetes-wrong-type",
}


def check_structure(
    context: CheckContext, value: Any, path: Sequence[Step], shape: CompiledSchema
) -> None:
    """Say what a shape has against a part of a spec, where no rule has said it better."""
    if shape.passes(value):
        return
    for violation in find_violations(shape, without_nulls(value)):
        code = _CODES.get(violation.code, "kubernetes-invalid-value")
        here = (*path, *violation.path)
        if violation.code == "missing-field" or not context.has_reported(here):
            message = violation.message
            if violation.code == "unknown-field":
                message = f"Kubernetes has no field {quote_value(here[-1])} here"
            context.report_violation(violation._replace(code=code, path=here, message=message))


@cache
def definitions() -> dict[str, Any]:
    """The shipped definitions by name."""
    file = schemas_folder().joinpath("kubernetes", SCHEMA_FILE)
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    return loaded


@cache
def definition_schema(definition: str) -> CompiledSchema:
    """Return the shape of one of Kubernetes' own definitions, once per process."""
    return CompiledSchema({"$ref": f"#/$defs/{definition}", "$defs": _limited()})


@cache
def kind_schema(group_kind: tuple[str, str]) -> CompiledSchema:
    """Return the shape of the `spec` of a kind that Kubernetes does not ship."""
    return CompiledSchema(KINDS[group_kind].structure or {})


@cache
def _limited() -> dict[str, Any]:
    return with_limits(definitions())


def without_nulls(value: Any) -> Any:
    """Leave out what is null, which to Kubernetes are fields that were left out."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value
