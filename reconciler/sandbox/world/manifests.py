"""Kubernetes manifests: read from base64, and dressed as a control plane dresses them."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from reconciler.sandbox.http import Refusal
from reconciler.sandbox.world.kinds import is_preemptible

SCHEDULER = "runai-scheduler"
# Aliases let a kilobyte of YAML unfold to terabytes; a real manifest stays far below this.
_MAX_NODES = 200_000
_NOT_YAML = "failed to convert YAML to JSON"


def decode_manifest(encoded: str) -> dict[str, Any]:
    """Read one YAML (or JSON) object from base64; raises Refusal (400)."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise Refusal(400, f"failed to decode manifestBase64Encoded: {exc}") from None
    manifest = _read_yaml(text)
    if not isinstance(manifest, dict):
        raise Refusal(400, _NOT_YAML)
    return manifest


def dress_manifest(
    raw: bytes,
    *,
    name: str,
    project_name: str,
    priority: str | None,
    category: str | None,
) -> dict[str, Any]:
    """Build the `workloadManifest`: name, namespace, queue, priority and scheduler filled in."""
    dressed: dict[str, Any] = json.loads(raw)
    metadata = dressed.setdefault("metadata", {})
    labels = metadata.get("labels") or {}
    labels |= {"runai/queue": project_name}
    if priority is not None:
        preemptible = "preemptible" if is_preemptible(category) else "non-preemptible"
        labels |= {"priorityClassName": priority, "kai.scheduler/preemptibility": preemptible}
    metadata |= {"name": name, "namespace": f"runai-{project_name}", "labels": labels}
    _set_scheduler(dressed)
    return dressed


def _set_scheduler(manifest: dict[str, Any]) -> None:
    """Name the scheduler in every pod spec; each kind nests its pods elsewhere."""
    pending: list[Any] = [manifest]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if isinstance(node.get("containers"), list):
                node["schedulerName"] = SCHEDULER
            pending.extend(node.values())


def _read_yaml(text: str) -> Any:
    import yaml

    try:
        value = yaml.load(text, Loader=_loader())  # noqa: S506 - derived from the safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        raise Refusal(400, _NOT_YAML) from None
    if _exceeds(value, _MAX_NODES):
        raise Refusal(400, _NOT_YAML)
    return value


def _exceeds(value: Any, limit: int) -> bool:
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

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # which of the two it is, is known at run time only
        """Reads dates as text, as the YAML-to-JSON conversion of Kubernetes does."""

    Loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in base.yaml_implicit_resolvers.items()
    }
    return Loader
