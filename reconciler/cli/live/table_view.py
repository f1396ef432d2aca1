"""The table of a watch, drawn anew on a screen of its own, which is gone when the watch ends."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from reconciler.cli.output.console import utc_now
from reconciler.core.shorten import shorten
from reconciler.report.status.status import Status
from reconciler.report.status.table import statuses_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal


class TableView:
    """Shows everything that is watched, and below it when that was."""

    def __init__(self, paint: ColorWriter, interval: float) -> None:
        console = Console(no_color=False, highlight=False, soft_wrap=False)
        self._live = Live(console=console, screen=True, auto_refresh=False)
        self._paint = paint
        self._interval = interval
        self._statuses: Sequence[Status] = ()
        self._trouble = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, statuses: Sequence[Status]) -> None:
        """Draw the table, cut to the size that the terminal has now."""
        self._statuses, self._trouble = statuses, ""
        self._draw()

    def trouble(self, message: str) -> None:
        """Keep the last table, and say below it that it is not new."""
        if message != self._trouble:
            self._trouble = message
            self._draw()

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        note = self._paint.dim(f"{utc_now()}, every {self._interval:g} s, Ctrl-C ends")
        if self._trouble:
            # The end of a wrapped line would push the first row of the table off the screen.
            message = shorten(escape_terminal(self._trouble), max(size.columns - 12, 20))
            note = self._paint(f"not new: {message}", "yellow")
        table = statuses_text(
            self._statuses, self._paint, width=size.columns, height=size.lines - 1
        )
        # Not before there is something to see: an error at the first look belongs to the screen.
        self._live.start()
        text = Text.from_ansi(f"{table}\n{note}", no_wrap=True, overflow="ellipsis")
        self._live.update(text, refresh=True)
