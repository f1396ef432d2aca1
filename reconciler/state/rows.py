"""One operation as columns: the only place that knows how a record is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from typing import Any

from reconciler.core.model import (
    NO_CHANGE,
    Address,
    ChangeRecord,
    Json,
    LastSeen,
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
    OpenChange,
    Own,
    Purpose,
    Recorded,
    SentRev,
)
from reconciler.errors import StateError
from reconciler.state.trouble import RESTORE

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

# Keys are sorted, so that a document begins with its manifest.
_MANIFEST = '{"manifest":'
_DECODER = json.JSONDecoder()
# JSON in ASCII: SQLite's text holds no half characters, and a server's answer may.
_written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode


class RowWriter:
    """Records as values for `UPSERT`; the text of a document that comes again is kept.

    An operation is written at least twice, before and after its request, with the same spec: to
    write that down once is half of what a create costs here. Documents are values: whoever
    changed one in place would find the old text in the state.
    """

    KEPT = 1024
    LONGEST = 64 * 1024

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
            _lifecycle_text(record.lifecycle),
            storable(record.message),
            record.marker,
            int(record.protected),
            storable(record.source),
            record.run,
            record.epoch,
            _memory_text(record),
        )
        return (*values, _checksum(values))

    def _text(self, document: Json) -> str:
        # The document is kept beside its text, so that no other one can get its number.
        kept = self._texts.get(id(document))
        if kept is not None:
            return kept[1]
        text = _written(document)
        if len(text) <= self.LONGEST:
            if len(self._texts) >= self.KEPT:
                del self._texts[next(iter(self._texts))]
            self._texts[id(document)] = (document, text)
        return text


def to_row(record: Recorded) -> dict[str, Any]:
    """The columns of a record by name."""
    return dict(zip(_NAMES, RowWriter().values(record), strict=True))


def storable(text: str) -> str:
    """A text whose half characters and zero bytes are spelt out: not every store takes them."""
    whole = text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
    return whole.replace("\0", "\\x00")


def from_row(row: Mapping[str, Any]) -> Recorded:
    """Read a record back; raises StateError when the row was damaged or changed by hand."""
    return from_values([row.get(name) for name in _NAMES])


def from_values(values: Sequence[Any]) -> Recorded:
    """Read back what `SELECT` gives; raises StateError like `from_row`."""
    if not _is_whole(values):
        raise StateError(
            f"the record of {values[1]}/{values[2]} is damaged: its checksum does not match",
            hint=RESTORE,
        )
    try:
        return _read(values)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise StateError(
            f"the record of {values[1]}/{values[2]} cannot be read: {error}",
            hint="it may come from another version of this program",
        ) from error


def _read(values: Sequence[Any]) -> Recorded:
    (op, project, name, own, seen, id_, ambiguous, attempts, first, last, purpose, *rest) = values
    digest, spec_text, echo_text, lifecycle, message, marker, protected, *last_columns = rest
    source, run, epoch, memory, _ = last_columns
    spec, echo = _documents(spec_text, echo_text)
    remembered = _memory(memory)
    # Checksums have no key: whoever can write a state can make one for anything.
    if not (
        isinstance(spec, dict)
        and all(isinstance(one, dict | None) for one in (echo, remembered["kept"]))
    ):
        raise TypeError("a document is no mapping")
    return Recorded(
        op=op,
        address=Address(project=project, name=name),
        own=Own(own),
        seen=LastSeen(seen),
        id=id_,
        ambiguous=bool(ambiguous),
        attempts=attempts,
        first_sent_at=first,
        last_sent_at=last,
        purpose=Purpose(purpose) if purpose else None,
        digest=digest,
        spec=spec,
        echo=echo,
        lifecycle=_lifecycle(lifecycle),
        message=message,
        marker=marker,
        protected=bool(protected),
        source=source,
        run=run,
        epoch=epoch,
        **remembered,
    )


def _documents(spec: str, echo: str | None) -> tuple[Any, Any]:
    """Read the spec and the server's echo of it; most manifests came back as they were sent.

    Such a manifest is read once, and is one value in both: at a thousand records that is half of
    the time and of the memory.
    """
    if echo is None or not (spec.startswith(_MANIFEST) and echo.startswith(_MANIFEST)):
        return json.loads(spec), None if echo is None else json.loads(echo)
    manifest, end = _DECODER.raw_decode(spec, len(_MANIFEST))
    if spec[end : end + 1] != "," or echo[: end + 1] != spec[: end + 1]:
        return json.loads(spec), json.loads(echo)
    sent, echoed = (json.loads("{" + text[end + 1 :]) for text in (spec, echo))
    return {"manifest": manifest, **sent}, {"manifest": manifest, **echoed}


def _is_whole(values: Sequence[Any]) -> bool:
    try:
        return bool(values[-1] == _checksum(values[:-1]))
    except TypeError:
        # One bit tells a text from a blob, which has no checksum.
        return False


def checksum(row: Mapping[str, Any]) -> str:
    """A fingerprint that a flipped bit or an edit by hand does not survive.

    Raises TypeError for values that no record has.
    """
    return _checksum([row.get(name) for name in _NAMES[:-1]])


def _checksum(values: Sequence[Any]) -> str:
    """The short columns as Python writes them in ASCII, then the long ones as they are.

    The lengths stand among the short ones, so that nothing can move from one to the next.
    """
    spec, echo = values[_SPEC], values[_ECHO] or ""
    short = (*values[:_SPEC], len(spec), values[_ECHO] and len(echo), *values[_ECHO + 1 :])
    return "sha256:" + sha256((ascii(short) + spec + echo).encode()).hexdigest()


def _memory_text(record: Recorded) -> str | None:
    """What an unfinished change has to remember, where there is anything: one row, one commit."""
    memory: dict[str, Any] = {}
    if record.kept is not None or record.undone:
        memory |= {"kept": record.kept, "undone": list(record.undone)}
    if record.change != NO_CHANGE:
        memory["change"] = asdict(record.change)
    if record.former_id is not None:
        memory["former_id"] = record.former_id
    if record.refusal:
        memory["refusal"] = record.refusal
    return _written(memory) if memory else None


def _memory(text: str | None) -> dict[str, Any]:
    """The fields of a record that stand in its memory."""
    memory = json.loads(text) if text else {}
    for name in ("former_id", "refusal"):
        if not isinstance(memory.get(name), str | None):
            raise TypeError(f"{name} is no text")
    return {
        "kept": memory.get("kept"),
        "undone": tuple(memory.get("undone", ())),
        "change": _change(memory.get("change")),
        "former_id": memory.get("former_id"),
        "refusal": memory.get("refusal") or "",
    }


def _change(change: Any) -> ChangeRecord:
    if change is None:
        return NO_CHANGE
    under_way = OpenChange(**change["open"]) if change["open"] else None
    superseded = tuple(SentRev(**sent) for sent in change["superseded"])
    for sent in (*superseded, *((under_way,) if under_way else ())):
        if not (isinstance(sent.spec, dict) and isinstance(sent.body, dict)):
            raise TypeError("a document is no mapping")
    former = tuple(change["former_markers"])
    parts = {"open": under_way, "superseded": superseded, "former_markers": former}
    return ChangeRecord(**{**change, **parts})


@lru_cache(maxsize=256)
def _lifecycle_text(lifecycle: Lifecycle) -> str:
    return _written(asdict(lifecycle))


@lru_cache(maxsize=256)
def _lifecycle(text: str) -> Lifecycle:
    value = json.loads(text)
    on_missing = value["on_missing"]
    return Lifecycle(
        protect=value["protect"],
        on_remove=OnRemove(value["on_remove"]),
        on_missing=OnMissing(on_missing) if on_missing else None,
        on_change=OnChange(value["on_change"]) if value["on_change"] else None,
        on_failed=OnFailed(value["on_failed"]),
        wave=value["wave"],
        ignore_changes=tuple(value["ignore_changes"]),
    )
