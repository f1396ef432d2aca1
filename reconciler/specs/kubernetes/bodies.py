"""What a manifest holds in the places where its kind keeps its pods, found once for all rules."""

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

    def listed(self, field: str) -> Iterator[tuple[Path, Manifest]]:
        """Yield the mappings in a list of the pod."""
        return items(self.path, self.spec, field)


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
    """Find the pods of a manifest; what is no mapping where one should be has none."""
    templates = [((INLINE, *path), one) for path, one in find_all(manifest, layout.pods)]
    pods = []
    for path, template in templates:
        spec = template.get("spec") if isinstance(template, dict) else None
        if isinstance(spec, dict):
            here = (*path, "spec")
            found = [one for field in CONTAINERS for one in items(here, spec, field)]
            pods.append(Pod(here, spec, found))
    return Body(manifest, definition, layout, templates, pods)


def items(path: Path, value: Manifest, field: str) -> Iterator[tuple[Path, Manifest]]:
    """Yield the mappings in a list, with their paths."""
    given = value.get(field)
    for at, one in enumerate(given if isinstance(given, list) else ()):
        if isinstance(one, dict):
            yield (*path, field, at), one
