"""One writer per state: kernel locks, released by the kernel when their process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from pathlib import Path

from reconciler.regularfiles import read_regular

# How often a run that waits for another one looks again.
POLL_SECONDS = 0.2
# A process that has just taken the lock writes its name within an instant, and one that only
# looks whether it is held gives it back within one.
LOOKS = 20
LOOK_SECONDS = 0.01
# SQLite locks the state's own file as well, with locks of another kind. Linux keeps the two kinds
# apart; elsewhere they meet, and a state could not be written by its own holder.
_KINDS_ARE_APART = sys.platform == "linux"
# A link in the place of the file beside a state leads to a file that is somebody else's to write,
# and to read; and at a pipe nobody ever comes.
_LONGEST_NAME = 4096
_BESIDE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StateLock:
    """The right to write to a state, whatever name it is reached by.

    An exclusive `flock` on the file itself, which no other name leads around and nobody can take
    away, and one on a file beside it, in which the holder leaves its name. The file beside it
    stays, the locks do not.
    """

    def __init__(self, state: Path) -> None:
        self._state = state.resolve()
        self._beside = self._state.with_name(f"{self._state.name}.lock")
        self._fds: list[int] = []

    def acquire(self, timeout: float = 0.0, *, name: str = "") -> bool:
        """Take the lock, trying again for `timeout` seconds; False when another process has it.

        Whoever has it leaves a name in the file beside it. Raises OSError when that cannot be made.
        """
        end = time.monotonic() + max(timeout, 2 * LOOK_SECONDS)
        while not self._try(name):
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(POLL_SECONDS if timeout else LOOK_SECONDS, left))
        return True

    def is_on(self, path: Path) -> bool:
        """Whether what is at a path now is what this lock was taken on."""
        if path.resolve() != self._state:
            return False
        return not _KINDS_ARE_APART or _is_at(self._fds[0], path)

    def is_held(self) -> bool:
        """Whether some process has the lock now; looking keeps nobody from taking it for long."""
        try:
            fd = os.open(self._beside, os.O_RDONLY | _BESIDE)
        except OSError:
            # Whoever wants to take it is told why that cannot be.
            return False
        try:
            return not _is_free(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)

    def holder(self) -> str:
        """The name that the process which has the lock has left; empty if it had no time to."""
        for _ in range(LOOKS):
            if name := read_regular(self._beside, max_bytes=_LONGEST_NAME, follow=False):
                return name.decode(errors="replace")
            time.sleep(LOOK_SECONDS)
        return ""

    def release(self) -> None:
        """Give the lock back; the file is left, since removing it would race with a waiter."""
        while self._fds:
            os.close(self._fds.pop())

    def _try(self, name: str) -> bool:
        taken = False
        try:
            taken = (not _KINDS_ARE_APART or self._take(self._state, os.O_RDONLY)) and self._take(
                self._beside, os.O_RDWR | os.O_CREAT | _BESIDE
            )
            if taken:
                os.ftruncate(self._fds[-1], 0)
                os.pwrite(self._fds[-1], name.encode(), 0)
        finally:
            if not taken:
                self.release()
        return taken

    def _take(self, path: Path, flags: int) -> bool:
        try:
            fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise OSError(errno.ELOOP, f"{path} is a symbolic link", str(path)) from error
        self._fds.append(fd)
        # Whoever comes by the name finds what is there now: a lock on what was there keeps nobody
        # out.
        return _is_free(fd, fcntl.LOCK_EX) and _is_at(fd, path)


def _is_free(fd: int, kind: int) -> bool:
    """Lock an open file, unless somebody else has it."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False
