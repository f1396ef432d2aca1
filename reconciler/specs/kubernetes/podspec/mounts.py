"""Where a container has the volumes of its pod: as folders, and as devices."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.specs.kubernetes.bodies import Manifest
from reconciler.specs.kubernetes.paths import Path
from reconciler.specs.kubernetes.podspec.view import ContainerView
from reconciler.specs.kubernetes.podspec.volumes import check_no_step_back, check_relative_path
from reconciler.specs.kubernetes.problems import Problem, Problems, entries
from reconciler.specs.schema.compiled_schema import did_you_mean, quote_value

# The API server reads the pods of these itself; to those of others, operators add volumes.
_OWN_GROUPS = frozenset({"", "apps", "batch"})
_BLOCK_SOURCES = frozenset({"persistentVolumeClaim", "ephemeral"})


def check_mounts(
    view: ContainerView, path: Path, mounts: Any, claimed: Collection[str] | None
) -> Problems:
    """A mount is of a volume of the pod, at a place of its own, in a way that works.

    `claimed` are the names of volumes that the kind makes beside those of the pod; None where it
    may make any.
    """
    severity = None if view.view.group in _OWN_GROUPS else Severity.WARNING
    names = _volumes(view).keys() | set(claimed or ())
    places = {device.get("devicePath") for _, device in _devices(view)}
    for mount_path, mount in entries(mounts, path):
        name, place = mount.get("name"), mount.get("mountPath")
        if claimed is not None and isinstance(name, str) and name not in names:
            hint = did_you_mean(name, names) or "add it under 'volumes' of the pod"
            message = f"the pod has no volume '{name}'"
            yield Problem((*mount_path, "name"), message, hint, severity=severity)
        if isinstance(place, str) and place:
            if place in places:
                message = f"two volumes are mounted at {quote_value(place)}"
                yield Problem((*mount_path, "mountPath"), message, severity=severity)
            places.add(place)
        yield from _check_sub_path(mount_path, mount)
        yield from _check_ways(view, mount_path, mount)


def _check_sub_path(path: Path, mount: Manifest) -> Problems:
    for field in ("subPath", "subPathExpr"):
        yield from check_relative_path((*path, field), mount.get(field))
    if mount.get("subPath") and mount.get("subPathExpr"):
        message = "'subPath' and 'subPathExpr' exclude each other"
        yield Problem((*path, "subPathExpr"), message, at_key=True)


def _check_ways(view: ContainerView, path: Path, mount: Manifest) -> Problems:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation == "Bidirectional" and view.security.get("privileged") is not True:
        message = "mounts are propagated to the node by privileged containers only"
        hint = "write securityContext: {privileged: true}, or HostToContainer"
        yield Problem((*path, "mountPropagation"), message, hint)
    if recursive in ("Enabled", "IfPossible"):
        if mount.get("readOnly") is not True:
            message = "'recursiveReadOnly' needs readOnly: true beside it"
            yield Problem((*path, "recursiveReadOnly"), message)
        elif propagation not in (None, "None"):
            message = f"'recursiveReadOnly' excludes the mountPropagation {propagation}"
            yield Problem((*path, "recursiveReadOnly"), message)


def check_devices(
    view: ContainerView, path: Path, devices: Any, claimed: Collection[str] | None
) -> Problems:
    """A device is a claim of the pod, at a path of its own, and is not mounted as well."""
    volumes = _volumes(view)
    mounted = {mount.get("name") for _, mount in entries(view.container.get("volumeMounts"), ())}
    names: set[str] = set()
    places: set[str] = set()
    for device_path, device in entries(devices, path):
        name, place = device.get("name"), device.get("devicePath")
        if isinstance(name, str):
            volume = volumes.get(name)
            if volume is None and claimed is not None and name not in claimed:
                hint = did_you_mean(name, volumes) or "add it under 'volumes' of the pod"
                yield Problem((*device_path, "name"), f"the pod has no volume '{name}'", hint)
            elif volume is not None and _BLOCK_SOURCES.isdisjoint(volume):
                message = f"the volume '{name}' is no claim, and only these can be devices"
                yield Problem((*device_path, "name"), message)
            elif name in names or name in mounted:
                message = f"the volume '{name}' is used twice by the container"
                yield Problem((*device_path, "name"), message)
            names.add(name)
        if isinstance(place, str):
            if place in places:
                message = f"two devices are at {quote_value(place)}"
                yield Problem((*device_path, "devicePath"), message)
            places.add(place)
        yield from check_no_step_back((*device_path, "devicePath"), place)


def _volumes(view: ContainerView) -> dict[str, Manifest]:
    volumes = entries(view.view.spec.get("volumes"), ())
    return {v["name"]: v for _, v in volumes if isinstance(v.get("name"), str)}


def _devices(view: ContainerView) -> Iterable[tuple[Path, Manifest]]:
    return entries(view.container.get("volumeDevices"), ())
