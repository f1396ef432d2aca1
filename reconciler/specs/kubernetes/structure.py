"""Kubernetes' own schemas of its core kinds, and of the pods inside others."""

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
    context: CheckContext, value: Any, path: Sequence[Step], schema: CompiledSchema
) -> None:
    """Report the violations of a schema by a part of a spec, unless a rule has reported there."""
    # The copy without nulls is only made where the precheck declines.
    if schema.passes(value):
        return
    for violation in find_violations(schema, without_nulls(value)):
        code = _CODES.get(violation.code, "kubernetes-invalid-value")
        violation_path = (*path, *violation.path)
        if violation.code == "missing-field" or not context.has_reported(violation_path):
            message = violation.message
            if violation.code == "unknown-field":
                message = f"Kubernetes has no field {quote_value(violation_path[-1])} here"
            context.report_violation(
                violation._replace(code=code, path=violation_path, message=message)
            )


@cache
def definitions() -> dict[str, Any]:
    """The shipped definitions by name."""
    file = schemas_folder().joinpath("kubernetes", SCHEMA_FILE)
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    return loaded


@cache
def _limited_definitions() -> dict[str, Any]:
    return with_limits(definitions())


@cache
def definition_schema(name: str) -> CompiledSchema:
    """Return the schema of one of Kubernetes' own definitions, compiled once per process."""
    return CompiledSchema({"$ref": f"#/$defs/{name}", "$defs": _limited_definitions()})


@cache
def kind_schema(group_kind: tuple[str, str]) -> CompiledSchema:
    """Return the schema of the `spec` of a kind that Kubernetes does not ship."""
    return CompiledSchema(KINDS[group_kind].structure or {})


def without_nulls(value: Any) -> Any:
    """Leave out fields that are null, as the API server does before it checks an object."""
    if isinstance(value, dict):
        return {key: without_nulls(field) for key, field in value.items() if field is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
