"""What specs and servers say, made harmless for a terminal or a log."""

from __future__ import annotations

import json
import re
import unicodedata

# Cc: escape sequences and line breaks; Cf: bidirectional overrides and invisible characters;
# Cs: halves of characters; Zl, Zp: line breaks that not every program sees.
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# What GitHub's runner reads as a command in a log: `##[` anywhere, `::` in front.
_OLD_COMMAND = re.compile(r"#(?=#\[)")
_COMMAND = re.compile(r"\A(\s*):(?=:)")


def escape_terminal(text: str, *, keep: str = "") -> str:
    """The text with all spelt out that could move a cursor, reorder a line or command a runner."""
    text = _COMMAND.sub(r"\1\\x3a", _OLD_COMMAND.sub(r"\\x23", text))
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _HARMFUL else _spell(char)
        for char in text
    )


def escape_json(text: str) -> str:
    """JSON text with the same characters spelt out; its line breaks can only be layout."""
    text = _OLD_COMMAND.sub(r"\\u0023", text)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        char
        if char == "\n" or unicodedata.category(char) not in _HARMFUL
        else json.dumps(char)[1:-1]
        for char in text
    )


def _spell(char: str) -> str:
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def shorten(text: str, width: int = 72) -> str:
    """Cut the middle out of a long text, where the least is said."""
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]} … {text[len(text) - (width - 3 - head) :]}"
