"""The records of a state as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from reconciler.core.model import Address, Own, Purpose, Recorded
from reconciler.core.protocol.transitions import comes_true_until
from reconciler.report.text.color import name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import columns

NOTHING_RECORDED = "The state records no workloads."


def records_text(rows: Sequence[Recorded]) -> str:
    """What the state records, a line for each workload.

    What is left of an older create of a workload is a note beside it, not another workload.
    """
    if not rows:
        return NOTHING_RECORDED
    groups: dict[Address, list[Recorded]] = {}
    for row in rows:
        groups.setdefault(row.address, []).append(row)
    lines = [line for group in groups.values() for line in _record_lines(group)]
    return columns(("ADDRESS", "STATE", "ID", "NOTE"), lines)


def _record_lines(rows: list[Recorded]) -> Iterator[tuple[str, ...]]:
    past = [row for row in rows if row.own is Own.LATE_CREATE_POSSIBLE]
    present = [row for row in rows if row.own is not Own.LATE_CREATE_POSSIBLE]
    late_creates = [row for row in past if row.ambiguous]
    for row in present:
        name = name_of(row.address)
        notes = ["protected"] if row.protected or row.lifecycle.protect else []
        if row.purpose is Purpose.GIVEN_UP:
            command = f"reconciler state resolve {name} --recheck"
            notes.append(f"given up; once it is gone: {command}")
        if late_creates:
            notes.append(f"an earlier create may come true {_until(late_creates)}")
        yield (name, row.own.value.lower(), escape_terminal(row.id or "-"), "; ".join(notes))
    if not present:
        down = next((row for row in past if row.is_down), None)
        notes = [f"{escape_terminal(down.message)}; nothing runs there now" if down else "gone"]
        if late_creates:
            notes.append(f"a lost create may come true {_until(late_creates)}")
        state = "down" if down else "late create possible"
        yield (name_of(past[0].address), state, "-", "; ".join(notes))


def _until(late_creates: Sequence[Recorded]) -> str:
    last = max(map(comes_true_until, late_creates))
    # A record that nobody dated: no time is known after which its create cannot come true.
    if last <= datetime.min.replace(tzinfo=UTC):
        return "at any time"
    return f"until {last.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
