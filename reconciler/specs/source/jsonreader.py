"""JSON text to trees with positions, by the grammar of RFC 8259.

Python's own parser has no positions, and takes NaN, second keys and halves of surrogate pairs.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.rules.codes import MOST_DIAGNOSTICS, make_diagnostic, too_many_diagnostics
from reconciler.specs.source.nodes import MAX_DEPTH, MAX_VALUES, Entry, Node, ParsedDocument
from reconciler.specs.source.quoting import quote
from reconciler.specs.source.scalars import read_float, read_integer
from reconciler.specs.source.source_text import SourceText

# Not `\s`: that takes the spaces of every script.
_BLANKS = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[-+]?[A-Za-z]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS = {"true": True, "false": False, "null": None}
_NOT_NUMBERS = {"NaN", "Infinity", "-Infinity"}


class _NotJsonError(Exception):
    """The text stops being JSON; a diagnostic has been noted."""


def read_json(source: SourceText, diagnostics: list[Diagnostic]) -> list[ParsedDocument]:
    """Read a text that is one JSON document; what is wrong is added to `diagnostics`."""
    if not source.text.strip():
        return []
    reader = _Reader(source, diagnostics)
    try:
        root = reader.document()
    except _NotJsonError:
        return []
    return [ParsedDocument(start=0, end=len(source.text), root=root)]


class _Reader:
    """Recursive descent; the depth is bounded long before Python's own limit."""

    def __init__(self, source: SourceText, diagnostics: list[Diagnostic]) -> None:
        self.source = source
        self.text = source.text
        self.diagnostics = diagnostics
        self.values = 0

    def document(self) -> Node:
        node = self.value(self.skip(0), 0)
        end = self.skip(node.end)
        if end < len(self.text):
            self.stop(end, "text after the end of the document")
        return node

    def skip(self, at: int) -> int:
        blanks = _BLANKS.match(self.text, at)
        return blanks.end() if blanks else at

    def value(self, at: int, depth: int) -> Node:
        self.values += 1
        if self.values > MAX_VALUES:
            self.say("too-big", f"the document has more than {MAX_VALUES:,} values", at, at + 1)
            raise _NotJsonError
        opening = self.text[at : at + 1]
        if opening == "{":
            return self.object(at, depth + 1)
        if opening == "[":
            return self.array(at, depth + 1)
        if opening == '"':
            return self.string(at)
        return self.number(at) or self.word(at)

    def object(self, at: int, depth: int) -> Node:
        self.check_depth(at, depth)
        entries: dict[str, Entry] = {}
        cursor = self.skip(at + 1)
        if self.text.startswith("}", cursor):
            return Node(self.source, at, cursor + 1, entries)
        while True:
            key = self.key(cursor)
            colon = self.expect(key.end, ":", "':' after a key")
            node = self.value(self.skip(colon), depth)
            self.enter(entries, key, node)
            cursor = self.skip(node.end)
            if self.text.startswith("}", cursor):
                return Node(self.source, at, cursor + 1, entries)
            cursor = self.skip(self.expect(cursor, ",", "',' or '}'"))

    def array(self, at: int, depth: int) -> Node:
        self.check_depth(at, depth)
        items: list[Node] = []
        cursor = self.skip(at + 1)
        if self.text.startswith("]", cursor):
            return Node(self.source, at, cursor + 1, items)
        while True:
            items.append(self.value(cursor, depth))
            cursor = self.skip(items[-1].end)
            if self.text.startswith("]", cursor):
                return Node(self.source, at, cursor + 1, items)
            cursor = self.skip(self.expect(cursor, ",", "',' or ']'"))

    def key(self, at: int) -> Node:
        if not self.text.startswith('"', at):
            self.stop(at, "expected a key in double quotes")
        return self.string(at)

    def enter(self, entries: dict[str, Entry], key: Node, value: Node) -> None:
        if key.value not in entries:
            entries[key.value] = (key, value)
            return
        first = entries[key.value][0].where
        place = f"in line {first.line}, column {first.column}"
        message = f"the key '{quote(key.value)}' is already given {place}"
        self.say("duplicate-key", message, key.start, key.end, hint="keep one of them")

    def string(self, at: int) -> Node:
        token = _STRING.match(self.text, at)
        if token is None:
            self.stop(at, "a string that does not end, or holds a control character")
        text = token.group()
        value: Any = text[1:-1]
        if "\\" in text:
            # The escapes of one string are all that is left for Python's parser to know.
            try:
                value = json.loads(text)
            except json.JSONDecodeError as error:
                self.stop(at + error.pos, "an escape that JSON does not have")
        # Python joins a pair of escapes to one character, so what is still here is half of one.
        if _SURROGATE.search(value):
            self.say("lone-surrogate", "half of a surrogate pair is not text", at, token.end())
            value = ""
        return Node(self.source, at, token.end(), value)

    def number(self, at: int) -> Node | None:
        token = _NUMBER.match(self.text, at)
        if token is None:
            return None
        text = token.group()
        is_whole = token.group(1) is None and token.group(2) is None
        value, mistake = read_integer(text, 10) if is_whole else read_float(text)
        if mistake:
            self.say("unsupported-number", f"{text[:40]} {mistake}", at, token.end())
        return Node(self.source, at, token.end(), value)

    def word(self, at: int) -> Node:
        token = _WORD.match(self.text, at)
        text = token.group() if token else ""
        end = at + len(text)
        if text in _NOT_NUMBERS:
            self.say("unsupported-number", f"{text} is not a number that JSON can hold", at, end)
            return Node(self.source, at, end, 0)
        if text not in _LITERALS:
            self.stop(at, "expected a value" if at < len(self.text) else "the text ends too early")
        return Node(self.source, at, end, _LITERALS[text])

    def expect(self, at: int, character: str, expected: str) -> int:
        at = self.skip(at)
        if not self.text.startswith(character, at):
            self.stop(at, f"expected {expected}")
        return at + 1

    def check_depth(self, at: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.say("too-deep", f"nested more than {MAX_DEPTH} levels deep", at, at + 1)
            raise _NotJsonError

    def stop(self, at: int, mistake: str) -> NoReturn:
        self.say("json-syntax", f"not JSON: {mistake}", at, at + 1)
        raise _NotJsonError

    def say(self, code: str, message: str, start: int, end: int, hint: str = "") -> None:
        where, note = self.source.where(start, end), self.source.decoded_place(start)
        if len(self.diagnostics) >= MOST_DIAGNOSTICS:
            self.diagnostics.append(too_many_diagnostics(where))
            raise _NotJsonError
        self.diagnostics.append(make_diagnostic(code, message + note, where, hint=hint))
