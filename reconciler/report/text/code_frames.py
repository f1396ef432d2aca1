"""The line of a file that a finding is about, with carets under the part that it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciler.errors import Where
from reconciler.report.text.escape import escape_terminal

TAB = "    "
CUT = "…"
NARROWEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFrames:
    """Where lines come from, None for one that cannot be had, and how wide a terminal is."""

    line_of: Callable[[Where], str | None]
    width: int

    def draw(self, where: Where) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """The line and below it the carets, each behind a margin; None where there is no line."""
        line = self.line_of(where)
        if line is None or not line.strip():
            return None
        number = str(where.line)
        room = max(NARROWEST, self.width - len(number) - 5)
        shown, indent, carets = cut_around(line, *_marked(line, where), room)
        below = f"  {' ' * len(number)} | {' ' * indent}"
        return (f"  {number} | ", shown), (below, "^" * carets)


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
        whole, part = part, _cut(part, room - _cells(before) - bool(after))
        after = _cut(after, room - _cells((*before, *part))) if part == whole else []
    shown = "".join((*before, *part, *after)).rstrip()
    return shown, _cells(before), max(1, _cells(part))


def _cut(pieces: list[str], room: int) -> list[str]:
    """As many pieces as fit, and a sign behind them if there were more."""
    if _cells(pieces) <= room:
        return pieces
    kept: list[str] = []
    for piece in pieces:
        if _cells((*kept, piece, CUT)) > room:
            break
        kept.append(piece)
    return [*kept, CUT]


def _cells(pieces: Iterable[str]) -> int:
    # What a character takes in a terminal: none, one or two cells, by Unicode's own tables.
    from rich.cells import cell_len

    return sum(map(cell_len, pieces))


def _legible(text: Iterable[str]) -> list[str]:
    return [TAB if char == "\t" else escape_terminal(char) for char in text]


def _marked(line: str, where: Where) -> tuple[int, int]:
    """The part of its first line that a place means, as offsets."""
    start = min(where.column - 1, len(line))
    if where.end_line is None or where.end_column is None:
        return start, start + 1
    end = where.end_column - 1 if where.end_line == where.line else len(line.rstrip())
    return start, max(start + 1, min(end, len(line)))
