"""Names of files below a root, as paths from somewhere else."""

from __future__ import annotations


def under_prefix(prefix: str, file: str) -> str:
    """Put a prefix before a name; where the name leads out of it again, without the detour.

    A forge finds the line of a finding only by the plain name of its file.
    """
    folders = prefix.split("/")[:-1]
    while file.startswith("../") and folders and folders[-1] not in ("", "..", "."):
        folders.pop()
        file = file[len("../") :]
    return "/".join([*folders, file])
