"""One writer per state: a kernel lock, released by the kernel when its process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

# How often a run that waits for another one looks again.
POLL_SECONDS = 0.2
# A process that has just taken the lock writes its name within an instant.
LOOKS = 20
LOOK_SECONDS = 0.01


class FileLock:
    """An exclusive `flock` on a file beside the state; the file stays, the lock does not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, timeout: float = 0.0, *, name: str = "") -> bool:
        """Take the lock, trying again for `timeout` seconds; False when another process has it.

        Whoever has it leaves a name in the file. Raises OSError when the file cannot be made.
        """
        end = time.monotonic() + timeout
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    os.close(fd)
                    raise
                if time.monotonic() >= end:
                    os.close(fd)
                    return False
                time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))
            else:
                self._fd = fd
                os.ftruncate(fd, 0)
                os.pwrite(fd, name.encode(), 0)
                return True

    def holder(self) -> str:
        """The name that the process which has the lock has left; empty if it had no time to."""
        for _ in range(LOOKS):
            if name := self._path.read_text(errors="replace"):
                return name
            time.sleep(LOOK_SECONDS)
        return ""

    def release(self) -> None:
        """Give the lock back; the file is left, since removing it would race with a waiter."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
