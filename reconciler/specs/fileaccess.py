"""Reading one file without being held up: no pipes, no devices, nothing huge."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.codes import finding

MAX_BYTES = 16 * 1024 * 1024
STDIN = "<stdin>"
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Trouble(NamedTuple):
    """Why something cannot be read: a code, what to say after its name, and a way out."""

    code: str
    message: str
    hint: str = ""

    def at(self, where: Where, subject: str = "the file") -> Diagnostic:
        """Say it about a subject, at a place."""
        return finding(self.code, f"{subject} {self.message}", where, hint=self.hint)


def read_bytes(path: str | Path) -> bytes | Trouble:
    """Read a regular file of at most 16 MiB."""
    try:
        # Opening a device can have effects and opening a pipe can wait, so look first;
        # the flags cover the moment in between.
        if trouble := _unfit(os.stat(path)):  # noqa: PTH116 - a Path takes three times as long
            return trouble
        handle = os.open(path, _FLAGS)
        try:
            status = os.fstat(handle)
            return _unfit(status) or _read_handle(handle, status.st_size)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        return explain(error)


def _read_handle(handle: int, size: int) -> bytes | Trouble:
    # No file object: making one takes longer than reading. The byte more tells that it is all.
    data = os.read(handle, size + 1)
    while len(data) != size and (more := os.read(handle, MAX_BYTES + 1 - len(data))):
        data += more
    return _TOO_LARGE if len(data) > MAX_BYTES else data


def read_stream(file: BinaryIO) -> bytes | Trouble:
    """Read a stream up to the same limit, whatever its size claims to be."""
    try:
        data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return explain(error)
    return _TOO_LARGE if len(data) > MAX_BYTES else data


def explain(error: OSError | ValueError) -> Trouble:
    """Say in words why the operating system refused a path."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return Trouble(code="symlink-loop", message="is a symbolic link that leads back to itself")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Trouble(code="no-such-path", message="does not exist")
    # The only name that Python itself refuses, in other words from version to version.
    reason = error.strerror if isinstance(error, OSError) else "its name holds a NUL character"
    hint = "check its permissions" if isinstance(error, PermissionError) else ""
    message = f"cannot be read: {reason or type(error).__name__}"
    return Trouble(code="unreadable", message=message, hint=hint)


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder that can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def posix_name(path: str) -> str:
    """Write a path as text that every terminal and every JSON document can hold."""
    return path.replace(os.sep, "/").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


_TOO_LARGE = Trouble(
    code="too-large",
    message="is larger than 16 MiB",
    hint="split it, or list it in .reconcilerignore",
)
_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def _unfit(status: os.stat_result) -> Trouble | None:
    if stat.S_ISREG(status.st_mode):
        return _TOO_LARGE if status.st_size > MAX_BYTES else None
    kind = next((name for test, name in _KINDS if test(status.st_mode)), "special file")
    return Trouble(code="not-a-file", message=f"is a {kind}, not a regular file")
