"""What an update of one workload sends, and whether the server shows it afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.diff.comparison import LiveContent, compare_echo
from reconciler.core.diff.diff import FieldChange, is_ignored, is_same
from reconciler.core.diff.three_way import (
    KeptDrift,
    Merge,
    Value,
    find_remaining,
    merge_three_way,
    rebase_echo,
)
from reconciler.core.digest import canonical
from reconciler.core.model import NO_CHANGE, Json, Recorded
from reconciler.core.protocol.capabilities import UPDATE_FIELDS
from reconciler.core.protocol.changes import as_shown, declared_by_us
from reconciler.core.redact import Redactor
from reconciler.core.secrets.marks import MARK
from reconciler.core.stored_json import MAPS, StoredJson, decoded
from reconciler.values import dataclass

# Fields that the cluster writes into an object and nobody submits.
CLUSTER_FIELDS = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContent:
    """An update before it has a rev: what is sent (unredacted, without annotations of ours).

    `metadata` holds what an update may say of it, null for what the spec has no more. `base` is the
    redacted content as later comparisons take it: drift that was left to others is not in it.
    `digest` names what is sent under the state's key. `is_there` says that the server has it.
    """

    metadata: Json
    manifest: Json
    sent: Json
    base: Json
    digest: str
    is_there: bool
    kept: tuple[KeptDrift, ...] = ()


def compose_update(
    row: Recorded,
    desired: Value,
    live: LiveContent,
    redactor: Redactor,
    *,
    ignored: Sequence[str],
    undo_drift: bool,
    planned: Json | None = None,
) -> UpdateContent:
    """Merge the desired content with the one that was read just now.

    `planned` is the document that this gives, where a plan has merged the same already.
    """
    declared = declared_by_us(row, live.rev)
    now = without_cluster_fields(live.plain)
    if planned is not None:
        merged = Merge(document=decoded(planned))
    else:
        live_row = as_shown(row, live.rev)
        merged = merge_three_way(
            desired,
            Value(now, without_cluster_fields(live.redacted)),
            before=declared,
            echo=live_row.echo if live_row.echo is not None else live_row.spec,
            ignored=ignored,
            undo_drift=undo_drift,
        )
    document = without_cluster_fields(merged.document)
    manifest = document.get("manifest", {})
    if not isinstance(planned, StoredJson):
        # In the order of a planned one: what is sent again under its rev has the same bytes,
        # whether a plan has merged it or not.
        manifest = json.loads(canonical(manifest))
    metadata = document.get("metadata", {})
    fields = {key: metadata[key] for key in UPDATE_FIELDS if metadata.get(key) is not None}
    for key in UPDATE_FIELDS:
        # Null asks for the server's default; a field that was never declared is not sent at all.
        if key not in fields and declared.get("metadata", {}).get(key) is not None:
            fields[key] = None
    body = {**document, "metadata": {**metadata, **fields}}
    # A planned document is a text already, which is not written once more.
    sent, sent_digest = redactor.strict.record(
        planned if planned is not None and body == document else body
    )
    return UpdateContent(
        metadata=fields,
        manifest=manifest,
        sent=sent,
        base=rebase_echo(sent, sent, merged.kept) if merged.kept else sent,
        digest=sent_digest,
        is_there=is_same(document, now) and None not in fields.values(),
        kept=merged.kept,
    )


def without_cluster_fields(document: Json) -> Json:
    """A content without what the cluster writes into an object and nobody submits."""
    manifest = document.get("manifest")
    if not isinstance(manifest, MAPS):
        return document
    submitted: dict[str, Any] = {key: item for key, item in manifest.items() if key != "status"}
    metadata = manifest.get("metadata")
    if isinstance(metadata, MAPS):
        submitted["metadata"] = {k: v for k, v in metadata.items() if k not in CLUSTER_FIELDS}
    return {**document, "manifest": submitted}


def find_marks(text: str, spec: Json) -> frozenset[str]:
    """Stand-ins of secrets that a body holds and a spec does not: nobody meant them as values.

    `text` is the body as JSON.
    """
    marks = frozenset(MARK.findall(text))
    # Hardly any body has one, and then the spec need not be searched.
    return marks and marks - frozenset(MARK.findall(canonical(spec)))


def find_drift(
    row: Recorded, live: LiveContent, redactor: Redactor, ignored: Sequence[str]
) -> tuple[FieldChange, ...]:
    """What somebody else has changed of what the workload shows of ours."""
    drift = compare_echo(as_shown(row, live.rev), live, redactor).drift
    return tuple(change for change in drift if not is_ignored(change.pointer, ignored))


def find_unlike(
    row: Recorded,
    sent: UpdateContent,
    live: LiveContent,
    redactor: Redactor,
    ignored: Sequence[str],
) -> tuple[FieldChange, ...]:
    """The fields that a record declares and that the server does not show as they were sent."""
    return find_drift(replace(row, echo=sent.sent, change=NO_CHANGE), live, redactor, ignored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What a spec has no more and the server still shows: pointers in the manifest, and metadata.

    A server may choose the old priority or category by itself once nobody asks for another.
    """

    pointers: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


def find_leftovers(
    row: Recorded, desired: Json, live: LiveContent, redactor: Redactor, ignored: Sequence[str]
) -> Leftovers:
    """What an update should have removed and has not; `desired` is the redacted spec."""
    declared = declared_by_us(row, live.rev)
    if declared == desired:
        return Leftovers()
    # By the rules of the spec, not by those for a server's words: a value that a spec reveals is
    # compared with what it is.
    now = without_cluster_fields(live.plain)
    if live.redacted is not live.plain:
        now = redactor.redact(now)
    remaining = [p for p in find_remaining(declared, desired, now) if not is_ignored(p, ignored)]
    metadata = tuple(f"/metadata/{key}" for key in UPDATE_FIELDS)
    return Leftovers(
        pointers=tuple(pointer for pointer in remaining if not is_ignored(pointer, metadata)),
        metadata=tuple(pointer for pointer in remaining if is_ignored(pointer, metadata)),
    )
