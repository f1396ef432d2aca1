from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

CRD = """\
apiVersion: v1
kind: List
items:
- apiVersion: apiextensions.k8s.io/v1
  kind: CustomResourceDefinition
  metadata: {name: widgets.example.com}
  spec:
    group: example.com
    names: {kind: Widget, plural: widgets}
    versions:
    - name: v1
      served: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              description: Prose is left out.
              type: object
              required: [size, shape]
              properties:
                size: {type: integer, format: int32, minimum: 1}
                shape: {type: string, enum: [round, flat], default: round}
                port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
            status: {type: object}
    - name: v2
      served: false
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object}}}}
"""
SCHEMA = {
    "$comment": "From a CustomResourceDefinition. Written by: reconciler schema import-crd",
    "title": "example.com/v1 Widget",
    "x-origin": "the imported definition",
    "type": "object",
    "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "spec": {"$ref": "#/$defs/spec"},
        "status": {},
        "metadata": {"$ref": "#/$defs/ObjectMeta"},
    },
    "additionalProperties": False,
    "required": ["spec"],
    "$defs": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 2147483647},
                "shape": {"enum": ["round", "flat"], "type": "string"},
                "port": {"type": ["integer", "string"]},
                "free": {"type": "object"},
            },
            "required": ["size"],
            "additionalProperties": False,
        },
    },
}
SPEC = """\
metadata: {name: a, projectId: "1"}
manifest:
  apiVersion: example.com/v1
  kind: Widget
  metadata: {lables: {a: b}}
  spec: {size: 0, shap: flat, port: x, free: {any: 1}}
"""


FINDINGS = """\
a.yaml:5:14: error: Kubernetes 1.37.0 has no field 'lables' here (kubernetes-unknown-field)
  hint: did you mean 'labels'?
a.yaml:6:16: error: 0 is not allowed as 'size': it is less than 1 (kubernetes-invalid-value)
a.yaml:6:19: error: the imported definition has no field 'shap' here (kubernetes-unknown-field)
  hint: did you mean 'shape'?
3 errors.
"""


@pytest.fixture
def root(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository into which the definition was imported, and in which commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CRD.encode())))
    result = cli("schema", "import-crd", "-")
    assert (result.code, result.out) == (0, "wrote crds/Widget.example.com_v1.json\n")
    (tmp_path / "reconciler.yaml").write_text("crds: crds\n")
    (tmp_path / "a.yaml").write_text(SPEC)
    return tmp_path


def test_what_is_written_of_a_definition(cli: Cli, root: Path) -> None:
    """What the API server checks, of each version that it serves, without prose."""
    (file,) = (root / "crds").iterdir()
    assert json.loads(file.read_text()) == SCHEMA
    (root / "crd.txt").write_text(CRD)
    assert (
        cli("schema", "import-crd", "crd.txt").out == "unchanged crds/Widget.example.com_v1.json\n"
    )


@pytest.mark.usefixtures("root")
def test_specs_are_held_to_it(cli: Cli) -> None:
    """A kind that was imported is known, and its fields and values are checked."""
    result = cli("validate")
    assert (result.code, result.out) == (3, FINDINGS)


@pytest.mark.parametrize("way", ["configuration", "comment"])
def test_unknown_fields_that_are_accepted(cli: Cli, way: str, root: Path) -> None:
    """They are warnings then, and whoever runs unattended goes on."""
    spec = SPEC.replace("size: 0", "size: 1")
    if way == "comment":
        spec = "# reconciler:ignore kubernetes-unknown-field -- our cluster is newer\n" + spec
    else:
        (root / "reconciler.yaml").write_text("crds: crds\nlenient: true\n")
    (root / "a.yaml").write_text(spec)
    result = cli("validate", "-o", "json")
    found = [(one["severity"], one["pointer"]) for one in json.loads(result.out)]
    assert result.code == 0
    assert found == [
        ("warning", "/manifest/metadata/lables"),
        ("warning", "/manifest/spec/shap"),
    ]


@pytest.mark.usefixtures("root")
def test_the_schemas_of_kinds_are_shown(cli: Cli) -> None:
    """Imported and shipped ones are listed, and printed with all that they refer to."""
    listed = cli("schema", "show").out.splitlines()
    assert [line.split(maxsplit=1) for line in listed if "Widget" in line or "/MPIJob" in line] == [
        ["example.com/v1/Widget", "kind of workload, from the imported definition"],
        ["kubeflow.org/v1/MPIJob", "kind of workload, from kubeflow/training-operator v1.9.0"],
        ["kubeflow.org/v2beta1/MPIJob", "kind of workload, from kubeflow/mpi-operator v0.8.0"],
    ]
    shown = json.loads(cli("schema", "show", "Widget").out)
    assert sorted(shown["$defs"]) == ["ObjectMeta", "OwnerReference", "spec"]
    assert {**shown, "$defs": SCHEMA["$defs"]} == SCHEMA
    twice = cli("schema", "show", "MPIJob")
    assert (twice.code, "kubeflow.org/v2beta1/MPIJob" in twice.err) == (64, True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Job\n", "crd.txt: not a CustomResourceDefinition"),
        ("kind: CustomResourceDefinition\n", "this CustomResourceDefinition is not whole"),
        ("kind: List\nitems: []\n", "crd.txt: no kind in it has a schema"),
        ("a: [\n", "not YAML"),
        (CRD.replace("group: example.com", "group: ../.."), "cannot name a part of a kind"),
    ],
)
def test_what_is_no_definition(
    cli: Cli, text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crd.txt").write_text(text)
    result = cli("schema", "import-crd", "crd.txt")
    assert (result.code, problem in result.err) == (3, True)
    assert [path.name for path in tmp_path.iterdir()] == ["crd.txt"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "its title is not an apiVersion and a kind"),
        ('{"title": "a/v1 B"}', "it has no '$defs'"),
        ('{"title": "a/v1 B", "$defs": {}, "$ref": "#/$defs/gone"}', "nothing is defined at"),
        ('{"title": "a/v1 B", "$defs": {"a": {"$ref": "#/$defs/a"}}}', "refers to itself"),
        ("[", "not JSON"),
    ],
)
def test_a_schema_that_cannot_be_used(cli: Cli, text: str, problem: str, root: Path) -> None:
    """It is an error of the repository: specs would be checked by less than is asked for."""
    (root / "crds" / "b.json").write_text(text)
    result = cli("validate")
    assert (result.code, "crds/b.json:" in result.out) == (3, True)
    assert problem in result.out
