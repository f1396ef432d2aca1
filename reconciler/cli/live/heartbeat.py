"""A sign of life while work is under way, where nothing else has said anything for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from reconciler.cli.output.console import Console
from reconciler.ports import EventListener

if TYPE_CHECKING:
    from reconciler.core.history.events import Event

T = TypeVar("T")

# A build system that sees no output for a while takes the job for dead.
PULSE_SECONDS = 25.0


class Heartbeat:
    """Says now and then that work goes on, where nothing else has said anything for a while.

    `doing` names the work, or is asked for its name; `silent` keeps the pulse off a terminal that
    shows more than lines.
    """

    def __init__(self, console: Console, doing: str) -> None:
        self._console = console
        self.doing: str | Callable[[], str] = doing
        self.silent = False
        self._over = threading.Event()
        self._spoke = time.monotonic()
        self._thread = threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True)

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

    def beat(self) -> None:
        """Say that work goes on, unless it can be seen."""
        if not self.silent:
            doing = self.doing if isinstance(self.doing, str) else self.doing()
            self._console.note(f"still {doing}")
            self.spoke()

    def _keep_beating(self) -> None:
        # A short wait, so that the end of the work does not wait for a pulse.
        while not self._over.wait(1.0):
            if time.monotonic() - self._spoke >= PULSE_SECONDS:
                self.beat()


def run_with_heartbeat(
    console: Console, doing: str, work: Callable[[EventListener], Coroutine[Any, Any, T]]
) -> T:
    """Do work that shows its events as lines, and says now and then that it goes on."""
    with Heartbeat(console, doing) as heartbeat:
        return asyncio.run(work(heartbeat.say))
