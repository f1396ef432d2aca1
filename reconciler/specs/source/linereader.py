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

from reconciler.specs.source.scalars import read_plain

# Within these, no bound of the careful reader can be exceeded.
LONGEST = 100_000
DEEPEST = 50
# Most lines of a repository stand in it many times.
_REMEMBERED = 8192

_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,200}"
# What is text beyond doubt: in quotes, or a word that begins like no number, boolean or null.
_TEXT = r'"([^"\\]+)"|([a-eg-mp-su-xzA-EG-MP-SU-XZ/_][A-Za-z0-9_./-]*)'
_ROW = re.compile(rf"( *)((?:- ){{0,4}})(?:({_KEY}):(?: +|\Z))?(?:(?:{_TEXT})\Z|(.*))")
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)') *(?: #.*)?""")
_ITEM = re.compile(
    rf"""(?:({_KEY}): +)?("[^"\\]*"|'[^']*'|-{{0,2}}[A-Za-z0-9_./][A-Za-z0-9_./=+-]*)(?:, *|$)"""
)
# What begins a plain scalar only under conditions, or not at all.
_INDICATORS = frozenset("?:,[]{}#&*!|>'\"%@` ")
_LITERALS = {"|": "\n", "|-": ""}
_DECLINED: Any = object()

# What a line holds: a value, a collection in brackets, the beginning of a literal block (then its
# value is what ends the block), a key whose value is below it, nothing, or something for others.
_SCALAR, _FLOW, _LITERAL, _OPEN, _BLANK, _STRANGE = range(6)

# What it is, its value, the column it begins in, its dashes, its key.
_Row = tuple[int, Any, int, str, str]
_OTHER: _Row = (_STRANGE, None, 0, "", "")
_NOTHING: _Row = (_BLANK, None, -1, "", "")
_END: _Row = (_STRANGE, None, -1, "", "")


class _DeclineError(Exception):
    """Something here wants another reader."""


def read_lines(text: str) -> tuple[int, int, dict[str, Any]] | None:
    """Return where a text's only document begins and ends, and its value; None for any doubt."""
    # Neither control characters and tabs nor foreign line breaks are printable.
    if len(text) > LONGEST or text[-1:] != "\n" or not text.replace("\n", "").isprintable():
        return None
    lines = text.split("\n")
    del lines[-1]
    rows = [*map(_read_row, lines), _END]
    first = _count_head(rows, lines)
    try:
        value, after = _read_map(rows, lines, first, 0)
    except _DeclineError:
        return None
    is_all = all(row[0] == _BLANK for row in rows[after:-1])
    # A comment behind the last value would not be part of the document.
    if not (is_all and value) or "#" in lines[after - 1]:
        return None
    start = _start_of(text, first) + rows[first][2]
    return start, _end_of(text, len(lines) - after), value


def _count_head(rows: list[_Row], lines: list[str]) -> int:
    """Count the lines before the content: blank ones, comments, and one `---`."""
    opened = False
    for at, line in enumerate(lines):
        if rows[at][0] != _BLANK:
            if opened or line != "---":
                return at
            opened = True
    return len(lines)


def _start_of(text: str, lines: int) -> int:
    at = 0
    for _ in range(lines):
        at = text.index("\n", at) + 1
    return at


def _end_of(text: str, lines: int) -> int:
    at = len(text) - 1
    for _ in range(lines):
        at = text.rindex("\n", 0, at)
    return at


def _read_map(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    """Read the mapping that begins in a line; also returns the line behind it."""
    into: dict[str, Any] = {}
    column, after = rows[at][2], at
    while True:
        kind, value, here, dashes, key = rows[at]
        if here == column and not dashes:
            at += 1
            if kind == _OPEN:
                value, at = _read_below(rows, lines, at, column, depth)
            elif kind != _SCALAR:
                value, at = _read_value(kind, value, lines, at, column)
            if key in into:
                _decline()
            into[key] = value
            after = at
        elif kind == _BLANK:
            at += 1
        else:
            return (into, after) if here < column else _decline()


def _read_list(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    """Read the list that begins in a line; also returns the line behind it."""
    into: list[Any] = []
    column, after = rows[at][2], at
    while True:
        kind, value, here, dashes, key = rows[at]
        if here == column and dashes:
            inner = dashes[2:]
            if inner or key:
                # What stands behind a dash is as a line of its own, further in.
                rows[at] = kind, value, column + 2, inner, key
                value, at = _read_collection(rows, lines, at, depth)
            else:
                at += 1
                if kind != _SCALAR:
                    value, at = _read_value(kind, value, lines, at, column)
            into.append(value)
            after = at
        elif kind == _BLANK:
            at += 1
        else:
            return (into, after) if here <= column else _decline()


def _read_below(
    rows: list[_Row], lines: list[str], at: int, column: int, depth: int
) -> tuple[Any, int]:
    """Read what a key in a column has on the lines below it, if anything."""
    below = at
    while rows[below][0] == _BLANK:
        below += 1
    here = rows[below][2]
    if here > column or (here == column and rows[below][3]):
        return _read_collection(rows, lines, below, depth)
    return None, at


def _read_collection(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    if depth == DEEPEST:
        _decline()
    return (_read_list if rows[at][3] else _read_map)(rows, lines, at, depth + 1)


@lru_cache(maxsize=_REMEMBERED)
def _read_row(line: str) -> _Row:
    """Take a line apart; one that cannot be may still belong to a literal block."""
    row = _ROW.match(line)
    if row is None:
        return _OTHER
    indent, dashes, key, quoted, word, rest = row.groups("")
    value, kind = quoted or word, _SCALAR
    if not value:
        kind, value = _read_rest(rest, has_key=bool(key))
    if kind == _BLANK and not (key or dashes):
        return _NOTHING
    if kind > _OPEN or not (key or dashes) or (key and not _is_text(key)):
        return _OTHER
    return kind, value, len(indent), dashes, intern(key)


@lru_cache(maxsize=_REMEMBERED)
def _is_text(key: str) -> bool:
    read = read_plain(key)
    return type(read.value) is str and not read.older and not read.problem


def _read_rest(rest: str, *, has_key: bool) -> tuple[int, Any]:
    """Read what stands behind the key and dashes of a line, where it is no simple text."""
    if not rest or rest[0] == "#":
        return (_OPEN if has_key else _BLANK), None
    if rest in _LITERALS:
        return _LITERAL, _LITERALS[rest]
    if rest[0] in "[{":
        return _FLOW, rest
    value = _read_scalar(rest)
    return (_STRANGE if value is _DECLINED else _SCALAR), value


def _read_value(kind: int, given: Any, lines: list[str], at: int, column: int) -> tuple[Any, int]:
    """Read a value that is more than a scalar; also returns the line behind it."""
    if kind == _LITERAL:
        return _read_literal(lines, at, column, given)
    # A collection is made anew each time: two that are written alike are not the same.
    return (_read_flow(given), at) if kind == _FLOW else _decline()


def _read_literal(lines: list[str], at: int, column: int, ending: str) -> tuple[str, int]:
    """Read the literal block that begins in a line; returns the line behind it."""
    below = lines[at:]
    blank = next((count for count, line in enumerate(below) if line), len(below))
    depth = len(below[blank]) - len(below[blank].lstrip(" ")) if blank < len(below) else 0
    # Blanks alone, or nothing at all, are for other readers.
    if depth <= column or depth == len(below[blank]):
        _decline()
    ends = (count for count, line in enumerate(below) if line[:depth].strip(" "))
    count = next(ends, len(below))
    kept = "\n".join(line[depth:] for line in below[:count])
    return kept.rstrip("\n") + ending, at + count


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
        _decline()
    keys: list[str] = []
    items: list[Any] = []
    at = 0
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None or (item[1] is None) is not is_list:
            _decline()
        keys.append("" if is_list else intern(item[1]))
        items.append(_read_scalar(item[2]))
        at = item.end()
    if _DECLINED in items or not all(map(_is_text, filter(None, keys))):
        _decline()
    if is_list:
        return items
    made = dict(zip(keys, items, strict=True))
    return made if len(made) == len(keys) else _decline()


def _decline() -> NoReturn:
    raise _DeclineError
