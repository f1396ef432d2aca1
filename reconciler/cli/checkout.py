"""The git checkout around a repository of specs, by which forges know its files."""

from __future__ import annotations

import os
from pathlib import Path


def prefix_in_checkout(root: Path, otherwise: str) -> str:
    """What goes before a name to make a path from the top of the git checkout around the root."""
    from reconciler.specs.fileaccess import posix_name

    below = root.resolve()
    for top in (below, *below.parents):
        # A folder in a clone, a file in a worktree or a submodule; never mind what may not be read.
        if os.access(top / ".git", os.F_OK):
            name = posix_name(str(below.relative_to(top)))
            return "" if name == "." else f"{name}/"
    return otherwise
