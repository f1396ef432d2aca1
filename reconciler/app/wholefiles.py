"""Files that others read while they are written: they see the old one or the new one, whole."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_whole(place: Path, text: str, *, shared: bool = False) -> None:
    """Write beside the place and move it there, durably; raises OSError.

    `shared` is for readers of other accounts, whatever mask this one keeps its state with.
    """
    # Its name begins with a dot and ends in .tmp: neither a spec nor somebody's *.prom.
    beside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
    fd = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        with os.fdopen(fd, "wb") as file:
            if shared:
                os.fchmod(fd, 0o644)
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(fd)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
