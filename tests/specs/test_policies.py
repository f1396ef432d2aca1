from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.specs import SPEC, load, pointed_at, spec, told

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
        "job.yaml": "apiVersion: egx.nvidia.io/v1\nkind: SPOTRequest\nspec: {parallelism: 9}\n",
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


def test_a_policy_speaks_in_its_own_words(tmp_path: Path) -> None:
    """Severity, message and link stand at its top or beside a keyword, and the nearest count."""
    policy = """\
title: house rules
x-severity: warning
x-docs: https://example.com/rules
properties:
  metadata:
    required: [category]
  manifest:
    $ref: "#/$defs/short"
$defs:
  short:
    properties:
      kind:
        x-severity: error
        x-message: only pipelines are run here
        enum: [PipelineRun]
"""
    files = {"reconciler.yaml": CONFIG, "policies/house.yaml": policy, "a.yaml": SPEC}
    assert told(load(tmp_path, files)) == [
        (
            "a.yaml:1:1-1:9 warning policy: the field 'category' is missing in 'metadata'"
            " (policy house rules) | see https://example.com/rules"
        ),
        (
            "a.yaml:2:45-2:52 error policy: only pipelines are run here (policy house rules)"
            " | see https://example.com/rules"
        ),
    ]


@pytest.mark.parametrize(
    ("about", "files"),
    [
        ("x-kinds: TaskRun", ["a/a.yaml"]),
        ("x-kinds: ['*Run', Job]", ["a/a.yaml", "b/b.yaml"]),
        ("x-projects: ['45*']", ["a/a.yaml"]),
        ("x-projects: team-?", ["b/b.yaml"]),
        ("x-paths: [b/]", ["b/b.yaml"]),
        ("x-paths: ['*', '!b/**']", ["a/a.yaml"]),
        ("x-kinds: PipelineRun\nx-paths: a/", []),
    ],
)
def test_a_policy_is_about_some_specs(about: str, files: list[str], tmp_path: Path) -> None:
    """Kinds, projects and paths each narrow it, by globs; a project goes by id and alias."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": 'policies: [p.yaml]\nprojects: {team-a: "9"}\n',
            "p.yaml": f"{about}\nrequired: [lifecycle]\n",
            "a/a.yaml": SPEC,
            "b/b.yaml": "metadata: {name: b, project: team-a}\n"
            "manifest: {apiVersion: tekton.dev/v1, kind: PipelineRun}\n",
        },
    )
    assert [one.where.file for one in loaded.diagnostics] == files


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("x-severity: fatal", "1:13-1:18 error bad-policy: 'x-severity' must be error or warning"),
        ("x-message: [a]", "1:12-1:15 error bad-policy: 'x-message' must be a text"),
        ("x-kinds: {}", "1:10-1:12 error bad-policy: 'x-kinds' must be a glob, or a list of them"),
        (
            "x-paths: ['a[']",
            (
                "1:10-1:16 error bad-policy: 'x-paths' has a pattern that cannot be read:"
                " its '[' is not closed | write it in gitignore syntax"
            ),
        ),
        (
            "properties: {metadata: {x-projects: a}}",
            "1:37-1:38 error bad-policy: 'x-projects' belongs to the top of the policy",
        ),
    ],
)
def test_a_mistake_beside_the_schema(note: str, said: str, tmp_path: Path) -> None:
    """An `x-` key of ours that cannot be used is an error at its value; others are left alone."""
    policy = note + "\nx-owner: {anybody: else}\n"
    files = {"reconciler.yaml": "policies: [p.yaml]\n", "p.yaml": policy, "a.yaml": SPEC}
    assert told(load(tmp_path, files)) == [f"p.yaml:{said}"]
