"""The one way to read a file that others may have put there.

Only what is a regular file, never waiting for anybody, and no more of it than was agreed on: a
pipe, a device or an endless file in its place ends in an error at once.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024

# Not a terminal of this process, not inherited by git, and no waiting for the other end of a pipe.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class NotRegularError(OSError):
    """A folder, pipe, socket or device; its text says which."""


class TooLargeError(OSError):
    """A file holds more bytes than are read of one."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"is larger than {max_bytes // 1024**2} MiB")


def read_regular(path: str | Path, *, max_bytes: int = MAX_BYTES, follow: bool = True) -> bytes:
    """Read a file of at most so many bytes; a link in its place is an error unless followed.

    Raises NotRegularError, TooLargeError, another OSError, and ValueError for a name with a NUL.
    """
    return read_with_status(path, max_bytes=max_bytes, follow=follow)[0]


def read_with_status(
    path: str | Path, *, max_bytes: int = MAX_BYTES, follow: bool = True
) -> tuple[bytes, os.stat_result]:
    """Read a file as `read_regular`; its status is that of the open file, before it is read."""
    # Opening a device can have effects (a tape rewinds), so look first; the flags keep the open
    # itself from waiting for a writer, in case somebody puts a pipe there in between.
    _need_regular(os.stat(path, follow_symlinks=follow), max_bytes)  # noqa: PTH116 - Path.stat is slower
    handle = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    try:
        status = os.fstat(handle)
        _need_regular(status, max_bytes)
        # No file object: making one takes longer than reading. The byte more tells that it is all.
        data = os.read(handle, status.st_size + 1)
        # A read may return less than was asked for, and a file in /proc says that its size is 0.
        while len(data) != status.st_size and (chunk := os.read(handle, max_bytes + 1 - len(data))):
            data += chunk
    finally:
        os.close(handle)
    if len(data) > max_bytes:
        raise TooLargeError(max_bytes)
    return data, status


_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISLNK, "symbolic link"),
)


def _need_regular(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "special file")
        raise NotRegularError(f"is a {kind}, not a regular file")
    if status.st_size > max_bytes:
        raise TooLargeError(max_bytes)
