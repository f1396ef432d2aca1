"""Kubernetes' own schemas of its core kinds, and of the pods inside others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Severity
from reconciler.kinds.registry import KINDS
from reconciler.resources import schemas_folder
from reconciler.specs.kubernetes.limits import with_limits
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import (
    CompiledSchema,
    SchemaViolation,
    find_violations,
    quote_value,
)
from reconciler.specs.schema.schema_precheck import Precheck
from reconciler.specs.source.nodes import Step

SCHEMA_FILE = "v1.37.json"

# The note in a schema that names what it is taken from.
ORIGIN = "x-origin"

_CODES = {
    "unknown-field": "kubernetes-unknown-field",
    "missing-field": "kubernetes-missing-field",
    "wrong-type": "kubernetes-wrong-type",
}


def check_structure(
    context: CheckContext,
    value: Any,
    path: Sequence[Step],
    schema: CompiledSchema,
    *,
    lenient: bool = False,
) -> None:
    """Report the violations of a schema by a part of a spec, unless a rule has reported there.

    A field that the schema does not have is a warning where that is `lenient`.
    """
    # The copy without nulls is only made where the precheck declines.
    if schema.passes(value):
        return
    for violation in find_violations(schema, without_nulls(value)):
        violation_path = (*path, *violation.path)
        if violation.code == "missing-field" or not context.has_reported(violation_path):
            is_accepted = lenient and violation.code == "unknown-field"
            context.report_violation(
                violation._replace(
                    code=_CODES.get(violation.code, "kubernetes-invalid-value"),
                    path=violation_path,
                    message=_message(violation),
                ),
                severity=Severity.WARNING if is_accepted else None,
            )


def _message(violation: SchemaViolation) -> str:
    if violation.code != "unknown-field":
        return violation.message
    origin = violation.notes.get(ORIGIN, "Kubernetes")
    return f"{origin} has no field {quote_value(violation.path[-1])} here"


@cache
def _shipped() -> dict[str, Any]:
    file = schemas_folder().joinpath("kubernetes", SCHEMA_FILE)
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def definitions() -> dict[str, Any]:
    """The shipped definitions by name."""
    loaded: dict[str, Any] = _shipped()["$defs"]
    return loaded


class CoreShapes(NamedTuple):
    """Kubernetes' definitions as schemas refer to them, and their prechecks as `Prechecks` has.

    With limits they say what the API server asks of values, beside what is published.
    """

    definitions: Mapping[str, Any]
    prechecks: dict[str, Precheck | None]


@cache
def core_shapes(*, limited: bool = True) -> CoreShapes:
    """The shipped definitions with their origin, and with limits unless they are not wanted."""
    origin = f"Kubernetes {_shipped()['release']}"
    shapes = with_limits(definitions()) if limited else definitions()
    return CoreShapes(
        definitions={name: {**shape, ORIGIN: origin} for name, shape in shapes.items()},
        prechecks=dict.fromkeys(shapes),
    )


@cache
def definition_schema(name: str) -> CompiledSchema:
    """Return the schema of one of Kubernetes' own definitions, compiled once per process."""
    core = core_shapes()
    return CompiledSchema({"$ref": f"#/$defs/{name}", "$defs": core.definitions}, core.prechecks)


@cache
def kind_schema(group_kind: tuple[str, str]) -> CompiledSchema:
    """Return what the operator of a kind is sure to refuse in `spec`, beyond its CRD."""
    return CompiledSchema(KINDS[group_kind].structure or {})


def without_nulls(value: Any) -> Any:
    """Leave out fields that are null, as the API server does before it checks an object."""
    if isinstance(value, dict):
        return {key: without_nulls(field) for key, field in value.items() if field is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
