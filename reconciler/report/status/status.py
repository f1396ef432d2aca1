"""What `reconciler status` knows of a workload: its record beside what the server says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from reconciler.core.ending.lifetime import is_finished
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.lifecycle import (
    OnFailed,
)
from reconciler.core.model import (
    ENDS,
    LastSeen,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
    join_reasons,
)
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.report.text.formatting import (
    given_up_text,
    gpu_number,
    replacement_text,
)
from reconciler.values import dataclass

IN_DOUBT = "in doubt"
UNDER_WAY = "under way"
DOWN = "down"
MISSING = "missing"
UNREAD = "unread"
NOT_CREATED = "not created"

OVER = tuple(purpose.value for purpose in ENDS)
# What has no phase has one of these words in its place.
_INSTEAD = (
    *(IN_DOUBT, UNDER_WAY, DOWN, MISSING, UNREAD, NOT_CREATED),
    *(LastSeen.DELETED.value, Own.LATE_CREATE_POSSIBLE.value.lower()),
    *OVER,
)
_ILL = (WorkloadPhase.FAILED, WorkloadPhase.DEGRADED)
GONE = (MISSING, LastSeen.DELETED.value)


@dataclass(frozen=True, kw_only=True)
class Status:
    """One record and what the server says of it; `at` is the server's time of that.

    `late` says that an older create of the same workload may come true beside it; `at_work` is who
    writes to the state meanwhile, and is about to go on with what is begun. `replaced` is the
    record of what had the name before, where its successor is not there yet. `listed` is what the
    server's list says of it, also after its removal, `unlisted` why that could not be looked at.
    `requested` are its GPUs by its manifest, where the record has let go of that.
    `project_name` is what its project is called, empty where nobody knows. `told_by_list` says
    that it was not read by its id, since the list shows that it is as it was recorded. A record
    that is GONE stands for a declared workload that was never created.
    """

    row: Recorded
    live: Live | None
    at: datetime
    late: bool = False
    at_work: str = ""
    replaced: Recorded | None = None
    listed: LiveWorkload | None = None
    requested: GpuRequest | None = None
    told_by_list: bool = False
    unlisted: str = ""
    project_name: str = ""

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
            case Missing() | Remote(is_gone=True) if is_finished(self.row, self.listed):
                return Purpose.FINISHED.value
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
            case None if self.told_by_list:
                return LastSeen.SYNCED.value
            case None:
                return self._word_of_record

    @property
    def _word_of_record(self) -> str:
        """How it is by its record alone."""
        match self.row.own:
            case Own.GONE:
                return NOT_CREATED
            case Own.ENDED if self.row.purpose is not None:
                return self.row.purpose.value
            case Own.CREATING | Own.UNCONFIRMED:
                return IN_DOUBT
            case own:
                return own.value.lower()

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
        if self._has_open_update and self.word not in GONE:
            by = (
                f"{self.at_work} is at work on it" if self.at_work else "the next apply finishes it"
            )
            message = join_reasons(message, f"an update of it is under way: {by}")
        is_given_up = self.row.purpose is Purpose.GIVEN_UP
        return join_reasons(message, given_up_text(self.row) if is_given_up else "", late)

    @cached_property
    def created_at(self) -> str | None:
        """When the server made it (RFC 3339), if it says so."""
        if self.told_by_list and self.listed is not None:
            return self.listed.created_at
        moment = self.live.metadata.get("createdAt") if isinstance(self.live, Remote) else None
        return moment if isinstance(moment, str) else None

    @cached_property
    def age(self) -> timedelta | None:
        """How long ago that was."""
        return age_between(self.created_at, self.at)

    @cached_property
    def gpus(self) -> GpuRequest:
        """The GPUs that it asks for: by the server's count, or else by its manifest."""
        if self.told_by_list and self.listed is not None:
            requested = self.listed.gpus_requested
            if requested is not None:
                return GpuRequest(gpus=requested)
        if self.requested is not None:
            return self.requested
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
        is_gone = self.word in (*GONE, NOT_CREATED) or self.is_down
        # Who ignores a refusal ignores the phase that comes of it.
        is_ignored = self.word == LastSeen.FAILED.value and not self.is_refused
        is_ill = self.is_refused or (self.phase in _ILL and not is_ignored)
        return is_gone or is_ill or self.row.purpose is Purpose.GIVEN_UP

    @property
    def is_unseen(self) -> bool:
        """Whether it should be there, and the server did not let us see how it is."""
        return self.word == UNREAD or (bool(self.unlisted) and self.word not in _INSTEAD)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to look at it."""
        if self.word in OVER:
            return self.phase not in _ILL
        is_synced = self.word == LastSeen.SYNCED.value
        is_open = self.late or self._has_open_update
        return is_synced and not is_open and self.phase not in (*_ILL, WorkloadPhase.PENDING)


def age_between(since: str | None, at: datetime) -> timedelta | None:
    """How long before a time of the server something was; None where it is not told."""
    try:
        passed = at - datetime.fromisoformat(since or "")
    except (TypeError, ValueError):
        return None
    # The clocks behind one server may differ a little.
    return max(passed, timedelta())


def status_document(status: Status) -> dict[str, Any]:
    """A workload as `status -o json` has it; `age_seconds` is by the server's clock."""
    age = status.age
    return {
        "address": str(status.row.address),
        "project_name": status.project_name or None,
        "id": status.row.id,
        "recorded": None if status.word == NOT_CREATED else status.row.own.value,
        "status": status.word,
        "status_from": "state" if status.told_by_list else "server" if status.live else None,
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
