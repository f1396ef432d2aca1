"""One history in words: every request, every event and every durable row, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from proof.invariants import Violation
from proof.simulation.process import Process
from proof.simulation.server import Entry
from reconciler.core.history.events import Event
from reconciler.core.model import Recorded

Note = tuple[float, str]


def write_transcript(
    book: Sequence[Entry],
    processes: Sequence[Process],
    notes: Sequence[Note],
    violations: Sequence[Violation],
) -> Iterator[str]:
    """Line by line; the same history gives the same text."""
    lines = [(at, 0, words) for at, words in notes]
    lines += [(entry.at, 1, f"run {entry.process} {entry}") for entry in book]
    for process in processes:
        name = f"run {process.number}"
        lines += [(at, 2, f"{name} says {_word(event)}") for at, event in process.told]
        lines += [(at, 3, f"{name} writes {_describe(row)}") for at, row in process.written]
    lines += [(violation.at, 4, f"VIOLATION {violation}") for violation in violations]
    for at, _, words in sorted(lines, key=lambda line: line[:2]):
        yield f"{at:12.3f} {words}"


def _word(event: Event) -> str:
    fields = dataclasses.asdict(event)
    address = getattr(event, "address", "")
    said = [f"{key}={fields[key]}" for key in sorted(fields.keys() - {"at", "address"})]
    return f"{type(event).__name__} {address} {' '.join(said)}"


def _describe(row: Recorded) -> str:
    doubt = " ambiguous" if row.ambiguous else ""
    sends = f"{row.attempts} sends until {row.last_sent_at}"
    return (
        f"{row.address} {row.op} {row.own}{doubt} {row.seen} id {row.id} {sends} "
        f"{row.purpose or ''} {row.message}"
    )
