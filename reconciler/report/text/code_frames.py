"""The line of a file that a diagnostic is about, with carets under the part that it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from reconciler.report.text.escape import escape_terminal
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.errors import Where

TAB = "    "
CUT = "…"
NARROWEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFrames:
    """Draws lines of files; `line_of` has None for one that cannot be had, `width` is in cells."""

    line_of: Callable[[Where], str | None]
    width: int

    def draw(self, where: Where) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """The line and below it the carets, each behind a margin; None where there is no line."""
        line = self.line_of(where)
        if line is None or not line.strip():
            return None
        start = min(where.column - 1, len(line))
        end = start + 1
        if where.end_line is not None and where.end_column is not None:
            # Of a part that goes on below, what is on its first line.
            last = where.end_column - 1 if where.end_line == where.line else len(line.rstrip())
            end = max(end, min(last, len(line)))
        number = str(where.line)
        room = max(NARROWEST, self.width - len(number) - 5)
        text, indent, carets = cut_around(line, start, end, room)
        below = f"  {' ' * len(number)} | {' ' * indent}"
        return (f"  {number} | ", text), (below, "^" * carets)


def cut_around(line: str, start: int, end: int, room: int) -> tuple[str, int, int]:
    """Show a part of a line in a number of cells: its text, and which of them are the part.

    The part is given in characters. What stands around it is cut off where it does not fit, then
    the end of the part itself.
    """
    # More characters than cells can never be shown, and a line may hold megabytes.
    before, part, after = (
        _legible(line[max(0, start - room - 1) : start]),
        _legible(line[start:end][: room + 1]),
        _legible(line[end:][: room + 1]),
    )
    if _cells((*before, *part, *after)) > room:
        before = _cut(before[::-1], max(room // 3, room - _cells((*part, *after))))[::-1]
        # Of a part that does not fit its beginning is worth most, so its end goes.
        whole, part = part, _cut(part, room - _cells(before) - bool(after))
        after = _cut(after, room - _cells((*before, *part))) if part == whole else []
    text = "".join((*before, *part, *after)).rstrip()
    return text, _cells(before), max(1, _cells(part))


def _cut(pieces: list[str], room: int) -> list[str]:
    """As many pieces as fit, and a sign behind them if there were more."""
    if _cells(pieces) <= room:
        return pieces
    fitting: list[str] = []
    for piece in pieces:
        if _cells((*fitting, piece, CUT)) > room:
            break
        fitting.append(piece)
    return [*fitting, CUT]


def _cells(pieces: Iterable[str]) -> int:
    # What a character takes in a terminal: none, one or two cells, by Unicode's own tables.
    from rich.cells import cell_len

    return sum(map(cell_len, pieces))


def _legible(text: Iterable[str]) -> list[str]:
    # One by one, so that a cut never leaves half of what a character is spelt as.
    return [TAB if char == "\t" else escape_terminal(char) for char in text]
