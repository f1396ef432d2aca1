"""One operation as columns: the only place that knows how a record is written down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.digest import digest
from reconciler.core.model import (
    Address,
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
    Own,
    Purpose,
    Recorded,
    Seen,
)
from reconciler.errors import StateError

COLUMNS: Mapping[str, type] = {
    "op": str,
    "project": str,
    "name": str,
    "own": str,
    "seen": str,
    "id": str,
    "ambiguous": int,
    "attempts": int,
    "first_sent_at": str,
    "last_sent_at": str,
    "purpose": str,
    "digest": str,
    "spec": str,
    "echo": str,
    "lifecycle": str,
    "message": str,
    "marker": str,
    "protected": int,
    "source": str,
    "run": str,
    "epoch": int,
    "checksum": str,
}


def to_row(record: Recorded) -> dict[str, Any]:
    """The columns of a record, with a checksum over all the others."""
    row: dict[str, Any] = {
        "op": record.op,
        "project": record.address.project,
        "name": record.address.name,
        "own": record.own.value,
        "seen": record.seen.value,
        "id": record.id,
        "ambiguous": int(record.ambiguous),
        "attempts": record.attempts,
        "first_sent_at": record.first_sent_at,
        "last_sent_at": record.last_sent_at,
        "purpose": record.purpose.value if record.purpose else None,
        "digest": record.digest,
        "spec": _written(record.spec),
        "echo": _written(record.echo) if record.echo is not None else None,
        "lifecycle": _written(dataclasses.asdict(record.lifecycle)),
        "message": _storable(record.message),
        "marker": record.marker,
        "protected": int(record.protected),
        "source": _storable(record.source),
        "run": record.run,
        "epoch": record.epoch,
    }
    return {**row, "checksum": checksum(row)}


def _written(value: Any) -> str:
    """JSON in ASCII: SQLite's text holds no half characters, and a server's answer may."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _storable(text: str) -> str:
    """A text whose half characters are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


def from_row(row: Mapping[str, Any]) -> Recorded:
    """Read a record back; raises StateError when the row was damaged or changed by hand."""
    if not _is_whole(row):
        raise StateError(
            f"the state's record of {row.get('project')}/{row.get('name')} is damaged: "
            "its checksum does not match",
            hint="restore the state from a backup; the server's workloads are untouched",
        )
    try:
        return _read(row)
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"the state's record of {row.get('project')}/{row.get('name')} cannot be read: {error}",
            hint="it may come from another version of this program",
        ) from error


def _read(row: Mapping[str, Any]) -> Recorded:
    return Recorded(
        op=row["op"],
        address=Address(project=row["project"], name=row["name"]),
        own=Own(row["own"]),
        seen=Seen(row["seen"]),
        id=row["id"],
        ambiguous=bool(row["ambiguous"]),
        attempts=row["attempts"],
        first_sent_at=row["first_sent_at"],
        last_sent_at=row["last_sent_at"],
        purpose=Purpose(row["purpose"]) if row["purpose"] else None,
        digest=row["digest"],
        spec=json.loads(row["spec"]),
        echo=json.loads(row["echo"]) if row["echo"] is not None else None,
        lifecycle=_lifecycle_from_json(json.loads(row["lifecycle"])),
        message=row["message"],
        marker=row["marker"],
        protected=bool(row["protected"]),
        source=row["source"],
        run=row["run"],
        epoch=row["epoch"],
    )


def _is_whole(row: Mapping[str, Any]) -> bool:
    try:
        return bool(row.get("checksum") == checksum(row))
    except TypeError:
        # One bit tells a text from a blob, which has no checksum.
        return False


def checksum(row: Mapping[str, Any]) -> str:
    """A fingerprint that a flipped bit or an edit by hand does not survive.

    Raises TypeError for values that no record has.
    """
    return digest({key: row.get(key) for key in COLUMNS if key != "checksum"})


def _lifecycle_from_json(value: Mapping[str, Any]) -> Lifecycle:
    on_missing = value["on_missing"]
    return Lifecycle(
        protect=value["protect"],
        on_remove=OnRemove(value["on_remove"]),
        on_missing=OnMissing(on_missing) if on_missing else None,
        on_change=OnChange(value["on_change"]),
        on_failed=OnFailed(value["on_failed"]),
        wave=value["wave"],
        ignore_changes=tuple(value["ignore_changes"]),
    )
