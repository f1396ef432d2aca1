"""The objects of a state as bytes: segments of its log, and snapshots of all of it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Any

from reconciler.errors import StateError
from reconciler.ports import ActionEntry, RunEntry
from reconciler.state.rows import COLUMNS
from reconciler.state.shared.commit import Commit
from reconciler.state.shared.holder import Holder
from reconciler.values import dataclass

FORMAT = 1
LOG, SNAPSHOTS, HISTORY, COPIES, PROBES = "log", "snapshots", "history", "copies", "probes"
LEASE = "lease"
_APPLICATION = "workload-reconciler"
# Bytes that one object may unfold to: whoever wrote it may mean harm.
_LARGEST = 1 << 30
# A group of records is mostly the same manifest: the fastest level already makes a tenth of it.
_LEVEL = 1


_NOTHING = Commit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One commit of a holder, or the moment at which somebody became the holder.

    `previous` is the digest of the segment before. With `holder` the segment takes the state over;
    `was_forced` says that the one before had not given the lock back.
    """

    number: int
    epoch: int
    token: str
    previous: str
    commit: Commit = _NOTHING
    holder: Holder | None = None
    was_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All of a state as of the segment of that number, whose digest and writer it names.

    `runs` are the oldest first, each with the key of the object that has its actions, which may be
    empty. `fences` are the numbers of older segments that have to stay.
    """

    number: int
    epoch: int
    token: str
    digest: str
    header: Mapping[str, Any]
    rows: Sequence[Sequence[Any]]
    runs: Sequence[tuple[RunEntry, str]]
    fences: Sequence[int]


def key_of(folder: str, number: int) -> str:
    """The key of a segment or a snapshot: keys sort as numbers do."""
    return f"{folder}/{number:012d}"


def number_of(key: str) -> int:
    """The number of a segment or a snapshot; -1 for a key that is none of ours."""
    name = key.rpartition("/")[2]
    return int(name) if name.isdecimal() and len(name) == 12 else -1


def digest_of(content: bytes) -> str:
    """What the next segment says of the one before."""
    return sha256(content).hexdigest()


def pack_object(fields: Mapping[str, Any]) -> bytes:
    """Fields as the content of an object."""
    document = {"application": _APPLICATION, "format": FORMAT, **fields}
    text = json.dumps(document, separators=(",", ":"), check_circular=False)
    return zlib.compress(text.encode(), _LEVEL)


def unpack_object(content: bytes, key: str) -> dict[str, Any]:
    """The fields of `pack_object`; raises StateError for what is damaged, not ours or newer."""
    try:
        unfolding = zlib.decompressobj()
        text = unfolding.decompress(content, _LARGEST)
        if not unfolding.eof:
            raise ValueError("it is cut off, or too large")
        fields: dict[str, Any] = json.loads(text)
        application, version = fields["application"], fields["format"]
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(key, error) from error
    if application != _APPLICATION:
        raise _damaged(key, "it is not of this program")
    if version != FORMAT:
        raise StateError(
            f"the object {key} was written by a newer version of this program (format {version}, "
            f"this one knows {FORMAT})",
            hint="upgrade the program that runs here; nothing was changed",
        )
    return fields


def pack_segment(segment: Segment) -> bytes:
    """A segment as the content of its object; what is empty is left out."""
    commit = segment.commit
    parts: dict[str, Any] = {
        "columns": list(COLUMNS) if commit.rows else (),
        "rows": commit.rows,
        "without": commit.without,
        "header": commit.header,
        "runs": [_run_fields(run) for run in commit.runs],
        "actions": [(run, number, asdict(action)) for run, number, action in commit.actions],
        "messages": commit.messages,
        "oldest": commit.oldest,
        "holder": holder_fields(segment.holder) if segment.holder else None,
        "was_forced": segment.was_forced,
    }
    return pack_object(
        {
            "number": segment.number,
            "epoch": segment.epoch,
            "token": segment.token,
            "previous": segment.previous,
            **{name: part for name, part in parts.items() if part},
        }
    )


def unpack_segment(content: bytes, key: str) -> Segment:
    """Read a segment; raises StateError for a damaged one."""
    fields = unpack_object(content, key)
    try:
        return Segment(
            number=fields["number"],
            epoch=fields["epoch"],
            token=fields["token"],
            previous=fields["previous"],
            was_forced=fields.get("was_forced", False),
            holder=read_holder(fields["holder"]) if "holder" in fields else None,
            commit=Commit(
                rows=_rows(fields) if "rows" in fields else (),
                without=fields.get("without", ()),
                header=fields.get("header", {}),
                runs=[RunEntry(**run) for run in fields.get("runs", ())],
                actions=[
                    (run, number, ActionEntry(**action))
                    for run, number, action in fields.get("actions", ())
                ],
                messages=[tuple(message) for message in fields.get("messages", ())],
                oldest=fields.get("oldest"),
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(key, error) from error


def pack_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot as the content of its object."""
    return pack_object(
        {
            "number": snapshot.number,
            "epoch": snapshot.epoch,
            "token": snapshot.token,
            "digest": snapshot.digest,
            "header": snapshot.header,
            "columns": list(COLUMNS),
            "rows": snapshot.rows,
            "runs": [(_run_fields(run), key) for run, key in snapshot.runs],
            "fences": snapshot.fences,
        }
    )


def unpack_snapshot(content: bytes, key: str) -> Snapshot:
    """Read a snapshot; raises StateError for a damaged one."""
    fields = unpack_object(content, key)
    try:
        return Snapshot(
            number=fields["number"],
            epoch=fields["epoch"],
            token=fields["token"],
            digest=fields["digest"],
            header=dict(fields["header"]),
            rows=_rows(fields),
            runs=[(RunEntry(**run), history) for run, history in fields["runs"]],
            fences=fields["fences"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(key, error) from error


def pack_actions(actions: Mapping[int, ActionEntry]) -> bytes:
    """The actions of one run by their numbers, as the content of their object."""
    return pack_object({"actions": [(number, asdict(one)) for number, one in actions.items()]})


def unpack_actions(content: bytes, key: str) -> dict[int, ActionEntry]:
    """Read the actions of one run; raises StateError for damage."""
    fields = unpack_object(content, key)
    try:
        return {number: ActionEntry(**action) for number, action in fields["actions"]}
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(key, error) from error


def read_holder(fields: Mapping[str, Any]) -> Holder:
    """A holder as it was written down; raises KeyError, TypeError, ValueError."""
    return Holder(
        title=fields["title"],
        link=fields["link"],
        since=datetime.fromisoformat(fields["since"]) if fields["since"] else None,
    )


def holder_fields(holder: Holder) -> dict[str, Any]:
    """A holder as it is written down."""
    since = holder.since.isoformat() if holder.since else ""
    return {"title": holder.title, "link": holder.link, "since": since}


def _run_fields(run: RunEntry) -> dict[str, Any]:
    return {**asdict(run), "counts": dict(run.counts)}


def _rows(fields: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if fields["columns"] != list(COLUMNS):
        raise ValueError("it has other columns")
    return [tuple(row) for row in fields["rows"]]


def _damaged(key: str, reason: object) -> StateError:
    return StateError(
        f"the object {key} of the state is damaged: {reason}",
        hint="get its last version back where the bucket keeps versions, or 'reconciler state "
        "recover' into another folder",
    )
