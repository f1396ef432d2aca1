"""A manifest with the pods in it, which are searched once for all rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from reconciler.kinds.kind import Kind, Layout
from reconciler.kinds.serving import KSERVE_SERVERS
from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.kubernetes.paths import Path, find_all

Manifest: TypeAlias = Mapping[str, Any]
Placed: TypeAlias = tuple[Path, Any]

CONTAINERS = ("containers", "initContainers")


class Pod(NamedTuple):
    """A pod's own specification with its path in the spec, and the containers in it."""

    path: Path
    spec: Manifest
    containers: list[tuple[Path, Manifest]]

    def items(self, field: str) -> Iterator[tuple[Path, Manifest]]:
        """Yield the mappings in a list of the pod."""
        return list_items(self.path, self.spec, field)


# Where an operator takes a part of a pod's own specification and completes it, and the containers
# that stand in it under names of their own.
_COMPLETED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("nvidia.com", "DynamoGraphDeployment"): ("spec/services/*/extraPodSpec",),
    ("serving.kserve.io", "InferenceService"): (
        *("spec/predictor", "spec/transformer", "spec/explainer"),
        "spec/predictor/workerSpec",
    ),
}
_NAMED_CONTAINERS = (*KSERVE_SERVERS, "mainContainer")


class Body(NamedTuple):
    """A manifest of a known kind.

    `templates` are its pod templates, if any, with their paths in the spec. `completed` are parts
    of pods that the operator completes: what is missing in them is nothing to tell.
    """

    manifest: Manifest
    definition: Kind
    layout: Layout
    templates: list[Placed]
    pods: list[Pod]
    completed: list[Pod]

    @property
    def kind(self) -> str:
        """The kind, as its author and a message call it."""
        return str(self.manifest["kind"])

    def find(self, *patterns: str) -> Iterator[Placed]:
        """Yield what patterns from the manifest's top lead to, with paths in the spec."""
        for path, value in find_all(self.manifest, patterns):
            yield (INLINE, *path), value


def open_body(manifest: Manifest, definition: Kind, layout: Layout) -> Body:
    """Find the pods of a manifest; other rules report what is no mapping where one is expected."""
    templates = [((INLINE, *path), template) for path, template in find_all(manifest, layout.pods)]
    pods = []
    for path, template in templates:
        # Only what can be walked becomes a pod, so that no rule has to ask for types again.
        spec = template.get("spec") if isinstance(template, dict) else None
        if isinstance(spec, dict):
            spec_path = (*path, "spec")
            pods.append(Pod(spec_path, spec, list(_containers(spec_path, spec))))
    patterns = _COMPLETED.get((definition.group, definition.name), ())
    completed = [
        Pod(
            (INLINE, *path),
            spec,
            [*_containers((INLINE, *path), spec), *_named((INLINE, *path), spec)],
        )
        for path, spec in find_all(manifest, patterns)
        if isinstance(spec, dict)
    ]
    return Body(manifest, definition, layout, templates, pods, completed)


def _containers(path: Path, spec: Manifest) -> Iterator[tuple[Path, Manifest]]:
    for field in CONTAINERS:
        yield from list_items(path, spec, field)


def _named(path: Path, spec: Manifest) -> Iterator[tuple[Path, Manifest]]:
    for name in _NAMED_CONTAINERS:
        if isinstance(container := spec.get(name), dict):
            yield (*path, name), container


def list_items(path: Path, value: Manifest, field: str) -> Iterator[tuple[Path, Manifest]]:
    """Yield the mappings in a list, with their paths."""
    items = value.get(field)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*path, field, index), item
