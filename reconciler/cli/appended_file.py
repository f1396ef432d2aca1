"""A file that grows while work goes on, and that its readers see grow."""

from __future__ import annotations

import os
import select
import weakref
from pathlib import Path

# Seconds.
_PATIENCE = 5.0


class AppendedFile:
    """Stays open from one part to the next; the first part replaces what was there.

    It is opened anew where its path means another file by now, as after a rotation, and after a
    part that could not be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_begun = False
        self._descriptor = -1
        self._closing: weakref.finalize[..., AppendedFile] | None = None

    def write(self, part: bytes) -> None:
        """Append a part, for everybody to read once this returns; raises OSError."""
        if self._descriptor < 0 or not self._is_in_place():
            self._open()
        try:
            # Not buffered: what a full disk refuses must not come back with the next part.
            while part:
                part = part[self._write_some(part) :]
        except OSError:
            self.close()
            raise
        self._has_begun = True

    def close(self) -> None:
        """Close the file; the next part opens it again."""
        if self._closing is not None:
            self._closing()
        self._descriptor = -1

    def _open(self) -> None:
        self.close()
        how = os.O_APPEND if self._has_begun else os.O_TRUNC
        # Nobody may ever read from a pipe: a run that waited for them would hold its lock.
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | how
        self._descriptor = os.open(self._path, flags, 0o666)
        # Nobody is left to close it where a command ends early.
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def _write_some(self, part: bytes) -> int:
        try:
            return os.write(self._descriptor, part)
        except BlockingIOError:
            # A reader of a pipe may be slow, and gets some time; one that stands still is given up.
            select.select([], [self._descriptor], [], _PATIENCE)
            return os.write(self._descriptor, part)

    def _is_in_place(self) -> bool:
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(current, os.fstat(self._descriptor))
