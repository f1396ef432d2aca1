"""The few forms of Markdown that generated pages are made of."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 88


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; a `|` in a cell stays one."""
    # Cells are not padded: one longer entry would change every line of the table.
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def span(text: str) -> str:
    """A text as code, or nothing."""
    return f"`{text}`" if text else ""


def escape(text: str) -> str:
    """Text as Markdown shows it: without tags or emphasis that nobody meant; code spans stay."""
    parts = text.split("`")
    for at in range(0, len(parts), 2):
        parts[at] = html.escape(parts[at], quote=False).replace("*", "\\*")
    return "`".join(parts)


def fill(text: str) -> str:
    """A paragraph in lines of a width."""
    return textwrap.fill(
        " ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False
    )
