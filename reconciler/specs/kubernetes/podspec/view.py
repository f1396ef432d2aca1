"""What a rule about a pod or a container gets to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from reconciler.specs.kubernetes.bodies import Manifest, Pod
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.problems import Problems, mapping


class PodView(NamedTuple):
    """A pod with the kind that makes it; `is_bare` says that it is the object itself."""

    pod: Pod
    group: str
    is_bare: bool

    @property
    def spec(self) -> Manifest:
        """The pod's own specification."""
        return self.pod.spec


class ContainerView(NamedTuple):
    """A container of a pod; a sidecar is an init container that stays."""

    view: PodView
    path: Path
    container: Manifest

    @property
    def is_init(self) -> bool:
        """Whether it runs before the others."""
        return self.path[-2] == "initContainers"

    @property
    def is_sidecar(self) -> bool:
        """Whether it is started before the others and stays beside them."""
        return self.is_init and self.container.get("restartPolicy") == "Always"

    @property
    def security(self) -> Manifest:
        """Its security settings."""
        return mapping(self.container, "securityContext")


PodRule: TypeAlias = Callable[[PodView, Path, Any], Problems]
"""A rule about a field of the pod: its path and value."""
ContainerRule: TypeAlias = Callable[[ContainerView, Path, Any], Problems]
"""A rule about a field of a container: its path and value."""
