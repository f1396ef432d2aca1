"""The body of a create request, checked by hand against the API document and its known messages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from reconciler.sandbox.http import Refusal, encode
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.world.kinds import PRIORITIES, Kind, find_kind
from reconciler.sandbox.world.manifests import decode_manifest

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_FIELDS = {"metadata", "manifest", "manifestBase64Encoded"}
_METADATA_FIELDS = {"name", "projectId", "priority", "category"}
_NOT_READABLE = "Failed to read request body"


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
        found = self.manifest.get("metadata", {}).get("annotations")
        return found if isinstance(found, dict) else {}


def read_json(body: bytes) -> Any:
    """Parse a request body strictly; raises Refusal (400), also for NaN and absurd nesting."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, _NOT_READABLE) from None


def read_submission(body: bytes, settings: Settings) -> Submission:
    """Check a create request; raises Refusal (400) with the server's own message."""
    request = _read_object(body)
    _refuse_unknown(request, _FIELDS, "request")
    metadata = _read_metadata(request)
    manifest = _read_manifest(request)
    kind, version = _read_kind(manifest)
    return Submission(
        project_id=metadata["projectId"],
        name=metadata["name"],
        priority=_choose(metadata, "priority", PRIORITIES, kind.priority),
        category=_choose(metadata, "category", settings.categories, kind.category),
        kind=kind,
        version=version,
        manifest=manifest,
        raw=_encode_manifest(manifest),
    )


def _read_object(body: bytes) -> dict[str, Any]:
    request = read_json(body)
    if not isinstance(request, dict):
        raise Refusal(400, "request body must be a JSON object")
    return request


def _read_metadata(request: dict[str, Any]) -> dict[str, Any]:
    metadata = request.get("metadata")
    if not isinstance(metadata, dict):
        raise Refusal(400, "metadata is required and must be an object")
    _refuse_unknown(metadata, _METADATA_FIELDS, "metadata")
    _check_name(metadata.get("name", ""))
    project_id = metadata.get("projectId", "")
    if not isinstance(project_id, str):
        raise Refusal(400, "metadata.projectId must be a string")
    if not project_id:
        raise Refusal(400, "either projectId or clusterId must be provided")
    return metadata


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
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str) or not manifest[field]:
            raise Refusal(400, f"missing required field: {field}")
    _check_manifest_metadata(manifest.get("metadata", {}))
    group, _, version = manifest["apiVersion"].rpartition("/")
    kind = find_kind(group, version, manifest["kind"])
    if kind is None:
        gvk = f"{group}/{version}/{manifest['kind']}"
        raise Refusal(400, f"workload type not found for GVK: {gvk}")
    return kind, version


def _check_manifest_metadata(metadata: object) -> None:
    maps = isinstance(metadata, dict) and all(
        isinstance(metadata.get(field), dict | None) for field in ("labels", "annotations")
    )
    if not maps:
        raise Refusal(400, "manifest metadata is not a valid map")


def _choose(
    metadata: dict[str, Any], field: str, available: Any, default: str | None
) -> str | None:
    wanted = metadata.get(field)
    if wanted is None:
        return default
    if not isinstance(wanted, str):
        raise Refusal(400, f"metadata.{field} must be a string or null")
    if wanted not in available:
        raise Refusal(400, f"{field} '{wanted}' is not available in this cluster")
    return wanted


def _encode_manifest(manifest: dict[str, Any]) -> bytes:
    try:
        return encode(manifest)
    except (ValueError, TypeError, RecursionError):
        # Numbers beyond a double, or YAML that has no JSON form.
        raise Refusal(400, _NOT_READABLE) from None


def _refuse_unknown(found: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(found.keys() - known)
    if unknown:
        raise Refusal(400, f'unknown field "{unknown[0]}" in {where}')


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
