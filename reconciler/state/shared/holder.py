"""Who holds the lock of a state, in sentences for people at another machine."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.errors import LockedError, LockLostError, ReconcilerError, StateError
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a lock, the address of its CI job, and since when; empty where that is not known."""

    title: str = ""
    link: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        at = self.since.astimezone(UTC).isoformat(timespec="seconds") if self.since else ""
        parts = (self.title or "another run", self.link, f"since {at}" if at else "")
        return ", ".join(part for part in parts if part)


def locked_error(title: str, holder: Holder, seconds_left: float) -> LockedError:
    """The error for a state whose lock somebody else has, for so long if nothing is heard."""
    return LockedError(
        f"the state {title} is in use by {holder}",
        hint="wait for it with --lock-timeout 10m; if it is dead, the lock is free in "
        f"{max(1, round(seconds_left))} s",
    )


def lock_lost_error(title: str, holder: Holder | None, silent: float) -> LockLostError:
    """The error for a holder that was replaced after so many seconds without an answer."""
    return LockLostError(
        f"the state {title} was taken over by {holder or 'another run, which has ended'} while "
        f"this run did not answer for {silent:.0f} s",
        hint="the other run looks up all that this run had announced; this run recorded "
        "nothing since",
    )


def as_state_error(error: ReconcilerError) -> StateError:
    """Whatever stays away in the middle of a run is trouble with the state."""
    if isinstance(error, StateError):
        return error
    return StateError(error.message, hint=error.hint)
