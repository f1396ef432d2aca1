"""The fastest way to plain values: YAML as most specs are written, taken line by line.

It knows block mappings and lists, scalars on one line, literal blocks, and flow collections of
scalars on one line. Everything else it declines, so that `quickreader` or `yamlreader` decides;
a property test holds it equal to the latter. No library does this part: those that are fast differ
silently from the careful reader and from one another, in what a number, a merge key or a second
key of one name is, and none says where YAML 1.1 would read something else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern
from typing import Any, NoReturn

from reconciler.specs.scalars import read_plain

# Within these, no bound of the careful reader can be exceeded.
LONGEST = 100_000
DEEPEST = 50

_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,200}"
# What is text beyond doubt: in quotes, or a word that begins like no number, boolean or null.
_TEXT = r'"([^"\\\n]+)"|([a-eg-mp-su-xzA-EG-MP-SU-XZ/_][A-Za-z0-9_./-]*)'
_ROW = re.compile(rf"( *)((?:- ){{0,4}})(?:({_KEY}):(?: +|(?=\n)))?(?:(?:{_TEXT})(?=\n)|(.*))\n")
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)') *(?: #.*)?""")
_ITEM = re.compile(
    rf"""(?:({_KEY}): +)?("[^"\\]*"|'[^']*'|-{{0,2}}[A-Za-z0-9_./][A-Za-z0-9_./=+-]*)(?:, *|$)"""
)
# What begins a plain scalar only under conditions, or not at all.
_INDICATORS = frozenset("?:,[]{}#&*!|>'\"%@` ")
_LITERALS = {"|": "\n", "|-": ""}
_DECLINED: Any = object()

# Indentation, dashes, the key; then a quoted text, a word, or whatever else the line holds.
_Row = tuple[str, str, str, str, str, str]


class _DeclineError(Exception):
    """Something here wants another reader."""


def read_lines(text: str) -> tuple[int, int, dict[str, Any]] | None:
    """Return where a text's only document begins and ends, and its value; None for any doubt."""
    # Neither control characters and tabs nor foreign line breaks are printable.
    if len(text) > LONGEST or text[-1:] != "\n" or not text.replace("\n", "").isprintable():
        return None
    rows = _ROW.findall(text)
    first = _count_head(rows)
    try:
        value, after = _build(rows, first, text)
    except _DeclineError:
        return None
    # A comment behind the last value would not be part of the document.
    if not value or "#" in rows[after - 1][-1]:
        return None
    return _start_of(text, first), _end_of(text, len(rows) - after), value


def _count_head(rows: list[_Row]) -> int:
    """Count the lines before the content: blank ones, comments, and one `---`."""
    opened = False
    for at, row in enumerate(rows):
        rest = row[-1]
        if any(row[1:-1]) or (rest and rest[0] != "#"):
            if opened or rest != "---" or any(row[:-1]):
                return at
            opened = True
    return len(rows)


def _start_of(text: str, rows: int) -> int:
    at = 0
    for _ in range(rows):
        at = text.index("\n", at) + 1
    return at


def _end_of(text: str, rows: int) -> int:
    at = len(text) - 1
    for _ in range(rows):
        at = text.rindex("\n", 0, at)
    return at


def _build(rows: list[_Row], at: int, text: str) -> tuple[dict[str, Any], int]:
    """Turn rows into a mapping; also returns the number of the row behind the last of it."""
    root: dict[str, Any] = {}
    # The collection at hand, the column of its entries, and a key that has no value yet.
    into: Any = root
    column, key, after = 0, "", at
    stack: list[tuple[int, Any]] = []
    while at < len(rows):
        indent, dashes, name, quoted, word, rest = rows[at]
        at += 1
        value: Any = quoted or word
        if not name and not dashes:
            if value or (rest and rest[0] != "#"):
                _decline()
            continue
        if key or dashes or len(indent) != column or type(into) is list:
            into, column = _move(into, column, key, rows[at - 1], stack)
            key = ""
        if name:
            name = _read_key(name)
            if name in into:
                _decline()
            if not value and (not rest or rest[0] == "#"):
                key, after = name, at
                continue
        if not value:
            value, at = _read_value(rest, text, at, column)
        if name:
            into[name] = value
        else:
            into.append(value)
        after = at
    if key:
        into[key] = None
    return root, after


def _move(
    into: Any, column: int, key: str, row: _Row, stack: list[tuple[int, Any]]
) -> tuple[Any, int]:
    """Leave and open collections until there is the one that a row belongs to."""
    here, dashes = len(row[0]), row[1]
    inner: Any = None
    if key:
        if here > column or (here == column and dashes and type(into) is dict):
            inner = [] if dashes else {}
            stack.append((column, into))
        into[key] = inner
        into, column = (into, column) if inner is None else (inner, here)
    while here < column or (here == column and not dashes and type(into) is list):
        column, into = stack.pop()
    if here > column or (dashes and type(into) is dict) or len(stack) > DEEPEST:
        _decline()
    for left in range(len(dashes) // 2 - 1, -1 if row[2] else 0, -1):
        inner = [] if left else {}
        into.append(inner)
        stack.append((column, into))
        into, column = inner, column + 2
    return into, column


def _read_value(rest: str, text: str, at: int, column: int) -> tuple[Any, int]:
    """Read a value that begins in the row before a number; also returns the row behind it."""
    if rest in _LITERALS:
        return _read_literal(text, at, column, _LITERALS[rest])
    value = _read_flow(rest) if rest[:1] in ("[", "{") else _read_scalar(rest)
    return (value, at) if value is not _DECLINED else _decline()


def _read_literal(text: str, at: int, column: int, ending: str) -> tuple[str, int]:
    """Read the literal block that begins in a row; returns the row behind it."""
    lines = text.split("\n")[at:-1]
    blank = next((count for count, line in enumerate(lines) if line), len(lines))
    depth = len(lines[blank]) - len(lines[blank].lstrip(" ")) if blank < len(lines) else 0
    # Blanks alone, or nothing at all, are for other readers.
    if depth <= column or depth == len(lines[blank]):
        _decline()
    ends = (count for count, line in enumerate(lines) if line[:depth].strip(" "))
    count = next(ends, len(lines))
    kept = "\n".join(line[depth:] for line in lines[:count])
    return kept.rstrip("\n") + ending, at + count


@lru_cache(maxsize=4096)
def _read_key(text: str) -> str:
    read = read_plain(text)
    if type(read.value) is not str or read.older or read.problem:
        _decline()
    return intern(text)


@lru_cache(maxsize=4096)
def _read_scalar(text: str) -> Any:
    """Read a scalar that fills the rest of a line, but for a comment."""
    if text[:1] in ("'", '"'):
        quoted = _QUOTED.fullmatch(text)
        return quoted[quoted.lastindex or 1] if quoted else _DECLINED
    if not text or text[0] in _INDICATORS or text[:3] in ("---", "..."):
        return _DECLINED
    text = text.partition(" #")[0].rstrip(" ")
    if text[-1] == ":" or ": " in text or text == "-" or text.startswith("- "):
        return _DECLINED
    read = read_plain(text)
    return _DECLINED if read.problem or read.older else read.value


def _read_flow(text: str) -> Any:
    """Read a list or mapping of scalars that fills the rest of a line."""
    is_list = text[0] == "["
    inner = text[1:-1].strip(" ")
    if text[-1] != ("]" if is_list else "}") or inner[-1:] == ",":
        return _DECLINED
    keys: list[str] = []
    items: list[Any] = []
    at = 0
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None or (item[1] is None) is not is_list:
            return _DECLINED
        items.append(_read_scalar(item[2]))
        keys.append("" if is_list else _read_key(item[1]))
        at = item.end()
    if _DECLINED in items:
        return _DECLINED
    if is_list:
        return items
    made = dict(zip(keys, items, strict=True))
    return made if len(made) == len(keys) else _DECLINED


def _decline() -> NoReturn:
    raise _DeclineError
