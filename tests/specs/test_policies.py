from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.specs.factories import SPEC, load, pointed_at, spec, told

CONFIG = 'policies: ["policies/*"]\nprojects: {team-a: "4501"}\n'


def test_a_policy_sees_the_effective_spec(tmp_path: Path) -> None:
    """Defaults and files are in it, aliases resolved; it points at what its author wrote."""
    policy = """\
title: small jobs
properties:
  metadata: {required: [projectId], properties: {project: false}}
  manifest: {properties: {spec: {properties: {parallelism: {maximum: 4}}}}}
"""
    files = {
        "reconciler.yaml": CONFIG,
        "policies/small.yaml": policy,
        "_defaults.yaml": "metadata: {project: team-a}\n",
        "a.yaml": "metadata: {name: llm}\nmanifestFile: job.yaml\n",
        "job.yaml": "apiVersion: batch/v1\nkind: Job\nspec: {parallelism: 9}\n",
    }
    loaded = load(tmp_path, files)
    assert told(loaded) == [
        (
            "job.yaml:3:21-3:22 error policy: 9 is not allowed as 'parallelism': it is more than 4"
            " (policy small jobs)"
        )
    ]
    assert pointed_at(tmp_path, loaded.diagnostics[0].where) == "9"
    assert loaded.desired == ()


def test_a_policy_file_is_not_a_spec(tmp_path: Path) -> None:
    """What `policies` matches is read as a schema only."""
    loaded = load(tmp_path, {"reconciler.yaml": CONFIG, "policies/any.json": "{}", "a.yaml": SPEC})
    assert (told(loaded), loaded.files) == ([], 1)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#"}, "it refers to itself"),
        (
            {"properties": {"metadata": {"$ref": "http://example.com/x"}}},
            "the reference http://example.com/x leads out of the file, and none is fetched",
        ),
        (
            {"properties": {"metadata": {"properties": {"name": {"pattern": "("}}}}},
            "'(' is not a 'regex'",
        ),
        ([], "not a JSON Schema: it is neither a mapping nor a boolean"),
    ],
)
def test_a_policy_that_cannot_be_used(schema: Any, said: str, tmp_path: Path) -> None:
    """It is an error that names it, whether it shows when reading or only when used."""
    files = {
        "reconciler.yaml": CONFIG,
        "policies/p.json": json.dumps(schema),
        "a.yaml": SPEC,
        "b.yaml": spec("b"),
    }
    loaded = load(tmp_path, files)
    assert {one.code for one in loaded.diagnostics} == {"bad-policy"}
    assert {
        one.message.removesuffix(" (policy policies/p.json)") for one in loaded.diagnostics
    } <= {
        said,
        f"not a JSON Schema: {said}",
    }
