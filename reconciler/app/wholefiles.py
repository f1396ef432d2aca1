"""Files that others read while they are written: they see the old one or the new one, whole."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What a file system says that cannot give a file a second name.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_whole(
    path: Path, text: str, *, mode: int = 0o644, shared: bool = False, durable: bool = True
) -> None:
    """Write beside the path and move it there; raises OSError.

    A file that is `shared` has its mode for readers of other accounts, whatever mask this one keeps
    its state with. One that is not `durable` may be the old one again after a power failure.
    """
    with _written_beside(path, text, mode=mode, shared=shared, durable=durable) as unfinished:
        unfinished.replace(path)


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, durably; raises FileExistsError, and OSError.

    Nobody meets a part of it under its name, also if this process is killed.
    """
    with _written_beside(path, text) as unfinished:
        try:
            # A rename would take the place of what somebody has put there meanwhile.
            os.link(unfinished, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without links: the name is taken first, and the whole text put there in one step.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            unfinished.replace(path)
    # A new name is durable once its folder is.
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _written_beside(
    path: Path, text: str, *, mode: int = 0o644, shared: bool = False, durable: bool = True
) -> Iterator[Path]:
    """The whole text in a file beside the path, which is deleted again unless it was moved."""
    # Its name begins with a dot and ends in .tmp: neither a spec nor somebody's *.prom.
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    # Nobody can have put a link there to lead the text elsewhere.
    handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if shared:
                os.fchmod(handle, mode)
            file.write(text.encode("utf-8", "replace"))
            if durable:
                # Before it takes the place of the old one: a rename may reach the disk first.
                file.flush()
                os.fsync(handle)
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)
