"""How a watch is seen: a table drawn anew on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from reconciler.cli.output.console import Console
from reconciler.cli.output.progress_display import Heartbeat

if TYPE_CHECKING:
    from rich.live import Live

    from reconciler.report.text.color import ColorWriter
    from reconciler.report.text.status import Status


class View(Protocol):
    """Shows what is watched."""

    def show(self, statuses: Sequence[Status]) -> None:
        """Show how everything is now."""
        ...

    def trouble(self, words: str) -> None:
        """Say that nothing new is known, and why."""
        ...


@contextmanager
def view_of(console: Console, interval: float) -> Iterator[View]:
    """The view that fits where the result goes."""
    paint = console.paint()
    if not console.has("text") or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        with Heartbeat(console, "watching") as heartbeat:
            yield ChangeView(console, paint, heartbeat.spoke)
        return
    from rich.console import Console as RichConsole
    from rich.live import Live

    screen = RichConsole(no_color=False, highlight=False, soft_wrap=False)
    live = Live(console=screen, screen=True, auto_refresh=False)
    try:
        yield TableView(live, paint, interval)
    finally:
        live.stop()


class TableView:
    """A screen of its own, which is gone when the watch ends."""

    def __init__(self, live: Live, paint: ColorWriter, interval: float) -> None:
        self._live = live
        self._paint = paint
        self._interval = interval
        self._statuses: Sequence[Status] = ()
        self._trouble = ""

    def show(self, statuses: Sequence[Status]) -> None:
        """Draw the table, cut to the size that the terminal has now."""
        self._statuses, self._trouble = statuses, ""
        self._draw()

    def trouble(self, words: str) -> None:
        """Keep the last table, and say below it that it is not new."""
        if words != self._trouble:
            self._trouble = words
            self._draw()

    def _draw(self) -> None:
        from rich.text import Text

        from reconciler.core.shorten import shorten
        from reconciler.report.text.escape import escape_terminal
        from reconciler.report.text.status import statuses_text

        size = shutil.get_terminal_size()
        note = f"{_now()}, every {self._interval:g} s, Ctrl-C ends"
        note = self._paint.dim(note)
        if self._trouble:
            words = shorten(escape_terminal(self._trouble), max(size.columns - 12, 20))
            note = self._paint(f"not new: {words}", "yellow")
        table = statuses_text(
            self._statuses, self._paint, width=size.columns, height=size.lines - 1
        )
        # Not before there is something to see: an error at the first look belongs to the screen.
        self._live.start()
        text = Text.from_ansi(f"{table}\n{note}", no_wrap=True, overflow="ellipsis")
        self._live.update(text, refresh=True)


class ChangeView:
    """A line for everything at first, then one for each change; trouble goes beside them."""

    def __init__(self, console: Console, paint: ColorWriter, spoke: Callable[[], None]) -> None:
        self._console = console
        self._spoke = spoke
        self._paint = paint
        self._seen: dict[str, tuple[str, str, str | None]] = {}
        self._trouble = ""

    def show(self, statuses: Sequence[Status]) -> None:
        """Print what is not as it was."""
        if self._trouble:
            self._trouble = ""
            self._console.note(f"{_now()}  the server answers again")
        now = {str(one.row.address): one for one in statuses}
        for address, one in now.items():
            said = (one.word, one.message, one.row.id)
            if self._seen.get(address) != said:
                self._seen[address] = said
                self._print(one, address)
        for address in self._seen.keys() - now.keys():
            del self._seen[address]
            self._print(None, address)

    def trouble(self, words: str) -> None:
        """Say it once, however often it is met in a row."""
        if words != self._trouble:
            from reconciler.report.text.escape import escape_terminal

            self._trouble = words
            self._console.warn(f"{_now()}  {escape_terminal(words)}")

    def _print(self, status: Status | None, address: str) -> None:
        from reconciler.report.machine.documents import to_line
        from reconciler.report.text.status import change_text, status_document

        at = _now()
        if self._console.has("json"):
            document = status_document(status) if status else {"address": address, "status": None}
            self._console.line(to_line({"at": at, **document}))
        else:
            self._console.line(change_text(status, address, at, self._paint))
        self._spoke()
        if not self._console.has_reader:
            raise BrokenPipeError


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
