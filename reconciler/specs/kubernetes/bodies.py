"""A manifest with the pods in it, which are searched once for all rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from reconciler.kinds.kind import Kind, Layout
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


class Body(NamedTuple):
    """A manifest of a known kind.

    `templates` are its pod templates, if any, with their paths in the spec.
    """

    manifest: Manifest
    definition: Kind
    layout: Layout
    templates: list[Placed]
    pods: list[Pod]

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
            containers = [
                item for field in CONTAINERS for item in list_items(spec_path, spec, field)
            ]
            pods.append(Pod(spec_path, spec, containers))
    return Body(manifest, definition, layout, templates, pods)


def list_items(path: Path, value: Manifest, field: str) -> Iterator[tuple[Path, Manifest]]:
    """Yield the mappings in a list, with their paths."""
    items = value.get(field)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield (*path, field, index), item
