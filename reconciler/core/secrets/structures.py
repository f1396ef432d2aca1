"""Lists, objects and blocks of lines behind a secret's name, as JSON and YAML in a text have them.

A text is searched, and not parsed: it may be a template, a part of a script, or cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|\\{1,3}\"([^\"\\]*)\\{1,3}\"", re.DOTALL)
_MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")
_SIGN = re.compile(r"[\[\]{},:]")
_BARE = re.compile(r"(?:[^\s,\"'\[\]{}:]|:(?=[^\s,\"'\[\]{}:]))+")
_SPACE = re.compile(r"(?:\s|\\[nrt])*")
_COLON = re.compile(r"\s*:")
# The rest of a line behind which a block follows: `password: |`, `tokens:`.
_BLOCK = re.compile(r"([|>][+\d-]{0,2})?[ \t]*(?:#[^\n]*)?\r?\n")
_QUOTE = r"(?:\\{0,3}[\"'])?"
_PAIR = re.compile(
    rf"\b(?:name|key){_QUOTE}[ \t]{{0,9}}[:=][ \t]{{0,9}}{_QUOTE}([\w.-]{{1,99}}){_QUOTE}"
    rf"[\s,]{{1,99}}{_QUOTE}(value|default){_QUOTE}[ \t]{{0,9}}[:=][ \t]*",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:-[ \t]+)*")
_FIELD = re.compile(r"([\"']?)([\w.-]+)\1[ \t]*:(?:[ \t]+|$)")
# What an object under such a name says beside the secret itself.
_SHOWN_FIELDS = frozenset(
    {
        *("id", "item", "items", "key", "kind", "mode", "defaultmode", "name", "namespace"),
        *("optional", "path", "port", "type", "user", "username", "version"),
    }
)
_SHOWN_ENDS = ("class", "file", "host", "kind", "name", "path", "ref", "type")
# These are also names of groups of settings, of which few are secret and say so themselves.
_GROUPS = ("auth", "authorization", "cookie", "jwt", "oauth", "sas", "secret", "webhook")
_VALUES = frozenset({"content", "data", "value"})

Spans = list[tuple[int, int]]


def find_structure(
    text: str, name: str, start: int, at: int, *, everything: bool
) -> tuple[Spans, int] | None:
    """Where the values of a structure stand, and its end; None where none follows the name.

    `start` is where the name begins, `at` where its value does; `everything` hides each field.
    """

    def is_shown(field: str) -> bool:
        return not everything and is_shown_field(field, of=name)

    # A template's `{{ name }}` is no object.
    if text.startswith(("[", "{"), at) and not text.startswith("{{", at):
        return _find_in_flow(text, at, is_shown)
    block = _BLOCK.match(text, at)
    if not block or not begins_line(text, start):
        return None
    return _find_in_block(text, block, start - _line_start(text, start), is_shown)


def is_shown_field(field: str, *, of: str) -> bool:
    """Whether a field says something beside the secret in a structure `of` this name."""
    lower = field.lower()
    if of.lower().rstrip("s").endswith(_GROUPS):
        return lower not in _VALUES
    return lower in _SHOWN_FIELDS or lower.endswith(_SHOWN_ENDS)


def find_pairs(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each name and where its value stands, as in `name: HF_TOKEN` with `value: …` after it."""
    for pair in _PAIR.finditer(text):
        at = pair.end()
        if string := _STRING.match(text, at):
            yield pair[1], string.span(string.lastindex or 0)
        elif block := _BLOCK.match(text, at):
            field = pair.start(2)
            spans, _ = _find_in_block(text, block, field - _line_start(text, field), _shows_nothing)
            yield from ((pair[1], span) for span in spans)
        elif "\n" in pair[0] and not _MARK.match(text, at):
            yield pair[1], (at, end_of_line(text, at))
        elif (bare := _BARE.match(text, at)) and not _MARK.match(text, at):
            yield pair[1], bare.span()


def begins_line(text: str, start: int) -> bool:
    """Whether only blanks, or the dash of an item, stand before it in its line."""
    line_start = _line_start(text, start)
    return line_start >= 0 and not text[line_start:start].strip(" \t-")


def end_of_line(text: str, at: int) -> int:
    """Where the last word of a line ends, or the one before a comment."""
    end = text.find("\n", at)
    line = text[at : end if end >= 0 else len(text)]
    return at + len(line.partition(" #")[0].rstrip())


def _line_start(text: str, start: int) -> int:
    """Begin of the line; -1 in a line so long that no name begins it."""
    before = text.rfind("\n", max(0, start - 200), start)
    return before + 1 if before >= 0 or start < 200 else -1


def _shows_nothing(_: str) -> bool:
    return False


def _find_in_flow(
    text: str, at: int, is_shown: Callable[[str], bool], stop: int | None = None
) -> tuple[Spans, int]:
    stop = len(text) if stop is None else stop
    spans: Spans = []
    depth, is_public = 0, False
    while space := _SPACE.match(text, at, stop):
        at = space.end()
        string = _STRING.match(text, at, stop)
        part = (
            string
            or _MARK.match(text, at, stop)
            or _SIGN.match(text, at, stop)
            or _BARE.match(text, at, stop)
        )
        if not part:
            break
        at = part.end()
        if part.re is _SIGN:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(part[0], 0)
            if depth <= 0:
                break
        elif part.re is not _MARK and (colon := _COLON.match(text, at, stop)):
            is_public = is_shown(part[string.lastindex or 0] if string else part[0])
            at = colon.end()
        elif part.re is not _MARK and not is_public:
            spans.append(part.span(string.lastindex or 0) if string else part.span())
    return spans, at


def _find_in_block(
    text: str, block: re.Match[str], indent: int, is_shown: Callable[[str], bool]
) -> tuple[Spans, int]:
    lines = list(_lines_of_block(text, block.end(), indent, block[1] is not None))
    if not lines:
        return [], block.end()
    if block[1]:
        return [(lines[0][0], lines[-1][1])], lines[-1][1]
    spans: Spans = []
    for begin, end in lines:
        item = _ITEM.match(text, begin, end)
        start = item.end() if item else begin
        field = _FIELD.match(text, start, end)
        if field and is_shown(field[2]):
            continue
        at = field.end() if field else start
        string = _STRING.fullmatch(text, at, end)
        if text.startswith(("[", "{"), at):
            spans += _find_in_flow(text, at, is_shown, end)[0]
        elif at < end and not _MARK.match(text, at):
            spans.append(string.span(string.lastindex or 0) if string else (at, end))
    return spans, lines[-1][1]


def _lines_of_block(text: str, at: int, indent: int, scalar: bool) -> Iterator[tuple[int, int]]:
    """Begin and end of what stands in each line that is deeper than the name."""
    while at < len(text):
        end = text.find("\n", at)
        end = end if end >= 0 else len(text)
        content = text[at:end].strip()
        depth = len(text[at:end]) - len(text[at:end].lstrip())
        is_item = depth == indent and content.startswith("- ") and not scalar
        if content and depth <= indent and not is_item:
            return
        if content:
            yield at + depth, at + depth + len(content)
        at = end + 1
