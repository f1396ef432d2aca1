"""The wire format of the API: responses in JSON as our values.

Extra fields are ignored, the fields that we use are checked. A reader raises WireError and nothing
else, and the error names the field by its path: `workload.metadata.id`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from reconciler.api.urls import is_workload_id
from reconciler.core.model import Address, Json, LastSeen, Remote
from reconciler.core.stored_json import decoded
from reconciler.values import dataclass

T = TypeVar("T")

_SYNC_STATUSES = {
    status.value: status
    for status in (
        *(LastSeen.QUEUED, LastSeen.APPLYING, LastSeen.DELETING),
        *(LastSeen.SYNCED, LastSeen.DELETED, LastSeen.FAILED),
    )
}


class WireError(ValueError):
    """JSON that is not what the API promises; the message names the field, never its value."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def under(self, key: str) -> WireError:
        """The same error, with its path from one level further out."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return WireError(self.reason, f"{key}{joint}{self.path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItem:
    """A workload as the v1 list shows it, of any kind of submission."""

    id: str
    address: Address
    source_api: str | None = None
    deleted_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of the v1 list; `next` is the offset of the following one."""

    items: tuple[ListItem, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncInfo:
    """How far the cluster has carried out a request (schema `WorkloadV2SyncInfo`)."""

    status: str
    message: str = ""


def read_workload(data: object) -> Remote:
    """Read a bare WorkloadV2, the response of POST, PUT and DELETE."""
    return _workload(read_object(data), None)


def read_get_response(data: object) -> Remote:
    """Read a WorkloadV2GetResponse: the workload is wrapped, with syncInfo beside it."""
    fields = read_object(data)
    sync = read_optional(fields, "syncInfo", _sync_info)
    return read_required(fields, "workload", lambda inner: _workload(read_object(inner), sync))


def read_error_code(data: object) -> int:
    """Read the code of the API's own error envelope (schema `Error`), which has to be whole."""
    fields = read_object(data)
    code = read_required(fields, "code", read_whole_number)
    read_required(fields, "message", read_string)
    read_optional(fields, "details", read_string)
    return code


def read_page(data: object) -> ListPage:
    """Read a page of the v1 list."""
    return ListPage(
        items=read_list_rows(data, "workloads", read_list_item),
        next=read_next(data),
    )


def read_next(data: object) -> int | None:
    """Read the offset of the page that follows this one of a v1 list, None behind the last."""
    return read_optional(read_object(data), "next", read_whole_number)


def read_workload_count(data: object) -> int:
    """Read the number of workloads that a filter of the v1 list selects."""
    return read_required(read_object(data), "count", read_whole_number)


def read_cluster_versions(rows: object) -> tuple[str, ...]:
    """Read the versions in the list of clusters; a cluster that has never connected has none."""
    # Not `read_clusters`: that needs ids and names, and takes a version that it cannot read for
    # none, but together the versions vouch for the dry run, so that each of them counts.
    versions = (read_optional(read_object(row), "version", read_string) for row in _sequence(rows))
    return tuple(version for version in versions if version)


def requested_address(body: Json) -> Address:
    """The address in a create request."""
    metadata = decoded(body["metadata"])
    return Address(project=metadata["projectId"], name=metadata["name"])


def _workload(fields: Mapping[str, Any], sync: SyncInfo | None) -> Remote:
    metadata = read_required(fields, "metadata", read_object)
    try:
        address, workload_id = _address(metadata), read_required(metadata, "id", _workload_id)
        deleted_at = read_optional(metadata, "deletedAt", read_moment)
        tenant_id = read_optional(metadata, "tenantId", read_whole_number)
    except WireError as error:
        raise error.under("metadata") from None
    seen, message = LastSeen.UNKNOWN, ""
    if sync is not None and sync.status in _SYNC_STATUSES:
        seen, message = _SYNC_STATUSES[sync.status], sync.message
    elif sync is not None:
        # An unknown status must not count as a missing syncInfo, which beside a deletion time
        # would prove absence.
        seen = LastSeen.UNKNOWN if deleted_at is None else LastSeen.DELETING
        unfamiliar = f"the server reports the unfamiliar sync status {sync.status!r}"
        message = sync.message or unfamiliar
    return Remote(
        id=workload_id,
        address=address,
        metadata={**metadata, "projectId": address.project},
        raw_manifest=read_optional(fields, "rawManifest", read_object) or {},
        desired_phase=read_optional(fields, "desiredPhase", read_string) or "",
        seen=seen,
        message=message,
        tenant_id=tenant_id,
        deleted_at=deleted_at,
        workload_manifest=read_optional(fields, "workloadManifest", read_object) or {},
    )


def _sync_info(data: object) -> SyncInfo:
    fields = read_object(data)
    return SyncInfo(
        status=read_required(fields, "status", read_string),
        message=read_optional(fields, "message", read_string) or "",
    )


def read_list_rows(data: object, key: str, read: Callable[[object], T]) -> tuple[T, ...]:
    """Read the rows of a list that stands under a name, each by a reader."""
    fields = read_object(data)
    if key not in fields:
        raise WireError("is missing", key)
    # Go writes an empty list as null where nobody has made it.
    rows = read_optional(fields, key, _sequence) or ()
    try:
        return tuple(_under(f"[{index}]", read, row) for index, row in enumerate(rows))
    except WireError as error:
        raise error.under(key) from None


def _sequence(data: object) -> Sequence[object]:
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise WireError("is not a list")
    return data


def read_list_item(data: object) -> ListItem:
    """What identifies a workload in any v1 call."""
    fields = read_object(data)
    return ListItem(
        id=read_required(fields, "id", _workload_id),
        address=_address(fields),
        source_api=read_optional(fields, "sourceApi", read_string),
        deleted_at=read_optional(fields, "deletedAt", read_moment),
    )


def _address(fields: Mapping[str, Any]) -> Address:
    return Address(
        project=read_required(fields, "projectId", read_project_id),
        name=read_required(fields, "name", _filled_text),
    )


def read_required(fields: Mapping[str, Any], key: str, read: Callable[[object], T]) -> T:
    """Read a field that must be there."""
    value = fields.get(key)
    if value is None:
        raise WireError("is missing", key)
    try:
        return read(value)
    except WireError as error:
        raise error.under(key) from None


def read_optional(fields: Mapping[str, Any], key: str, read: Callable[[object], T]) -> T | None:
    """Read a field that may be absent or null."""
    return None if fields.get(key) is None else read_required(fields, key, read)


def _under(key: str, read: Callable[[object], T], value: object) -> T:
    try:
        return read(value)
    except WireError as error:
        raise error.under(key) from None


def read_object(value: object) -> Mapping[str, Any]:
    """A JSON object."""
    # To ask the abstract class takes five times as long.
    if not isinstance(value, dict) and not isinstance(value, Mapping):
        raise WireError("is not an object")
    return value


def read_string(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise WireError("is not a string")
    return value


def _filled_text(value: object) -> str:
    text = read_string(value)
    if not text:
        raise WireError("is empty")
    return text


def read_whole_number(value: object) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError("is not an integer")
    return value


def read_project_id(value: object) -> str:
    """The id of a project."""
    # The schema says string and its example is a bare 1: both are the same project.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _filled_text(value)


def _workload_id(value: object) -> str:
    text = read_string(value)
    if not is_workload_id(text):
        raise WireError("is not a workload id")
    return text


def read_moment(value: object) -> str | None:
    """A time of RFC 3339, None for one that never comes."""
    # A zero time is how Go servers write "never".
    text = read_string(value)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WireError("is not a date and time") from None
    return text if moment.year > 1 else None
