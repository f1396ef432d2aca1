"""Schemas as quick questions: is a value beyond doubt what a schema wants?

A gate decides in microseconds about what is right, which most specs are; what it declines is left
to jsonschema, which also says what is wrong. It knows the keywords that schemas of specs use; one
that uses others has a gate that declines everything. It errs on one side alone: in what passes,
jsonschema finds nothing, which property tests hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Precheck: TypeAlias = Callable[[Any], bool]

_TYPES: Mapping[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": type(None),
}
_NUMBERS = frozenset({int, float})
# What says nothing about values, `format` included, since jsonschema is not asked to check it.
_REMARKS = frozenset(
    {
        *("$comment", "$defs", "contentEncoding", "contentMediaType", "default", "definitions"),
        *("deprecated", "description", "examples", "format", "readOnly", "title", "writeOnly"),
    }
)
_AT_ROOT = frozenset({"$id", "$schema"})
_FIELDS = frozenset({"properties", "required", "additionalProperties"})
# What building a gate raises of a schema that is none.
_MISSHAPEN = (AttributeError, LookupError, TypeError, ValueError)


class _UnknownError(Exception):
    """The schema asks for something that only jsonschema can judge."""


def make_precheck(schema: Any) -> Precheck:
    """Build the gate of a schema that stands by itself."""
    return _Maker(schema).try_to_make(schema, at_root=True)


class _Maker:
    """Builds the gates of one schema, and those of its definitions where one is first asked."""

    def __init__(self, root: Any) -> None:
        self.definitions: Mapping[str, Any] = root.get("$defs", {}) if type(root) is dict else {}
        self.known: dict[str, Precheck] = {}

    def try_to_make(self, schema: Any, *, at_root: bool = False) -> Precheck:
        try:
            return self.make(schema, at_root=at_root)
        except (_UnknownError, RecursionError, re.error, *_MISSHAPEN):
            # Whatever else a schema may be, jsonschema knows.
            return _decline

    def make(self, schema: Any, *, at_root: bool = False) -> Precheck:
        if isinstance(schema, bool):
            return _accept if schema else _decline
        gates: list[Precheck] = []
        has_fields = not _FIELDS.isdisjoint(schema)
        for keyword, given in schema.items():
            if keyword in _REMARKS or keyword[:2] == "x-" or (at_root and keyword in _AT_ROOT):
                continue
            if keyword in _FIELDS or (has_fields and keyword == "type" and given == "object"):
                continue
            if keyword == "type" and given == "array" and "items" in schema:
                # The gate of the items asks for a list itself.
                continue
            gates.append(self.make_one(keyword, given))
        if has_fields:
            gates.insert(0, self.make_fields(schema))
        return _all_of(gates)

    def make_one(self, keyword: str, given: Any) -> Precheck:
        if keyword == "$ref":
            return self.refer(given)
        if keyword in ("items", "propertyNames"):
            gate = self.make(given)
            return _make_items(gate) if keyword == "items" else _make_names(gate)
        if keyword in ("allOf", "anyOf"):
            gates = [self.make(one) for one in given]
            return _all_of(gates) if keyword == "allOf" else _any_of(gates)
        if keyword not in _SIMPLE:
            raise _UnknownError
        return _SIMPLE[keyword](given)

    def refer(self, reference: str) -> Precheck:
        name = reference.removeprefix("#/$defs/")
        if name not in self.definitions:
            raise _UnknownError
        return self.known.setdefault(name, self.late(self.definitions[name]))

    def late(self, definition: Any) -> Precheck:
        """The gate of a definition, made when it is first needed: most never are."""
        made: Precheck | None = None

        def fits(value: Any) -> bool:
            nonlocal made
            if made is None:
                made = self.try_to_make(definition)
            return made(value)

        return fits

    def make_fields(self, schema: Mapping[str, Any]) -> Precheck:
        """The gate of a mapping: fields of one type are decided without calling another."""
        given: Mapping[str, Any] = schema.get("properties", {})
        fields = {name: self.make(one) for name, one in given.items()}
        kinds = {name: _only_type(one) for name, one in given.items()}
        others = self.make(schema.get("additionalProperties", True))
        required = frozenset(schema.get("required", ()))
        others_pass = schema.get("type") != "object"

        def fits(value: Any) -> bool:
            if type(value) is not dict:
                return others_pass
            for name, one in value.items():
                if kinds.get(name) is not type(one) and not fields.get(name, others)(one):
                    return False
            return required <= value.keys()

        return fits


def _accept(value: Any) -> bool:
    del value
    return True


def _decline(value: Any) -> bool:
    del value
    return False


def _only_type(schema: Any) -> type | None:
    """The one type that a schema asks for, if it asks for nothing else."""
    words = schema.keys() - _REMARKS if type(schema) is dict else ()
    return _TYPES.get(str(schema["type"])) if words == {"type"} else None


def _all_of(gates: list[Precheck]) -> Precheck:
    if len(gates) < 2:
        return gates[0] if gates else _accept
    first, *others = gates
    rest = _all_of(others)
    return lambda value: first(value) and rest(value)


def _any_of(gates: list[Precheck]) -> Precheck:
    return lambda value: any(gate(value) for gate in gates)


def _make_items(gate: Precheck) -> Precheck:
    def fits(value: Any) -> bool:
        return type(value) is list and all(map(gate, value))

    return fits


def _make_names(gate: Precheck) -> Precheck:
    return lambda value: type(value) is dict and all(map(gate, value))


def _make_choice(branches: Any) -> Precheck:
    """The gate of `oneOf` where it asks for one of several fields."""
    if not all(list(one) == ["required"] for one in branches):
        raise _UnknownError
    wanted = [frozenset(one["required"]) for one in branches]
    return lambda value: type(value) is dict and sum(one <= value.keys() for one in wanted) == 1


def _make_type(given: Any) -> Precheck:
    names = [given] if isinstance(given, str) else given
    kinds = {_TYPES[name] for name in names}
    # A whole number is a number, while a fraction that is whole is left to jsonschema.
    kinds |= {int} if float in kinds else set()
    return lambda value: type(value) in kinds


def _make_enum(given: Any) -> Precheck:
    texts = {one for one in given if one is None or isinstance(one, str)}
    return lambda value: (value is None or type(value) is str) and value in texts


def _make_pattern(given: str) -> Precheck:
    search = re.compile(given).search
    return lambda value: type(value) is not str or search(value) is not None


def _make_not(given: Any) -> Precheck:
    """The gate of a text that must not match a pattern."""
    # Without a type, a pattern is true of whatever is no text.
    others_pass = given.get("type") == "string"
    if given.keys() - {"type"} != {"pattern"} or ("type" in given and not others_pass):
        raise _UnknownError
    search = re.compile(given["pattern"]).search
    return lambda value: search(value) is None if type(value) is str else others_pass


def _make_unique(given: Any) -> Precheck:
    if not given:
        return _accept
    return lambda value: (
        type(value) is list
        and all(type(one) is str for one in value)
        and len(set(value)) == len(value)
    )


def _length(
    kind: type[str | list[Any] | dict[str, Any]], test: Callable[[int, Any], bool]
) -> Callable[[Any], Precheck]:
    return lambda given: lambda value: not isinstance(value, kind) or test(len(value), given)


def _amount(test: Callable[[Any, Any], bool]) -> Callable[[Any], Precheck]:
    return lambda given: lambda value: type(value) not in _NUMBERS or test(value, given)


def _at_least(value: Any, least: Any) -> bool:
    return bool(value >= least)


def _at_most(value: Any, most: Any) -> bool:
    return bool(value <= most)


_SIMPLE: Mapping[str, Callable[[Any], Precheck]] = {
    "type": _make_type,
    "enum": _make_enum,
    "const": lambda given: _make_enum([given]),
    "pattern": _make_pattern,
    "not": _make_not,
    "oneOf": _make_choice,
    "uniqueItems": _make_unique,
    "minimum": _amount(_at_least),
    "maximum": _amount(_at_most),
    "exclusiveMinimum": _amount(lambda value, least: bool(value > least)),
    "exclusiveMaximum": _amount(lambda value, most: bool(value < most)),
    "minLength": _length(str, _at_least),
    "maxLength": _length(str, _at_most),
    "minItems": _length(list, _at_least),
    "maxItems": _length(list, _at_most),
    "minProperties": _length(dict, _at_least),
    "maxProperties": _length(dict, _at_most),
}
