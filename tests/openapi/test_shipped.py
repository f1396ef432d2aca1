from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.openapi.walk import reachable
from reconciler.resources import load_schema, schema_names, schema_text

DERIVED = (
    *("create-request", "defaults", "error", "get-response", "spec", "token-response"),
    *("update-request", "workload"),
)
WRITTEN = ("config", "diagnostic", "event", "patches", "plan")
WHO = {"name": "llm-finetune", "projectId": "4501"}


def test_the_shipped_schemas() -> None:
    """Eight schemas are derived, five are written by hand, and there are no others."""
    assert set(schema_names()) == {*DERIVED, *WRITTEN}


@pytest.mark.parametrize("name", schema_names())
def test_every_schema_is_sound(name: str) -> None:
    """Each is valid draft 2020-12, introduces itself, stands alone and ends with one newline."""
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    version = "3.0" if name in DERIVED else {"plan": "1.1"}.get(name, "1.0")
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:workload-reconciler:schema:{name}:{version}"
    assert schema["title"]
    assert schema["description"]
    assert ("`reconciler schema derive`" in schema.get("$comment", "")) is (name in DERIVED)
    assert reachable(schema) == (set(schema.get("$defs", {})), set())
    assert schema_text(name).endswith("\n}\n")


@pytest.mark.parametrize("name", ["spec", "defaults", "config", "patches"])
def test_what_people_write_is_explained(name: str) -> None:
    """An editor has a hover text for every key that people write, also behind a reference."""
    assert list(_unexplained(load_schema(name))) == []


def _unexplained(schema: dict[str, Any]) -> Iterator[str]:
    definitions = schema.get("$defs", {})
    for parent in [schema, *definitions.values(), *schema["properties"].values()]:
        for key, value in parent.get("properties", {}).items():
            target = value.get("$ref", "").removeprefix("#/$defs/")
            if not (value.get("description") or definitions.get(target, {}).get("description")):
                yield key


ANSWER: dict[str, Any] = {
    "metadata": {
        **WHO,
        "id": "0b0c7a1e-2f6b-4d0e-9f0a-1d2f3a4b5c6d",
        "gvk": {"group": "batch", "version": "v1", "kind": "Job"},
        "projectName": "team-a",
        "clusterId": "7d1c2b3a-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "tenantId": 1,
        "departmentId": "2",
        "departmentName": "research",
        "createdAt": "2025-06-01T12:00:00Z",
        "createdBy": "ci",
        "updatedAt": "2025-06-01T12:00:00Z",
        "updatedBy": "ci",
    },
    "desiredPhase": "Running",
    "workloadManifest": {},
    "rawManifest": {},
}


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        ("workload", ANSWER, True),
        ("workload", {**ANSWER, "new": 1}, True),
        ("workload", {**ANSWER, "metadata": {**ANSWER["metadata"], "priority": "urgent"}}, True),
        ("workload", {**ANSWER, "metadata": {**ANSWER["metadata"], "deletedAt": None}}, True),
        ("workload", {**ANSWER, "desiredPhase": "Paused"}, False),
        ("workload", {**ANSWER, "metadata": WHO}, False),
        ("get-response", {"workload": ANSWER}, True),
        ("get-response", {"workload": ANSWER, "syncInfo": {"status": "Queued", "new": 1}}, True),
        ("get-response", {"workload": ANSWER, "syncInfo": {"status": "Lost"}}, False),
        ("get-response", ANSWER, False),
        ("error", {"code": 409, "message": "taken", "new": 1}, True),
        ("error", {"code": 409}, False),
        ("error", {"code": 99, "message": "odd"}, False),
        ("error", "taken", False),
    ],
)
def test_answers_stay_open(schema: str, document: Any, expected: bool) -> None:
    """An answer may hold more than the document knows, but not less, nor anything else."""
    assert Draft202012Validator(load_schema(schema)).is_valid(document) is expected
