"""What SQLite and the file system say of a state, as a sentence with a way out."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from errno import EDQUOT, EFBIG, EIO, ELOOP
from pathlib import Path

from reconciler.errors import StateError

RESTORE = (
    "restore a copy from its .backups folder, or move it away and run "
    "'reconciler state recover'; the server's workloads are untouched"
)


def damaged(path: Path, what: str) -> StateError:
    """A state whose content cannot be believed."""
    return StateError(f"the state {path} is damaged: {what}", hint=RESTORE)


@contextlib.contextmanager
def explained(path: Path, sentence: str = "") -> Iterator[None]:
    """Turn what goes wrong into a StateError that begins with a sentence naming the file."""
    sentence = sentence or f"the state {path} cannot be used"
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StateError(f"{sentence}: {error}", hint=_hint(error)) from error
    except UnicodeDecodeError as error:
        # Not even SQLite's own message about the damage is text.
        raise damaged(path, "it holds bytes that are no text") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StateError(f"{sentence}: {reason}", hint=_hint(error)) from error


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let a StateError about one record say which state it was read from."""
    try:
        yield
    except StateError as error:
        raise StateError(f"the state {path}: {error.message}", hint=error.hint) from error


def _hint(error: Exception) -> str:
    text = str(error)
    if "not a database" in text:
        return f"this file is no state: give another path with --state, or {RESTORE}"
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
        return RESTORE
    return "check the path given with --state"
