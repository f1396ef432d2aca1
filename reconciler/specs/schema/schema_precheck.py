"""A quick check of values before jsonschema: is a value beyond doubt what a schema asks for?

A precheck decides in microseconds about a valid value, which most specs are; what it declines is
left to jsonschema, which also says what is wrong. It knows the keywords that schemas of specs use;
a schema that uses others has a precheck that declines everything. It may only err in declining:
jsonschema finds nothing in a value that passes, also where that leaves out fields that are null.
Property tests hold this.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, TypeAlias

Precheck: TypeAlias = Callable[[Any], bool]

_TYPES: Mapping[str, type] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": NoneType,
}
# Exact types: to `isinstance`, a bool would be a number as well.
_NUMBERS = frozenset({int, float})
# Keywords that constrain nothing; `format` is one, since jsonschema is not asked to check it.
_ANNOTATIONS = frozenset(
    {
        *("$comment", "$defs", "contentEncoding", "contentMediaType", "default", "definitions"),
        *("deprecated", "description", "examples", "format", "readOnly", "title", "writeOnly"),
    }
)
_TEXT = frozenset({"type", "minLength", "maxLength", "pattern", "not"})
_AT_ROOT = frozenset({"$id", "$schema"})
_FIELDS = frozenset({"properties", "required", "additionalProperties"})
# What building a precheck raises where the schema is no schema at all, such as a policy's.
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError)


class _UnsupportedError(Exception):
    """The schema has a keyword that only jsonschema can judge."""


class Prechecks:
    """The precheck of a schema that stands by itself, and those of parts of it.

    `shared` holds those of the definitions that it has in common with other schemas, by name; None
    stands for one that nobody has needed yet.
    """

    def __init__(self, schema: Any, shared: dict[str, Precheck | None] | None = None) -> None:
        self._maker = _Maker(schema, {} if shared is None else shared)
        self.whole = self._maker.try_to_make(schema, at_root=True)
        # By identity, with the part itself: so that no other one gets its number.
        self._parts: dict[int, tuple[Any, Precheck]] = {}

    def of(self, part: Any) -> Precheck:
        """The precheck of a part of the schema, made when it is first needed."""
        known = self._parts.get(id(part))
        if known is None:
            known = self._parts[id(part)] = (part, self._maker.try_to_make(part))
        return known[1]


class _Maker:
    """Builds the prechecks of one schema, and those of its definitions when one is first needed."""

    def __init__(self, root: Any, shared: dict[str, Precheck | None]) -> None:
        self.definitions: Mapping[str, Any] = root.get("$defs", {}) if type(root) is dict else {}
        self.shared = shared
        self.prechecks: dict[str, Precheck | None] = {}

    def try_to_make(self, schema: Any, *, at_root: bool = False) -> Precheck:
        try:
            return self.make(schema, at_root=at_root)
        except (_UnsupportedError, RecursionError, re.error, *_MALFORMED):
            # To decline is always right: jsonschema decides, and knows what is wrong with a schema.
            return _decline

    def make(self, schema: Any, *, at_root: bool = False) -> Precheck:
        if isinstance(schema, bool):
            return _accept if schema else _decline
        if schema.get("type") == "string" and _asked_by(schema) <= _TEXT:
            return _make_text(schema)
        prechecks: list[Precheck] = []
        has_fields = not _FIELDS.isdisjoint(schema)
        for keyword, argument in schema.items():
            if (
                keyword in _ANNOTATIONS
                or keyword[:2] == "x-"
                or (at_root and keyword in _AT_ROOT)
                # The prechecks of fields and of items ask for a mapping and for a list themselves.
                or keyword in _FIELDS
                or (keyword == "type" and argument == "object" and has_fields)
                or (keyword == "type" and argument == "array" and "items" in schema)
            ):
                continue
            prechecks.append(self.make_keyword(keyword, argument))
        if has_fields:
            prechecks.insert(0, self.make_fields(schema))
        return _all_of(prechecks)

    def make_keyword(self, keyword: str, argument: Any) -> Precheck:
        match keyword:
            case "$ref":
                return self.make_reference(argument.removeprefix("#/$defs/"))
            case "items":
                item = self.make(argument)
                return lambda value: type(value) is list and all(map(item, value))
            case "propertyNames":
                name_check = self.make(argument)
                return lambda value: type(value) is dict and all(map(name_check, value))
            case "allOf":
                return _all_of([self.make(branch) for branch in argument])
            case "anyOf":
                branches = [self.make(branch) for branch in argument]
                return lambda value: any(branch(value) for branch in branches)
            case _ if keyword in _SIMPLE:
                return _SIMPLE[keyword](argument)
            case _:
                raise _UnsupportedError

    def make_reference(self, name: str) -> Precheck:
        """The precheck of a definition, or of one of its fields."""
        name, _, field = name.partition("/properties/")
        if name not in self.definitions:
            raise _UnsupportedError
        if field:
            return self.make(self.definitions[name]["properties"][field])
        prechecks = self.shared if name in self.shared else self.prechecks
        if (precheck := prechecks.get(name)) is None:
            precheck = prechecks[name] = self.make_late(self.definitions[name])
        return precheck

    def make_late(self, definition: Any) -> Precheck:
        """The precheck of a definition, made when it is first needed: most never are."""
        # Also what ends the building of a definition that refers to itself.
        precheck: Precheck | None = None

        def fits(value: Any) -> bool:
            nonlocal precheck
            if precheck is None:
                precheck = self.try_to_make(definition)
            return precheck(value)

        return fits

    def make_fields(self, schema: Mapping[str, Any]) -> Precheck:
        """The precheck of a mapping: fields of one type are decided without calling another."""
        properties: Mapping[str, Any] = schema.get("properties", {})
        fields = {name: self.make(field) for name, field in properties.items()}
        types = {name: _only_type(field) for name, field in properties.items()}
        others = self.make(schema.get("additionalProperties", True))
        required = frozenset(schema.get("required", ()))
        # Kubernetes' schemas are asked without the fields that are null, so that a required one
        # is missing there. A field of one other type has been declined already.
        nullable = [name for name in required if types.get(name) in (None, NoneType)]
        others_pass = schema.get("type") != "object"

        def fits(value: Any) -> bool:
            if type(value) is not dict:
                return others_pass
            # The loop that every mapping of every spec goes through: no call where a type decides.
            for name, field in value.items():
                if types.get(name) is not type(field) and not fields.get(name, others)(field):
                    return False
            if not required <= value.keys():
                return False
            return not nullable or all(value[name] is not None for name in nullable)

        return fits


def _accept(value: Any) -> bool:
    del value
    return True


def _decline(value: Any) -> bool:
    del value
    return False


def _asked_by(schema: Mapping[str, Any]) -> set[str]:
    """The keywords of a schema that ask for something."""
    return {word for word in schema if word not in _ANNOTATIONS and word[:2] != "x-"}


def _only_type(schema: Any) -> type | None:
    """The one type that a schema asks for, if it asks for nothing else."""
    keywords = _asked_by(schema) if type(schema) is dict else ()
    return _TYPES.get(str(schema["type"])) if keywords == {"type"} else None


def _all_of(prechecks: list[Precheck]) -> Precheck:
    # Nested pairs call each other faster than a loop over a list does.
    if len(prechecks) < 2:
        return prechecks[0] if prechecks else _accept
    first, *others = prechecks
    second = _all_of(others)
    return lambda value: first(value) and second(value)


def _make_choice(branches: Any) -> Precheck:
    """The precheck of `oneOf` where it asks for one of several fields."""
    if not all(list(branch) == ["required"] for branch in branches):
        raise _UnsupportedError
    choices = [frozenset(branch["required"]) for branch in branches]
    return lambda value: (
        type(value) is dict and [choice <= value.keys() for choice in choices].count(True) == 1
    )


def _make_type(names: Any) -> Precheck:
    types = {_TYPES[name] for name in ([names] if isinstance(names, str) else names)}
    # A whole number is a number, while a fraction that is whole is left to jsonschema.
    types |= {int} if float in types else set()
    return lambda value: type(value) in types


def _make_enum(values: Any) -> Precheck:
    # Only texts and null: to Python 1, 1.0 and True are one value, which JSON tells apart.
    texts = {value for value in values if value is None or isinstance(value, str)}
    return lambda value: (value is None or type(value) is str) and value in texts


def _make_text(schema: Mapping[str, Any]) -> Precheck:
    """The precheck of a text: one call instead of one for each keyword."""
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    search = re.compile(schema.get("pattern", "")).search
    is_allowed = _make_not(schema["not"]) if "not" in schema else _accept
    return lambda value: (
        type(value) is str
        and least <= len(value) <= most
        and search(value) is not None
        and is_allowed(value)
    )


def _make_pattern(pattern: str) -> Precheck:
    search = re.compile(pattern).search
    return lambda value: type(value) is not str or search(value) is not None


def _make_not(schema: Any) -> Precheck:
    """The precheck of a text that must not match a pattern."""
    # Without a type, a pattern is true of whatever is no text.
    others_pass = schema.get("type") == "string"
    if schema.keys() - {"type"} != {"pattern"} or ("type" in schema and not others_pass):
        raise _UnsupportedError
    search = re.compile(schema["pattern"]).search
    return lambda value: search(value) is None if type(value) is str else others_pass


def _make_unique(is_asked: Any) -> Precheck:
    if not is_asked:
        return _accept
    return lambda value: (
        type(value) is list
        and all(type(item) is str for item in value)
        and len(set(value)) == len(value)
    )


def _length(
    kind: type[str | list[Any] | dict[str, Any]], test: Callable[[int, Any], bool]
) -> Callable[[Any], Precheck]:
    return lambda limit: lambda value: not isinstance(value, kind) or test(len(value), limit)


def _amount(test: Callable[[Any, Any], bool]) -> Callable[[Any], Precheck]:
    return lambda limit: lambda value: type(value) not in _NUMBERS or test(value, limit)


_SIMPLE: Mapping[str, Callable[[Any], Precheck]] = {
    "type": _make_type,
    "enum": _make_enum,
    "const": lambda value: _make_enum([value]),
    "pattern": _make_pattern,
    "not": _make_not,
    "oneOf": _make_choice,
    "uniqueItems": _make_unique,
    "minimum": _amount(operator.ge),
    "maximum": _amount(operator.le),
    "exclusiveMinimum": _amount(operator.gt),
    "exclusiveMaximum": _amount(operator.lt),
    "minLength": _length(str, operator.ge),
    "maxLength": _length(str, operator.le),
    "minItems": _length(list, operator.ge),
    "maxItems": _length(list, operator.le),
    "minProperties": _length(dict, operator.ge),
    "maxProperties": _length(dict, operator.le),
}
