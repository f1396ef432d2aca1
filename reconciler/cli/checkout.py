"""The git checkout around a repository of specs, by which forges know its files."""

from __future__ import annotations

from pathlib import Path


def prefix_in_checkout(root: Path, otherwise: str) -> str:
    """What goes before a name to make a path from the top of the git checkout around the root."""
    from reconciler.specs.discovery.git import checkout_top
    from reconciler.specs.source.fileaccess import posix_name

    top = checkout_top(root)
    if top is None:
        return otherwise
    name = posix_name(str(root.resolve().relative_to(top)))
    return "" if name == "." else f"{name}/"
