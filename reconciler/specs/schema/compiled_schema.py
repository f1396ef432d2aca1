"""What a JSON Schema has against a value, in the words of one likely mistake each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.resources import load_schema
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS
from reconciler.specs.schema.notes import collect_notes
from reconciler.specs.schema.schema_precheck import make_precheck
from reconciler.specs.source.nodes import Step
from reconciler.specs.source.quoting import quote

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# A jsonschema.ValidationError; its type stubs mix an internal sentinel into every attribute.
Fault = Any


class SchemaViolation(NamedTuple):
    """One violation: at a path, pointing at its key or at its value.

    `wants_quotes` where a string is wanted, and the value as written would be one in quotes.
    `notes` are the `x-` keys of the part of the schema that is violated and of those around it.
    """

    code: str
    message: str
    path: tuple[Step, ...]
    hint: str = ""
    at_key: bool = False
    wants_quotes: bool = False
    notes: Mapping[str, str] = MappingProxyType({})


class CompiledSchema:
    """A schema. Only what its gate declines is worth loading jsonschema, which takes long."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self._gate = make_precheck(schema)

    @cached_property
    def validator(self) -> Validator:
        """A validator that never fetches a remote reference; building one costs milliseconds."""
        from jsonschema import Draft202012Validator
        from referencing import Registry

        registry: Registry[Any] = Registry()
        return Draft202012Validator(self.schema, registry=registry)

    def passes(self, value: Any) -> bool:
        """Whether a value is beyond doubt what the schema wants."""
        try:
            return self._gate(value)
        except RecursionError:
            return False


@cache
def shipped_schema(name: str) -> CompiledSchema:
    """Return the shape of a shipped schema, once per process."""
    return CompiledSchema(load_schema(name))


def find_violations(shape: CompiledSchema, value: Any) -> list[SchemaViolation]:
    """Everything that a schema has against a value; several complaints about one place are one."""
    return [] if shape.passes(value) else list_violations(shape.validator, value)


def list_violations(validator: Validator, value: Any) -> list[SchemaViolation]:
    """The same by a validator, which takes its time over what is right as well."""
    found: dict[tuple[Any, ...], SchemaViolation] = {}
    for error in validator.iter_errors(value):
        notes = collect_notes(validator.schema, error.absolute_schema_path)
        for violation in _explain(error):
            # A name that is no string, or breaks two patterns, is one mistake.
            key = (violation.path, violation.at_key, violation.message if violation.at_key else "")
            if key not in found or _RANK[violation.code] < _RANK[found[key].code]:
                found[key] = violation._replace(notes=notes) if notes else violation
            if len(found) > MOST_DIAGNOSTICS:
                return list(found.values())
    return list(found.values())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the closest of some words, or nothing."""
    from difflib import get_close_matches

    lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return f"did you mean '{lower[close[0]]}'?" if close else ""


def quote_value(value: Any) -> str:
    """Write a value as its author would recognise it, without secrets, and shortened."""
    if isinstance(value, str):
        return f"'{quote(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return str(value) if isinstance(value, int | float) else type_name(value)


def type_name(value: Any) -> str:
    """The type of a value in plain words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "a mapping"


_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
# A longer list is no help to anybody.
_MOST_LISTED = 12
_RANK = {
    "wrong-type": 0,
    "project-choice": 1,
    "manifest-choice": 1,
    "invalid-value": 2,
    "unknown-field": 3,
    "missing-field": 3,
}


def _explain(error: Fault) -> Iterator[SchemaViolation]:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield _invalid(error, path)._replace(path=(*path, error.instance), at_key=True)
        return
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_fields(error, path)
        case "required":
            yield from _missing_fields(error, path)
        case "type":
            yield _wrong_type(error, path)
        case "enum" | "const":
            yield _not_listed(error, path)
        case "anyOf" | "oneOf":
            yield from _alternatives(error, path)
        case _:
            yield _invalid(error, path)


def _unknown_fields(error: Fault, path: tuple[Step, ...]) -> Iterator[SchemaViolation]:
    known = list(error.schema.get("properties", {}))
    patterns = error.schema.get("patternProperties", {})
    for name in error.instance:
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        listed = f"known here: {', '.join(known)}" if 0 < len(known) <= _MOST_LISTED else ""
        yield SchemaViolation(
            code="unknown-field",
            message=f"unknown field {quote_value(name)}",
            path=(*path, name),
            hint=did_you_mean(name, known) or listed,
            at_key=True,
        )


def _missing_fields(error: Fault, path: tuple[Step, ...]) -> Iterator[SchemaViolation]:
    for name in error.validator_value:
        if name not in error.instance:
            inside = f" in '{path[-1]}'" if path and isinstance(path[-1], str) else ""
            yield SchemaViolation(
                code="missing-field",
                message=f"the field '{name}' is missing{inside}",
                path=path,
                at_key=True,
            )


def _wrong_type(error: Fault, path: tuple[Step, ...]) -> SchemaViolation:
    wanted = error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    expected = " or ".join(_TYPE_NAMES.get(name, name) for name in names)
    value = error.instance
    shown = type_name(value)
    if isinstance(value, bool | int | float | str) and value != "":
        shown = f"{shown.replace('a ', 'the ', 1)} {quote_value(value)}"
    subject = f"'{path[-1]}' must be" if path and isinstance(path[-1], str) else "this must be"
    message = f"{subject} {expected}, not {shown}"
    return SchemaViolation(
        code="wrong-type",
        message=message,
        path=path,
        hint=_type_hint(names, value),
        wants_quotes="string" in names and isinstance(value, bool | int | float),
    )


def _type_hint(names: list[str], value: Any) -> str:
    if "boolean" in names and isinstance(value, str):
        if value.lower() in {"yes", "on", "y", "true"}:
            return "write true"
        if value.lower() in {"no", "off", "n", "false"}:
            return "write false"
    if not {"integer", "number"}.isdisjoint(names) and isinstance(value, str) and value.isdecimal():
        return "remove the quotes"
    return ""


def _not_listed(error: Fault, path: tuple[Step, ...]) -> SchemaViolation:
    is_enum = error.validator == "enum"
    allowed = error.validator_value if is_enum else [error.validator_value]
    words = [one for one in allowed if isinstance(one, str)]
    suggestion = did_you_mean(error.instance, words) if isinstance(error.instance, str) else ""
    listed = ", ".join(
        quote_value(one) if one is None else str(one) for one in allowed if one != ""
    )
    subject = f" as '{path[-1]}'" if path and isinstance(path[-1], str) else ""
    return SchemaViolation(
        code="invalid-value",
        message=f"{quote_value(error.instance)} is not allowed{subject}",
        path=path,
        hint="; ".join(part for part in (suggestion, f"allowed: {listed}") if part),
    )


def _invalid(error: Fault, path: tuple[Step, ...]) -> SchemaViolation:
    subject = f" as '{path[-1]}'" if path and isinstance(path[-1], str) else ""
    message = f"{quote_value(error.instance)} is not allowed{subject}"
    reason = _REASONS.get(str(error.validator))
    if reason is not None:
        message += f": {reason.format(error.validator_value)}"
    hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    return SchemaViolation(code="invalid-value", message=message, path=path, hint=hint)


_REASONS = {
    "minLength": "it has fewer than {} characters",
    "maxLength": "it has more than {} characters",
    "minimum": "it is less than {}",
    "maximum": "it is more than {}",
    "exclusiveMinimum": "it is not more than {}",
    "exclusiveMaximum": "it is not less than {}",
    "multipleOf": "it is no multiple of {}",
    "minItems": "it has fewer than {} items",
    "maxItems": "it has more than {} items",
    "minProperties": "it has fewer than {} fields",
    "maxProperties": "it has more than {} fields",
    "uniqueItems": "an item appears twice",
    "format": "it is no {}",
}


def _alternatives(error: Fault, path: tuple[Step, ...]) -> Iterator[SchemaViolation]:
    names = _exclusive_names(error.validator_value)
    if names:
        # What is no mapping at all has its own finding.
        if isinstance(error.instance, dict):
            yield _choice(names, error.instance, path)
        return
    branches: dict[Any, list[Fault]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    if not branches:
        yield _invalid(error, path)._replace(
            message=f"{quote_value(error.instance)} matches two forms"
        )
        return
    # Who wrote a mapping meant the branch for mappings: the one that got furthest inside.
    likely = max(branches.values(), key=_progress)
    for inner in likely:
        yield from _explain(inner)


def _progress(errors: list[Fault]) -> tuple[int, int, int]:
    wrong_kind = any(error.validator == "type" and not error.path for error in errors)
    return (0 if wrong_kind else 1, max(len(error.path) for error in errors), -len(errors))


def _exclusive_names(branches: Any) -> tuple[str, ...]:
    """The field names of `oneOf: [{required: [a]}, {required: [b]}]`."""
    if not all(isinstance(one, dict) and list(one) == ["required"] for one in branches):
        return ()
    return tuple(name for one in branches for name in one["required"])


_CHOICES = {"projectId": "project-choice", "manifest": "manifest-choice"}


def _choice(names: tuple[str, ...], value: Any, path: tuple[Step, ...]) -> SchemaViolation:
    code = next((_CHOICES[name] for name in names if name in _CHOICES), "invalid-value")
    listed = ", ".join(f"'{name}'" for name in names[:-1]) + f" or '{names[-1]}'"
    given = [name for name in value if name in names]
    if not given:
        return SchemaViolation(
            code=code, message=f"one of {listed} is missing", path=path, at_key=True
        )
    both = " and ".join(f"'{name}'" for name in given)
    return SchemaViolation(
        code=code,
        message=f"{both} exclude each other",
        path=(*path, given[-1]),
        hint=f"keep one of {listed}",
        at_key=True,
    )
