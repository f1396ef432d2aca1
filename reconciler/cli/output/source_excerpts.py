"""The lines that diagnostics are about, read again for whoever looks at a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.secrets.hints import hints_for
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.report.text.code_frames import CodeFrames
from reconciler.specs.source.fileaccess import STDIN, ReadBoundary, ReadFailure
from reconciler.specs.source.source_text import SourceText, decode

if TYPE_CHECKING:
    from reconciler.errors import Where


def terminal_excerpts(rules: RedactionRules) -> CodeFrames | None:
    """Excerpts for a terminal; a log may be read by many who cannot read the specs."""
    if not sys.stdout.isatty():
        return None
    # Only here: it loads every kind of archive.
    import shutil

    width = shutil.get_terminal_size((100, 24)).columns
    return CodeFrames(line_of=SourceLines(rules).of, width=width)


class SourceLines:
    """Lines of files that can be opened from the working directory, one file kept at a time.

    None of them is about a secret, as far as anybody can tell.
    """

    def __init__(self, rules: RedactionRules = BUILT_IN) -> None:
        self._rules = rules
        self._file = ""
        self._lines: list[str] = []

    def of(self, where: Where) -> str | None:
        """The line that a place begins in; None if it is gone, is no line, or may be private."""
        if where.file != self._file:
            # Diagnostics come sorted by file, so that each file is read once.
            self._file, self._lines = where.file, _read_lines(where.file)
        if where.line > len(self._lines) or self._is_private(where.line - 1):
            return None
        return self._lines[where.line - 1]

    def _is_private(self, index: int) -> bool:
        """Whether the line, or one that it stands below, is about a secret or something encoded."""
        may_hold_secret = hints_for(self._rules.hints).may_hold_secret
        # Upwards through ever smaller indents: the keys that the line stands below. The file may
        # not even be YAML, so there is no tree to ask.
        depth = sys.maxsize
        for line in reversed(self._lines[: index + 1]):
            indent = len(line) - len(line.lstrip())
            if line.strip() and indent < depth:
                depth = indent
                if may_hold_secret(line) or "base64" in line.lower():
                    return True
            if not depth:
                break
        return False


def _read_lines(file: str) -> list[str]:
    data = None if file == STDIN else ReadBoundary.around(Path(file).parent).read(file)
    if data is None or isinstance(data, ReadFailure):
        return []
    source = decode(data, file)
    # As positions are counted: only a line feed ends a line.
    return source.text.replace("\r\n", "\n").split("\n") if isinstance(source, SourceText) else []
