"""The lines that findings are about, read again for whoever looks at a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.console import Console
    from reconciler.errors import Where
    from reconciler.report.excerpts import Excerpts


def wanted_excerpts(console: Console) -> Excerpts | None:
    """Excerpts for a terminal and for --verbose; elsewhere a finding is what programs expect."""
    if not (console.verbose or sys.stdout.isatty()):
        return None
    import shutil

    from reconciler.report.excerpts import Excerpts

    return Excerpts(line_of=Lines().of, width=shutil.get_terminal_size((100, 24)).columns)


class Lines:
    """Lines of files that can be opened from the working directory, one file kept at a time."""

    def __init__(self) -> None:
        self._file = ""
        self._lines: list[str] = []

    def of(self, where: Where) -> str | None:
        """The line that a place begins in; None if it is gone, or never was one."""
        if where.file != self._file:
            self._file, self._lines = where.file, _read(where.file)
        return self._lines[where.line - 1] if where.line <= len(self._lines) else None


def _read(file: str) -> list[str]:
    from reconciler.specs.fileaccess import STDIN, Trouble, read_bytes
    from reconciler.specs.pages import Page, decode

    data = None if file == STDIN else read_bytes(Path(file))
    if data is None or isinstance(data, Trouble):
        return []
    page = decode(data, file)
    # As positions are counted: only a line feed ends a line.
    return page.text.replace("\r\n", "\n").split("\n") if isinstance(page, Page) else []
