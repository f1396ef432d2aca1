"""The first fast reader: YAML as most specs are written, taken line by line.

It knows block mappings and lists, scalars on one line, literal blocks, flow collections on one
line, and aliases of blocks; it declines everything else. `readers` says when it is used and why no
library does this part.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern
from typing import Any, NoReturn

from reconciler.specs.source.documents import Document
from reconciler.specs.source.scalars import read_plain
from reconciler.specs.source.source_text import SourceText

# Within these, no bound of the careful reader can be exceeded.
LONGEST = 100_000
DEEPEST, DEEPEST_FLOW = 50, 20
# Most lines of a repository stand in it many times.
_CACHED_LINES = 2048

# YAML itself takes no key of more than 1,024 characters on one line.
_KEY = r"[A-Za-z_][A-Za-z0-9_./-]{0,200}"
# What is text beyond doubt: in quotes, or a word that begins like no number, boolean or null, or
# with letters and longer than any of these.
_CHARACTER = r"[A-Za-z0-9_./-]"
_TEXT = (
    rf'"([^"\\]+)"|((?:[a-eg-mp-su-xzA-EG-MP-SU-XZ/_]|[A-Za-z]{{6}})'
    rf"{_CHARACTER}*(?::{_CHARACTER}+)*)"
)
_WORD = re.compile(rf"(?:{_TEXT})\Z")
_HEAD = re.compile(rf"( *)((?:- ){{0,4}})({_KEY})")
_ROW = re.compile(rf"( *)((?:- ){{0,4}})(?:({_KEY}):(?: +|\Z))?(?:(?:{_TEXT})\Z|(.*))")
_PRINTABLE = bytes([10, *range(32, 127)])
_QUOTED = re.compile(r"""(?:"([^"\\]*)"|'([^']*)') *(?: #.*)?""")
# As commands are written most often.
_QUOTED_LIST = re.compile(r'\["[^"\\]*"(?:, "[^"\\]*")*\]')
_FLOW_KEY = re.compile(rf"({_KEY}): +")
_FLOW_SCALAR = re.compile(
    r"""
    "[^"\\]*" | '[^']*' |
    -{0,2}[A-Za-z0-9_./] [A-Za-z0-9_./=+-]* (?: : [A-Za-z0-9_./=+-]+ )*
    """,
    re.VERBOSE,
)
# What stands in front of the first item, and behind each: a comma, or the bracket as a group.
_IN_LIST = re.compile(r" *(\]?)").match, re.compile(r" *(?:, *|(\]))").match
_IN_MAP = re.compile(r" *(\}?)").match, re.compile(r" *(?:, *|(\}))").match
# What begins a plain scalar only under conditions, or not at all.
_INDICATORS = frozenset("?:,[]{}#&*!|>'\"%@` ")
# Other headers (`|+`, `|2`, `>`) are rare, and not worth the lines that they would take here.
_LITERALS = {"|": "\n", "|-": ""}
_DECLINED: Any = object()
_MARK = re.compile(r"[&*]([A-Za-z0-9_-]{1,40})")

# What a line holds: a value, a collection in brackets, the beginning of a literal block (then its
# value is what ends the block), the anchor of what is below it or an alias (their value is the
# name), a key whose value is below it, nothing, or something for others.
_SCALAR, _FLOW, _LITERAL, _ANCHOR, _ALIAS, _OPEN, _BLANK, _STRANGE = range(8)

# A line taken apart: its kind, its value, the column it begins in, its dashes, its key.
_Row = tuple[int, Any, int, str, str]
_STRANGE_ROW: _Row = (_STRANGE, None, 0, "", "")
_BLANK_ROW: _Row = (_BLANK, None, -1, "", "")
# Further left than any line, so that every collection ends in front of it.
_END_ROW: _Row = (_STRANGE, None, -1, "", "")


class _DeclineError(Exception):
    """The text holds something that another reader has to judge."""


def read_lines(source: SourceText) -> Document | None:
    """Return the only document of a text; None for any doubt."""
    text = source.text
    if len(text) > LONGEST or text[-1:] != "\n" or not is_printable(text):
        return None
    lines = text.split("\n")
    del lines[-1]
    rows = [*map(_read_row, lines), _END_ROW]
    # Above the content stand blank lines, comments, and one `---` at most.
    first, is_open = 0, False
    while rows[first][0] == _BLANK or (lines[first : first + 1] == ["---"] and not is_open):
        is_open = is_open or rows[first][0] != _BLANK
        first += 1
    try:
        if "&" in text and any(row[0] in (_ANCHOR, _ALIAS) for row in rows):
            rows, lines = _write_out(rows, lines)
        value, after = _read_map(rows, lines, first, 0)
    except _DeclineError:
        return None
    below = lines[after:]
    is_all = not below or all(row[0] == _BLANK for row in rows[after:-1])
    # A comment behind the last value would not be part of the document.
    if not (is_all and value) or "#" in lines[after - 1]:
        return None
    start = sum(map(len, lines[:first])) + first + rows[first][2]
    end = len(text) - 1 - sum(map(len, below)) - len(below)
    return Document(source, 0, len(text), start, end, value)


def is_printable(text: str) -> bool:
    """Whether a text has neither control characters and tabs nor foreign line breaks."""
    # To take out of bytes what may be there is four times as fast.
    if text.isascii():
        return not text.encode().translate(None, _PRINTABLE)
    return text.replace("\n", "").isprintable()


def _write_out(rows: list[_Row], lines: list[str]) -> tuple[list[_Row], list[str]]:
    """Replace each alias by the block that it repeats; rows and lines stay pairs.

    What is repeated counts as if it stood in the text, so that no bound is exceeded by it either.
    """
    pairs: list[tuple[_Row, str]] = []
    anchors: dict[str, int] = {}
    length = sum(map(len, lines))
    for at, line in enumerate([*lines, ""]):
        kind, value, indent, dashes, key = rows[at]
        # A literal block may hold a line that looks like an alias.
        if kind == _LITERAL:
            _decline()
        if kind not in (_ANCHOR, _ALIAS):
            pairs.append((rows[at], line))
            continue
        below, column = at + 1, indent + len(dashes)
        while rows[below][0] == _BLANK:
            below += 1
        ending, _, deeper, inner, _ = rows[below]
        has_content = deeper > column or (deeper == column and inner != "")
        # Where a document ends that an alias ends is for the careful reader to say.
        if not key or ending == _STRANGE or has_content != (kind == _ANCHOR):
            _decline()
        pairs.append(((_OPEN, None, indent, dashes, key), line))
        if kind == _ANCHOR:
            # Given again within its own block, what it means is for the careful reader to say.
            if value in anchors:
                _repeat(pairs, anchors[value], 0)
            anchors[value] = len(pairs)
        else:
            repeated = _repeat(pairs, anchors.get(value, len(pairs)), column + 2)
            length += sum(len(again) + 1 for _, again in repeated)
            if length > LONGEST:
                _decline()
            pairs += repeated
    return [row for row, _ in pairs], [line for _, line in pairs[:-1]]


def _repeat(pairs: list[tuple[_Row, str]], start: int, indent: int) -> list[tuple[_Row, str]]:
    """The lines of a block that ended before the last of all, indented anew."""
    repeated: list[tuple[_Row, str]] = []
    base, is_list = -1, False
    for at in range(start, len(pairs)):
        (kind, value, column, dashes, key), line = pairs[at]
        if kind != _BLANK:
            if base < 0:
                base, is_list = column, dashes != ""
            # What ends a list may be a key as far left as its dashes.
            if column < base or (is_list and column == base and not dashes):
                return repeated
            column += indent - base
        repeated.append(((kind, value, column, dashes, key), line))
    # There is no such anchor, or the alias is within it.
    return _decline()


def _read_map(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    """Read the mapping that begins in a line; also returns the line behind it."""
    entries: dict[str, Any] = {}
    column, after = rows[at][2], at
    while True:
        kind, value, indent, dashes, key = rows[at]
        if indent == column and not dashes:
            at += 1
            if kind == _OPEN:
                below = at
                while rows[below][0] == _BLANK:
                    below += 1
                # A list may stand as far left as the key that it belongs to.
                indent = rows[below][2]
                if indent > column or (indent == column and rows[below][3]):
                    value, at = _read_collection(rows, lines, below, depth)
            elif kind != _SCALAR:
                value, at = _read_value(kind, value, lines, at, column)
            if key in entries:
                _decline()
            entries[key] = value
            after = at
        elif kind == _BLANK:
            at += 1
        else:
            return (entries, after) if indent < column else _decline()


def _read_list(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    """Read the list that begins in a line; also returns the line behind it."""
    items: list[Any] = []
    column, after = rows[at][2], at
    while True:
        kind, value, indent, dashes, key = rows[at]
        if indent == column and dashes:
            inner = dashes[2:]
            if key and not inner and kind == _SCALAR:
                value, at = _read_item(rows, lines, at, depth)
            elif inner or key:
                # What stands behind a dash is as a line of its own, further in.
                rows[at] = kind, value, column + 2, inner, key
                value, at = _read_collection(rows, lines, at, depth)
            else:
                at += 1
                if kind != _SCALAR:
                    value, at = _read_value(kind, value, lines, at, column)
            items.append(value)
            after = at
        elif kind == _BLANK:
            at += 1
        else:
            return (items, after) if indent <= column else _decline()


def _read_item(rows: list[_Row], lines: list[str], first: int, depth: int) -> tuple[Any, int]:
    """Read an item that is a mapping; most of them, such as variables, hold scalars alone."""
    kind, value, column, _, key = rows[first]
    if depth == DEEPEST:
        _decline()
    entries: dict[str, Any] = {}
    indent, dashes, at = column + 2, "", first
    while kind == _SCALAR and indent == column + 2 and not dashes and key not in entries:
        entries[key] = value
        at += 1
        kind, value, indent, dashes, key = rows[at]
    if indent <= column and kind != _BLANK:
        return entries, at
    kind, value, _, _, key = rows[first]
    rows[first] = kind, value, column + 2, "", key
    return _read_collection(rows, lines, first, depth)


def _read_collection(rows: list[_Row], lines: list[str], at: int, depth: int) -> tuple[Any, int]:
    if depth == DEEPEST:
        _decline()
    return (_read_list if rows[at][3] else _read_map)(rows, lines, at, depth + 1)


@lru_cache(maxsize=_CACHED_LINES)
def _read_row(line: str) -> _Row:
    """Take a line apart; one that cannot be may still belong to a literal block."""
    start, colon, text = line.partition(": ")
    if colon and (head := _read_head(start)) and (written := _WORD.match(text)):
        column, dashes, key = head
        return _SCALAR, written[written.lastindex or 0], column, dashes, key
    row = _ROW.match(line)
    if row is None:
        return _STRANGE_ROW
    indent, dashes, key, quoted, word, remainder = row.groups("")
    kind = _SCALAR
    value: Any = quoted or word
    if not value:
        if not remainder or remainder[0] == "#":
            kind, value = (_OPEN if key else _BLANK), None
        elif remainder in _LITERALS:
            kind, value = _LITERAL, _LITERALS[remainder]
        elif remainder[0] in "[{":
            kind, value = _FLOW, remainder
        elif mark := _MARK.fullmatch(remainder):
            kind, value = (_ANCHOR if remainder[0] == "&" else _ALIAS), mark[1]
        else:
            value = _read_scalar(remainder)
            kind = _STRANGE if value is _DECLINED else _SCALAR
    if kind == _BLANK and not (key or dashes):
        return _BLANK_ROW
    if kind > _OPEN or not (key or dashes) or (key and not _is_text(key)):
        return _STRANGE_ROW
    return kind, value, len(indent), dashes, intern(key)


# A line is often a new one only by its value.
@lru_cache(maxsize=_CACHED_LINES)
def _read_head(text: str) -> tuple[int, str, str] | None:
    """The column, the dashes and the key that a line begins with."""
    head = _HEAD.fullmatch(text)
    if head is None or not _is_text(head[3]):
        return None
    return len(head[1]), head[2], intern(head[3])


@lru_cache(maxsize=_CACHED_LINES)
def _is_text(key: str) -> bool:
    scalar = read_plain(key)
    return type(scalar.value) is str and not scalar.yaml11 and not scalar.unusable


def _read_value(kind: int, written: Any, lines: list[str], at: int, column: int) -> tuple[Any, int]:
    """Read a value that is more than a scalar; also returns the line behind it."""
    if kind == _LITERAL:
        return _read_literal(lines, at, column, written)
    # A collection is made anew each time: two that are written alike are not the same.
    return (_read_flow(written), at) if kind == _FLOW else _decline()


def _read_literal(lines: list[str], at: int, column: int, ending: str) -> tuple[str, int]:
    """Read the literal block that begins in a line; returns the line behind it."""
    below = lines[at:]
    blank = next((count for count, line in enumerate(below) if line), len(below))
    depth = len(below[blank]) - len(below[blank].lstrip(" ")) if blank < len(below) else 0
    # Blanks alone, or nothing at all, are for other readers.
    if depth <= column or depth == len(below[blank]):
        _decline()
    # The block ends in front of the first line that is indented less than its own first one.
    ends = (count for count, line in enumerate(below) if line[:depth].strip(" "))
    count = next(ends, len(below))
    block = "\n".join(line[depth:] for line in below[:count])
    return block.rstrip("\n") + ending, at + count


def _read_scalar(text: str) -> Any:
    """Read a scalar that fills the remainder of a line, but for a comment."""
    if text[:1] in ("'", '"'):
        quoted = _QUOTED.fullmatch(text)
        return quoted[quoted.lastindex or 1] if quoted else _DECLINED
    if not text or text[0] in _INDICATORS or text[:3] in ("---", "..."):
        return _DECLINED
    text = text.partition(" #")[0].rstrip(" ")
    if text[-1] == ":" or ": " in text or text == "-" or text.startswith("- "):
        return _DECLINED
    scalar = read_plain(text)
    return _DECLINED if scalar.unusable or scalar.yaml11 else scalar.value


def _read_flow(text: str) -> Any:
    """Read a collection in brackets that fills the remainder of a line."""
    if _QUOTED_LIST.fullmatch(text):
        return text[2:-2].split('", "')
    value, end = _read_brackets(text, 0, 1)
    return value if end == len(text) else _decline()


def _read_brackets(text: str, at: int, depth: int) -> tuple[Any, int]:
    """Read the collection whose bracket opens here; also returns the offset behind it."""
    if depth > DEEPEST_FLOW:
        _decline()
    is_list = text[at] == "["
    items: list[Any] = []
    entries: dict[str, Any] = {}
    begin, separate = _IN_LIST if is_list else _IN_MAP
    separator = begin(text, at + 1)
    while separator and not separator[1]:
        at = separator.end()
        key = None if is_list else _FLOW_KEY.match(text, at)
        at = key.end() if key else at
        if text[at : at + 1] in ("[", "{"):
            value, at = _read_brackets(text, at, depth + 1)
        else:
            scalar = _FLOW_SCALAR.match(text, at)
            value = _read_scalar(scalar[0]) if scalar else _DECLINED
            at = scalar.end() if scalar else at
        if value is _DECLINED:
            _decline()
        if is_list:
            items.append(value)
        elif key and key[1] not in entries and _is_text(key[1]):
            entries[intern(key[1])] = value
        else:
            _decline()
        separator = separate(text, at)
    if separator is None:
        _decline()
    return items if is_list else entries, separator.end()


def _decline() -> NoReturn:
    raise _DeclineError
