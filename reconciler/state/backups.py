"""Copies of a state beside it: whole, durable, private, and the last few of them."""

from __future__ import annotations

import os
import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import StateError
from reconciler.ports import StateCopy
from reconciler.state.database import check_ours, connect, create_private, sync
from reconciler.state.filenames import unfinished_path
from reconciler.state.state_errors import explain_errors

MAX_BACKUPS = 5
_SUFFIX = ".db"
# What this program names a backup that it makes by itself; people keep other copies there, too.
_OURS = r"([0-9]{8}T[0-9]{6}\.[0-9]{6})Z-serial-([0-9]+)\.db"
_STAMP = "%Y%m%dT%H%M%S.%f"


def backups_folder(path: Path) -> Path:
    """Where the backups of a state are."""
    return path.with_name(f"{path.name}.backups")


def list_backups(path: Path) -> list[Path]:
    """The backups of a state, the newest first."""
    folder = backups_folder(path)
    if not folder.is_dir():
        return []
    # A hidden file is a copy that was not finished.
    finished = (file for file in folder.iterdir() if not file.name.startswith("."))
    return sorted((file for file in finished if file.suffix == _SUFFIX), reverse=True)


def list_copies(path: Path) -> list[StateCopy]:
    """The backups that this program made by itself, the newest first."""
    copies = []
    for file in list_backups(path):
        if ours := re.fullmatch(_OURS, file.name):
            taken_at = datetime.strptime(ours[1], _STAMP).replace(tzinfo=UTC)
            copies.append(
                StateCopy(name=str(file), taken_at=taken_at.isoformat(), serial=int(ours[2]))
            )
    return copies


def next_backup(path: Path, serial: int) -> Path:
    """A name for a backup made now; names sort by time.

    Raises StateError where the folder is a link: the oldest files of wherever it leads, which may
    have come with a checkout, would be removed.
    """
    if backups_folder(path).is_symlink():
        raise StateError(
            f"the folder {backups_folder(path)} is a symbolic link",
            hint="remove the link; what it leads to was not touched",
        )
    stamp = datetime.now(UTC).strftime(_STAMP)
    return backups_folder(path) / f"{stamp}Z-serial-{serial}{_SUFFIX}"


def back_up(path: Path, to: Path) -> None:
    """Copy a whole state to a new file; raises StateError, and then leaves nothing behind.

    It is made beside its place and moved there, so that no half copy is ever taken for a backup.
    """
    unfinished = unfinished_path(to)
    with explain_errors(to, f"the backup {to} cannot be made"):
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            _copy(path, unfinished)
            # Unlike a rename, a link never replaces a file that has come there meanwhile.
            os.link(unfinished, to)
        except FileExistsError:
            raise StateError(
                f"there is already a file at {to}", hint="give the backup another name"
            ) from None
        finally:
            unfinished.unlink(missing_ok=True)
        # The new name is durable only once its folder is.
        sync(to.parent)


def rotate(path: Path, newest: Path) -> None:
    """Keep the last few backups of a state, the newest one whatever the clock said."""
    automatic = (file for file in list_backups(path) if re.fullmatch(_OURS, file.name))
    older = [file for file in automatic if file != newest]
    for file in older[MAX_BACKUPS - 1 :]:
        file.unlink(missing_ok=True)


def _copy(path: Path, to: Path) -> None:
    # SQLite makes the copy: POSIX drops all locks of a process on a file as soon as any handle of
    # it is closed, so to read the file otherwise would give away the lock that SQLite holds.
    create_private(to)
    with closing(connect(path)) as state, closing(connect(to)) as copy:
        # A copy that is cut short is thrown away, so it is made durable once, at the end.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        state.backup(copy)
        # What was opened may have been replaced since, also by a file with nothing in it.
        check_ours(copy, path)
    sync(to)
