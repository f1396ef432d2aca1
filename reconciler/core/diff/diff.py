"""Two documents to the list of their differences: a descent finds them, deepdiff aligns lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum, StrEnum
from typing import Any, Final

from reconciler.core.json_pointer import escape_step, join_steps, split_pointer
from reconciler.core.named_items import items_by_name, names_of
from reconciler.core.secrets.marks import is_redacted, spell_marks
from reconciler.core.stored_json import MAPS, decoded
from reconciler.kinds.updates import covers
from reconciler.values import dataclass


class Absent(Enum):
    """The place where a value is not; None is a value of its own."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT


class Origin(StrEnum):
    """Who changed a field: the spec's author, or somebody on the server."""

    SPEC = "spec"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field that differs, at an RFC 6901 pointer; ABSENT where one side has no value.

    `ignored` says that it is covered by ignoreChanges, and stays as it is before. `reason` is why
    it cannot be changed in place, where that forces a replace; it completes "FIELD …".
    """

    pointer: str
    before: Any
    after: Any
    forces_replace: bool = False
    origin: Origin = Origin.SPEC
    ignored: bool = False
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The published form; a secret is never shown, only that it changed."""
        document = {
            "pointer": self.pointer,
            "before": _shown(self.before),
            "after": _shown(self.after),
            "forces_replace": self.forces_replace,
            "origin": self.origin.value,
        }
        if self.reason:
            document["reason"] = self.reason
        return document | {"ignored": True} if self.ignored else document


def without_replacement(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """The same changes where nothing has to go for them."""
    return tuple(replace(change, forces_replace=False, reason="") for change in changes)


SENSITIVE = "(sensitive, changed)"


def _shown(value: Any) -> Any:
    """A value without stand-ins for secrets, its keys in order; what is absent is null in JSON."""
    if value is ABSENT:
        return None
    if is_redacted(value):
        # The text around a secret is none itself, and may be what changed.
        return spell_marks(value, SENSITIVE)
    if isinstance(value, MAPS):
        return {key: _shown(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def find_changes(before: Any, after: Any, *, origin: Origin = Origin.SPEC) -> list[FieldChange]:
    """Every field that differs between two JSON values, in the order of their pointers."""
    changes = [*_compare(decoded(before), decoded(after), "")]
    if origin is not Origin.SPEC:
        changes = [replace(change, origin=origin) for change in changes]
    return sorted(changes, key=lambda change: _sort_key(change.pointer))


def _sort_key(pointer: str) -> list[tuple[int, int, str]]:
    # Indices by their size: of two numbers without leading zeros, the longer one is larger.
    return [
        (0, len(part), part) if part.isdecimal() else (1, 0, part)
        for part in pointer.split("/")[1:]
    ]


def _compare(before: Any, after: Any, pointer: str) -> Iterator[FieldChange]:
    if is_same(before, after):
        return
    if isinstance(before, MAPS) and isinstance(after, MAPS):
        for key in [*before, *(key for key in after if key not in before)]:
            path = f"{pointer}/{escape_step(key)}"
            yield from _compare(before.get(key, ABSENT), after.get(key, ABSENT), path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, pointer)
    else:
        yield FieldChange(pointer=pointer, before=before, after=after)


def _compare_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[FieldChange]:
    # Containers, variables, ports and volumes have names; what has none is aligned by its content.
    old, new = names_of(before), names_of(after)
    if old is None or new is None:
        yield from _align_lists(before, after, pointer)
        return
    common = [name for name in old if name in new]
    if common != [name for name in new if name in old]:
        # The order of a list means something to Kubernetes (init containers, env references).
        yield FieldChange(pointer=pointer, before=before, after=after)
        return
    indices = {name: index for index, name in enumerate(old)}
    indices |= {name: index for index, name in enumerate(new)}
    olds, news = dict(zip(old, before, strict=True)), dict(zip(new, after, strict=True))
    for name, index in indices.items():
        path = f"{pointer}/{index}"
        yield from _compare(olds.get(name, ABSENT), news.get(name, ABSENT), path)


def _align_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[FieldChange]:
    """Let deepdiff tell an insertion from a run of changes; only lists that differ come here."""
    # It takes longer to load than most commands run, and most runs meet no such lists.
    from deepdiff import DeepDiff

    tree = DeepDiff(_without_booleans(before), _without_booleans(after), view="tree")
    levels = [(kind, level) for kind, entries in tree.items() for level in entries]
    if not levels or any(level.all_up.down is None for _, level in levels):
        # Not an answer about items.
        yield FieldChange(pointer=pointer, before=before, after=after)
        return
    # Which item of the first list stands against which of the second, each pair once: deepdiff
    # names every difference within two items.
    pairs: dict[tuple[int | None, int | None], None] = {}
    for kind, level in levels:
        old, *_ = level.path(output_format="list", use_t2=False)
        new, *_ = level.path(output_format="list", use_t2=True)
        is_item = level.all_up.down is level
        is_added = is_item and kind == "iterable_item_added"
        is_removed = is_item and kind == "iterable_item_removed"
        pairs[None if is_added else old, None if is_removed else new] = None
    for old, new in pairs:
        path = f"{pointer}/{old if new is None else new}"
        yield from _compare(
            ABSENT if old is None else before[old], ABSENT if new is None else after[new], path
        )


def _without_booleans(value: Any) -> Any:
    """A copy in which true is not 1, as it is for deepdiff, which compares with `==`."""
    if isinstance(value, bool):
        return ("bool", str(value))
    if isinstance(value, MAPS):
        return {key: _without_booleans(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_booleans(item) for item in value]
    return value


def is_same(a: Any, b: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but true is not 1."""
    # Python compares whole documents at once, and takes true for 1.
    return a is b or (bool(a == b) and _has_same_booleans(a, b))


def _has_same_booleans(a: Any, b: Any) -> bool:
    """Whether two values that are equal to Python have their booleans in the same places."""
    # Plain loops: this passes over whole documents, and nearly all of them is text.
    if isinstance(a, dict):
        for key, item in a.items():
            if isinstance(item, str):
                continue
            other = b[key]
            if item is not other and not _has_same_booleans(item, other):
                return False
        return True
    if isinstance(a, list):
        for item, other in zip(a, b, strict=True):
            if isinstance(item, str):
                continue
            if item is not other and not _has_same_booleans(item, other):
                return False
        return True
    if isinstance(a, MAPS):
        return _has_same_booleans(decoded(a), decoded(b))
    return isinstance(a, bool) is isinstance(b, bool)


def project(value: Any, shape: Any) -> Any:
    """The part of a value that a shape declares; what the shape does not mention is left out.

    Items with names are matched by name, others in order where there are equally many. A server
    that adds an item (a side car) has changed the list, but not the items beside it.
    """
    if isinstance(value, MAPS) and isinstance(shape, MAPS):
        return {key: project(value[key], shape[key]) for key in shape if key in value}
    if isinstance(value, list) and isinstance(shape, list):
        items, shapes = items_by_name(value), items_by_name(shape)
        if items and shapes:
            return [
                project(item, shapes[name]) if name in shapes else item
                for name, item in items.items()
            ]
        if len(value) == len(shape):
            return [project(item, like) for item, like in zip(value, shape, strict=True)]
    return value


def value_at(document: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer, ABSENT where there is none."""
    for step in split_pointer(pointer):
        if isinstance(document, MAPS) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return ABSENT
    return document


def with_value(document: Any, pointer: str, value: Any) -> Any:
    """A copy of a document with another value at a pointer; ABSENT takes out what is there.

    Maps on the way that are not there are made where a value is put in, and an index behind the end
    of a list appends to it.
    """
    return _with_value(document, split_pointer(pointer), value)


def _with_value(document: Any, steps: list[str], value: Any) -> Any:
    if not steps or (document is ABSENT and value is ABSENT):
        return value
    first, *others = steps
    if isinstance(document, list):
        index = int(first)
        below = document[index] if index < len(document) else ABSENT
        item = _with_value(below, others, value)
        return [*document[:index], *([] if item is ABSENT else [item]), *document[index + 1 :]]
    parent = dict(document) if isinstance(document, MAPS) else {}
    item = _with_value(parent.get(first, ABSENT), others, value)
    if item is ABSENT:
        parent.pop(first, None)
        return parent
    return {**parent, first: item}


def undo(document: Any, changes: Sequence[FieldChange]) -> Any:
    """A copy of the document that changes led to, as it was before them."""
    by_pointer = sorted(changes, key=lambda change: _sort_key(change.pointer))
    # The deepest first: a pointer leads past items whose lists are put right afterwards.
    for depth in sorted({change.pointer.count("/") for change in changes}, reverse=True):
        level = [change for change in by_pointer if change.pointer.count("/") == depth]
        parents = [value_at(document, change.pointer.rpartition("/")[0]) for change in level]
        removed_items = [
            change
            for change, parent in zip(level, parents, strict=True)
            if change.after is ABSENT and isinstance(parent, list)
        ]
        # From the end, so that the pointers of the items before stay true.
        for change in reversed(level):
            if change not in removed_items:
                document = with_value(document, change.pointer, change.before)
        # The pointer of a removed item is where it stood before: it is put between the others.
        for change in removed_items:
            *way, last = split_pointer(change.pointer)
            items, index = value_at(document, join_steps(way)), int(last)
            document = _with_value(document, way, [*items[:index], change.before, *items[index:]])
    return document


def without(document: Any, pattern: str) -> Any:
    """A copy of a document without what a pattern of `is_ignored` leads to."""
    return _without(document, split_pointer(pattern))


def _without(document: Any, steps: list[str]) -> Any:
    if not steps:
        # An item of a list: to take it out would move the others to other pointers.
        return None
    first, *others = steps
    if isinstance(document, MAPS):
        return {
            key: _without(item, others) if first in (key, "*") else item
            for key, item in document.items()
            if others or first not in (key, "*")
        }
    if isinstance(document, list):
        return [
            _without(item, others) if first in ("*", str(index)) else item
            for index, item in enumerate(document)
        ]
    return document


def is_ignored(pointer: str, patterns: Sequence[str]) -> bool:
    """Whether a JSON pointer lies at or below one of the patterns (`*` is any one step)."""
    return any(covers(pattern, pointer) for pattern in patterns)
