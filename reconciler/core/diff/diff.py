"""Two documents to the list of their differences: a descent finds them, deepdiff aligns lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any, Final

from reconciler.core.json_pointer import escape_step, join_steps, split_pointer
from reconciler.core.redact import is_redacted, spell_marks


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

    `ignored` says that it is covered by ignoreChanges, and stays as it is before.
    """

    pointer: str
    before: Any
    after: Any
    forces_replace: bool = False
    origin: Origin = Origin.SPEC
    ignored: bool = False

    def to_json(self) -> dict[str, Any]:
        """The published form; a secret is never shown, only that it changed."""
        document = {
            "pointer": self.pointer,
            "before": _shown(self.before),
            "after": _shown(self.after),
            "forces_replace": self.forces_replace,
            "origin": self.origin.value,
        }
        return document | {"ignored": True} if self.ignored else document


SENSITIVE = "(sensitive, changed)"


def _shown(value: Any) -> Any:
    """A value without stand-ins for secrets, its keys in order; what is absent is null in JSON."""
    if value is ABSENT:
        return None
    if is_redacted(value):
        # What stands around a secret is none, and may be what matters.
        return spell_marks(value, SENSITIVE)
    if isinstance(value, Mapping):
        return {key: _shown(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def find_changes(before: Any, after: Any, *, origin: Origin = Origin.SPEC) -> list[FieldChange]:
    """Every field that differs between two JSON values, in the order of their pointers."""
    found = [replace(change, origin=origin) for change in _compare(before, after, "")]
    return sorted(found, key=lambda change: _sort_key(change.pointer))


def _sort_key(pointer: str) -> list[tuple[int, int, str]]:
    """Numbers by their size: of two without leading zeros, the longer one is larger."""
    return [
        (0, len(part), part) if part.isdecimal() else (1, 0, part)
        for part in pointer.split("/")[1:]
    ]


def _compare(before: Any, after: Any, pointer: str) -> Iterator[FieldChange]:
    if is_same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            here = f"{pointer}/{escape_step(key)}"
            yield from _compare(before.get(key, ABSENT), after.get(key, ABSENT), here)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _compare_lists(before, after, pointer)
    else:
        yield FieldChange(pointer=pointer, before=before, after=after)


def _compare_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[FieldChange]:
    """Items with names (containers, env, ports, volumes) are matched by name, others in order."""
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        yield from _align_lists(before, after, pointer)
        return
    common = [name for name in old if name in new]
    if common != [name for name in new if name in old]:
        # The order of a list means something to Kubernetes (init containers, env references).
        yield FieldChange(pointer=pointer, before=before, after=after)
        return
    for name in [*old, *(name for name in new if name not in old)]:
        index, item = old.get(name, (0, ABSENT))
        index, other = new.get(name, (index, ABSENT))
        yield from _compare(item, other, f"{pointer}/{index}")


def _by_name(items: Sequence[Any]) -> dict[str, tuple[int, Any]] | None:
    named: dict[str, tuple[int, Any]] = {}
    for index, item in enumerate(items):
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = (index, item)
    return named


def _align_lists(before: list[Any], after: list[Any], pointer: str) -> Iterator[FieldChange]:
    """Let deepdiff tell an insertion from a run of changes; only lists that differ come here."""
    from deepdiff import DeepDiff

    tree = DeepDiff(_told_apart(before), _told_apart(after), view="tree")
    aligned = [_align(level) for kind in tree.values() for level in kind]
    if not aligned or any(pair is None for pair in aligned):
        yield FieldChange(pointer=pointer, before=before, after=after)
        return
    seen: set[tuple[Any, Any]] = set()
    for pair in aligned:
        if pair is None or pair in seen:
            continue
        seen.add(pair)
        old, new = pair
        here = f"{pointer}/{old if new is None else new}"
        yield from _compare(
            ABSENT if old is None else before[old], ABSENT if new is None else after[new], here
        )


def _told_apart(value: Any) -> Any:
    """A copy in which true is not 1 for those who compare with `==`."""
    if isinstance(value, bool):
        return ("bool", str(value))
    if isinstance(value, Mapping):
        return {key: _told_apart(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_told_apart(item) for item in value]
    return value


def _align(level: Any) -> tuple[int | None, int | None] | None:
    """Which item of the first list deepdiff set against which of the second."""
    from deepdiff.helper import notpresent

    top = level.all_up.down
    if top is None:
        return None
    old = level.path(output_format="list", use_t2=False)
    new = level.path(output_format="list", use_t2=True)
    return (
        None if top.t1 is notpresent else old[0],
        None if top.t2 is notpresent else new[0],
    )


def is_same(a: Any, b: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but true is not 1."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return bool(a == b)


def project(value: Any, shape: Any) -> Any:
    """The part of a value that a shape declares; what the shape does not mention is left out.

    Items with names are matched by name, others in order where there are equally many. A server
    that adds an item (a side car) has changed the list, but not the items beside it.
    """
    if isinstance(value, Mapping) and isinstance(shape, Mapping):
        return {key: project(value[key], shape[key]) for key in shape if key in value}
    if isinstance(value, list) and isinstance(shape, list):
        return _project_list(value, shape)
    return value


def _project_list(items: list[Any], shapes: list[Any]) -> list[Any]:
    named, wanted = _by_name(items), _by_name(shapes)
    if named and wanted:
        return [
            project(item, wanted[name][1]) if name in wanted else item
            for name, (_, item) in named.items()
        ]
    if len(items) == len(shapes):
        return [project(item, shape) for item, shape in zip(items, shapes, strict=True)]
    return items


def value_at(document: Any, pointer: str) -> Any:
    """The value at an RFC 6901 pointer, ABSENT where there is none."""
    for step in split_pointer(pointer):
        if isinstance(document, Mapping) and step in document:
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
    first, *rest = steps
    if isinstance(document, list):
        index = int(first)
        below = document[index] if index < len(document) else ABSENT
        item = _with_value(below, rest, value)
        return [*document[:index], *([] if item is ABSENT else [item]), *document[index + 1 :]]
    parent = dict(document) if isinstance(document, Mapping) else {}
    item = _with_value(parent.get(first, ABSENT), rest, value)
    if item is ABSENT:
        parent.pop(first, None)
        return parent
    return {**parent, first: item}


def undo(document: Any, changes: Sequence[FieldChange]) -> Any:
    """A copy of the document that changes led to, as it was before them.

    The pointer of an item that a list has no more is where it stood before.
    """
    # From the end, so that no item moves before it has been found.
    for change in sorted(changes, key=lambda each: _sort_key(each.pointer), reverse=True):
        if change.after is not ABSENT:
            document = with_value(document, change.pointer, change.before)
    for change in changes:
        if change.after is ABSENT:
            document = _insert(document, split_pointer(change.pointer), change.before)
    return document


def _insert(document: Any, steps: list[str], value: Any) -> Any:
    """Put a value where it stood; into a list it goes without replacing what stands there now."""
    *way, last = steps
    parent = value_at(document, join_steps(way))
    if isinstance(parent, list):
        at = int(last)
        parent = [*parent[:at], value, *parent[at:]]
        return _with_value(document, way, parent)
    return _with_value(document, steps, value)


def without(document: Any, pattern: str) -> Any:
    """A copy of a document without what a pattern of `is_ignored` leads to."""
    return _without(document, split_pointer(pattern))


def _without(document: Any, steps: list[str]) -> Any:
    if not steps:
        return None
    first, *rest = steps
    if isinstance(document, Mapping):
        return {
            key: _without(item, rest) if first in (key, "*") else item
            for key, item in document.items()
            if rest or first not in (key, "*")
        }
    if isinstance(document, list):
        return [
            _without(item, rest) if first in ("*", str(index)) else item
            for index, item in enumerate(document)
        ]
    return document


def is_ignored(pointer: str, patterns: Sequence[str]) -> bool:
    """Whether a JSON pointer lies at or below one of the patterns (`*` is any one segment)."""
    parts = pointer.split("/")
    return any(_matches(parts, pattern.split("/")) for pattern in patterns)


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if len(pattern) > len(parts):
        return False
    return all(want in ("*", have) for want, have in zip(pattern, parts, strict=False))
