"""The record of every request: what it did to the world, and what its client was told."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.sandbox.settings import SandboxError


class Effect(StrEnum):
    """What a request changed."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class UpdateRecord(NamedTuple):
    """What an accepted update asked for, and what came of it; `rev` is an annotation of that name.

    `changed` are JSON pointers at which the documents differ, `refused` those that the cluster
    refuses, `without_effect` those that do not change what runs. `live_rev` is what a GET shows
    of this update; `replaced_rev` and `replaced_by` name the form that it won over, which a later
    entry may win over in turn.
    """

    body: str
    rev: str | None
    live_rev: str | None
    replaced_rev: str | None
    replaced_by: str
    changed: tuple[str, ...]
    refused: tuple[str, ...]
    without_effect: tuple[str, ...]


class Entry(NamedTuple):
    """One request, written when its outcome is decided and before the client can hear of it.

    `status` is the one that the client gets, None when the connection dies without a response. A
    late execution is an entry of its own, with `cause` naming the request that brought it about.
    `told` is false when the response does not say what happened.
    """

    # A tuple: every request makes one, and a frozen dataclass takes more than twice as long.
    seq: int
    cause: int | None
    arrived: float
    decided: float
    method: str
    path: str
    caller: str | None
    project_id: str | None
    name: str | None
    id: str | None
    marker: str | None
    status: int | None
    effect: Effect | None
    fault: str | None
    in_flight: int
    told: bool
    update: UpdateRecord | None = None

    @property
    def misled(self) -> bool:
        """Whether something was done, but the client got another response or none."""
        return self.effect is not None and not self.told


class Ledger:
    """The entries of one sandbox, oldest first; the oldest are dropped beyond `limit`."""

    def __init__(self, limit: int | None, path: Path | None = None) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._numbered = 0
        self._listeners: list[Callable[[Entry], None]] = []
        self._file = None
        if path is not None:
            try:
                self._file = path.open("a", encoding="ascii")
            except OSError as exc:
                raise SandboxError(f"cannot write the ledger {path}: {exc.strerror}") from None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything still remembered."""
        return tuple(self._entries)

    def effects(self, effect: Effect) -> tuple[Entry, ...]:
        """The entries with one effect, in the order in which it happened."""
        return tuple(entry for entry in self._entries if entry.effect is effect)

    def since(self, seq: int) -> tuple[Entry, ...]:
        """The entries numbered above `seq`; an order of arrival, not of outcomes."""
        return tuple(entry for entry in self._entries if entry.seq > seq)

    def number(self) -> int:
        """Number a request as it arrives, from 1."""
        # Not the length of the list: entries are written when decided, and the oldest are dropped.
        self._numbered += 1
        return self._numbered

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call the listener for every entry from now on."""
        self._listeners.append(listener)

    def write(self, entry: Entry) -> None:
        """Add an entry, to the file as well when there is one."""
        self._entries.append(entry)
        self._append(entry)
        for listener in self._listeners:
            listener(entry)

    def correct(self, entry: Entry) -> None:
        """Note that a response did not arrive after all; the file gets a second line for that."""
        corrected = entry._replace(status=None, told=False)
        # From the end: the entry to correct is nearly always among the last ones written.
        for position in range(len(self._entries) - 1, -1, -1):
            if self._entries[position] is entry:
                self._entries[position] = corrected
                break
        self._append(corrected)

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def _append(self, entry: Entry) -> None:
        if self._file is not None:
            self._file.write(json.dumps(to_record(entry), separators=(",", ":")) + "\n")
            # A client that has its response may look into the file at once.
            self._file.flush()


def to_record(entry: Entry) -> dict[str, Any]:
    """Flatten an entry for a JSON line."""
    record = {**entry._asdict(), "misled": entry.misled}
    # Absent, not null, where nothing was updated: readers of earlier files know all other members.
    update = record.pop("update")
    return record if update is None else {**record, "update": update._asdict()}
