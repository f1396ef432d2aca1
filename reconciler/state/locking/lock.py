"""One writer per state: kernel locks, released by the kernel when their process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
import time
from pathlib import Path

from reconciler.regularfiles import read_regular

# How often a run that waits for another one tries again.
POLL_SECONDS = 0.2
# A process that has just taken the lock writes its name within an instant, and `is_held` in
# another process holds a shared lock for as long.
NAME_POLLS = 20
NAME_POLL_SECONDS = 0.01
# SQLite locks the state's own file as well, with POSIX locks. Linux keeps them apart from `flock`;
# elsewhere they meet, and a state could not be written by the owner of its lock.
_KINDS_ARE_APART = sys.platform == "linux"
_MAX_OWNER_BYTES = 4096
# The file beside a state may be a link or a pipe that came with a checkout: what a link leads to
# is not ours to write, and opening a pipe would wait for ever.
_BESIDE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class StateLock:
    """The right to write to a state, whatever name it is reached by.

    An exclusive `flock` on the file itself, which holds under every name of the file, and one on
    a file beside it, in which the owner leaves its name. The file beside it stays after a release.
    """

    def __init__(self, state: Path) -> None:
        self._state = state.resolve()
        self._beside = self._state.with_name(f"{self._state.name}.lock")
        self._fds: list[int] = []

    def acquire(self, timeout: float = 0.0, *, name: str = "") -> bool:
        """Take the lock, trying again for `timeout` seconds; False when another process has it.

        `name` is written for `owner`. Raises OSError when the file beside the state cannot be
        made.
        """
        # Without a timeout too it tries again: a process in `is_held` lets go within an instant.
        end = time.monotonic() + max(timeout, 2 * NAME_POLL_SECONDS)
        while not self._try_to_take(name):
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(POLL_SECONDS if timeout else NAME_POLL_SECONDS, left))
        return True

    def is_on(self, path: Path) -> bool:
        """Whether the file at a path now is the one that this lock was taken on."""
        if path.resolve() != self._state:
            return False
        return not _KINDS_ARE_APART or _is_at(self._fds[0], path)

    def is_held(self) -> bool:
        """Whether some process has the lock now."""
        try:
            fd = os.open(self._beside, os.O_RDONLY | _BESIDE)
        except OSError:
            # No file, or none that can be read: `acquire` will report the reason.
            return False
        try:
            # Shared, so that two that only look do not take each other for the owner.
            return not _lock(fd, fcntl.LOCK_SH)
        finally:
            os.close(fd)

    def owner(self) -> str:
        """The name that the owner of the lock has left; empty if it had no time to."""
        for _ in range(NAME_POLLS):
            if name := read_regular(self._beside, max_bytes=_MAX_OWNER_BYTES, follow=False):
                return name.decode(errors="replace")
            time.sleep(NAME_POLL_SECONDS)
        return ""

    def release(self) -> None:
        """Give the lock back."""
        # The file stays: a waiter may have it open, and would then lock a file without a name
        # while the next process makes and locks another one.
        while self._fds:
            os.close(self._fds.pop())

    def _try_to_take(self, name: str) -> bool:
        taken = False
        try:
            # One order for all: two that try at once would each take one lock, and both give up.
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
        # The file may have been replaced since it was opened; a lock on the old one would keep
        # nobody out.
        return _lock(fd, fcntl.LOCK_EX) and _is_at(fd, path)


def _lock(fd: int, kind: int) -> bool:
    """Lock an open file without waiting; False where another process has it."""
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
