"""What the API server takes of a custom object, written from its documentation and nothing else.

It fills in defaults, finds fields that no schema names, and validates; null counts as left out.
"""

from __future__ import annotations

import re
from typing import Any

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}
_HEAD = ("apiVersion", "kind", "metadata")


def accepts(schema: Any, value: Any, *, is_object: bool = False) -> bool:
    """Whether strict field validation and the schema let a value pass."""
    value = _with_defaults(schema, value)
    return not _has_unknown(schema, value, is_object=is_object) and _is_valid(schema, value)


def _with_defaults(schema: Any, value: Any) -> Any:
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        others = schema.get("additionalProperties")
        given = {key: field for key, field in value.items() if field is not None}
        filled = {key: one["default"] for key, one in fields.items() if "default" in one} | given
        below = {key: fields.get(key, others) for key in filled}
        return {
            key: _with_defaults(below[key], field) if isinstance(below[key], dict) else field
            for key, field in filled.items()
        }
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_with_defaults(schema["items"], item) for item in value]
    return value


def _has_unknown(schema: Any, value: Any, *, is_object: bool = False) -> bool:
    if isinstance(value, list):
        items = schema.get("items")
        return isinstance(items, dict) and any(_has_unknown(items, item) for item in value)
    if not isinstance(value, dict):
        return False
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    has_head = is_object or schema.get("x-kubernetes-embedded-resource")
    for key, field in value.items():
        if has_head and key in _HEAD:
            continue
        below = fields.get(key, others)
        if isinstance(below, dict):
            if _has_unknown(below, field):
                return True
        elif not (schema.get(_PRESERVE) or below is True):
            return True
    return False


def _is_valid(schema: Any, value: Any) -> bool:
    checks = [
        _has_type(schema, value),
        "enum" not in schema or value in schema["enum"],
        all(_is_valid(branch, value) for branch in schema.get("allOf", ())),
        "anyOf" not in schema or any(_is_valid(branch, value) for branch in schema["anyOf"]),
        "oneOf" not in schema or sum(_is_valid(one, value) for one in schema["oneOf"]) == 1,
        "not" not in schema or not _is_valid(schema["not"], value),
    ]
    if isinstance(value, str):
        checks += [
            len(value) >= schema.get("minLength", 0),
            len(value) <= schema.get("maxLength", len(value)),
            re.search(schema.get("pattern", ""), value) is not None,
            schema.get("format") != "date-time" or re.match(r"\d{4}-\d\d-\d\d", value) is not None,
        ]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        checks.append(_is_in_range(schema, value))
    elif isinstance(value, list):
        checks += [
            len(value) >= schema.get("minItems", 0),
            len(value) <= schema.get("maxItems", len(value)),
            all(_is_valid(schema.get("items", {}), item) for item in value),
            schema.get("x-kubernetes-list-type") != "set" or _are_different(value),
        ]
    elif isinstance(value, dict):
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        checks += [
            set(schema.get("required", ())) <= value.keys(),
            len(value) >= schema.get("minProperties", 0),
            len(value) <= schema.get("maxProperties", len(value)),
            all(_is_valid(fields.get(key, others), field) for key, field in value.items()),
        ]
    return all(checks)


def _has_type(schema: Any, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = is_number and (isinstance(value, int) or value.is_integer())
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, str) or is_whole
    match schema.get("type"):
        case None:
            return True
        case "integer":
            return is_whole
        case "number":
            return is_number
        case name:
            return isinstance(value, _TYPES[name])


def _is_in_range(schema: Any, value: float) -> bool:
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
        return False
    if value == least and "minimum" in schema and schema.get("exclusiveMinimum"):
        return False
    if value == most and "maximum" in schema and schema.get("exclusiveMaximum"):
        return False
    return bool(least <= value <= most)


def _are_different(items: list[Any]) -> bool:
    return all(one not in items[:number] for number, one in enumerate(items))
