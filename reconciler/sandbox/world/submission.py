"""The body of a create request, checked by hand against the API document and its known messages."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from reconciler.sandbox.http import Refusal, encode, read_json_object
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.world.kinds import PRIORITIES, Kind, find_kind
from reconciler.sandbox.world.manifests import decode_manifest

# The document allows any text; the control plane's own messages give this rule.
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_FIELDS = {"metadata", "manifest", "manifestBase64Encoded"}
_METADATA_FIELDS = {"name", "projectId", "priority", "category"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A create request that has passed every check; `raw` is the manifest as JSON."""

    project_id: str
    name: str
    priority: str | None
    category: str | None
    kind: Kind
    version: str
    manifest: dict[str, Any]
    raw: bytes

    @property
    def annotations(self) -> dict[str, Any]:
        """The annotations on the manifest, where clients leave their marks."""
        annotations = self.manifest.get("metadata", {}).get("annotations")
        return annotations if isinstance(annotations, dict) else {}


def read_submission(body: bytes, settings: Settings) -> Submission:
    """Check a create request; raises Refusal (400) with the server's own message."""
    request = read_json_object(body)
    _refuse_unknown(request, _FIELDS, "request")
    metadata = request.get("metadata")
    if not isinstance(metadata, dict):
        raise Refusal(400, "metadata is required and must be an object")
    _refuse_unknown(metadata, _METADATA_FIELDS, "metadata")
    name, project_id = metadata.get("name", ""), metadata.get("projectId", "")
    _check_name(name)
    if not isinstance(project_id, str):
        raise Refusal(400, "metadata.projectId must be a string")
    if not project_id:
        raise Refusal(400, "either projectId or clusterId must be provided")
    manifest = _read_manifest(request)
    kind, version = _read_kind(manifest)
    try:
        raw = encode(manifest)
    except (ValueError, TypeError, RecursionError):
        # Numbers beyond a double, or YAML that has no JSON form.
        raise Refusal(400, "Failed to read request body") from None
    return Submission(
        project_id=project_id,
        name=name,
        priority=_choose(metadata, "priority", PRIORITIES, kind.priority),
        category=_choose(metadata, "category", settings.categories, kind.category),
        kind=kind,
        version=version,
        manifest=manifest,
        raw=raw,
    )


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise Refusal(400, "metadata.name must be a string")
    if not name:
        raise Refusal(400, "Workload name must not be empty")
    if len(name) > 63:
        raise Refusal(400, "Workload name must not exceed 63 characters")
    if not _NAME.fullmatch(name):
        raise Refusal(
            400,
            "The workload name must consist of lower case alphanumeric characters or '-', "
            "and start with an alphabetic character.",
        )


def _read_manifest(request: dict[str, Any]) -> dict[str, Any]:
    if "manifest" in request and "manifestBase64Encoded" in request:
        raise Refusal(
            400, "manifest and manifestBase64Encoded are mutually exclusive, provide only one"
        )
    if "manifestBase64Encoded" in request:
        encoded = request["manifestBase64Encoded"]
        if not isinstance(encoded, str):
            raise Refusal(400, "manifestBase64Encoded must be a string")
        return decode_manifest(encoded)
    if "manifest" not in request:
        raise Refusal(400, "either manifest or manifestBase64Encoded must be provided")
    manifest = request["manifest"]
    if not isinstance(manifest, dict):
        raise Refusal(400, "manifest must be an object")
    return manifest


def _read_kind(manifest: dict[str, Any]) -> tuple[Kind, str]:
    """Find the registered type of a manifest; raises Refusal (400)."""
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str) or not manifest[field]:
            raise Refusal(400, f"missing required field: {field}")
    metadata = manifest.get("metadata", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(metadata.get(field), dict | None) for field in ("labels", "annotations")
    ):
        raise Refusal(400, "manifest metadata is not a valid map")
    # The core group has no name and no slash: its apiVersion is just "v1".
    group, _, version = manifest["apiVersion"].rpartition("/")
    kind = find_kind(group, version, manifest["kind"])
    if kind is None:
        gvk = f"{group}/{version}/{manifest['kind']}"
        raise Refusal(400, f"workload type not found for GVK: {gvk}")
    return kind, version


def _choose(
    metadata: dict[str, Any], field: str, available: Container[str], default: str | None
) -> str | None:
    """Read a priority or category by name; raises Refusal (400) for one that does not exist."""
    name = metadata.get(field)
    if name is None:
        return default
    if not isinstance(name, str):
        raise Refusal(400, f"metadata.{field} must be a string or null")
    if name not in available:
        raise Refusal(400, f"{field} '{name}' is not available in this cluster")
    return name


def _refuse_unknown(fields: dict[str, Any], documented: set[str], owner: str) -> None:
    # The document does not forbid further fields; to a client, each is a typo that goes unnoticed.
    unknown = sorted(fields.keys() - documented)
    if unknown:
        raise Refusal(400, f'unknown field "{unknown[0]}" in {owner}')
