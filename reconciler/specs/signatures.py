"""Whether a file is the one that was read before, by what the file system says of it.

As git does it: whoever changes a file changes the time of its inode, which no program can set.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from reconciler.regularfiles import read_with_status
from reconciler.specs.source.fileaccess import ReadFailure, describe_os_error

# What another content of a file cannot have as well: inode, bytes, when the content and the inode
# were written, in nanoseconds, and device.
Signature = tuple[int, int, int, int, int]
# No file has an inode of this number.
NO_SIGNATURE: Signature = (0, 0, 0, 0, 0)

# Later than this after a file's times, no change can leave them as they are: clocks of file systems
# are as coarse as that.
SETTLED_SECONDS = 2
_SECOND = 10**9

# Local file systems of Linux that give an inode the time of each change. A network's answer may be
# a minute old, and others have no such time.
_FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs", "overlay", "zfs"})
_MOUNTS = "/proc/self/mountinfo"
_BOOT = "/proc/sys/kernel/random/boot_id"


class Signatures:
    """Signs files on some devices, whose times lay well before a run that began at `now`."""

    def __init__(self, devices: Collection[int], now: int) -> None:
        self._devices = devices
        self._settled = now - SETTLED_SECONDS * _SECOND

    def look(self, real: str) -> Signature | None:
        """The signature of a file by its real path; None where that proves nothing."""
        try:
            return self.sign(os.lstat(real))
        except (OSError, ValueError):
            return None

    def read(self, real: str) -> tuple[bytes | ReadFailure, Signature | None]:
        """The bytes of a file, and its signature from before they were read."""
        try:
            # Of the open file: its path may lead to another one by the time of a second look.
            data, status = read_with_status(real, follow=False)
        except (OSError, ValueError) as error:
            return describe_os_error(error), None
        return data, self.sign(status)

    def sign(self, status: os.stat_result) -> Signature | None:
        """The signature of a file that has a status; None where that proves nothing."""
        changed, written, device = status.st_ctime_ns, status.st_mtime_ns, status.st_dev
        if (
            # Who makes an image of a file system sets these times, and in whole seconds: another
            # image may be mounted in its place.
            changed % _SECOND == 0
            or changed >= self._settled
            or written >= self._settled
            or device not in self._devices
            or not stat.S_ISREG(status.st_mode)
        ):
            return None
        return status.st_ino, status.st_size, written, changed, device


def dependable_devices() -> frozenset[int]:
    """The devices whose files get another time with each change, as far as that is known."""
    devices = set()
    try:
        with open(_MOUNTS, "rb") as mounts:  # noqa: PTH123 - a file of the kernel, in each run
            for line in mounts:
                # Device, root, place and options of a mount, a dash, and its file system.
                mount, _, kind = line.partition(b" - ")
                if kind.split(b" ", 1)[0].decode("ascii", "replace") in _FILE_SYSTEMS:
                    major, _, minor = mount.split(b" ", 3)[2].partition(b":")
                    devices.add(os.makedev(int(major), int(minor)))
    except (OSError, ValueError, IndexError):
        return frozenset()
    return frozenset(devices)


def read_boot() -> bytes:
    """What this start of the machine is known by; empty where it has no name.

    After another start, or on another machine, a device of the same number may be another one.
    """
    try:
        with open(_BOOT, "rb") as file:  # noqa: PTH123 - a file of the kernel, in each run
            return file.read(64).strip()
    except OSError:
        return b""
