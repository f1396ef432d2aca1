"""The statuses of workloads as a table, as lines, and their total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from reconciler.core.ending.lifetime import has_ended
from reconciler.core.model import LastSeen, Own
from reconciler.core.protocol.live import WorkloadPhase
from reconciler.core.shorten import shorten
from reconciler.report.markdown.commonmark import code, prose, table
from reconciler.report.status.status import (
    DOWN,
    GONE,
    IN_DOUBT,
    MISSING,
    NOT_CREATED,
    OVER,
    UNDER_WAY,
    UNREAD,
    Status,
)
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import GAP, gpu_number, number_of, projects_note

HEAD = ("ADDRESS", "PHASE", "SYNC", "AGE", "GPUS", "MESSAGE")
_COLOURS = {
    LastSeen.SYNCED.value: "green",
    LastSeen.QUEUED.value: "cyan",
    LastSeen.APPLYING.value: "cyan",
    LastSeen.DELETING.value: "magenta",
    LastSeen.FAILED.value: "red",
    LastSeen.DELETED.value: "red",
    MISSING: "red",
    DOWN: "red",
    NOT_CREATED: "red",
    **dict.fromkeys(OVER, "green"),
    IN_DOUBT: "yellow",
    UNDER_WAY: "cyan",
    UNREAD: "yellow",
    WorkloadPhase.RUNNING.value: "green",
    WorkloadPhase.COMPLETED.value: "green",
    WorkloadPhase.PENDING.value: "yellow",
    WorkloadPhase.DEGRADED.value: "red",
}
_RARE = (
    *(*OVER, UNDER_WAY, DOWN, NOT_CREATED, UNREAD),
    Own.LATE_CREATE_POSSIBLE.value.lower(),
)
_PHASES = (WorkloadPhase.DEGRADED, WorkloadPhase.PENDING)
# So many messages that are too long for the table are told below it.
MOST_MESSAGES = 20
_UNITS = ((86_400, "d", 2 * 86_400), (3_600, "h", 3_600), (60, "m", 60))


def statuses_text(
    statuses: Sequence[Status],
    paint: ColorWriter,
    *,
    width: int | None = None,
    height: int | None = None,
) -> str:
    """The table and the total below it; within `width` columns and `height` lines, where given.

    Where not all lines fit, those that nobody has to look at go first.
    """
    if not statuses:
        return "The state records no workloads."
    listed = statuses
    # Three lines are the head, the total, and how many are left out. Where that is one workload,
    # it takes the line that would say so.
    if height is not None and len(statuses) > (most := height - 3) + 1:
        # In the order of the list, so that a workload keeps its place while others come and go.
        urgent = sorted(range(len(statuses)), key=lambda i: (statuses[i].is_quiet, i))
        listed = [statuses[i] for i in sorted(urgent[: max(most, 1)])]
    lines = _table(listed, paint, width)
    if len(listed) < len(statuses):
        lines.append(paint.dim(f"… {number_of(len(statuses) - len(listed), 'more workload')}"))
    if height is None:
        lines += _whole_messages(statuses, "\n".join(lines))
        lines += _notes(statuses)
    return "\n".join([*lines, total_text(statuses, paint)])


def statuses_markdown(statuses: Sequence[Status]) -> str:
    """The total and the table for a comment or a summary."""
    lines = [f"**{total_text(statuses, ColorWriter())}**", ""]
    if statuses:
        lines += [*table(HEAD, [[code(cell) for cell in _cells(s)] for s in statuses]), ""]
    lines += [f"- {prose(note)}" for note in _notes(statuses)]
    return "\n".join(lines).rstrip("\n")


def _whole_messages(statuses: Sequence[Status], table: str) -> Iterator[str]:
    """What is wrong, in full, where the table does not hold it."""
    wrong = (status for status in statuses if status.is_wrong or status.is_in_doubt)
    long = [status for status in wrong if escape_terminal(status.message) not in table]
    for status in long[:MOST_MESSAGES]:
        yield f"{name_of(status.row.address)}: {escape_terminal(status.message)}"
    if len(long) > MOST_MESSAGES:
        yield f"… {number_of(len(long) - MOST_MESSAGES, 'more message')}: status ADDRESS"


def _notes(statuses: Sequence[Status]) -> Iterator[str]:
    """What the projects are called, and why the phases of some could not be looked at."""
    names = {s.row.address.project: s.project_name for s in statuses if s.project_name}
    if names:
        yield projects_note(names)
    reasons = {status.row.address.project: status.unlisted for status in statuses}
    for project, reason in sorted(reasons.items()):
        if reason:
            yield escape_terminal(f"Phases of project {project} could not be looked at: {reason}")


def total_text(statuses: Sequence[Status], paint: ColorWriter) -> str:
    """How many workloads there are, what they ask for at least, and how many need somebody."""
    counts = Counter(status.word for status in statuses)
    # What the server does not have asks for nothing; one that could not be read is still there.
    present = [
        status
        for status in statuses
        if (status.live is not None or status.told_by_list)
        and status.word not in (*GONE, *OVER, DOWN)
    ]
    asking = [status for status in present if not has_ended(status.row, status.listed)]
    gpus = gpu_number(round(sum(status.gpus.gpus for status in asking), 6))
    at_least = "" if all(status.gpus.known for status in asking) else "+"
    failed = sum(LastSeen.FAILED.value in (status.word, status.phase) for status in statuses)
    parts = [
        f"{failed} failed",
        f"{sum(counts[word] for word in GONE)} missing",
        f"{counts[IN_DOUBT]} in doubt",
    ]
    # What is in doubt and has replaced something counts twice, as it does in the end of an apply.
    counts[DOWN] = sum(status.is_down for status in statuses)
    parts += [f"{counts[word]} {word}" for word in _RARE if counts[word]]
    phases = Counter(status.phase for status in present)
    parts += [f"{phases[word]} {word.lower()}" for word in _PHASES if phases[word]]
    unit = "GPU" if f"{gpus}{at_least}" == "1" else "GPUs"
    head = f"{number_of(len(statuses), 'workload')}, {gpus}{at_least} {unit} requested"
    return paint.bold(f"{head}; {', '.join(parts)}.")


def change_text(status: Status | None, address: str, at: str, paint: ColorWriter) -> str:
    """A line for a workload that is not as it was when last looked at; None is no longer there."""
    if status is None:
        return f"{at}  {escape_terminal(address)}  no longer recorded"
    words = [word for word in (status.phase_word, status.sync_word) if word != "-"]
    painted = [paint(escape_terminal(word), _COLOURS.get(word, "")) for word in words]
    return GAP.join(
        [at, name_of(status.row.address), *painted, escape_terminal(shorten(status.message))]
    ).rstrip()


def age_text(age: timedelta | None) -> str:
    """An age in the largest unit that says enough: 40s, 5m, 47h, 3d."""
    if age is None:
        return "-"
    seconds = int(age.total_seconds())
    for size, unit, least in _UNITS:
        if seconds >= least:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _cells(status: Status) -> tuple[str, ...]:
    return (
        name_of(status.row.address),
        escape_terminal(status.phase_word),
        escape_terminal(status.sync_word),
        age_text(status.age),
        status.gpu_text,
        escape_terminal(shorten(status.message)),
    )


def _table(statuses: Sequence[Status], paint: ColorWriter, width: int | None) -> list[str]:
    rows = [_cells(status) for status in statuses]
    widths = [max(len(row[i]) for row in (HEAD, *rows)) for i in range(len(HEAD))]
    if width is not None:
        # Only messages are cut: commands take addresses, and the rest is short.
        room = max(width - sum(widths[:-1]) - len(GAP) * (len(widths) - 1), 0)
        rows = [(*row[:-1], _cut(row[-1], room)) for row in rows]
        widths[-1] = max(len(HEAD[-1]), *(len(row[-1]) for row in rows))
    lines = [GAP.join(cell.ljust(most) for cell, most in zip(HEAD, widths, strict=True)).rstrip()]
    for status, row in zip(statuses, rows, strict=True):
        padded = [cell.ljust(most) for cell, most in zip(row, widths, strict=True)]
        # Painted last: escape sequences have no width.
        for column, word in ((1, status.phase_word), (2, status.sync_word)):
            padded[column] = paint(padded[column], _COLOURS.get(word, ""))
        lines.append(GAP.join(padded).rstrip())
    return lines


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…" if most > 0 else ""
