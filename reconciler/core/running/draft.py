"""A spec for a workload that somebody else made: what was submitted, without what servers add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.diff.update import CLUSTER_FIELDS
from reconciler.core.digest import digest_text
from reconciler.core.json_pointer import escape_step
from reconciler.core.model import Address, Json, Remote
from reconciler.core.protocol.live import WorkloadType
from reconciler.core.protocol.marker import unmark
from reconciler.core.secrets.marks import is_redacted

# A manifest that was exported from a cluster has these as well.
_STORED = (
    *CLUSTER_FIELDS,
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "ownerReferences",
    "selfLink",
)
_ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
)
# The order in which people write an object; what else it has follows.
_FIRST = ("apiVersion", "kind", "metadata")
# File systems allow 255 bytes in a name; the rest is for a suffix and for a temporary file.
_LONGEST = 180


def draft_spec(
    remote: Remote, types: Iterable[WorkloadType], *, namespace: str | None
) -> dict[str, Any]:
    """The document that declares a workload as it was submitted.

    `types` tell what the server fills in of priority and category, and `namespace` is that of its
    project: none of these says anything.
    """
    manifest = _without_clutter(dict(unmark(remote.raw_manifest)), namespace)
    metadata: dict[str, Any] = {"name": remote.address.name, "projectId": remote.address.project}
    default = _type_of(manifest, types)
    for field in ("priority", "category"):
        value = remote.metadata.get(field)
        if isinstance(value, str) and (default is None or value != getattr(default, field)):
            metadata[field] = value
    return {"metadata": metadata, "manifest": _ordered(manifest)}


def file_names(address: Address) -> tuple[str, str]:
    """Names for the file of a spec, the plain one first: safe, and read as a spec."""
    plain = _safe(address.name)
    return f"{plain}.yaml", f"{plain}.{_safe(address.project)}.yaml"


def find_hidden(value: Any, redacted: Any, pointer: str = "") -> list[str]:
    """The pointers at which a redacted copy differs from a value: where a secret stands."""
    if isinstance(value, Mapping) and isinstance(redacted, Mapping):
        pairs = ((key, value[key], redacted.get(key)) for key in value)
    elif isinstance(value, list) and isinstance(redacted, list):
        pairs = (
            (str(i), old, new) for i, (old, new) in enumerate(zip(value, redacted, strict=False))
        )
    else:
        return [pointer] if value != redacted or is_redacted(redacted) else []
    return [
        found
        for key, old, new in pairs
        for found in find_hidden(old, new, f"{pointer}/{escape_step(key)}")
    ]


def _safe(text: str) -> str:
    # Hidden files, and those that begin with `_`, are no specs; the configuration is none either.
    name = f"workload-{text}" if text[0] in "._-" or text.lower() == "reconciler" else text
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{digest_text(text).removeprefix('sha256:')[:8]}"


def _type_of(manifest: Json, types: Iterable[WorkloadType]) -> WorkloadType | None:
    group, slash, _ = str(manifest.get("apiVersion", "")).partition("/")
    key = (manifest.get("kind"), group if slash else "")
    return next((each for each in types if (each.kind, each.group) == key), None)


def _without_clutter(manifest: dict[str, Any], namespace: str | None) -> dict[str, Any]:
    manifest.pop("status", None)
    metadata = manifest.get("metadata")
    if isinstance(metadata, Mapping):
        kept = {key: value for key, value in metadata.items() if key not in _STORED}
        if kept.get("namespace") == namespace:
            kept.pop("namespace", None)
        annotations = kept.get("annotations")
        if isinstance(annotations, Mapping):
            others = {key: text for key, text in annotations.items() if key not in _ANNOTATIONS}
            kept["annotations"] = others
            if not others:
                del kept["annotations"]
        manifest["metadata"] = kept
        if not kept:
            del manifest["metadata"]
    return {key: _without_null_times(value) for key, value in manifest.items()}


def _without_null_times(value: Any) -> Any:
    """Without the `creationTimestamp: null` that tools in Go write into every pod template."""
    if isinstance(value, list):
        return [_without_null_times(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: _without_null_times(item)
        for key, item in value.items()
        if not (key == "creationTimestamp" and item is None)
    }


def _ordered(manifest: Json) -> dict[str, Any]:
    first = {key: manifest[key] for key in _FIRST if key in manifest}
    return first | {key: value for key, value in manifest.items() if key not in first}
