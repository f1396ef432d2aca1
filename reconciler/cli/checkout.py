"""The git checkout around a repository of specs, by which forges know its files."""

from __future__ import annotations

from pathlib import Path

from reconciler.specs.discovery.git import name_in_checkout
from reconciler.specs.source.fileaccess import posix_name


def prefix_in_checkout(root: Path, otherwise: str) -> str:
    """What goes before a name to make a path from the top of the git checkout around the root."""
    name = name_in_checkout(root)
    if name is None:
        return otherwise
    return "" if name == "." else f"{posix_name(name)}/"
