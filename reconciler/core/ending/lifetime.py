"""Whether a workload is over by its lifecycle: from what the server says of it, and its clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.core.durations import parse_duration
from reconciler.core.lifecycle import AfterCompletion, Lifecycle
from reconciler.core.model import Purpose, Recorded
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.kinds.registry import runs_to_completion
from reconciler.values import dataclass

_RUNS = (WorkloadPhase.RUNNING, WorkloadPhase.DEGRADED, WorkloadPhase.UPDATING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a workload is over; with `forgets` it is left on the server.

    `detail` names no age, so that a plan which is made again says the same.
    """

    purpose: Purpose
    detail: str
    forgets: bool = False


def find_ending(
    lifecycle: Lifecycle, listed: LiveWorkload, *, now: datetime, updated_at: datetime | None
) -> Ending | None:
    """What a lifecycle makes of a workload at this time of the server; None where it goes on.

    `updated_at` is when its content was changed in place: what was over before was another content.
    """
    if listed.phase is WorkloadPhase.COMPLETED:
        return _end_completed(lifecycle, listed, now, updated_at)
    # One that has failed is left for people to look at.
    if lifecycle.max_runtime is None or listed.phase not in _RUNS:
        return None
    ran_for = timedelta(seconds=listed.running_seconds or 0)
    if listed.phase is WorkloadPhase.RUNNING:
        since = read_time(listed.phase_updated_at)
        ran_for = max(ran_for, now - since if since is not None else timedelta())
    if ran_for < parse_duration(lifecycle.max_runtime):
        return None
    detail = f"it has run for longer than maxRuntime {lifecycle.max_runtime}"
    return Ending(purpose=Purpose.EXPIRED, detail=detail)


def _end_completed(
    lifecycle: Lifecycle, listed: LiveWorkload, now: datetime, updated_at: datetime | None
) -> Ending | None:
    # No other stamp stands in for this one: what cannot be read ends nothing.
    completed_at = read_time(listed.completed_at)
    if lifecycle.at_completion is AfterCompletion.KEEP or completed_at is None:
        return None
    if updated_at is not None and completed_at <= updated_at:
        return None
    setting = f"afterCompletion: {lifecycle.at_completion}"
    if lifecycle.ttl is not None:
        if now - completed_at < parse_duration(lifecycle.ttl):
            return None
        setting = f"ttl {lifecycle.ttl} is over"
    return Ending(
        purpose=Purpose.FINISHED,
        detail=f"{completion_text(listed)}; {setting}",
        forgets=lifecycle.at_completion is AfterCompletion.FORGET,
    )


def completion_text(listed: LiveWorkload) -> str:
    """How and when a workload ended by itself, as far as the server says so."""
    word = "it failed" if listed.phase is WorkloadPhase.FAILED else "it completed"
    at = read_time(listed.completed_at)
    return word if at is None else f"{word} at {at:%Y-%m-%d %H:%M:%S} UTC"


def has_ended(row: Recorded, listed: LiveWorkload | None) -> bool:
    """Whether what runs to completion is known to have ended by itself, well or not.

    An end that may be that of the content before an update is none.
    """
    if listed is None or listed.phase is None or not listed.phase.is_over:
        return False
    manifest: Any = row.spec.get("manifest")
    if not isinstance(manifest, Mapping) or not runs_to_completion(manifest):
        return False
    if row.change.open is not None:
        return False
    proven_at = read_time(row.change.proven_at)
    ended_at = read_time(listed.completed_at or listed.phase_updated_at)
    return proven_at is None or (ended_at is not None and ended_at > proven_at)


def is_finished(row: Recorded, listed: LiveWorkload | None) -> bool:
    """Whether what the server no longer has had ended by itself before it was removed.

    `listed` is the entry of this id in the list of what was deleted of late.
    """
    if listed is None or listed.deleted_at is None or listed.phase is None:
        return False
    manifest: Any = row.spec.get("manifest")
    return listed.phase.is_over and isinstance(manifest, Mapping) and runs_to_completion(manifest)


def find_finished(rows: Iterable[Recorded], listed: Mapping[str, LiveWorkload]) -> frozenset[str]:
    """The ids of those that had ended by themselves before they were removed."""
    return frozenset(row.id for row in rows if row.id and is_finished(row, listed.get(row.id)))


def read_time(stamp: str | None) -> datetime | None:
    """A moment of the server's clock; None for what names no moment."""
    try:
        moment = datetime.fromisoformat(stamp or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
