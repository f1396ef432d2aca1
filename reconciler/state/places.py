"""The stores by the places that they keep a state in: the way in for everything above them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.core.model import Target
from reconciler.core.states.places import FilePlace, ObjectPlace, PostgresPlace, StatePlace
from reconciler.errors import StateError
from reconciler.ports import IN_USE, StateStore, Transit
from reconciler.resources import install_command
from reconciler.state import filenames, sqlite
from reconciler.state.database import TIME_LIMIT

if TYPE_CHECKING:
    from reconciler.core.states.inspection import Inspection, StateSummary, StorageReport

_KEPT_IN = {"postgres": "PostgreSQL", "objects": "object storage"}


def open_state(
    place: StatePlace, patience: float = TIME_LIMIT, *, in_transit: bool = False
) -> StateStore:
    """Open a state that exists; each read of it takes at most `patience` seconds.

    Raises StateError when it is absent, not ours, newer than this program, or damaged, and
    UnreachableError where its database does not answer. One that is not in use is opened only
    `in_transit`; otherwise that is a NotInUseError.
    """
    match place:
        case FilePlace(path=path):
            return sqlite.open_state(path, patience, in_transit=in_transit)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import opening
            return opening.open_state(place, patience, in_transit=in_transit)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import opening as objects
            return objects.open_state(place, in_transit=in_transit)


def create_state(place: StatePlace, target: Target, transit: Transit = IN_USE) -> StateStore:
    """Make a new, empty state; raises StateError where there is one.

    Where it is going to be filled by a move, it is not in use before that is done.
    """
    match place:
        case FilePlace(path=path):
            return sqlite.create_state(path, target, transit)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import opening
            return opening.create_state(place, target, TIME_LIMIT, transit)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import opening as objects
            return objects.create_state(place, target, transit)


def is_there(place: StatePlace) -> bool:
    """Whether there is a state at a place; raises StateError where that cannot be told."""
    match place:
        case FilePlace(path=path):
            return filenames.is_there(path)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import opening
            return opening.is_there(place)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import opening as objects
            return objects.is_there(place)


def inspect_state(place: StatePlace) -> Inspection:
    """Check a state; raises StateError for what is no state of ours at all, or a newer one."""
    match place:
        case FilePlace(path=path):
            from reconciler.state import check

            return check.inspect_state(path)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import inspection
            return inspection.inspect_state(place)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import inspection as objects
            return objects.inspect_state(place)


def summarize_state(place: StatePlace) -> StateSummary:
    """Summarise a state of any known format; raises StateError where there is none."""
    match place:
        case FilePlace(path=path):
            from reconciler.state import summary

            return summary.summarize_state(path)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import inspection
            return inspection.summarize_state(place)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import inspection as objects
            return objects.summarize_state(place)


def try_lock(place: StatePlace, command: str) -> None:
    """Take the lock of a state and give it back at once; raises LockedError, StateError."""
    match place:
        case FilePlace(path=path):
            from reconciler.state import summary

            summary.try_lock(path, command)
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import opening
            opening.try_lock(place, command)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import opening as objects
            objects.try_lock(place, command)


def report_storage(place: PostgresPlace | ObjectPlace) -> StorageReport:
    """What can be told of where a state is kept; raises UnreachableError, StateError."""
    match place:
        case PostgresPlace():
            with _library_needed("postgres"):
                from reconciler.state.postgres import report
            return report.report_storage(place)
        case ObjectPlace():
            with _library_needed("objects"):
                from reconciler.state.objects import report as objects
            return objects.report_storage(place)


def sql_text(place: PostgresPlace, *, upgrade: bool = False) -> str:
    """The statements that make tables, roles and grants for states in a schema.

    With `upgrade` those that bring older tables to the present format instead.
    """
    with _library_needed("postgres"):
        from reconciler.state.postgres import schema
    return schema.upgrade_text(place.schema) if upgrade else schema.sql_text(place.schema)


@contextmanager
def _library_needed(extra: str) -> Iterator[None]:
    """Raise a StateError with the way out where the library of an extra is not installed."""
    try:
        yield
    except ImportError as error:
        raise StateError(
            f"a state in {_KEPT_IN[extra]} needs a library, which is not installed: {error}",
            hint=install_command(extra),
        ) from error
