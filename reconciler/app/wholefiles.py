"""Files that others read while they are written: they see the old one or the new one, whole."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_whole(
    path: Path, text: str, *, mode: int = 0o644, shared: bool = False, durable: bool = True
) -> None:
    """Write beside the path and move it there; raises OSError.

    A file that is `shared` has its mode for readers of other accounts, whatever mask this one keeps
    its state with. One that is not `durable` may be the old one again after a power failure.
    """
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
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
