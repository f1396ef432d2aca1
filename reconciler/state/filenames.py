"""The names that a state's file has, and the hidden ones under which files are made beside it."""

from __future__ import annotations

import os
import re
import uuid
from contextlib import suppress
from pathlib import Path

from reconciler.errors import StateError
from reconciler.state.state_errors import explain_errors

# The content of the `.gitignore` in a folder that holds states and nothing else.
GITIGNORE = "# The state is not source code.\n*\n"

_UNFINISHED = r"\.(.+)\.[0-9a-f]{32}(?:-journal)?"


def is_there(path: Path) -> bool:
    """Whether there is anything at a state's path; raises StateError for an impossible one."""
    with explain_errors(path):
        return path.exists()


def make_folder(folder: Path) -> None:
    """Make the folder of a state; what git finds in one that was made for it is no source code."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            ignoring = folder / ".gitignore"
            ignoring.touch(mode=0o600, exist_ok=False)
            ignoring.write_text(GITIGNORE, encoding="utf-8")


def unfinished_path(path: Path) -> Path:
    """A hidden name in the folder of a file, for making the file before it gets its own name."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def finished_name(name: str) -> str | None:
    """The name for which `unfinished_path` made this hidden one; None for any other name."""
    unfinished = re.fullmatch(_UNFINISHED, name)
    return unfinished[1] if unfinished else None


def check_no_hard_links(path: Path) -> None:
    """Raise StateError for a file with a second hard link.

    SQLite finds the journal of an interrupted write by the file's name. Opened by another name,
    the file would keep half of the write.
    """
    status = path.stat()
    if status.st_nlink < 2:
        return
    place = path.resolve()
    # A process that was killed between link and unlink leaves a hidden name; nobody opens that.
    hidden = sum(
        finished_name(entry.name) == place.name and entry.inode() == status.st_ino
        for entry in os.scandir(place.parent)
    )
    if status.st_nlink - hidden > 1:
        raise StateError(
            f"the state {path} has a second hard link: an interrupted write could not be rolled "
            "back",
            hint=f"give it a file of its own: cp '{path}' '{path}.new' && mv '{path}.new' '{path}'",
        )
