"""`reconciler status` for people and programs: each record beside the state on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.model import (
    LastSeen,
    Live,
    Missing,
    OnFailed,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
    join_reasons,
)
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.core.shorten import shorten
from reconciler.report.text.color import ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import (
    GAP,
    given_up_text,
    gpu_number,
    number_of,
    replacement_text,
)

IN_DOUBT = "in doubt"
UNDER_WAY = "under way"
DOWN = "down"
MISSING = "missing"
UNREAD = "unread"
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
    IN_DOUBT: "yellow",
    UNDER_WAY: "cyan",
    UNREAD: "yellow",
    WorkloadPhase.RUNNING.value: "green",
    WorkloadPhase.COMPLETED.value: "green",
    WorkloadPhase.PENDING.value: "yellow",
    WorkloadPhase.DEGRADED.value: "red",
}
# What has no phase has one of these words in its place.
_INSTEAD = (
    *(IN_DOUBT, UNDER_WAY, DOWN, MISSING, UNREAD),
    *(LastSeen.DELETED.value, Own.LATE_CREATE_POSSIBLE.value.lower()),
)
_ILL = (WorkloadPhase.FAILED, WorkloadPhase.DEGRADED)
_GONE = (MISSING, LastSeen.DELETED.value)
_RARE = (UNDER_WAY, DOWN, UNREAD, Own.LATE_CREATE_POSSIBLE.value.lower())
_PHASES = (WorkloadPhase.DEGRADED, WorkloadPhase.PENDING)
# So many messages that are too long for the table are told below it.
MOST_MESSAGES = 20
_UNITS = ((86_400, "d", 2 * 86_400), (3_600, "h", 3_600), (60, "m", 60))


@dataclass(frozen=True, kw_only=True)
class Status:
    """One record and what the server says of it; `at` is the server's time of that.

    `late` says that an older create of the same workload may come true beside it; `at_work` is who
    writes to the state meanwhile, and is about to go on with what is begun. `replaced` is the
    record of what had the name before, where its successor is not there yet. `listed` is what the
    server's list says of it, `unlisted` why its list could not be looked at.
    """

    row: Recorded
    live: Live | None
    at: datetime
    late: bool = False
    at_work: str = ""
    replaced: Recorded | None = None
    listed: LiveWorkload | None = None
    unlisted: str = ""

    @cached_property
    def is_under_way(self) -> bool:
        """Whether another run is making or deleting it at this moment."""
        begun = self.row.own in (Own.CREATING, Own.DELETING) or self.row.is_down
        return bool(self.at_work) and begun

    @property
    def _has_open_update(self) -> bool:
        """Whether an update of it was begun and not proven: it may be in force or not."""
        return self.row.own is Own.ACCEPTED and self.row.change.open is not None

    @property
    def _is_cut_short(self) -> bool:
        """Whether its replace ended before anybody saw that its deletion is through."""
        return self.row.own is Own.DELETING and self.row.purpose is Purpose.REPLACE

    @cached_property
    def word(self) -> str:
        """One word for how the workload is: the server's, or ours where it has none."""
        match self.live:
            # First of all: what another run is making or ending looks missing for a moment.
            case None | Missing() | Remote(is_gone=True) if self.is_under_way:
                return UNDER_WAY
            case Missing() | Remote(is_gone=True) if self._is_cut_short:
                return DOWN
            case Remote(is_gone=True):
                return LastSeen.DELETED.value
            case Remote(seen=LastSeen.UNKNOWN, desired_phase=phase):
                return phase or LastSeen.UNKNOWN.value
            case Remote(seen=seen):
                return seen.value
            case Missing():
                return MISSING
            case Unread():
                return UNREAD
            case None if self.row.is_down:
                return DOWN
            case None:
                doubtful = self.row.own in (Own.CREATING, Own.UNCONFIRMED)
                return IN_DOUBT if doubtful else self.row.own.value.lower()

    @property
    def phase(self) -> WorkloadPhase | None:
        """What became of it in the cluster; None where nobody can tell."""
        return self.listed.phase if self.listed else None

    @property
    def phase_word(self) -> str:
        """Its phase as the table has it, or our word for what has none."""
        if self.word in _INSTEAD:
            return self.word
        return self.phase.value if self.phase else "-"

    @property
    def sync_word(self) -> str:
        """What the cluster made of the last submission, in the server's words."""
        return "-" if self.word in _INSTEAD else self.word

    @cached_property
    def message(self) -> str:
        """The messages that go with it: of its phase, then of its sync and of its record."""
        of_phase = self.listed.phase_message if self.listed else ""
        return join_reasons("" if of_phase in self._sync_message else of_phase, self._sync_message)

    @cached_property
    def _sync_message(self) -> str:
        match self.live:
            case Unread(reason=reason):
                message = reason
            case Missing() | Remote(is_gone=True) if self._is_cut_short and not self.is_under_way:
                end = f"workload {self.row.id} was deleted to be replaced"
                message = join_reasons(self.row.reason, end, "nothing of ours runs there now")
            case Remote(message=remote):
                # Why a delete has not ended yet is known to the state, not to the server.
                own = self.row.message if self.row.own is Own.DELETING else ""
                # What was recorded of a delete that failed holds what the server says of it.
                message = own if remote in own else join_reasons(remote, own)
            case None | Missing() if self.is_under_way:
                message = f"{self.at_work} is at work on it"
            case None if self.row.is_down:
                message = join_reasons(
                    self.row.reason, f"{self.row.ending}; nothing of ours runs there now"
                )
            case None if self.replaced is not None and self.word == IN_DOUBT:
                message = join_reasons(self.row.reason, replacement_text(self.replaced, self.row))
            case _:
                message = self.row.reason
        late = "an earlier create of it may still take effect" if self.late else ""
        # Of what is gone nothing is updated any more.
        if self._has_open_update and self.word not in _GONE:
            by = (
                f"{self.at_work} is at work on it" if self.at_work else "the next apply finishes it"
            )
            message = join_reasons(message, f"an update of it is under way: {by}")
        is_given_up = self.row.purpose is Purpose.GIVEN_UP
        return join_reasons(message, given_up_text(self.row) if is_given_up else "", late)

    @cached_property
    def created_at(self) -> str | None:
        """When the server made it (RFC 3339), if it says so."""
        moment = self.live.metadata.get("createdAt") if isinstance(self.live, Remote) else None
        return moment if isinstance(moment, str) else None

    @cached_property
    def age(self) -> timedelta | None:
        """How long ago that was."""
        try:
            passed = self.at - datetime.fromisoformat(self.created_at or "")
        except (TypeError, ValueError):
            return None
        # The clocks behind one server may differ a little.
        return max(passed, timedelta())

    @cached_property
    def gpus(self) -> GpuRequest:
        """The GPUs that its manifest asks for."""
        manifest = self.row.spec.get("manifest")
        return count_gpus(manifest if isinstance(manifest, Mapping) else {})

    @property
    def gpu_text(self) -> str:
        """GPUs asked for, and where the list tells them those allocated and those of them idle."""
        asked = gpu_number(self.gpus.gpus) + ("" if self.gpus.known else "+")
        told = (self.listed.gpus_allocated, self.listed.gpus_idle) if self.listed else (None, None)
        others = ("-" if figure is None else gpu_number(figure) for figure in told)
        return "/".join([asked, *others])

    @property
    def is_down(self) -> bool:
        """Whether it was deleted to be replaced, and nothing of ours is known to run there now."""
        return self.word in (DOWN, IN_DOUBT) and self.deleted is not None

    @property
    def deleted(self) -> str | None:
        """The id of what was deleted to be replaced, where its successor is not there yet."""
        if self.word == DOWN and self._is_cut_short:
            return self.row.id
        return self.replaced.former_id if self.replaced else None

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody can tell what became of its create."""
        return self.word == IN_DOUBT

    @property
    def is_refused(self) -> bool:
        """Whether the cluster has refused it, and its author has not said to ignore that."""
        is_ignored = self.row.lifecycle.on_failed is OnFailed.IGNORE
        return self.word == LastSeen.FAILED.value and not is_ignored

    @property
    def is_wrong(self) -> bool:
        """Whether it is not as it was declared, and an apply alone will not mend it."""
        is_gone = self.word in _GONE or self.is_down
        is_ill = self.is_refused or self.phase in _ILL
        return is_gone or is_ill or self.row.purpose is Purpose.GIVEN_UP

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to look at it."""
        is_synced = self.word == LastSeen.SYNCED.value
        is_open = self.late or self._has_open_update
        return is_synced and not is_open and self.phase not in (*_ILL, WorkloadPhase.PENDING)


def status_document(status: Status) -> dict[str, Any]:
    """A workload as `status -o json` has it; `age_seconds` is by the server's clock."""
    age = status.age
    return {
        "address": str(status.row.address),
        "id": status.row.id,
        "recorded": status.row.own.value,
        "status": status.word,
        "phase": status.phase.value if status.phase else None,
        "phase_since": status.listed.phase_updated_at if status.listed else None,
        "phase_unknown_because": status.unlisted or None,
        "message": status.message or None,
        "down": status.is_down,
        "deleted": status.deleted,
        "gpus": status.gpus.gpus,
        "gpus_known": status.gpus.known,
        "gpus_allocated": status.listed.gpus_allocated if status.listed else None,
        "gpus_idle": status.listed.gpus_idle if status.listed else None,
        "created_at": status.created_at,
        "age_seconds": None if age is None else int(age.total_seconds()),
    }


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
        lines += _unlisted_notes(statuses)
    return "\n".join([*lines, total_text(statuses, paint)])


def _whole_messages(statuses: Sequence[Status], table: str) -> Iterator[str]:
    """What is wrong, in full, where the table does not hold it."""
    wrong = (status for status in statuses if status.is_wrong or status.is_in_doubt)
    long = [status for status in wrong if escape_terminal(status.message) not in table]
    for status in long[:MOST_MESSAGES]:
        yield f"{name_of(status.row.address)}: {escape_terminal(status.message)}"
    if len(long) > MOST_MESSAGES:
        yield f"… {number_of(len(long) - MOST_MESSAGES, 'more message')}: status ADDRESS"


def _unlisted_notes(statuses: Sequence[Status]) -> Iterator[str]:
    """Which projects have phases that nobody could look at, and why."""
    reasons = {status.row.address.project: status.unlisted for status in statuses}
    for project, reason in sorted(reasons.items()):
        if reason:
            yield escape_terminal(f"Phases of project {project} could not be looked at: {reason}")


def total_text(statuses: Sequence[Status], paint: ColorWriter) -> str:
    """How many workloads there are, what they ask for at least, and how many need somebody."""
    counts = Counter(status.word for status in statuses)
    # What the server does not have asks for nothing; one that could not be read is still there.
    present = [s for s in statuses if s.live is not None and s.word not in (*_GONE, DOWN)]
    gpus = gpu_number(round(sum(status.gpus.gpus for status in present), 6))
    at_least = "" if all(status.gpus.known for status in present) else "+"
    failed = sum(LastSeen.FAILED.value in (status.word, status.phase) for status in statuses)
    parts = [
        f"{failed} failed",
        f"{sum(counts[word] for word in _GONE)} missing",
        f"{counts[IN_DOUBT]} in doubt",
    ]
    # What is in doubt and has replaced something counts twice, as it does in the end of an apply.
    counts[DOWN] = sum(status.is_down for status in statuses)
    parts += [f"{counts[word]} {word}" for word in _RARE if counts[word]]
    phases = Counter(status.phase for status in present)
    parts += [f"{phases[word]} {word.lower()}" for word in _PHASES if phases[word]]
    head = f"{number_of(len(statuses), 'workload')}, {gpus}{at_least} GPUs requested"
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


def _table(statuses: Sequence[Status], paint: ColorWriter, width: int | None) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (
            name_of(status.row.address),
            escape_terminal(status.phase_word),
            escape_terminal(status.sync_word),
            age_text(status.age),
            status.gpu_text,
            escape_terminal(shorten(status.message)),
        )
        for status in statuses
    ]
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
