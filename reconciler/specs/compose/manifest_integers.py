"""Integers inside manifests, which are read as Kubernetes reads YAML: `0400` is 256 there.

Everything else follows YAML 1.2, also outside manifests. This is the one place where it is applied:
to a manifest in a spec, in defaults, in patches, in a file of its own and in base64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconciler.specs.source.documents import Document
from reconciler.specs.source.nodes import Node, Step, plain, walk
from reconciler.specs.source.scalars import read_core

_MANIFEST = "manifest"


def manifest_tree(document: Document) -> Node:
    """The tree of a document that is a manifest as a whole."""
    tree = document.tree()
    return _read_integers(tree) if document.ambiguous else tree


def manifest_value(document: Document) -> Any:
    """The value of a document that is a manifest as a whole."""
    return plain(manifest_tree(document)) if document.ambiguous else document.value


def spec_tree(document: Document) -> Node:
    """The tree of a spec or of defaults, which may hold a manifest."""
    tree = document.tree()
    return _read_manifest(tree) if document.ambiguous else tree


def spec_value(document: Document) -> Any:
    """The value of a spec or of defaults."""
    return plain(spec_tree(document)) if document.ambiguous else document.value


def patch_tree(document: Document) -> Node:
    """The tree of a patch, which writes parts of manifests in two places."""
    tree = document.tree()
    if not document.ambiguous:
        return tree
    entries = dict(tree.value)
    if "patch" in entries:
        key, merged = entries["patch"]
        entries["patch"] = (key, _read_manifest(merged))
    if "set" in entries:
        key, pointers = entries["set"]
        parts = {
            pointer: (name, _read_integers(part) if pointer.startswith("/manifest") else part)
            for pointer, (name, part) in pointers.value.items()
        }
        entries["set"] = (key, replace(pointers, value=parts))
    return replace(tree, value=entries)


def find_older_readings(tree: Node) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Yield the integers of a manifest that were once read by YAML 1.2, with what was read then."""
    for path, node in walk(tree):
        # A key stays the text that it is, and ambiguous.
        if node.integer is not None and not node.yaml11:
            before, _ = read_core(node.source.text[node.start : node.end])
            if before != node.integer:
                yield path, before


def _read_manifest(tree: Node) -> Node:
    if _MANIFEST not in tree.value:
        return tree
    key, manifest = tree.value[_MANIFEST]
    return replace(tree, value={**tree.value, _MANIFEST: (key, _read_integers(manifest))})


def _read_integers(node: Node) -> Node:
    """A copy, since an alias may stand inside and outside of the manifest."""
    if isinstance(node.value, dict):
        entries = {name: (key, _read_integers(part)) for name, (key, part) in node.value.items()}
        return replace(node, value=entries)
    if isinstance(node.value, list):
        return replace(node, value=[_read_integers(item) for item in node.value])
    return node if node.integer is None else replace(node, value=node.integer, yaml11="")
