"""The records of a state as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType

from reconciler.core.model import Own, Purpose, Recorded, ended_text, join_reasons
from reconciler.core.protocol.transitions import comes_true_until
from reconciler.core.states.address_records import find_replaced, find_shown
from reconciler.report.text.color import name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import (
    columns,
    given_up_text,
    projects_note,
    replacement_text,
)

NO_NAMES: Mapping[str, str] = MappingProxyType({})
_RUNS = Own.ACCEPTED.label
NOTHING_RECORDED = "The state records no workloads."


def records_text(rows: Iterable[Recorded], project_names: Mapping[str, str] = NO_NAMES) -> str:
    """What the state records, by address, a line for each; `project_names` are those by id.

    What is left of an older create of a workload is a note beside it, not another workload.
    """
    by_address = groupby(rows, key=lambda row: row.address)
    projects = set[str]()
    lines = list[tuple[str, ...]]()
    for address, group in by_address:
        projects.add(address.project)
        records = [*group]
        if len(records) == 1 and _runs(records[0]):
            # Nearly every line of a long table, in a third of the time.
            lines.append((name_of(address), _RUNS, escape_terminal(records[0].id or "-"), ""))
        else:
            lines += _record_lines(records)
    if not lines:
        return NOTHING_RECORDED
    table = columns(("ADDRESS", "STATE", "ID", "NOTE"), lines)
    note = projects_note({id_: name for id_, name in project_names.items() if id_ in projects})
    return f"{table}\n{note}".rstrip("\n")


def _runs(row: Recorded) -> bool:
    """Whether nothing is to be noted of a record that is the only one of its address."""
    is_protected = row.protected or row.lifecycle.protect
    return row.own is Own.ACCEPTED and row.purpose is None and not is_protected


def _record_lines(rows: list[Recorded]) -> Iterator[tuple[str, ...]]:
    late_creates = [row for row in rows if row.own is Own.LATE_CREATE_POSSIBLE and row.ambiguous]
    replaced = find_replaced(rows)
    for row in find_shown(rows):
        notes = [*_notes(row, replaced)]
        if late_creates:
            which = "a lost" if row.own is Own.LATE_CREATE_POSSIBLE else "an earlier"
            notes.append(f"{which} create may still take effect {_until(late_creates)}")
        state = "down" if row.is_down else row.own.label
        note = escape_terminal("; ".join(notes))
        yield (name_of(row.address), state, escape_terminal(row.id or "-"), note)


def _notes(row: Recorded, replaced: Recorded | None) -> Iterator[str]:
    """What has to be known of a record; the server's words first where its create is in doubt."""
    is_there = row.own not in (Own.LATE_CREATE_POSSIBLE, Own.ENDED)
    if is_there and (row.protected or row.lifecycle.protect):
        yield "protected"
    if row.purpose is Purpose.GIVEN_UP:
        yield f"given up; {given_up_text(row)}"
    if row.own is Own.ENDED:
        yield f"{ended_text(row)}; not made again before its spec changes"
    if row.own is Own.DELETING and row.purpose is Purpose.REPLACE:
        yield join_reasons(row.reason, "it is deleted to be replaced, and nothing replaces it yet")
    if row.own in (Own.CREATING, Own.UNCONFIRMED):
        if row.reason:
            yield row.reason
        if replaced is not None:
            yield replacement_text(replaced, row)
    elif row.is_down:
        yield join_reasons(row.reason, f"{row.ending}; nothing of ours runs there now")
    elif row.own is Own.LATE_CREATE_POSSIBLE:
        yield "gone"


def _until(late_creates: Sequence[Recorded]) -> str:
    last = max(map(comes_true_until, late_creates))
    # A record that nobody dated: no time is known after which its create cannot come true.
    if last <= datetime.min.replace(tzinfo=UTC):
        return "at any time"
    return f"until {last.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
