"""The stores by the places that they keep a state in: the way in for everything above them."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.model import Target
from reconciler.core.places import FilePlace, PostgresPlace, StatePlace
from reconciler.errors import StateError
from reconciler.ports import Inspection, StateStore, StateSummary
from reconciler.state import check, sqlite, summary
from reconciler.state.database import TIME_LIMIT


def open_state(place: StatePlace, patience: float = TIME_LIMIT) -> StateStore:
    """Open a state that exists; each read of it takes at most `patience` seconds.

    Raises StateError when it is absent, not ours, newer than this program, or damaged.
    """
    return sqlite.open_state(_file_of(place), patience)


def create_state(place: StatePlace, target: Target) -> StateStore:
    """Make a new, empty state; raises StateError where there is one."""
    return sqlite.create_state(_file_of(place), target)


def is_there(place: StatePlace) -> bool:
    """Whether there is a state at a place; raises StateError where that cannot be told."""
    return sqlite.is_there(_file_of(place))


def inspect_state(place: StatePlace) -> Inspection:
    """Check a state; raises StateError for what is no state of ours at all, or a newer one."""
    return check.inspect_state(_file_of(place))


def summarize_state(place: StatePlace) -> StateSummary:
    """Summarise a state of any known format; raises StateError where there is none."""
    return summary.summarize_state(_file_of(place))


def try_lock(place: StatePlace, command: str) -> None:
    """Take the lock of a state and give it back at once; raises LockedError, StateError."""
    summary.try_lock(_file_of(place), command)


def _file_of(place: StatePlace) -> Path:
    match place:
        case FilePlace(path=path):
            return path
        case PostgresPlace():
            raise StateError(
                f"the state {place.title} cannot be used: this version keeps states in files",
                hint="give the path of a file, for example --state .reconciler/state.db",
            )
