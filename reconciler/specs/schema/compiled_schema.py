"""The violations of a JSON Schema by a value, each told as one likely mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.resources import load_schema
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS
from reconciler.specs.schema.notes import collect_notes
from reconciler.specs.schema.schema_precheck import Precheck, Prechecks
from reconciler.specs.source.nodes import Step
from reconciler.specs.source.quoting import quote

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# A jsonschema.ValidationError; its type stubs mix an internal sentinel into every attribute.
SchemaError = Any


class SchemaViolation(NamedTuple):
    """One violation: at a path, pointing at its key or at its value.

    `wants_quotes` says that a string is expected, and that quotes would make the value one.
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
    """A schema with its precheck; jsonschema, which is slow to load, is only asked after that."""

    def __init__(self, schema: Any, shared: dict[str, Precheck | None] | None = None) -> None:
        """Keep a schema; `shared` is what `Prechecks` says."""
        self.schema = schema
        self._prechecks = Prechecks(schema, shared)

    @cached_property
    def validator(self) -> Validator:
        """A validator that never fetches a remote reference; building one costs milliseconds."""
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend
        from referencing import Registry

        # An empty one: jsonschema's own would fetch what a reference names.
        registry: Registry[Any] = Registry()
        # It says what is wrong with a part, and takes many times as long for those that are right.
        quicker = {"properties": self._find_in_fields, "items": self._find_in_items}
        make: Any = extend(Draft202012Validator, quicker)  # type: ignore[no-untyped-call] # no stub
        validator: Validator = make(self.schema, registry=registry)
        return validator

    def _find_in_fields(
        self, validator: Any, fields: Mapping[str, Any], value: Any, _: Any
    ) -> Iterator[SchemaError]:
        for name, part in fields.items() if isinstance(value, dict) else ():
            if name in value and not self._part_passes(part, value[name]):
                yield from validator.descend(value[name], part, path=name, schema_path=name)

    def _find_in_items(
        self, validator: Any, part: Any, value: Any, schema: Mapping[str, Any]
    ) -> Iterator[SchemaError]:
        if isinstance(part, bool):
            # No item at all, or any: jsonschema says the one in words of its own.
            from jsonschema import Draft202012Validator

            yield from Draft202012Validator.VALIDATORS["items"](validator, part, value, schema)
            return
        first = len(schema.get("prefixItems", ()))
        for index, item in enumerate(value) if isinstance(value, list) else ():
            if index >= first and not self._part_passes(part, item):
                yield from validator.descend(item, part, path=index)

    def _part_passes(self, part: Any, value: Any) -> bool:
        try:
            return self._prechecks.of(part)(value)
        except RecursionError:
            return False

    def passes(self, value: Any) -> bool:
        """Whether a value is valid beyond doubt; False says that jsonschema has to decide."""
        try:
            return self._prechecks.whole(value)
        except RecursionError:
            # A schema that refers to itself without a step into the value.
            return False


@cache
def shipped_schema(name: str, folder: str = "") -> CompiledSchema:
    """Return a shipped schema, the newest or a folder's, compiled once per process."""
    return CompiledSchema(load_schema(name, folder))


def find_violations(schema: CompiledSchema, value: Any) -> list[SchemaViolation]:
    """Every violation by a value; several complaints about one place are one."""
    return [] if schema.passes(value) else list_violations(schema.validator, value)


def list_violations(validator: Validator, value: Any) -> list[SchemaViolation]:
    """The same by a validator alone, which is slow for a valid value as well."""
    violations: dict[tuple[Any, ...], SchemaViolation] = {}
    for error in validator.iter_errors(value):
        # The validator's own schema: that of the error is only the part that is violated.
        notes = collect_notes(validator.schema, error.absolute_schema_path)
        for violation in _explain(error):
            # A name that is no string, or breaks two patterns, is one mistake.
            key = (violation.path, violation.at_key, violation.message if violation.at_key else "")
            if key not in violations or _RANK[violation.code] < _RANK[violations[key].code]:
                violations[key] = violation._replace(notes=notes) if notes else violation
            if len(violations) > MOST_DIAGNOSTICS:
                return list(violations.values())
    return list(violations.values())


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Suggest the closest of the choices, or nothing."""
    # Loaded here, since most runs have nothing to suggest.
    from difflib import get_close_matches

    lower = {name.lower(): name for name in choices}
    close = get_close_matches(word.lower(), list(lower), n=1, cutoff=0.6)
    return f"did you mean '{lower[close[0]]}'?" if close else ""


def quote_value(value: Any) -> str:
    """Write a value as its author would recognise it, without secrets, and shortened."""
    if isinstance(value, str):
        return f"'{quote(value)}'"
    # Before the numbers: a bool is an int to Python.
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
# Of several complaints about one place the first of these is told: a value of the wrong type
# violates what is said about its content as well.
_RANK = {
    "wrong-type": 0,
    "project-choice": 1,
    "manifest-choice": 1,
    "invalid-value": 2,
    "unknown-field": 3,
    "missing-field": 3,
}


def _explain(error: SchemaError) -> Iterator[SchemaViolation]:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield _invalid(error, path)._replace(path=(*path, error.instance), at_key=True)
        return
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_fields(error, path)
        case "required":
            parent = f" in '{path[-1]}'" if path and isinstance(path[-1], str) else ""
            for name in error.validator_value:
                if name not in error.instance:
                    message = f"the field '{name}' is missing{parent}"
                    yield SchemaViolation("missing-field", message, path, at_key=True)
        case "type":
            yield _wrong_type(error, path)
        case "enum" | "const":
            yield _value_outside_choices(error, path)
        case "anyOf" | "oneOf":
            yield from _no_alternative(error, path)
        case _:
            yield _invalid(error, path)


def _unknown_fields(error: SchemaError, path: tuple[Step, ...]) -> Iterator[SchemaViolation]:
    fields = list(error.schema.get("properties", {}))
    patterns = error.schema.get("patternProperties", {})
    listed = f"known fields: {', '.join(fields)}" if 0 < len(fields) <= _MOST_LISTED else ""
    for name in error.instance:
        if name not in fields and not any(re.search(pattern, name) for pattern in patterns):
            yield SchemaViolation(
                code="unknown-field",
                message=f"unknown field {quote_value(name)}",
                path=(*path, name),
                hint=did_you_mean(name, fields) or listed,
                at_key=True,
            )


def _wrong_type(error: SchemaError, path: tuple[Step, ...]) -> SchemaViolation:
    names = error.validator_value
    names = [names] if isinstance(names, str) else list(names)
    value = error.instance
    actual = type_name(value)
    if isinstance(value, bool | int | float | str) and value != "":
        actual = f"{actual.replace('a ', 'the ', 1)} {quote_value(value)}"
    hint = ""
    if isinstance(value, str):
        # YAML 1.1 reads these words as true and false, and many files were written for it.
        if "boolean" in names and value.lower() in {"yes", "on", "y", "true"}:
            hint = "write true"
        elif "boolean" in names and value.lower() in {"no", "off", "n", "false"}:
            hint = "write false"
        elif value.isdecimal() and not {"integer", "number"}.isdisjoint(names):
            hint = "remove the quotes"
    subject = f"'{path[-1]}'" if path and isinstance(path[-1], str) else "this"
    expected = " or ".join(_TYPE_NAMES.get(name, name) for name in names)
    return SchemaViolation(
        code="wrong-type",
        message=f"{subject} must be {expected}, not {actual}",
        path=path,
        hint=hint,
        wants_quotes="string" in names and isinstance(value, bool | int | float),
    )


def _value_outside_choices(error: SchemaError, path: tuple[Step, ...]) -> SchemaViolation:
    is_enum = error.validator == "enum"
    choices = error.validator_value if is_enum else [error.validator_value]
    texts = [choice for choice in choices if isinstance(choice, str)]
    suggestion = did_you_mean(error.instance, texts) if isinstance(error.instance, str) else ""
    # An empty text is a field that was left out: nobody has to be told to write it.
    listed = ", ".join(
        quote_value(choice) if choice is None else str(choice) for choice in choices if choice != ""
    )
    subject = f" as '{path[-1]}'" if path and isinstance(path[-1], str) else ""
    return SchemaViolation(
        code="invalid-value",
        message=f"{quote_value(error.instance)} is not allowed{subject}",
        path=path,
        hint="; ".join(part for part in (suggestion, f"allowed: {listed}") if part),
    )


def _invalid(error: SchemaError, path: tuple[Step, ...]) -> SchemaViolation:
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
    "multipleOf": "it is not a multiple of {}",
    "minItems": "it has fewer than {} items",
    "maxItems": "it has more than {} items",
    "minProperties": "it has fewer than {} fields",
    "maxProperties": "it has more than {} fields",
    "uniqueItems": "an item appears twice",
}


def _no_alternative(error: SchemaError, path: tuple[Step, ...]) -> Iterator[SchemaViolation]:
    names: list[str] = []
    alternatives = error.validator_value
    if all(isinstance(branch, dict) and list(branch) == ["required"] for branch in alternatives):
        names = [name for branch in alternatives for name in branch["required"]]
    if names:
        # A value that is no mapping violates its `type` as well, and that is told.
        if isinstance(error.instance, dict):
            yield _field_choice(names, error.instance, path)
        return
    branches: dict[Any, list[SchemaError]] = {}
    for inner in error.context or ():
        # An alternative that is `false` has no path of its own.
        branches.setdefault(next(iter(inner.schema_path), None), []).append(inner)
    if not branches:
        message = f"{quote_value(error.instance)} matches more than one of the allowed forms"
        yield _invalid(error, path)._replace(message=message)
        return

    def closeness(errors: list[SchemaError]) -> tuple[bool, int, int]:
        is_other_type = any(inner.validator == "type" and not inner.path for inner in errors)
        return (not is_other_type, max(len(inner.path) for inner in errors), -len(errors))

    # The author of a mapping meant the branch for mappings: the one that fits the deepest.
    for inner in max(branches.values(), key=closeness):
        yield from _explain(inner)


_CHOICES = {"projectId": "project-choice", "manifest": "manifest-choice"}


def _field_choice(names: list[str], value: Any, path: tuple[Step, ...]) -> SchemaViolation:
    """The violation of `oneOf: [{required: [a]}, {required: [b]}]`: no such field, or several."""
    code = next((_CHOICES[name] for name in names if name in _CHOICES), "invalid-value")
    listed = ", ".join(f"'{name}'" for name in names[:-1]) + f" or '{names[-1]}'"
    present = [name for name in value if name in names]
    if not present:
        return SchemaViolation(code, f"one of {listed} is missing", path, at_key=True)
    both = " and ".join(f"'{name}'" for name in present)
    return SchemaViolation(
        code=code,
        message=f"{both} exclude each other",
        path=(*path, present[-1]),
        hint=f"keep one of {listed}",
        at_key=True,
    )
