"""One patch: what it changes of a spec, and the same on the spec's tree of places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property, partial
from typing import Any, NamedTuple

from reconciler.core.json_pointer import split_pointer
from reconciler.specs.compose.manifest_integers import patch_tree
from reconciler.specs.compose.merging import alternatives_dropped_by
from reconciler.specs.source.documents import Document
from reconciler.specs.source.nodes import Entry, Node, Step, plain
from reconciler.values import dataclass

MERGE, SET, REMOVE = "patch", "set", "remove"


class UnreachablePointer(NamedTuple):
    """A pointer of a patch that leads nowhere in a spec: its place in the patch, and why."""

    path: tuple[Step, ...]
    message: str


class _NoSuchPartError(Exception):
    """A pointer leads to nothing."""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A document of a `_patches.yaml` that satisfies its schema."""

    document: Document

    @cached_property
    def tree(self) -> Node:
        """The document with the place of every part of it."""
        return patch_tree(self.document)

    @cached_property
    def value(self) -> dict[str, Any]:
        """What the document says."""
        document = self.document
        value: dict[str, Any] = plain(self.tree) if document.ambiguous else document.value
        return value

    @cached_property
    def fields(self) -> dict[tuple[str, ...], tuple[Step, ...]]:
        """Each field of a spec that is written, and where the patch says so."""
        value = self.value
        fields = {path: (MERGE, *path) for path in _leaves(value.get(MERGE, {})) if path}
        fields |= {tuple(split_pointer(p)): (SET, p) for p in value.get(SET, {})}
        return fields | {
            tuple(split_pointer(p)): (REMOVE, n) for n, p in enumerate(value.get(REMOVE, ()))
        }

    def apply(self, spec: dict[str, Any]) -> tuple[dict[str, Any], list[UnreachablePointer]]:
        """Return a changed copy of an effective spec, and which pointers led nowhere in it."""
        value, unreachable = self.value, []
        patched = _merge_patch(spec, value.get(MERGE, {}))
        for pointer, new in value.get(SET, {}).items():
            try:
                patched = _edit(patched, split_pointer(pointer), partial(_with, new=new))
            except _NoSuchPartError as error:
                unreachable.append(UnreachablePointer((SET, pointer), str(error)))
        for number, pointer in enumerate(value.get(REMOVE, ())):
            try:
                patched = _edit(patched, split_pointer(pointer), _without)
            except _NoSuchPartError as error:
                unreachable.append(UnreachablePointer((REMOVE, number), str(error)))
        return patched, unreachable

    def apply_to_tree(self, spec: Node) -> Node:
        """Change a spec's tree just as `apply` does its value; what is new stands in the patch."""
        entries = self.tree.value
        if MERGE in entries:
            spec = _merge_patch_trees(spec, entries[MERGE][1])
        for pointer, (key, new) in entries[SET][1].value.items() if SET in entries else ():
            with suppress(_NoSuchPartError):
                spec = _set_in_tree(spec, split_pointer(pointer), key, new)
        for item in entries[REMOVE][1].value if REMOVE in entries else ():
            with suppress(_NoSuchPartError):
                spec = _remove_from_tree(spec, split_pointer(item.value), item)
        return spec


def first_overlap(
    earlier: Patch, later: Patch
) -> tuple[tuple[str, ...], tuple[Step, ...], tuple[Step, ...]] | None:
    """The first field that two patches write: the field, and its place in each of them."""
    for field, place in later.fields.items():
        for other, first in earlier.fields.items():
            if other[: len(field)] == field[: len(other)]:
                return field, first, place
    return None


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not (isinstance(value, dict) and value):
        yield path
        return
    for key, below in value.items():
        yield from _leaves(below, (*path, key))


def _merge_patch(target: Any, patch: Any, path: tuple[str, ...] = ()) -> Any:
    """Apply a JSON merge patch (RFC 7396); nothing is changed, and parts of both are shared."""
    if not isinstance(patch, dict):
        return patch
    under = target if isinstance(target, dict) else {}
    dropped = alternatives_dropped_by(patch, path)
    merged = {key: value for key, value in under.items() if key not in dropped}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_patch(merged.get(key), value, (*path, key))
    return merged


def _merge_patch_trees(target: Node, patch: Node, path: tuple[str, ...] = ()) -> Node:
    if not isinstance(patch.value, dict):
        return patch
    # What is merged into stays where it was written; what is wholly new stands in the patch.
    place = target if isinstance(target.value, dict) else patch
    under: dict[str, Entry] = target.value if isinstance(target.value, dict) else {}
    dropped = alternatives_dropped_by(patch.value, path)
    merged = {key: entry for key, entry in under.items() if key not in dropped}
    for key, (name, value) in patch.value.items():
        if value.value is None:
            if merged.pop(key, None) is not None:
                # What is missing now is missing because of this line.
                place = name
        elif key in merged and isinstance(value.value, dict):
            merged[key] = _moved(
                merged[key], _merge_patch_trees(merged[key][1], value, (*path, key))
            )
        else:
            nothing = Node(value.source, value.start, value.end, None)
            merged[key] = (name, _merge_patch_trees(nothing, value, (*path, key)))
    return Node(place.source, place.start, place.end, merged)


def _moved(entry: Entry, value: Node) -> Entry:
    """An entry with another value; the key stands where the value does, if that is another file."""
    key, old = entry
    return (key if value.source is old.source else value, value)


def _edit(value: Any, steps: list[str], change: Callable[[Any, str], Any]) -> Any:
    """Return a copy, changed in the mapping or list that holds what a pointer names."""
    step, *below = steps
    if not below:
        return change(value, step)
    if isinstance(value, dict) and step in value:
        return {**value, step: _edit(value[step], below, change)}
    if isinstance(value, list):
        at = _index(value, step)
        return [*value[:at], _edit(value[at], below, change), *value[at + 1 :]]
    raise _NoSuchPartError(f"there is no '{step}'")


def _edit_tree(node: Node, steps: list[str], change: Callable[[Node, str], Node]) -> Node:
    step, *below = steps
    if not below:
        return change(node, step)
    value: Any
    if isinstance(node.value, dict) and step in node.value:
        entry = node.value[step]
        value = {**node.value, step: _moved(entry, _edit_tree(entry[1], below, change))}
    elif isinstance(node.value, list):
        at = _index(node.value, step)
        changed = _edit_tree(node.value[at], below, change)
        value = [*node.value[:at], changed, *node.value[at + 1 :]]
    else:
        raise _NoSuchPartError
    return Node(node.source, node.start, node.end, value)


def _with(holder: Any, step: str, new: Any) -> Any:
    if isinstance(holder, dict):
        return {**holder, step: new}
    if isinstance(holder, list):
        if step == "-":
            return [*holder, new]
        at = _index(holder, step)
        return [*holder[:at], new, *holder[at + 1 :]]
    raise _NoSuchPartError(f"what should hold '{step}' is no mapping and no list")


def _without(holder: Any, step: str) -> Any:
    if isinstance(holder, dict) and step in holder:
        return {key: part for key, part in holder.items() if key != step}
    if isinstance(holder, list):
        at = _index(holder, step)
        return [*holder[:at], *holder[at + 1 :]]
    raise _NoSuchPartError(f"there is no '{step}'")


def _index(items: list[Any], step: str) -> int:
    if step.isdecimal() and int(step) < len(items):
        return int(step)
    raise _NoSuchPartError(f"the list has no item '{step}', but {len(items)} from 0 on")


def _set_in_tree(spec: Node, steps: list[str], key: Node, new: Node) -> Node:
    def change(holder: Node, step: str) -> Node:
        # A mapping holds keys with its values, and the key of this one is the pointer.
        part = (key, new) if isinstance(holder.value, dict) else new
        return Node(holder.source, holder.start, holder.end, _with(holder.value, step, part))

    return _edit_tree(spec, steps, change)


def _remove_from_tree(spec: Node, steps: list[str], item: Node) -> Node:
    def change(holder: Node, step: str) -> Node:
        # What is missing then is missing because of the line in the patch.
        return Node(item.source, item.start, item.end, _without(holder.value, step))

    return _edit_tree(spec, steps, change)
