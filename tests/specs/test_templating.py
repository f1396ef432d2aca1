"""Templates that nobody has rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.specs import load

DEPLOYMENT = """\
metadata: {{name: llm, projectId: "4501"}}
manifest:
  apiVersion: apps/v1
  kind: Deployment
  metadata: {{name: llm, labels: {{a: {label}}}}}
  spec:
    selector: {{matchLabels: {{app: llm}}}}
    template:
      metadata: {{labels: {{app: llm}}}}
      spec:
        serviceAccountName: {account}
        volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}]
        containers:
        - name: {name}
          image: {image}
          args: [{free}]
          command: [{free}]
          env: [{{name: A, value: {free}}}, {{name: {variable}, value: b}}]
          resources: {{limits: {{cpu: {cpu}}}}}
"""
FIELDS = {
    "label": ("x", "/manifest/metadata/labels/a"),
    "account": ("x", "/manifest/spec/template/spec/serviceAccountName"),
    "claim": ("x", "/manifest/spec/template/spec/volumes/0/persistentVolumeClaim/claimName"),
    "name": ("x", "/manifest/spec/template/spec/containers/0/name"),
    "image": ("x", "/manifest/spec/template/spec/containers/0/image"),
    "variable": ("X", "/manifest/spec/template/spec/containers/0/env/1/name"),
    "cpu": ("1", "/manifest/spec/template/spec/containers/0/resources/limits/cpu"),
}
TEMPLATES = ["x{{ .Values.x }}", "{% if x %}a{% endif %}", "<%= x %>", "${{ vars.X }}", "${X}"]
GOOD = {field: f'"{value}"' for field, (value, _) in FIELDS.items()}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_where_no_template_can_be_meant(field: str, template: str, tmp_path: Path) -> None:
    """Each such field is one finding at its place, and nothing else is said of it."""
    text = DEPLOYMENT.format(**{**GOOD, field: f'"{template}"', "free": '"x"'})
    loaded = load(tmp_path, {"a.yaml": text})
    assert [(one.code, one.pointer) for one in loaded.diagnostics] == [
        ("unrendered-template", FIELDS[field][1])
    ]
    assert loaded.desired == ()


@pytest.mark.parametrize("template", TEMPLATES)
def test_where_braces_are_free(template: str, tmp_path: Path) -> None:
    """Arguments, commands and values of variables are handed on as they are."""
    text = DEPLOYMENT.format(**GOOD, free=f'"{template}"')
    assert load(tmp_path, {"a.yaml": text}).diagnostics == ()


def test_all_places_of_a_spec(tmp_path: Path) -> None:
    """Also its own metadata, both sides of a label, and an image in parts."""
    text = """\
metadata: {name: "a-{{ x }}", projectId: "{{ x }}"}
manifest:
  apiVersion: apps.nvidia.com/v1alpha1
  kind: NIMService
  metadata: {namespace: "${NS}", labels: {"{{ key }}": v}, annotations: {a: "{{ x }}"}}
  spec: {image: {repository: r, tag: "<% t %>"}, authSecret: s, storage: {hostPath: "/{{ x }}"}}
"""
    loaded = load(tmp_path, {"a.yaml": text})
    assert [one.pointer for one in loaded.diagnostics if one.code == "unrendered-template"] == [
        "/metadata/name",
        "/metadata/projectId",
        "/manifest/metadata/namespace",
        "/manifest/metadata/labels/{{ key }}",
        "/manifest/spec/image/tag",
    ]


def test_templates_that_a_kind_renders_itself(tmp_path: Path) -> None:
    """A workflow puts its parameters into its steps when it runs them."""
    text = """\
metadata: {name: flow, projectId: "4501"}
manifest:
  apiVersion: argoproj.io/v1alpha1
  kind: Workflow
  spec: {templates: [{name: a, container: {image: "app:{{inputs.parameters.tag}}"}}]}
"""
    assert load(tmp_path, {"a.yaml": text}).diagnostics == ()
