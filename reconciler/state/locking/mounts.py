"""Tells a disk of this machine from one that several machines share."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.errors import StateError
from reconciler.values import dataclass

_NETWORK = {
    *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre"),
    *("ncpfs", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs"),
}
# Programs behind FUSE call themselves `fuse.<name>`; most of them are local.
_NETWORK_FUSE = {
    *("blobfuse", "blobfuse2", "ceph", "ceph-fuse", "davfs", "davfs2", "gcsfuse", "glusterfs"),
    *("goofys", "juicefs", "mount-s3", "mountpoint-s3", "rclone", "s3fs", "sshfs"),
}
_ESCAPE = r"\\([0-7]{3})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One file system in the tree: where it is, and of what kind."""

    place: str
    kind: str

    @property
    def is_shared(self) -> bool:
        """Whether other machines may see it, with locks and caches of their own."""
        kind = self.kind.lower()
        if kind.startswith("fuse."):
            return kind.removeprefix("fuse.") in _NETWORK_FUSE
        return kind in _NETWORK


def mount_of(mountinfo: str, path: str) -> Mount | None:
    """The mount that an absolute path without symbolic links is on.

    `mountinfo` is the text of `/proc/self/mountinfo` (see proc(5)); lines that are not understood
    are left out. Where two are mounted on one place, the later one hides the earlier.
    """
    best: Mount | None = None
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        # Spaces, tabs, line breaks and backslashes are written as octal numbers.
        place = re.sub(_ESCAPE, lambda escape: chr(int(escape[1], 8)), fields[4])
        is_above = path == place or path.startswith(place.rstrip("/") + "/")
        if is_above and (best is None or len(place) >= len(best.place)):
            best = Mount(place=place, kind=after.split(" ")[0])
    return best


def check_local(path: Path, table: Path = Path("/proc/self/mountinfo")) -> None:
    """Raise StateError for a state on a network file system, as far as Linux tells."""
    # Locks there reach other machines late or never, and a sync may return before data are safe.
    try:
        text = table.read_text(encoding="utf-8", errors="surrogateescape")
        place = str(path.resolve())
    except (OSError, RuntimeError):
        return
    mount = mount_of(text, place)
    if mount is not None and mount.is_shared:
        raise StateError(
            f"the state {path} is on a network file system ({mount.kind} at {mount.place}): "
            "locks and writes are not reliable there",
            hint="keep the state on a disk of this machine (--state), and let the CI system "
            "store a copy between runs",
        )
