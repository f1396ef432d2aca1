from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, sort_diagnostics
from reconciler.kinds.registry import KINDS
from reconciler.specs.config import Config
from reconciler.specs.kubernetes.bodies import CONTAINERS
from reconciler.specs.kubernetes.object_schemas import object_schema
from reconciler.specs.kubernetes.outlines import Outlines
from reconciler.specs.repository import Repository
from reconciler.specs.source.source_cache import read_data
from tests.specs.manifests import MANIFESTS, fresh
from tests.specs.strategies import damaged
from tests.support.specs import load, spec, tell, told

ODD = [
    "",
    " ",
    "n" * 30,
    "text",
    "image",
    "app:1",
    "app:1 ",
    "${TAG}",
    "$TAG",
    "a",
    "A",
    "a.b",
    '"a"',
]
NAMES = st.sampled_from(
    ["a", "llm", "llm-2", "n-" + "0" * 28, "a" * 64, "A", "1a", "a.b", "text", '"a"']
)
TEXTS = st.sampled_from(ODD) | st.text(max_size=5)


@st.composite
def alike(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Return manifests of one kind, right or damaged, that differ in their names and texts."""
    kind, manifest = draw(damaged())
    origin = fresh(kind) if draw(st.booleans()) else manifest
    return [draw(renamed(origin)) for _ in range(3)]


@st.composite
def renamed(draw: st.DrawFn, origin: Any) -> tuple[str, Any]:
    """Return a name with a manifest that may have it in some places, and its own texts."""
    manifest, name = json.loads(json.dumps(origin)), draw(NAMES)
    holders: list[Any] = [manifest]
    for holder in holders:
        parts = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for step, part in list(parts):
            if isinstance(part, dict | list):
                holders.append(part)
            elif step == "image" and isinstance(part, str):
                holder[step] = draw(st.just(part) | TEXTS)
            elif isinstance(part, str) and draw(st.integers(0, 5)) == 0:
                holder[step] = name
        for field in CONTAINERS if isinstance(holder, dict) else ():
            containers = holder.get(field)
            for container in containers if isinstance(containers, list) else ():
                if isinstance(container, dict) and draw(st.booleans()):
                    container["args"] = draw(st.lists(TEXTS | st.integers(), max_size=2))
                    variable = st.fixed_dictionaries({"name": TEXTS, "value": TEXTS | st.none()})
                    container["env"] = draw(st.lists(variable, max_size=2))
    return name, manifest


def findings(specs: list[tuple[str, Any]], root: Path, outlines: Outlines | None) -> list[str]:
    """Judge specs one after the other, and write what was found."""
    repository = Repository.of([root], root, Config())
    objects = repository.objects._replace(outlines=outlines)
    repository = repository._replace(objects=objects)
    composer, judge = repository.composer(), repository.judge(repository.config)
    found: list[Diagnostic] = []
    for number, (name, manifest) in enumerate(specs):
        spec = {"metadata": {"name": name, "projectId": "1"}, "manifest": manifest}
        file = f"{number}.json"
        reading = read_data(json.dumps(spec, indent=1).encode(), file)
        for candidate in composer.compose(repository.discovered.tree.specs[number], reading):
            found += judge.judge(candidate)[1].own
    return list(map(tell, sort_diagnostics(found)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(specs=alike())
def test_outlines_change_no_finding(specs: list[tuple[str, Any]], tmp_path: Path) -> None:
    """Specs that look alike have the findings that each has without a look at the others."""
    for number in range(3):
        (tmp_path / f"{number}.json").touch()
    with_outlines = findings(specs, tmp_path, Outlines())
    assert with_outlines == findings(specs, tmp_path, None)


class Check:
    """Finds nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _name: Any, _manifest: Any) -> bool:
        """Whether it found nothing."""
        self.asked += 1
        return True


@pytest.mark.parametrize("kind", sorted(MANIFESTS))
def test_texts_that_no_check_looks_at(kind: str) -> None:
    """Manifests of one outline are checked once: those with other names, images and texts."""
    outlines, check = Outlines(), Check()
    for name in ("llm", "another-workload"):
        manifest = fresh(kind)
        manifest["metadata"] = {"name": name, "labels": {"app": name}}
        for container in _containers(manifest):
            container |= {
                "image": f"registry.example.com/{name}:1.2@sha256:0",
                "command": [name],
                "args": ["--name", name],
                "env": [{"name": "NAME", "value": f"{name}!"}],
            }
        assert outlines.is_sound(name, manifest, check)
    assert check.asked == 1


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("image", "${IMAGE}"),
        ("image", ""),
        ("args", [1]),
        ("command", "sh"),
        ("env", [{"name": "A", "value": ""}]),
        ("env", [{"name": "B", "value": "1"}]),
        ("env", [{"name": "A", "value": 1}]),
        ("name", "other"),
        ("tty", True),
    ],
)
def test_whatever_else_differs_is_another_outline(field: str, other: Any) -> None:
    """What a check looks at, or may say something of, is part of the outline."""
    outlines, check = Outlines(), Check()
    container = {
        "name": "main",
        "image": "app",
        "args": ["1"],
        "env": [{"name": "A", "value": "1"}],
    }
    for each in (container, container | {field: other}):
        outlines.is_sound("a", {"spec": {"containers": [each]}}, check)
    assert check.asked == 2


def test_manifests_that_are_not_alike_are_no_longer_compared() -> None:
    """Where each has an outline of its own, writing one costs more than it spares."""
    outlines, check = Outlines(), Check()
    for number in range(1000):
        outlines.is_sound("a", {"number": number}, check)
    assert check.asked == 501


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if key in CONTAINERS:
            yield from part
        elif isinstance(part, dict | list):
            yield from _containers(part)


def test_schemas_ask_nothing_of_these_texts() -> None:
    """No shipped schema says more of an image, an argument or a value than that it is a text.

    In some kinds an image is a mapping, which stays in the outline.
    """
    asked = set()
    for kind in KINDS.values():
        for version in kind.api_versions:
            compiled = object_schema(version, kind)
            schema = compiled.schema if compiled else {}
            for container in _container_schemas(schema, schema.get("$defs", {})):
                fields = container["properties"]
                variable = _resolve(fields["env"]["items"], schema["$defs"])
                asked |= {
                    json.dumps(_resolve(text, schema["$defs"]))
                    for text in (
                        fields["image"],
                        fields["args"]["items"],
                        fields["command"]["items"],
                        variable["properties"]["value"],
                    )
                }
    assert {text for text in asked if '"type": "object"' not in text} == {'{"type": "string"}'}


def _container_schemas(schema: Any, definitions: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas of containers, wherever there is a list of them."""
    for key, part in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if key == "properties":
            for field in set(CONTAINERS).intersection(part):
                container = _resolve(part[field].get("items", {}), definitions)
                if "image" in container.get("properties", {}):
                    yield container
        if isinstance(part, dict | list):
            yield from _container_schemas(part, definitions)


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        name, _, field = schema["$ref"].removeprefix("#/$defs/").partition("/properties/")
        schema = definitions[name]["properties"][field] if field else definitions[name]
    return schema


def test_imported_schemas_may_ask_for_more(tmp_path: Path) -> None:
    """Where a repository brings schemas of its own, every text is checked."""
    argument = {"type": "string", "minLength": 4}
    container = {"type": "object", "properties": {"args": {"type": "array", "items": argument}}}
    fields = {"containers": {"type": "array", "items": container}}
    schema = {
        "title": "example.com/v1 Tool",
        "$defs": {},
        "properties": {"spec": {"type": "object", "properties": fields}},
    }
    files = {
        "reconciler.yaml": "crds: schemas\n",
        "schemas/tool.json": json.dumps(schema),
        **{
            f"{name}.yaml": spec(
                name,
                manifest="{apiVersion: example.com/v1, kind: Tool,"
                f" spec: {{containers: [{{args: [{argument}]}}]}}}}",
            )
            for name, argument in (("right", "fast"), ("wrong", "no-"))
        },
    }
    assert told(load(tmp_path, files)) == [
        (
            "wrong.yaml:2:80-2:83 error kubernetes-invalid-value: 'no-' is not allowed:"
            " it has fewer than 4 characters"
        )
    ]


def test_no_author_can_know_what_stands_for_a_name() -> None:
    """Written beside the name, it would make a selector of it that finds nothing look sound."""
    code = "from reconciler.specs.kubernetes.outlines import _NAME; print(_NAME)"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(drawn) == 2
    assert {len(name.strip()) for name in drawn} == {30}
