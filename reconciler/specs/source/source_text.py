"""Text with the name of its file: decoding, and character offsets as lines and columns."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from functools import lru_cache
from typing import Literal, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.specs.rules.codes import make_diagnostic

Notation = Literal["yaml", "json"]

# Up to here, counting lines is quicker than making a list of them.
_NEAR = 4096

# The marks of UTF-32 come first: that of its little-endian form begins with UTF-16's.
_ENCRYPTED = b"\0GITCRYPT\0"
_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class SourceText(NamedTuple):
    """A text and where it stands; `decoded_from` is the field that a decoded text was taken from.

    Offsets count characters, and only a line feed ends a line, as in an editor.
    """

    file: str
    text: str
    notation: Notation = "yaml"
    decoded_from: Where | None = None

    def where(self, start: int, end: int) -> Where:
        """Turn a range of characters into a place, without the blanks that end it."""
        if self.decoded_from is not None:
            return self.decoded_from
        end = max(start, start + len(self.text[start:end].rstrip()))
        line, column = self.position(start)
        end_line, end_column = self.position(end)
        return Where(
            file=self.file, line=line, column=column, end_line=end_line, end_column=end_column
        )

    def decoded_place(self, start: int) -> str:
        """Say where in a decoded text an offset is, since no file shows that line."""
        if self.decoded_from is None:
            return ""
        line, column = self.position(start)
        return f" (line {line}, column {column} of the decoded text)"

    def position(self, offset: int) -> tuple[int, int]:
        """Turn an offset into a line and a column, both from 1."""
        if offset < _NEAR:
            line_start = self.text.rfind("\n", 0, offset) + 1
            return self.text.count("\n", 0, offset) + 1, offset - line_start + 1
        starts = _line_starts(self.text)
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1


# A few texts at a time have diagnostics, and each of theirs asks for the same list.
@lru_cache(maxsize=4)
def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def decode(data: bytes, file: str, decoded_from: Where | None = None) -> SourceText | Diagnostic:
    """Read bytes as UTF-8, with or without a byte order mark; a diagnostic if they are not."""
    start = decoded_from or Where(file=file)
    if data.startswith(_ENCRYPTED):
        message = "the file is encrypted by git-crypt"
        return make_diagnostic("not-text", message, start, hint="unlock it first: git-crypt unlock")
    for mark, name in _FOREIGN_MARKS:
        if data.startswith(mark):
            return _not_text(f"is {name} text", start)
    try:
        # Not as `utf-8-sig`, which is not written in C, and forgets the mark where it counts bytes.
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = SourceText(file=file, text=data[: error.start].decode("utf-8-sig"))
        end = len(before.text)
        return _not_text("is not UTF-8 text", decoded_from or before.where(end, end))
    if "\0" in text:
        # In UTF-16, every second byte of an ASCII text is a NUL.
        if "\0" in text[:2] and len(text) > 1:
            return _not_text("looks like UTF-16 text without a byte order mark", start)
        # Nobody types a NUL; binary files are full of them.
        source = SourceText(file=file, text=text)
        offset = text.index("\0")
        return _not_text("holds a NUL character", decoded_from or source.where(offset, offset))
    notation: Notation = "json" if file.endswith(".json") and decoded_from is None else "yaml"
    return SourceText(file=file, text=text, notation=notation, decoded_from=decoded_from)


def _not_text(predicate: str, where: Where) -> Diagnostic:
    return make_diagnostic("not-text", f"the file {predicate}", where, hint="save it as UTF-8")
