from __future__ import annotations

from typing import Any

import pytest

from reconciler.specs.schema.compiled_schema import (
    CompiledSchema,
    SchemaViolation,
    did_you_mean,
    find_violations,
)

PORT = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]}


def breach(code: str, message: str, path: tuple[Any, ...] = (), **more: Any) -> SchemaViolation:
    """Return a breach in a line."""
    return SchemaViolation(code=code, message=message, path=path, **more)


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (
            {"anyOf": [{"type": "string"}, PORT]},
            {"port": "80"},
            breach(
                "wrong-type",
                "'port' must be a whole number, not the string '80'",
                ("port",),
                hint="remove the quotes",
            ),
        ),
        (
            {"anyOf": [{"type": "null"}, PORT]},
            {},
            breach("missing-field", "the field 'port' is missing", at_key=True),
        ),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 1}]},
            3,
            breach("invalid-value", "3 matches more than one of the allowed forms"),
        ),
        (
            {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {},
            breach("invalid-value", "one of 'a' or 'b' is missing", at_key=True),
        ),
        (
            {"propertyNames": {"maxLength": 2}},
            {"abc": 1},
            breach(
                "invalid-value",
                "'abc' is not allowed: it has more than 2 characters",
                ("abc",),
                at_key=True,
            ),
        ),
        (
            {"patternProperties": {"^x-": {}}, "additionalProperties": False},
            {"x-a": 1, "y": 1},
            breach("unknown-field", "unknown field 'y'", ("y",), at_key=True),
        ),
        (
            {"items": {"type": ["string", "null"]}},
            ["a", [1]],
            breach("wrong-type", "this must be a string or null, not a list", (1,)),
        ),
        (
            {"properties": {"n": {"type": "string", "minLength": 3, "pattern": "^z"}}},
            {"n": "a"},
            breach(
                "invalid-value",
                "'a' is not allowed as 'n': it has fewer than 3 characters",
                ("n",),
            ),
        ),
        ({"const": "apps/v1"}, "app/v1", breach("invalid-value", "'app/v1' is not allowed",
                                       hint="did you mean 'apps/v1'?; allowed: apps/v1")),
        ({"uniqueItems": True}, [1, 1],
         breach("invalid-value", "a list is not allowed: an item appears twice")),
        (False, 1, breach("invalid-value", "1 is not allowed")),
    ],
)  # fmt: skip
def test_one_mistake_is_one_sentence(schema: Any, value: Any, expected: SchemaViolation) -> None:
    """Alternatives are told as the one that was meant, several complaints as the first."""
    assert find_violations(CompiledSchema(schema), value) == [expected]


def test_suggestions_are_close_or_absent() -> None:
    """A suggestion ignores case; without a close word there is none."""
    assert did_you_mean("deployment", ["Deployment", "Job"]) == "did you mean 'Deployment'?"
    assert did_you_mean("xyz", ["Deployment", "Job"]) == ""
