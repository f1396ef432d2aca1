"""Amounts of resources: which there are, and how those of pods and containers fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from reconciler.kinds.devices import WHOLE_GPU
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView, PodView
from reconciler.specs.kubernetes.problems import Problem, Problems, entries, mapping
from reconciler.specs.kubernetes.syntax import problem_of_key, read_quantity
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

PARTS = ("limits", "requests")
HUGE_PAGES = "hugepages-"
_STANDARD = ("cpu", "memory", "ephemeral-storage")
_RESIZED = ("cpu", "memory")
# Whole names, since `nvidia.com/vgpu` is one of other schedulers.
_LIKE_GPU = re.compile(
    r"(?:gpus?|nvidia[-_.]?gpus?|(?:nvidia|nvidia\.io)/gpus?|nvidia\.com/gpus?)", re.I
)
_MISSPELT_VENDOR = r"(?i)n[iv][a-z]{2,6}\.com/gpus?"


def looks_like_gpu(name: str) -> bool:
    """Whether the name of a resource is meant to be that of a whole GPU, and is not."""
    is_like = _LIKE_GPU.fullmatch(name) or re.fullmatch(_MISSPELT_VENDOR, name)
    return name != WHOLE_GPU and is_like is not None


def check_container_names(_: ContainerView, path: Path, resources: Any) -> Problems:
    """A container asks for resources that Kubernetes has, or that a device plugin may have."""
    for amount_path, name, _ in _amounts(path, resources):
        if "/" not in name and name not in _STANDARD and not name.startswith(HUGE_PAGES):
            hint = f"did you mean {WHOLE_GPU}?" if looks_like_gpu(name) else ""
            hint = hint or did_you_mean(name, _STANDARD) or "those of plugins have a domain"
            message = f"Kubernetes has no resource {quote_value(name)}"
            yield Problem(amount_path, message, hint, at_key=True)
        elif problem := problem_of_key(name):
            message = f"the resource {quote_value(name)} {problem}"
            yield Problem(amount_path, message, at_key=True)
        elif name.startswith("requests."):
            message = f"{quote_value(name)} is a name for quotas, not for containers"
            yield Problem(amount_path, message, f"write {name[9:]}", at_key=True)


def check_huge_pages(_: ContainerView, path: Path, resources: Any) -> Problems:
    """Huge pages come in whole pages, and beside a processor or memory."""
    names = {name for _, name, _ in _amounts(path, resources)}
    for amount_path, name, value in _amounts(path, resources):
        if not name.startswith(HUGE_PAGES):
            continue
        page, amount = read_quantity(name.removeprefix(HUGE_PAGES)), read_quantity(value)
        if page is None or page <= 0:
            message = f"{quote_value(name)} names no size of a page"
            yield Problem(amount_path, message, "such as hugepages-2Mi", at_key=True)
        elif amount is not None and amount % page:
            yield Problem(amount_path, f"{quote_value(value)} is no whole number of such pages")
        if names.isdisjoint(_RESIZED):
            yield Problem(amount_path, "huge pages need an amount of cpu or memory", at_key=True)


def check_pod_resources(view: PodView, path: Path, resources: Any) -> Problems:
    """The amounts of a pod as a whole are of few resources, and hold those of its containers."""
    if mapping(resources).get("claims") is not None:
        message = "claims are used by containers, not by the pod as a whole"
        yield Problem((*path, "claims"), message, at_key=True)
    for amount_path, name, _ in _amounts(path, resources):
        if name not in _RESIZED and not name.startswith(HUGE_PAGES):
            message = f"a pod as a whole has no amount of {quote_value(name)}"
            hint = "write it under 'resources' of a container"
            yield Problem(amount_path, message, hint, at_key=True)
    containers = list(entries(view.spec.get("containers"), (*path[:-1], "containers")))
    for name in _RESIZED:
        most = read_quantity(mapping(resources, "limits").get(name))
        asked = Decimal(0)
        for container_path, container in containers:
            own = mapping(container, "resources")
            limit = read_quantity(mapping(own, "limits").get(name))
            if most is not None and limit is not None and limit > most:
                limit_path = (*container_path, "resources", "limits", name)
                yield Problem(limit_path, f"the limit of {name} is above that of the pod")
            asked += read_quantity(mapping(own, "requests").get(name)) or 0
        whole = mapping(resources, "requests").get(name)
        requested = read_quantity(whole)
        if requested is not None and requested < asked:
            message = f"its containers request more {name} than {quote_value(whole)} together"
            yield Problem((*path, "requests", name), message)


def check_resize(view: ContainerView, path: Path, policies: Any) -> Problems:
    """How a container takes other amounts is said once for each resource that can change."""
    seen: set[str] = set()
    for policy_path, policy in entries(policies, path):
        name = policy.get("resourceName")
        if not isinstance(name, str):
            continue
        if name not in _RESIZED:
            message = f"only cpu and memory can be resized, not {quote_value(name)}"
            yield Problem((*policy_path, "resourceName"), message)
        elif name in seen:
            message = f"'{name}' has two policies"
            yield Problem((*policy_path, "resourceName"), message, "remove one of them")
        seen.add(name)
        never = view.view.spec.get("restartPolicy") == "Never"
        if never and policy.get("restartPolicy") == "RestartContainer":
            message = "a pod that never restarts cannot restart a container for its size"
            yield Problem((*policy_path, "restartPolicy"), message, "write NotRequired")


def _amounts(path: Path, resources: Any) -> Iterator[tuple[Path, str, Any]]:
    for part in PARTS:
        for name, value in mapping(resources, part).items():
            if value is not None:
                yield (*path, part, name), name, value
