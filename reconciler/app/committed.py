"""What of a state came with a commit: its author is then the author of the specs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.core.states.places import FilePlace, StatePlace
from reconciler.errors import InvalidInputError, StateError
from reconciler.specs.discovery.git import Git, name_in_checkout

# SQLite's files beside a database; what the first holds is written into the database.
JOURNAL = "-journal"
_BESIDE = (JOURNAL, "-wal", "-shm")


def may_be_committed(state: StatePlace, root: Path, environ: Mapping[str, str]) -> bool:
    """Whether a state may have come with the specs: their author is then the address's, too."""
    if not isinstance(state, FilePlace):
        # Whoever names a database of their own can have written anything into it.
        return state.by_repository
    path = state.path.resolve()
    if name_in_checkout(path) is None:
        # In a pipeline without a checkout nobody can tell what came with the specs.
        return bool(environ.get("CI")) and name_in_checkout(root) is None
    try:
        return _is_tracked(path, "", *_BESIDE)
    except InvalidInputError:
        # Git cannot tell: asking once too often is safer than believing once too often.
        return True


def refuse_committed_journal(state: StatePlace) -> None:
    """Raise StateError for a journal that a commit brought, before SQLite opens the state.

    SQLite takes a journal for what a killed run has left, and writes its pages into the state.
    Where git cannot tell, it is believed: nearly every journal is a killed run's own, and without
    its journal that state is lost.
    """
    if not isinstance(state, FilePlace):
        return
    path = state.path.resolve()
    journal = path.with_name(path.name + JOURNAL)
    try:
        # Hardly any state has one, so that git is hardly ever started.
        if not (journal.is_file() and journal.stat().st_size and _is_tracked(path, JOURNAL)):
            return
    except (InvalidInputError, OSError):
        return
    raise StateError(
        f"{journal} is committed; SQLite would write it into the state",
        hint="remove it from the repository; the state was not opened",
    )


def _is_tracked(path: Path, *suffixes: str) -> bool:
    """Whether git tracks a file whose name ends with one of these besides."""
    name = name_in_checkout(path)
    if name is None:
        return False
    names = (f"{name}{suffix}" for suffix in suffixes)
    return bool(Git(path.parent).run("ls-files", "-z", "--", *names))
