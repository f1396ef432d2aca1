"""Errors of SQLite and of the file system as StateErrors, each with a way out."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from errno import EDQUOT, EFBIG, EIO, ELOOP
from pathlib import Path

from reconciler.errors import NotInUseError, StateError
from reconciler.ports import Transit

RESTORE = (
    "restore a copy from its .backups folder, or move it away and run "
    "'reconciler state recover'; the server's workloads are untouched"
)


def damage_error(path: Path, reason: str) -> StateError:
    """The error for a state whose content cannot be trusted."""
    return StateError(f"the state {path} is damaged: {reason}", hint=RESTORE)


def refuse_transit(title: object, transit: Transit) -> None:
    """Raise NotInUseError for a state that has moved elsewhere, or has not wholly arrived."""
    if transit.moved_to:
        raise NotInUseError(
            f"the state {title} moved to {transit.moved_to}; nothing here is used any more",
            hint="give that address with --state, and in reconciler.yaml and every pipeline",
        )
    if transit.arriving_from:
        raise NotInUseError(
            f"the state {title} has not fully arrived from {transit.arriving_from}",
            hint="repeat the same 'reconciler state move --all'; until then the old state stays "
            "in use",
        )


@contextlib.contextmanager
def explain_errors(path: Path, sentence: str = "") -> Iterator[None]:
    """Turn an error about the file into a StateError that begins with `sentence`."""
    sentence = sentence or f"the state {path} cannot be used"
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StateError(f"{sentence}: {error}", hint=_hint(error)) from error
    except UnicodeDecodeError as error:
        # SQLite quotes the damaged bytes, and the module decodes its message before it raises it.
        raise damage_error(path, "it has bytes that are not text") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StateError(f"{sentence}: {reason}", hint=_hint(error)) from error


@contextlib.contextmanager
def naming_state(title: object) -> Iterator[None]:
    """Put the name of a state before a StateError about one of its records."""
    try:
        yield
    except StateError as error:
        raise StateError(f"the state {title}: {error.message}", hint=error.hint) from error


def _hint(error: Exception) -> str:
    # By the text: a full disk or a missing permission comes from SQLite and from the file system,
    # and only the first has codes of SQLite.
    text = str(error)
    if "not a database" in text:
        return f"this file is not a state: give another path with --state, or {RESTORE}"
    if "readonly" in text or isinstance(error, PermissionError):
        return "make the file and its folder writable for this user, or use another --state"
    if "full" in text or "No space" in text:
        return "make room on the disk; what is recorded so far is safe"
    if "disk I/O" in text or (isinstance(error, OSError) and error.errno in (EDQUOT, EFBIG, EIO)):
        return "the disk fails or a quota is used up; what is recorded so far is safe"
    if "locked" in text:
        return "another program has it open; close that and run this again"
    if isinstance(error, OSError) and error.errno == ELOOP:
        return "remove the link; what it leads to was not touched"
    if isinstance(error, sqlite3.DatabaseError) and "unable to open" not in text:
        # What else SQLite raises of a file that it has opened is damage.
        return RESTORE
    return "check the path given with --state"
