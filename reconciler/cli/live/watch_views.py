"""How a watch is seen: a table drawn anew on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from reconciler.cli.live.heartbeat import Heartbeat
from reconciler.cli.output.console import Console, utc_now
from reconciler.report.machine.documents import to_line
from reconciler.report.status.status import Status, status_document
from reconciler.report.status.table import change_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal


class View(Protocol):
    """Shows what is watched."""

    def show(self, statuses: Sequence[Status]) -> None:
        """Show how everything is now."""
        ...

    def trouble(self, message: str) -> None:
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
    from reconciler.cli.live.table_view import TableView

    with TableView(paint, interval) as view:
        yield view


class ChangeView:
    """A line for everything at first, then one for each change; trouble goes beside them."""

    def __init__(self, console: Console, paint: ColorWriter, spoke: Callable[[], None]) -> None:
        self._console = console
        self._spoke = spoke
        self._paint = paint
        self._seen: dict[str, tuple[str, ...]] = {}
        self._trouble = ""

    def show(self, statuses: Sequence[Status]) -> None:
        """Print what is not as it was."""
        if self._trouble:
            self._trouble = ""
            self._console.note(f"{utc_now()}  the server answers again")
        by_address = {str(status.row.address): status for status in statuses}
        for address, status in by_address.items():
            # The age changes with every look, and is no news.
            news = (status.word, status.phase_word, status.message, status.row.id or "")
            if self._seen.get(address) != news:
                self._seen[address] = news
                self._print(status, address)
        for address in self._seen.keys() - by_address.keys():
            del self._seen[address]
            self._print(None, address)

    def trouble(self, message: str) -> None:
        """Say it once, however often it is met in a row."""
        if message != self._trouble:
            self._trouble = message
            self._console.warn(f"{utc_now()}  {escape_terminal(message)}")

    def _print(self, status: Status | None, address: str) -> None:
        at = utc_now()
        if self._console.has("json"):
            document = status_document(status) if status else {"address": address, "status": None}
            self._console.line(to_line({"at": at, **document}))
        else:
            self._console.line(change_text(status, address, at, self._paint))
        self._spoke()
        # A console stops printing without its reader; a watch would go on for nobody.
        if not self._console.has_reader:
            raise BrokenPipeError
