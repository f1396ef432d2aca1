"""Kubernetes manifests: read from base64, and completed as a control plane completes them."""

from __future__ import annotations

import base64
import binascii
import json
from fnmatch import fnmatchcase
from typing import Any

from reconciler.sandbox.http import Refusal, encode
from reconciler.sandbox.world.kinds import default_preemptibility

SCHEDULER = "runai-scheduler"
# Aliases let a kilobyte of YAML unfold to terabytes; a real manifest stays far below this.
_MAX_NODES = 200_000


def decode_manifest(encoded: str) -> dict[str, Any]:
    """Read one YAML (or JSON) object from base64; raises Refusal (400)."""
    import yaml

    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise Refusal(400, f"failed to decode manifestBase64Encoded: {exc}") from None
    not_yaml = Refusal(400, "failed to convert YAML to JSON")
    try:
        manifest = yaml.load(text, Loader=_loader())  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        raise not_yaml from None
    if not isinstance(manifest, dict) or _exceeds(manifest, _MAX_NODES):
        raise not_yaml
    return manifest


def complete_manifest(
    raw: bytes,
    *,
    name: str,
    project_name: str,
    namespace: str,
    priority: str | None,
    category: str | None,
    preemptibility: str | None,
) -> bytes:
    """Build the `workloadManifest`: name, namespace, queue, priority and scheduler filled in."""
    manifest: dict[str, Any] = json.loads(raw)
    metadata = manifest.setdefault("metadata", {})
    labels = metadata.get("labels") or {}
    labels |= {"runai/queue": project_name}
    if priority is not None:
        scheduled_as = preemptibility or default_preemptibility(category)
        labels |= {"priorityClassName": priority, "kai.scheduler/preemptibility": scheduled_as}
    metadata |= {"name": name, "namespace": namespace, "labels": labels}
    # Each kind nests its pods elsewhere, so a pod spec is known by its containers.
    pending: list[Any] = [manifest]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if isinstance(node.get("containers"), list):
                node["schedulerName"] = SCHEDULER
            pending.extend(node.values())
    return encode(manifest)


def count_pods(manifest: dict[str, Any]) -> int:
    """Count the pods that a manifest asks for: replicas of its groups, 1 where it says nothing."""
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return 1
    groups = next(
        (value for key, value in spec.items() if key.endswith("ReplicaSpecs")), {"": spec}
    )
    if not isinstance(groups, dict):
        return 1
    counts = (
        group.get("replicas", group.get("parallelism", 1))
        for group in groups.values()
        if isinstance(group, dict)
    )
    return sum(count if isinstance(count, int) and 0 <= count < 2**20 else 1 for count in counts)


def count_gpus(manifest: dict[str, Any]) -> float:
    """Add up the GPUs of the pods that a manifest asks for; what cannot be read counts as none."""
    gpus = 0.0
    # At each level on the way to a pod there may be a number of copies of what is below it.
    # No recursion: a manifest may be nested as deep as its reader goes.
    pending: list[tuple[Any, float]] = [(manifest, 1.0)]
    while pending:
        node, copies = pending.pop()
        if isinstance(node, list):
            pending.extend((item, copies) for item in node)
        if not isinstance(node, dict):
            continue
        containers, metadata = node.get("containers"), node.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(containers, list):
            gpus += copies * sum(map(_gpus_of_container, containers))
        elif isinstance(annotations, dict) and "gpu-fraction" in annotations:
            devices = _number(annotations.get("gpu-fraction-num-devices", 1))
            gpus += copies * _number(annotations["gpu-fraction"]) * devices
        else:
            number = node.get("replicas", node.get("parallelism", 1))
            copies *= number if isinstance(number, int) and 0 <= number < 2**20 else 1
            pending.extend((value, copies) for value in node.values())
    # Far beyond any cluster, and still a number that JSON can say.
    return min(gpus, 2.0**40)


def _gpus_of_container(container: Any) -> float:
    resources = container.get("resources") if isinstance(container, dict) else None
    limits = resources.get("limits") if isinstance(resources, dict) else None
    return _number(limits.get("nvidia.com/gpu", 0)) if isinstance(limits, dict) else 0.0


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if 0 <= number < 2**20 else 0.0


def merge_manifests(old: Any, new: Any) -> Any:
    """Merge as RFC 7386 does: maps member by member, null removes, everything else replaces."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    merged = old | {key: merge_manifests(old.get(key), value) for key, value in new.items()}
    return {key: value for key, value in merged.items() if value is not None}


def strip_annotations(manifest: dict[str, Any], pattern: str | None) -> dict[str, Any]:
    """Leave out the annotations that a glob covers, as a server may that does not know them."""
    metadata = manifest.get("metadata") or {}
    annotations = metadata.get("annotations")
    if pattern is None or not annotations:
        return manifest
    others = {name: value for name, value in metadata.items() if name != "annotations"}
    remaining = {name: v for name, v in annotations.items() if not fnmatchcase(name, pattern)}
    return manifest | {"metadata": others | ({"annotations": remaining} if remaining else {})}


def _exceeds(value: Any, limit: int) -> bool:
    """Count the nodes as a writer of JSON would write them: a shared alias once for each use."""
    pending, seen = [value], 0
    while pending:
        node = pending.pop()
        seen += 1
        if seen > limit:
            return True
        if isinstance(node, dict):
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
    return False


def _loader() -> Any:
    import yaml

    # The C loader is there only where PyYAML was built with libyaml.
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # which of the two it is, is known at run time only
        """Reads dates as text, as the YAML-to-JSON conversion of Kubernetes does."""

    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    return Loader
