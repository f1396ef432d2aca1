from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from reconciler.kinds.registry import KINDS
from reconciler.specs.kubernetes.structure import definitions
from tools.derive_kubernetes import ROOTS, TARGET, main

KEYWORDS = {
    *("$ref", "type", "properties", "additionalProperties", "items", "required", "enum"),
    *("minimum", "maximum"),
}
POD = {
    "description": "Prose is left out.",
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {"$ref": "#/$defs/io.k8s.api.core.v1.Spec", "description": "So is this."},
        "status": {"$ref": "#/$defs/io.k8s.api.core.v1.Status"},
        "since": {"$ref": "#/$defs/io.k8s.Time"},
    },
    "x-kubernetes-group-version-kind": [],
}
SPEC = {
    "type": ["object", "null"],
    "properties": {
        "count": {"type": ["integer", "null"], "format": "int32"},
        "names": {"type": "array", "items": {"type": ["string", "null"]}},
        "limits": {"type": "object", "additionalProperties": {"$ref": "#/$defs/io.k8s.Amount"}},
    },
}
SOURCE = {
    **{name: {"type": "string"} for name in ROOTS},
    "io.k8s.api.core.v1.Pod": POD,
    "io.k8s.api.core.v1.Spec": SPEC,
    "io.k8s.api.core.v1.Status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    "io.k8s.Time": {"type": ["string", "null"], "format": "date-time"},
    "io.k8s.Amount": {"oneOf": [{"type": ["string", "null"]}, {"type": "number"}]},
    "io.k8s.Unused": {"type": "object", "properties": {}},
}


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every schema in a definition, itself included."""
    if isinstance(value, dict):
        yield value
        for key in ("items", "additionalProperties"):
            yield from schemas(value.get(key))
        for one in value.get("properties", {}).values():
            yield from schemas(one)


def test_what_is_kept_of_a_release(tmp_path: Path) -> None:
    """Types, fields and bounds of what the kinds need; null, prose and what clusters write go."""
    (tmp_path / "in.json").write_text(json.dumps({"$defs": SOURCE}))
    words = ["--release", "1.0.0", "--source", "a test", "--out", str(tmp_path / "out.json")]
    result = CliRunner().invoke(main, [str(tmp_path / "in.json"), *words])
    assert (result.exit_code, result.output) == (0, f"wrote {tmp_path / 'out.json'}\n")
    made = json.loads((tmp_path / "out.json").read_text())
    assert (made["release"], made["$defs"]) == (
        "1.0.0",
        {
            "Pod": {
                "type": "object",
                "required": ["spec"],
                "properties": {
                    "spec": {"$ref": "#/$defs/Spec"},
                    "status": {},
                    "since": {"type": "string"},
                },
                "additionalProperties": False,
            },
            "Spec": {
                "type": "object",
                "properties": {
                    "count": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
                    "names": {"type": "array", "items": {"type": "string"}},
                    "limits": {
                        "type": "object",
                        "additionalProperties": {"type": ["number", "string"]},
                    },
                },
                "additionalProperties": False,
            },
        },
    )


def test_the_shipped_definitions_are_complete() -> None:
    """Each reference leads to one of them, and so does each kind that is checked by them."""
    known = definitions()
    every = [one for definition in known.values() for one in schemas(definition)]
    referred = {one["$ref"].removeprefix("#/$defs/") for one in every if "$ref" in one}
    checked = {kind.name for kind in KINDS.values() if kind.is_core}
    assert referred | checked <= known.keys()
    assert json.loads(TARGET.read_text("utf-8"))["$defs"] == known


def test_the_quick_look_knows_every_keyword() -> None:
    """There is none in the definitions that it would pass over."""
    every = [one for definition in definitions().values() for one in schemas(definition)]
    assert {key for one in every for key in one} <= KEYWORDS
    assert all("maximum" in one for one in every if "minimum" in one)
    assert all("type" in one or "$ref" in one or not one for one in every)
