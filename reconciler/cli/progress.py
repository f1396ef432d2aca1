"""What is seen while work is under way: a live view on a terminal, lines and a pulse elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from reconciler.cli.console import Console
from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    Event,
    InDoubt,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A build system that sees no output for a while takes the job for dead.
PULSE_SECONDS = 25.0


class Heartbeat:
    """Says now and then that work goes on, where nothing else has said anything for a while."""

    def __init__(self, console: Console, doing: str) -> None:
        self._console = console
        self.doing = doing
        self._over = threading.Event()
        self._spoke = time.monotonic()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
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

    def say(self, event: Event) -> None:
        """Show what is worth a line, and start waiting anew."""
        line = self._console.text(err=True).event(event, verbose=self._console.verbose)
        if line is not None:
            self._console.note(line)
            self.spoke()

    def spoke(self) -> None:
        """Something was shown just now."""
        self._spoke = time.monotonic()

    def _beat(self) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._spoke >= PULSE_SECONDS:
                self._console.note(f"still {self.doing}")
                self.spoke()


class ApplyReporter:
    """Follows an apply: every event to whoever asked for it, in the form they asked for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stack = ExitStack()
        self._heartbeat = Heartbeat(console, "planning")
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._total = self._done = self._begun = 0
        self.outcomes: list[Event] = []

    def __enter__(self) -> Self:
        self._stack.enter_context(self._heartbeat)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.close()

    def waiting(self, doing: str) -> None:
        """Nothing can be seen of this; the pulse names it."""
        self._heartbeat.doing = doing

    def begin(self, total: int) -> None:
        """The plan is confirmed; from here on there is something to follow."""
        self._total = total
        self._heartbeat.doing = f"applying: 0 of {total} done"
        if sys.stderr.isatty() and self._console.has("text") and not self._console.quiet:
            self._live = self._stack.enter_context(_live_view())
            self._task = self._live.add_task("applying", total=total, begun=0)

    def say(self, event: Event) -> None:
        """Show one event."""
        self._count(event)
        if self._console.has("ndjson"):
            from reconciler.report.documents import event_document, to_line

            self._console.line(to_line(event_document(event)))
        elif self._console.has("text"):
            self._show(event)

    def _count(self, event: Event) -> None:
        self._begun += isinstance(event, ActionStarted)
        if isinstance(event, ActionSucceeded | ActionFailed | ActionSkipped | InDoubt):
            self._done += 1
            if self._console.has("json"):
                self.outcomes.append(event)
        self._heartbeat.doing = f"applying: {self._done} of {self._total} done"
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=self._done, begun=self._begun - self._done)

    def _show(self, event: Event) -> None:
        line = self._console.text().event(event, verbose=self._console.verbose)
        if line is None:
            return
        self._heartbeat.spoke()
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(line), soft_wrap=True)
        else:
            self._console.line(line)


def _live_view() -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[begun]} under way"),
        TimeElapsedColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
