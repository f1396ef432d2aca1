"""What can be said of one kind of workload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from reconciler.kinds.fields import Template, UnreadableError
from reconciler.kinds.updates import UpdateRules
from reconciler.values import dataclass

Pods: TypeAlias = Iterator[tuple[int, Template] | UnreadableError]
"""How many pods of which shape, or why some of them are not known; walking it may raise that."""
PodFinder: TypeAlias = Callable[[Template], Pods]


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What a controller calls something that it makes: the workload's name, and this behind it.

    `noun` is what it makes. `sure` says that nothing comes of the workload if that is too long.
    """

    noun: str
    suffix: str
    sure: bool = True


NameDeriver: TypeAlias = Callable[[Template], Iterator[Derived]]

# The groups of workloads that Kubernetes owns: nobody else adds a kind to them.
CORE_GROUPS = frozenset({"", "apps", "batch", "extensions"})

ANY_POLICY = ("Always", "OnFailure", "Never")
FINITE_POLICIES = ("OnFailure", "Never")
STEADY_POLICIES = ("Always",)
ROLE_POLICIES = (*ANY_POLICY, "ExitCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a kind keeps its pods, and what it lets them be.

    Paths are relative to the manifest; `*` stands for every item of a list or entry of a mapping.
    `pods` lead to pod templates, `counts` to numbers of pods. `roles` leads to the parts of a
    training job, which have a restart policy of their own; `role_names` are those that its operator
    knows, the first of them required if `needs_first_role`; `worker_container` is the name of the
    container that does the work. `selects` says that a selector has to match the pods' labels,
    `inherits_annotations` that pods get the annotations of the object, `needs_pods` that a manifest
    without a pod template is a mistake. `longest_name` is what the controller can work with, which
    may be less than an object may have; `derive_names` yields the names that it makes of it.
    """

    pods: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    restart_policies: tuple[str, ...] = ANY_POLICY
    needs_restart_policy: bool = False
    roles: str = ""
    role_names: tuple[str, ...] = ()
    needs_first_role: bool = False
    worker_container: str = ""
    selects: bool = False
    schedule: str = ""
    longest_name: int = 253
    derive_names: NameDeriver | None = None
    inherits_annotations: bool = False
    needs_pods: bool = True


Part = TypeVar("Part")


def walk_each(parts: Iterable[Part], find_pods: Callable[[Part], Pods]) -> Pods:
    """The pods of every part: one that cannot be read hides none of the others."""
    for part in parts:
        try:
            yield from find_pods(part)
        except UnreadableError as gap:
            yield gap


def always(_: Template) -> bool:
    """Every workload of the kind runs to completion."""
    return True


def never(_: Template) -> bool:
    """No workload of the kind runs to completion."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. Adding one to the program is one of these literals.

    `versions` are those under which the platform registers it out of the box. `find_pods` yields
    the pods that its controller makes. `runs_to_completion` tells whether a workload ends by
    itself, so that running it again by surprise would repeat its work. `layout` is None where its
    pods are put together later, by steps or by a service of its own. `structure` is a JSON Schema
    of `spec`, written by hand: what the operator is sure to refuse, and its CRD does not say.
    `references` are paths to names of other workloads, with the kind that each is of. `updates`
    tells what changes in place. `first_container_counts` says that the operator does something to
    the first container of a pod, whatever it is called.
    """

    group: str
    name: str
    versions: tuple[str, ...]
    find_pods: PodFinder
    updates: UpdateRules
    runs_to_completion: Callable[[Template], bool] = never
    layout: Layout | None = None
    structure: Mapping[str, Any] | None = None
    references: tuple[tuple[tuple[str, ...], str], ...] = ()
    first_container_counts: bool = False

    @property
    def is_core(self) -> bool:
        """Whether Kubernetes itself ships the kind."""
        return self.group in CORE_GROUPS

    @property
    def api_versions(self) -> tuple[str, ...]:
        """The values of `apiVersion` that manifests of this kind may have."""
        prefix = f"{self.group}/" if self.group else ""
        return tuple(f"{prefix}{version}" for version in self.versions)
