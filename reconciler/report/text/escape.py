"""Makes texts of specs and servers harmless for a terminal or a log."""

from __future__ import annotations

import json
import re
import unicodedata

# Cc: escape sequences and line breaks; Cf: bidirectional overrides and invisible characters;
# Cs: halves of characters; Zl, Zp: line breaks that not every program sees.
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# What runners read as a command anywhere in a line of a log: `##[group]` (GitHub, Azure),
# `##vso[task.setvariable …]` (Azure), `##teamcity[…]`.
_BRACKETED = r"#(?=#\w*\[)"
# What GitHub reads as one at the beginning of a line, whatever blanks stand before it; and what
# begins, without blanks, a group of lines at Buildkite, under another name and perhaps folded.
# (GitLab's sections need an escape sequence, which is spelt out as such.)
_LEADING = r"(?m)^[^\S\n]*:(?=:)|^([-+~^])(?=\1\1 )"


def escape_terminal(text: str, *, keep: str = "") -> str:
    """The text with all spelt out that could move a cursor, reorder a line or command a runner."""
    # Nearly every cell, of which a table has hundreds of thousands: a name, or nothing at all.
    if not text or (
        text[0].isalnum() and "#" not in text and text.isascii() and text.isprintable()
    ):
        return text
    # Before anything else: these are made of printable ASCII, which the short way lets pass.
    text = re.sub(_BRACKETED, r"\\x23", text)
    text = re.sub(_LEADING, lambda match: match[0][:-1] + _spell(match[0][-1]), text)
    # Nearly every text; to ask for the category of each character takes six times as long.
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep or not _is_harmful(char) else _spell(char) for char in text)


def _is_harmful(char: str) -> bool:
    category = unicodedata.category(char)
    # A blank that is no space looks like one, and what is wrong with a key would not be seen.
    return category in _HARMFUL or (category == "Zs" and char != " ")


def escape_json(text: str) -> str:
    """JSON text with the same characters spelt out; its line breaks can only be layout."""
    text = re.sub(_BRACKETED, r"\\u0023", text)
    # json.dumps() has escaped all control characters of ASCII but DEL.
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        char if char == "\n" or not _is_harmful(char) else json.dumps(char)[1:-1] for char in text
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
