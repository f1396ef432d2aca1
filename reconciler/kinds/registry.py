"""Every kind that the program knows, and the one that a manifest is of.

The list is that of the platform's documentation of supported workload types. Administrators
register more, so a kind that is missing here is worth a warning, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reconciler.kinds import (
    kubeflow,
    kubernetes,
    kubevirt,
    nvidia,
    ray,
    serving,
    sigs,
    tekton,
    unknown,
)
from reconciler.kinds.fields import UnreadableError, describe
from reconciler.kinds.kind import CORE_GROUPS, Kind, Pods
from reconciler.kinds.kubernetes import BUILT_IN

_MODULES = (kubernetes, sigs, kubeflow, ray, serving, nvidia, kubevirt, tekton, unknown)

KINDS: Mapping[tuple[str, str], Kind] = {
    (kind.group, kind.name): kind for module in _MODULES for kind in module.KINDS
}
"""By API group and kind; the core group is the empty string."""


def group_kind(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """The API group and kind of a manifest; the core group is the empty string."""
    group, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    return (group if slash else "", str(manifest.get("kind", "")))


def registered_kind(manifest: Mapping[str, Any]) -> Kind | None:
    """The kind of a manifest, in a version that the platform registers out of the box."""
    kind = KINDS.get(group_kind(manifest))
    registered = kind is not None and manifest.get("apiVersion") in kind.api_versions
    return kind if registered else None


def intended_kind(manifest: Mapping[str, Any]) -> Kind | None:
    """The registered kind of a manifest, or the one that it must mean.

    A kind that a group of Kubernetes' own does not have is a mistake in the version; what it means
    is known where only one registered kind has that name.
    """
    if not is_wrong_core_kind(manifest):
        return registered_kind(manifest)
    named = [kind for kind in KINDS.values() if kind.name == manifest.get("kind")]
    return named[0] if len(named) == 1 else None


def is_wrong_core_kind(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of a group of Kubernetes' own, and that has no such kind."""
    group, name = group_kind(manifest)
    version = manifest.get("apiVersion")
    if not (isinstance(version, str) and version and name):
        return False
    return group in CORE_GROUPS and name not in BUILT_IN.get(version, ())


# The same few are asked about for every spec.
@lru_cache(maxsize=256)
def is_registered(api_version: str, kind: str) -> bool:
    """Whether a kind is registered out of the box, in that version."""
    return registered_kind({"apiVersion": api_version, "kind": kind}) is not None


def api_versions_of(name: str) -> tuple[str, ...]:
    """Under which apiVersions a kind is registered, whatever its group."""
    versions = (kind.api_versions for kind in KINDS.values() if kind.name == name)
    return tuple(sorted(version for group in versions for version in group))


def kind_names() -> tuple[str, ...]:
    """Every registered kind, in alphabetical order."""
    return tuple(sorted({kind.name for kind in KINDS.values()}))


def runs_to_completion(manifest: Mapping[str, Any]) -> bool:
    """Whether a workload finishes by itself, in whatever version of its kind."""
    kind = KINDS.get(group_kind(manifest))
    return kind is not None and kind.runs_to_completion(manifest)


def serves_until_ended(manifest: Mapping[str, Any]) -> bool:
    """Whether a workload is of a kind that is known not to finish by itself."""
    kind = KINDS.get(group_kind(manifest))
    return kind is not None and not kind.runs_to_completion(manifest)


def find_pods(manifest: Any) -> Pods:
    """The pods of a manifest; raises UnreadableError, also while they are walked."""
    if not isinstance(manifest, Mapping):
        raise UnreadableError(f"the manifest is {describe(manifest)}, not a mapping")
    version, name = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(version, str) or not isinstance(name, str):
        raise UnreadableError("apiVersion or kind is missing")
    # Whatever the version: pods are counted as well as they can be, also of one that is not
    # registered, which is another check's to report.
    kind = KINDS.get((version.rpartition("/")[0], name))
    if kind is None:
        raise UnreadableError(f"{version} {name} is not a kind whose pods can be found")
    return kind.find_pods(manifest)
