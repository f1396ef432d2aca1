"""Laying one document over another: maps merge, everything else is replaced by the nearer one."""

from __future__ import annotations

from typing import Any

from reconciler.specs.source.nodes import Entry, Node

# Alternatives: who writes one of them nearer to the spec has decided against the others.
_ALTERNATIVES: dict[tuple[str, ...], frozenset[str]] = {
    (): frozenset({"manifestFile", "manifestBase64Encoded"}),
    ("metadata",): frozenset({"project", "projectId"}),
}
# An id says on which cluster its project is.
_SETTLES_CLUSTER = "projectId"


def merge(far: dict[str, Any], near: dict[str, Any], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Merge plain values; neither is changed, and parts of both are shared with the result."""
    if not far:
        return dict(near)
    dropped = alternatives_dropped_by(near, path)
    merged = {key: value for key, value in far.items() if key not in dropped}
    for key, value in near.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = merge(under, value, (*path, key))
        else:
            merged[key] = value
    return merged


def merge_trees(far: Node, near: Node, path: tuple[str, ...] = ()) -> Node:
    """Merge trees just as `merge` does values; each part keeps the place it came from."""
    if not (isinstance(far.value, dict) and isinstance(near.value, dict)):
        return near
    dropped = alternatives_dropped_by(near.value, path)
    merged: dict[str, Entry] = {k: entry for k, entry in far.value.items() if k not in dropped}
    for key, (name, node) in near.value.items():
        under = merged.get(key)
        merged[key] = (name, merge_trees(under[1], node, (*path, key)) if under else node)
    return Node(near.source, near.start, near.end, merged)


def alternatives_dropped_by(near: dict[str, Any], path: tuple[str, ...]) -> frozenset[str]:
    """The keys at a path that whatever lies farther away has given in vain."""
    alternatives = _ALTERNATIVES.get(path)
    if alternatives is None:
        return frozenset()
    # An inline manifest, too, decides against a file or base64 text given farther away.
    decides = alternatives | {"manifest"} if not path else alternatives
    if decides.isdisjoint(near):
        return frozenset()
    return alternatives | {"cluster"} if path and _SETTLES_CLUSTER in near else alternatives
