"""The names that a state's file has, and the hidden ones under which files are made beside it."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from reconciler.errors import StateError

_UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{32}(?:-journal)?")


def beside(path: Path) -> Path:
    """A hidden name beside a file, under which it is made before it gets its own."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def made_as(name: str) -> str | None:
    """The name of the file that was made under this hidden one; None for any other name."""
    unfinished = _UNFINISHED.fullmatch(name)
    return unfinished[1] if unfinished else None


def check_one_name(path: Path) -> None:
    """Raise StateError for a file with hard links: the journal of a write belongs to one name.

    Under another one a write that was cut short would not be taken back. A hidden name that is
    left of its making is none: nobody opens it.
    """
    status = path.stat()
    if status.st_nlink < 2:
        return
    place = path.resolve()
    hidden = sum(
        made_as(entry.name) == place.name and entry.inode() == status.st_ino
        for entry in os.scandir(place.parent)
    )
    if status.st_nlink - hidden > 1:
        raise StateError(
            f"the state {path} has more than one name (a hard link): a write that was cut short "
            "under one of them would not be taken back under the other",
            hint=f"give it a file of its own: cp '{path}' '{path}.new' && mv '{path}.new' '{path}'",
        )
