"""The bodies of creates and updates, checked by hand against the API document."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Set
from dataclasses import dataclass
from typing import Any

from reconciler.sandbox.http import Refusal, encode, read_json_object
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.versions import ALL_CREATE_FIELDS, ApiVersion, find_version
from reconciler.sandbox.world.kinds import PRIORITIES, Kind, find_kind
from reconciler.sandbox.world.manifests import decode_manifest
from reconciler.sandbox.world.projects import Projects

# The document allows any text; the control plane's own messages give this rule.
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_FIELDS = {"metadata", "manifest", "manifestBase64Encoded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A create request that has passed every check; `raw` is the manifest as JSON."""

    project_id: str
    name: str
    name_is_prefix: bool
    priority: str | None
    category: str | None
    preemptibility: str | None
    mnnvl: str | None
    kind: Kind
    version: str
    manifest: dict[str, Any]
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """An update that has passed every check; None is what the request leaves out.

    `metadata` has the names that the request has, with None for null.
    """

    metadata: dict[str, str | None] | None
    manifest: dict[str, Any] | None


def read_annotation(manifest: dict[str, Any], name: str) -> str | None:
    """Read one of the annotations on a manifest, where clients leave their marks."""
    annotations = manifest.get("metadata", {}).get("annotations") or {}
    value = annotations.get(name)
    return value if isinstance(value, str) else None


def read_submission(body: bytes, settings: Settings, projects: Projects) -> Submission:
    """Check a create request; raises Refusal (400) with the server's own message."""
    version = find_version(settings.api_version)
    request = read_json_object(body)
    _refuse_unknown(request, _FIELDS, "request")
    fields = request.get("metadata")
    if not isinstance(fields, dict):
        raise Refusal(400, "metadata is required and must be an object")
    _refuse_unknown(fields, ALL_CREATE_FIELDS, "metadata")
    # What this version does not know is dropped before it is checked: it is not even read there.
    metadata = {name: fields[name] for name in fields.keys() & version.create_fields}
    name = metadata.get("name", "")
    _check_name(name)
    prefix = metadata.get("useGivenNameAsPrefix", False)
    if not isinstance(prefix, bool):
        raise Refusal(400, "metadata.useGivenNameAsPrefix must be a boolean")
    manifest = _read_manifest(request, version)
    project_id = _read_project(metadata, manifest, projects)
    kind, kind_version = _read_kind(manifest)
    configuration = metadata.get("configuration")
    # To a server in Go, null and absent are the same.
    configuration = {} if configuration is None else configuration
    if not isinstance(configuration, dict):
        raise Refusal(400, "metadata.configuration must be an object")
    return Submission(
        project_id=project_id,
        name=name,
        name_is_prefix=prefix,
        priority=_choose(metadata, "priority", PRIORITIES) or kind.priority,
        category=_choose(metadata, "category", settings.categories) or kind.category,
        preemptibility=_choose(metadata, "preemptibility", version.preemptibilities),
        mnnvl=_choose(configuration, "mnnvl", ("Required", "None")),
        kind=kind,
        version=kind_version,
        manifest=manifest,
        raw=_encode(manifest),
    )


def read_update(body: bytes, settings: Settings, gvk: tuple[str, str, str]) -> UpdateRequest:
    """Check an update of a workload of this group, version and kind; raises Refusal (400)."""
    version = find_version(settings.api_version)
    request = read_json_object(body)
    _refuse_unknown(request, _FIELDS, "request")
    fields = request.get("metadata", {})
    if not isinstance(fields, dict):
        raise Refusal(400, "metadata must be an object")
    # What only a create may say is ignored here, as it is never moved or renamed by an update.
    _refuse_unknown(fields, ALL_CREATE_FIELDS, "metadata")
    available = {"priority": PRIORITIES, "category": settings.categories}
    metadata = {name: _choose(fields, name, available[name]) for name in fields.keys() & available}
    if "manifest" not in request and "manifestBase64Encoded" not in request:
        return UpdateRequest(metadata=metadata if "metadata" in request else None, manifest=None)
    manifest = _read_manifest(request, version)
    kind, kind_version = _read_kind(manifest)
    if (kind.group, kind_version, kind.name) != gvk:
        raise Refusal(400, f"the workload type cannot be changed, it is {'/'.join(gvk)}")
    _encode(manifest)
    return UpdateRequest(metadata=metadata if "metadata" in request else None, manifest=manifest)


def _read_project(
    metadata: dict[str, Any],
    manifest: dict[str, Any],
    projects: Projects,
) -> str:
    """Read the project's id; with a cluster instead, the manifest's namespace is the project's."""
    project_id, cluster_id = metadata.get("projectId", ""), metadata.get("clusterId", "")
    for field, value in (("projectId", project_id), ("clusterId", cluster_id)):
        if not isinstance(value, str):
            raise Refusal(400, f"metadata.{field} must be a string")
    if project_id and cluster_id:
        raise Refusal(400, "projectId and clusterId are mutually exclusive, provide only one")
    if project_id:
        return str(project_id)
    if not cluster_id:
        raise Refusal(400, "either projectId or clusterId must be provided")
    kubernetes = manifest.get("metadata")
    namespace = kubernetes.get("namespace") if isinstance(kubernetes, dict) else None
    owner = projects.in_namespace(cluster_id, namespace)
    if owner is None:
        raise Refusal(400, f"no project of cluster {cluster_id} has the namespace '{namespace}'")
    return owner


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


def _read_manifest(request: dict[str, Any], version: ApiVersion) -> dict[str, Any]:
    if "manifest" in request and "manifestBase64Encoded" in request:
        raise Refusal(
            400, "manifest and manifestBase64Encoded are mutually exclusive, provide only one"
        )
    if "manifestBase64Encoded" in request:
        encoded = request["manifestBase64Encoded"]
        if not isinstance(encoded, str):
            raise Refusal(400, "manifestBase64Encoded must be a string")
        if version.max_encoded is not None and len(encoded) > version.max_encoded:
            raise Refusal(
                400, f"manifestBase64Encoded must not exceed {version.max_encoded} characters"
            )
        # Written and read once more: YAML has keys that are no strings, and JSON has not.
        decoded: dict[str, Any] = json.loads(_encode(decode_manifest(encoded)))
        return decoded
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


def _choose(fields: dict[str, Any], field: str, available: Container[str]) -> str | None:
    """Read a name that must be one of those there are; raises Refusal (400)."""
    name = fields.get(field)
    if name is None:
        return None
    if not isinstance(name, str):
        raise Refusal(400, f"metadata.{field} must be a string or null")
    if name not in available:
        raise Refusal(400, f"{field} '{name}' is not available in this cluster")
    return name


def _encode(manifest: dict[str, Any]) -> bytes:
    try:
        return encode(manifest)
    except (ValueError, TypeError, RecursionError):
        # Numbers beyond a double, or YAML that has no JSON form.
        raise Refusal(400, "Failed to read request body") from None


def _refuse_unknown(fields: dict[str, Any], documented: Set[str], owner: str) -> None:
    # The document does not forbid further fields; to a client, each is a typo that goes unnoticed.
    unknown = sorted(fields.keys() - documented)
    if unknown:
        raise Refusal(400, f'unknown field "{unknown[0]}" in {owner}')
