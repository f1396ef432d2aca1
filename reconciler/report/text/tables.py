"""What is recorded, and what the server says of it, as tables."""

from __future__ import annotations

from collections.abc import Sequence
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


def _record_lines(rows: list[Recorded]) -> list[tuple[str, ...]]:
    past = [row for row in rows if row.own is Own.LATE_CREATE_POSSIBLE]
    present = [row for row in rows if row.own is not Own.LATE_CREATE_POSSIBLE]
    ghosts = [row for row in past if row.ambiguous]
    late = [f"an earlier create may come true {_until(ghosts)}"] if ghosts else []
    lines: list[tuple[str, ...]] = [
        (
            name_of(row.address),
            row.own.value.lower(),
            escape_terminal(row.id or "-"),
            "; ".join([*_protection(row), *_given_up(row), *late]),
        )
        for row in present
    ]
    if not present:
        down = next((row for row in past if row.is_down), None)
        note = f"{escape_terminal(down.message)}; nothing runs there now" if down else "gone"
        late = [f"a lost create may come true {_until(ghosts)}"] if ghosts else []
        word = "down" if down else "late create possible"
        lines.append((name_of(past[0].address), word, "-", "; ".join([note, *late])))
    return lines


def _protection(row: Recorded) -> list[str]:
    return ["protected"] if row.protected or row.lifecycle.protect else []


def _given_up(row: Recorded) -> list[str]:
    if row.purpose is not Purpose.GIVEN_UP:
        return []
    return [f"given up; once it is gone: reconciler state resolve {name_of(row.address)} --recheck"]


def _until(ghosts: Sequence[Recorded]) -> str:
    last = max(map(comes_true_until, ghosts))
    if last <= datetime.min.replace(tzinfo=UTC):
        return "at any time"
    return f"until {last.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
