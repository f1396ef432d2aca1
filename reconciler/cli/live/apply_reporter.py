"""What is seen while work is under way: a live view on a terminal, lines and a pulse elsewhere."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from reconciler.cli.live.heartbeat import Heartbeat
from reconciler.cli.output.console import Console
from reconciler.core.history.events import ActionEnded, Event, RequestEnded, Throttled
from reconciler.core.history.outcome import Succeeded
from reconciler.core.planning.plan import Plan
from reconciler.report.commands import COMMANDS, Commands
from reconciler.report.machine.documents import event_document, to_line
from reconciler.report.progress import Progress

if TYPE_CHECKING:
    from reconciler.cli.live.live_view import LiveView


class ApplyReporter:
    """Follows an apply: every event to whoever asked for it, in the form they asked for.

    `ended` holds how each action ended if a document is to be made of it, `problems` those that
    did not succeed. Whoever `concludes` lists the problems at the end, with what went wrong.
    """

    def __init__(
        self, console: Console, commands: Commands = COMMANDS, *, concludes: bool = False
    ) -> None:
        self._console = console
        self._concludes = concludes
        self._commands = commands
        self._text = console.text()
        self._documented = any(output.format == "json" for output in console.outputs)
        self._stack = ExitStack()
        self.heartbeat = Heartbeat(console, "planning")
        self._live: LiveView | None = None
        self._progress: Progress | None = None
        self.ended: list[ActionEnded] = []
        self.problems: list[ActionEnded] = []

    def __enter__(self) -> Self:
        self._stack.enter_context(self.heartbeat)
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: Any) -> None:
        self._stack.close()
        is_brief = self._concludes and not self._console.verbose
        if kind is not None and is_brief and self._console.wants("text"):
            # The run itself fails, and never comes to its end.
            for event in self.problems:
                self._console.stream("text", self._text.event(event, verbose=True) or "")

    def waiting(self, doing: str) -> None:
        """Nothing can be seen of this; the pulse names it."""
        self.heartbeat.doing = doing

    def begin(self, total: int, plan: Plan | None = None) -> None:
        """The plan is confirmed; from here on there is something to follow."""
        progress = self._progress = Progress(total, plan, now=time.monotonic())
        self.heartbeat.doing = progress.sentence
        if self.is_live:
            from reconciler.cli.live.live_view import LiveView

            # The pulse would break what is drawn, which shows by itself that work goes on.
            self.heartbeat.silent = True
            view = LiveView(lambda: progress.lines(time.monotonic()))
            self._live = self._stack.enter_context(view)

    def say(self, event: Event) -> None:
        """Show one event."""
        is_problem, verbose = False, self._console.verbose
        if self._progress is not None:
            self._progress.add(event, time.monotonic())
        if isinstance(event, ActionEnded):
            is_problem = not isinstance(event.outcome, Succeeded)
            if is_problem:
                self.problems.append(event)
            # A large apply has many of them, so they are kept only for who asked for the document.
            if self._documented:
                self.ended.append(event)
        if self._console.wants("ndjson"):
            self._console.stream("ndjson", to_line(event_document(event, self._commands)))
        if not self._console.wants("text"):
            return
        if self._live is not None and isinstance(event, Throttled) and not verbose:
            # It is part of what is drawn, and many are told of the same pause.
            return
        line = self._text.event(event, verbose=verbose, brief=self._concludes)
        if line is None or (self._console.quiet and not is_problem):
            return
        self.heartbeat.spoke()
        if self._live is not None and sys.stdout.isatty():
            self._live.print(line)
        else:
            self._console.stream("text", line)

    @property
    def is_live(self) -> bool:
        """Whether somebody watches who can see more than lines."""
        # It is drawn on standard error, so that standard output may be a file or a pipe.
        watched = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        return watched and self._console.has("text") and not self._console.quiet

    def trace(self, request: RequestEnded) -> None:
        """A request came back; only who draws wants to know."""
        if self._live is not None and self._progress is not None:
            self._progress.trace(request)
