"""The part of a terminal that is drawn again and again while an apply goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from reconciler.report.text.formatting import wrap_words

# Faster than people read and slower than events come: drawing must cost an apply nothing.
DRAWS_PER_SECOND = 4.0


class LiveView:
    """Draws `lines` at the bottom of a terminal, and above them whatever is printed.

    Printing only puts a line in a queue; a thread of its own draws, at its own pace.
    """

    def __init__(self, lines: Callable[[], Sequence[str]], console: Console | None = None) -> None:
        self._lines = lines
        self._console = console = console or Console(stderr=True)
        # Standard output may be a file: it stays what it is.
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # A deque needs no lock between who prints and who draws: each of its steps is atomic.
        self._pending: deque[str] = deque()
        self._over = threading.Event()
        # A daemon: a thread that hangs in a write to a terminal must not keep the process alive.
        self._thread = threading.Thread(target=self._keep_drawing, name="live view", daemon=True)

    def __enter__(self) -> Self:
        with suppress(OSError):
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        # A terminal that went away must not change how the work ends.
        with suppress(OSError):
            # What was printed since the last drawing would be lost.
            self.draw()
        with suppress(OSError):
            self._live.stop()

    def print(self, line: str) -> None:
        """A line that stays, above what is drawn."""
        self._pending.append(line)

    def draw(self) -> None:
        """Print what is waiting, and draw anew below it; raises OSError without a terminal."""
        # No more than waits now: an apply that prints faster than this draws never lets it end.
        waiting = [self._pending.popleft() for _ in range(len(self._pending))]
        if waiting:
            text = wrap_words("\n".join(waiting), self._console.width)
            self._console.print(_Raw(text), soft_wrap=True)
        self._live.update(Group(*map(_one_line, self._lines())), refresh=True)

    def _keep_drawing(self) -> None:
        with suppress(OSError):
            while not self._over.wait(1.0 / DRAWS_PER_SECOND):
                self.draw()


class _Raw:
    """Text that has its colours already; taking it apart would cost more than the work."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)
        yield Segment.line()


def _one_line(line: str) -> Text:
    return Text(line, no_wrap=True, overflow="ellipsis")
