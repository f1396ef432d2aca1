"""What of a state came with a commit: its author is then the author of the specs."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import InvalidInputError, StateError
from reconciler.specs.discovery.git import Git, checkout_top

# SQLite's files beside a database; what the first holds is written into the database.
JOURNAL = "-journal"
_BESIDE = (JOURNAL, "-wal", "-shm")


def is_committed(state: Path) -> bool:
    """Whether a state in a checkout, or a file that SQLite reads with it, is tracked by git.

    Where git cannot tell, it counts as committed.
    """
    path = state.resolve()
    try:
        return _is_tracked(path, "", *_BESIDE)
    except InvalidInputError:
        return True


def refuse_committed_journal(state: Path) -> None:
    """Raise StateError for a journal that a commit brought, before SQLite opens the state.

    SQLite takes a journal for what a killed run has left, and writes its pages into the state.
    Where git cannot tell, it is believed: nearly every journal is a killed run's own, and without
    its journal that state is lost.
    """
    path = state.resolve()
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
    top = checkout_top(path.parent)
    if top is None:
        return False
    names = (f"{path.relative_to(top)}{suffix}" for suffix in suffixes)
    return bool(Git(path.parent).run("ls-files", "-z", "--", *names))
