from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from reconciler.kinds.registry import KINDS
from reconciler.specs.kubernetes.object_schemas import object_schema
from reconciler.specs.kubernetes.paths import find
from reconciler.specs.kubernetes.structure import kind_schema, without_nulls
from reconciler.specs.schema.compiled_schema import CompiledSchema
from tests.specs.strategies import damaged
from tests.support.specs import load, pointed_at


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(case=damaged())
def test_any_manifest_gives_a_spec_or_findings(case: tuple[str, Any], tmp_path: Path) -> None:
    """However a manifest is damaged, nothing is raised, and every finding has its place."""
    spec = {"metadata": {"name": "llm", "projectId": "1"}, "manifest": case[1]}
    loaded = load(tmp_path, {"a.json": json.dumps(spec, indent=1)})
    assert loaded.desired or loaded.diagnostics
    for one in loaded.diagnostics:
        assert pointed_at(tmp_path, one.where) != ""


@settings(max_examples=300)
@given(case=damaged())
def test_the_quick_look_and_jsonschema_agree(case: tuple[str, Any]) -> None:
    """What the quick look lets pass, jsonschema does; what that accepts, passes, or has odd values.

    Odd are null, which only jsonschema's caller takes away, and 1.0, which is a whole number to it.
    """
    for value, shape in _parts(case):
        quick = shape.passes(value)
        accepted = shape.validator.is_valid(without_nulls(value))
        assert accepted or not quick
        assert quick or not accepted or _is_odd(value)


def _parts(case: tuple[str, Any]) -> list[tuple[Any, CompiledSchema]]:
    kind, value = case
    (known,) = (known for known in KINDS.values() if known.name == kind)
    assert known.layout
    whole = object_schema(known.api_versions[0], known)
    assert whole
    parts = [(value, whole)]
    if known.structure:
        shape = kind_schema((known.group, known.name))
        parts += [(part, shape) for _, part in find(value, "spec")]
    return parts


def _is_odd(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_is_odd, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, float)
