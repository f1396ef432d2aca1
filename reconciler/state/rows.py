"""One operation as columns: the only place that knows how records and pins are written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import sha256
from typing import Any

from reconciler.core.lifecycle import (
    AfterCompletion,
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    NO_CHANGE,
    Address,
    ChangeRecord,
    Json,
    LastSeen,
    OpenChange,
    Own,
    Purpose,
    Recorded,
    SentRev,
)
from reconciler.core.stored_json import StoredJson, encode
from reconciler.errors import StateError
from reconciler.garbage import collector_paused
from reconciler.state.state_errors import RESTORE

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
    "memory": str,
    "checksum": str,
}
_NAMES = tuple(COLUMNS)
_SPEC, _ECHO = _NAMES.index("spec"), _NAMES.index("echo")

SELECT = f"SELECT {', '.join(_NAMES)} FROM operations"  # noqa: S608 - our own columns
UPSERT = (
    f"INSERT INTO operations ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "  # noqa: S608 - our own columns
    f"ON CONFLICT (op) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in _NAMES[1:])}"
)

# How a document begins: keys are sorted, and of its keys this is the first.
_MANIFEST = '{"manifest":'
_DECODER = json.JSONDecoder()
# To look up one of these takes a fifth of the time that its class takes to find it.
_OWN: Mapping[str, Own] = {own.value: own for own in Own}
_SEEN: Mapping[str, LastSeen] = {seen.value: seen for seen in LastSeen}
# Nearly every record has none: it is made of the defaults.
_NO_MEMORY: Mapping[str, Any] = {}


class RowWriter:
    """Records as values for `UPSERT`; the texts of the last documents are remembered.

    Documents are values: of one that was changed in place the old text would be written.
    """

    # An operation is written at least twice, before and after its request, with the same spec:
    # encoding that once halves what a create costs here.
    MAX_TEXTS = 1024
    MAX_LENGTH = 64 * 1024

    def __init__(self) -> None:
        self._texts: dict[int, tuple[Json, str]] = {}

    def values(self, record: Recorded) -> tuple[Any, ...]:
        """The columns of a record in their order, with a checksum over all the others."""
        values = (
            record.op,
            record.address.project,
            record.address.name,
            record.own.value,
            record.seen.value,
            record.id,
            int(record.ambiguous),
            record.attempts,
            record.first_sent_at,
            record.last_sent_at,
            record.purpose.value if record.purpose else None,
            record.digest,
            self._text(record.spec),
            self._text(record.echo) if record.echo is not None else None,
            _encode_lifecycle(record.lifecycle),
            storable(record.message),
            record.marker,
            int(record.protected),
            storable(record.source),
            record.run,
            record.epoch,
            _encode_memory(record),
        )
        return (*values, _checksum((*values, None)))

    def _text(self, document: Json) -> str:
        if isinstance(document, StoredJson):
            return document.text
        # The document is held beside its text: once it were freed, another one could get its id.
        remembered = self._texts.get(id(document))
        if remembered is not None:
            return remembered[1]
        text = encode(document)
        if len(text) <= self.MAX_LENGTH:
            if len(self._texts) >= self.MAX_TEXTS:
                del self._texts[next(iter(self._texts))]
            self._texts[id(document)] = (document, text)
        return text


def encode_pins(pins: Mapping[str, str]) -> str:
    """The pins of a target as a text; an empty one for none."""
    return encode(dict(pins)) if pins else ""


def read_pins(text: str) -> Mapping[str, str]:
    """The pins that `encode_pins` wrote; raises StateError for anything else."""
    try:
        pins = json.loads(text) if text else {}
    except ValueError:
        pins = None
    # A checksum has no key: anyone who can write a state can make one for anything.
    if not (isinstance(pins, dict) and all(isinstance(id_, str) for id_ in pins.values())):
        raise StateError("the pinned projects cannot be read", hint=RESTORE)
    return pins


def storable(text: str) -> str:
    """A text whose lone surrogates and zero bytes are escaped: not every store takes them."""
    whole = text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    return whole.replace("\0", "\\x00")


def from_values(values: Sequence[Any], *, checked: bool = True) -> Recorded:
    """Read a row of `SELECT`; raises StateError when it was damaged or changed by hand.

    Whoever will not look into its documents need not have them read as JSON: their checksum is
    looked at in any case.
    """
    try:
        is_whole = values[-1] == _checksum(values)
    except TypeError:
        # One flipped bit turns a text into a blob, which has no checksum.
        is_whole = False
    if not is_whole:
        raise StateError(
            f"the record of {values[1]}/{values[2]} is damaged: its checksum does not match",
            hint=RESTORE,
        )
    try:
        return _read_record(values, checked=checked)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise StateError(
            f"the record of {values[1]}/{values[2]} cannot be read: {error}",
            hint="it may come from another version of this program",
        ) from error


def read_records(rows: Iterable[Sequence[Any]]) -> list[Recorded]:
    """Read many rows; raises StateError as `from_values` does."""
    with collector_paused():
        return [from_values(row) for row in rows]


def _read_record(values: Sequence[Any], *, checked: bool) -> Recorded:
    op, project, name, own, seen, id_, ambiguous, attempts = values[:8]
    first_sent_at, last_sent_at, purpose, digest, spec, echo, lifecycle = values[8:15]
    message, marker, protected, source, run, epoch, memory, _ = values[15:]
    if checked:
        spec, echo = _read_documents(spec, echo)
    else:
        spec, echo = StoredJson(spec), None if echo is None else StoredJson(echo)
    return Recorded(
        op=op,
        address=Address(project=project, name=name),
        own=_OWN.get(own) or Own(own),
        seen=_SEEN.get(seen) or LastSeen(seen),
        id=id_,
        ambiguous=bool(ambiguous),
        attempts=attempts,
        first_sent_at=first_sent_at,
        # Most were sent once, and thousands by one run: of equal texts one is kept.
        last_sent_at=first_sent_at if last_sent_at == first_sent_at else last_sent_at,
        purpose=Purpose(purpose) if purpose else None,
        digest=digest,
        spec=spec,
        echo=echo,
        lifecycle=_read_lifecycle(lifecycle),
        message=message,
        marker=marker,
        protected=bool(protected),
        source=source,
        run=sys.intern(run),
        epoch=epoch,
        **_read_memory(memory),
    )


def _read_documents(spec: str, echo: str | None) -> tuple[StoredJson, StoredJson | None]:
    """The spec and the server's echo of it, as texts; an equal manifest becomes one text in both.

    Raises ValueError and TypeError for texts that are no JSON objects.
    """
    # Most servers send the manifest back as it was, and it is nearly all of the text: to check it
    # once is half of the time, and to keep it once half of the memory.
    if echo is not None and spec.startswith(_MANIFEST) and echo.startswith(_MANIFEST):
        _, end = _DECODER.raw_decode(spec, len(_MANIFEST))
        if spec[end : end + 1] == "," and echo[: end + 1] == spec[: end + 1]:
            head, tails = spec[: end + 1], (spec[end + 1 :], echo[end + 1 :])
            for tail in tails:
                _need_object(json.loads("{" + tail))
            return StoredJson(head, tails[0]), StoredJson(head, tails[1])
    for text in (spec, echo):
        if text is not None:
            _need_object(json.loads(text))
    return StoredJson(spec), None if echo is None else StoredJson(echo)


def _need_object(document: Any) -> None:
    # A checksum has no key: anyone who can write a state can make one for anything.
    if not isinstance(document, dict):
        raise TypeError("a document is not a mapping")


def checksum(row: Mapping[str, Any]) -> str:
    """The checksum of a row, by its other columns; raises TypeError for values of no record."""
    return _checksum([row.get(name) for name in _NAMES])


def _checksum(values: Sequence[Any]) -> str:
    """The checksum of the columns of a row, of which it is the last."""
    # The short columns as Python literals, then the two long ones as they are, which is faster
    # than to quote them. Their lengths stand among the short ones, so that no character can move
    # from one to the other without a change.
    spec, echo = values[_SPEC], values[_ECHO] or ""
    short = (*values[:_SPEC], len(spec), values[_ECHO] and len(echo), *values[_ECHO + 1 : -1])
    return "sha256:" + sha256((ascii(short) + spec + echo).encode()).hexdigest()


def _encode_memory(record: Recorded) -> str | None:
    """The memory of an unfinished change; None where there is nothing to remember."""
    # In a column of the record, not a table beside it: one row cannot be half written.
    memory: dict[str, Any] = {}
    if record.kept is not None or record.undone:
        memory |= {"kept": record.kept, "undone": list(record.undone)}
    if record.change != NO_CHANGE:
        memory["change"] = record.change
    if record.former_id is not None:
        memory["former_id"] = record.former_id
    if record.refusal:
        memory["refusal"] = record.refusal
    return _write_members(memory) if memory else None


def _write_members(members: Mapping[str, Any]) -> str:
    """An object in the form of `encode`; a document that is text is neither decoded nor copied."""
    return "{" + ",".join(f'"{name}":{_write(members[name])}' for name in sorted(members)) + "}"


def _write(part: Any) -> str:
    if isinstance(part, StoredJson):
        return part.text
    if isinstance(part, ChangeRecord | OpenChange | SentRev):
        return _write_members({each.name: getattr(part, each.name) for each in fields(part)})
    if isinstance(part, tuple):
        return "[" + ",".join(map(_write, part)) + "]"
    return encode(part)


def _read_memory(text: str | None) -> Mapping[str, Any]:
    """The fields of a record that stand in its memory."""
    if not text:
        return _NO_MEMORY
    memory = json.loads(text)
    if memory.get("kept") is not None:
        _need_object(memory["kept"])
    for name in ("former_id", "refusal"):
        if not isinstance(memory.get(name), str | None):
            raise TypeError(f"{name} is not a text")
    return {
        "kept": memory.get("kept"),
        "undone": tuple(memory.get("undone", ())),
        "change": _read_change(memory.get("change")),
        "former_id": memory.get("former_id"),
        "refusal": memory.get("refusal") or "",
    }


def _read_change(change: Any) -> ChangeRecord:
    if change is None:
        return NO_CHANGE
    under_way = OpenChange(**change["open"]) if change["open"] else None
    superseded = tuple(SentRev(**sent) for sent in change["superseded"])
    for sent in (*superseded, *((under_way,) if under_way else ())):
        _need_object(sent.spec)
        _need_object(sent.body)
    former = tuple(change["former_markers"])
    parts = {"open": under_way, "superseded": superseded, "former_markers": former}
    return ChangeRecord(**{**change, **parts})


# Thousands of workloads share a few lifecycles: `asdict` and the enums below are slow.
@lru_cache(maxsize=256)
def _encode_lifecycle(lifecycle: Lifecycle) -> str:
    return encode(asdict(lifecycle))


@lru_cache(maxsize=256)
def _read_lifecycle(text: str) -> Lifecycle:
    value = json.loads(text)
    on_missing = value["on_missing"]
    return Lifecycle(
        protect=value["protect"],
        on_remove=OnRemove(value["on_remove"]),
        on_missing=OnMissing(on_missing) if on_missing else None,
        on_change=OnChange(value["on_change"]) if value["on_change"] else None,
        on_failed=OnFailed(value["on_failed"]),
        # Unknown before format 6, as nothing ended by itself then.
        after_completion=AfterCompletion(value.get("after_completion", AfterCompletion.KEEP)),
        ttl=value.get("ttl"),
        max_runtime=value.get("max_runtime"),
        wave=value["wave"],
        ignore_changes=tuple(value["ignore_changes"]),
    )
