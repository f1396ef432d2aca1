"""A document as a tree in which every key and value knows its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reconciler.core.json_pointer import split_pointer
from reconciler.errors import Where
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.source_text import SourceText
from reconciler.values import dataclass

Step = str | int

# The bounds of every document, aliases expanded.
MAX_DEPTH = 100
MAX_VALUES = 100_000
MAX_CHARACTERS = 16 * 2**20
MAX_DOCUMENTS = 10_000


@dataclass(slots=True)
class Node:
    """A value as written: a scalar, a list of nodes, or entries of a key node and a value node.

    `yaml11` says how YAML 1.1 reads a plain scalar, where that is something else, and `integer`
    what number it is inside a manifest, where that is one.
    """

    source: SourceText
    start: int
    end: int
    value: Any
    yaml11: str = ""
    integer: int | None = None

    @property
    def where(self) -> Where:
        """The place in the file that its author sees."""
        return self.source.where(self.start, self.end)

    @property
    def decoded_place(self) -> str:
        """What a message has to add where the place alone does not show the line."""
        return self.source.decoded_place(self.start)

    @property
    def written(self) -> str:
        """The value as its author wrote it, fit to be repeated."""
        return quote(self.source.text[self.start : self.end])

    @property
    def is_blank(self) -> bool:
        """Whether nothing is written here: `key:` and no value."""
        return self.start == self.end


Entry = tuple[Node, Node]


class ParsedDocument(NamedTuple):
    """One document of a text: its slice, its tree, and whether a scalar in it is ambiguous."""

    start: int
    end: int
    root: Node
    ambiguous: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing is written between two separators; `null` is something."""
        return self.root.value is None and self.root.is_blank


def plain(node: Node) -> Any:
    """Return the JSON value of a tree."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(entry[1]) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def follow(root: Node, path: Sequence[Step]) -> tuple[Node | None, Node]:
    """Walk to a value; returns its key node, if any, and itself, or the last that exists."""
    key: Node | None = None
    node = root
    for step in path:
        if isinstance(node.value, dict) and str(step) in node.value:
            key, node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            key, node = None, node.value[step]
        else:
            break
    return key, node


def place_of_value(root: Node, path: Sequence[Step]) -> Node:
    """Find what to point at for a wrong value: itself, or its key where nothing is written."""
    key, node = follow(root, path)
    return key if key is not None and node.is_blank else node


def place_of_key(root: Node, path: Sequence[Step]) -> Node:
    """Find what to point at for a key, or for something missing under it.

    The key itself; for what has none (a document, an item of a list) its first key.
    """
    key, node = follow(root, path)
    if key is not None:
        return key
    if isinstance(node.value, dict) and node.value:
        first: Node = next(iter(node.value.values()))[0]
        # Another file gave the first key: this one is what is meant, as a whole.
        return first if first.source is node.source else node
    return node


def walk(node: Node, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Yield every key and value below a node with its path; a key has that of its value."""
    yield path, node
    if isinstance(node.value, dict):
        for name, (key, value) in node.value.items():
            yield (*path, name), key
            yield from walk(value, (*path, name))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from walk(item, (*path, index))


def resolve_steps(value: Any, text: str) -> tuple[Step, ...]:
    """Read a JSON pointer along a value, so that indices of lists become numbers."""
    path: list[Step] = []
    for part in split_pointer(text):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            path.append(int(part))
            value = value[int(part)]
        else:
            path.append(part)
            value = value.get(part) if isinstance(value, dict) else None
    return tuple(path)
