"""Time that passes only when nothing else is left to do: no test waits for real."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# Longer than any worker thread of a test needs; reached only by one that hangs.
_REAL_PATIENCE = 20.0


class Timeline:
    """Seconds since `EPOCH`, shared by everything in one test and carried from loop to loop."""

    def __init__(self) -> None:
        self.now = 0.0

    def epoch_seconds(self) -> float:
        """The same instant as servers count it."""
        return EPOCH.timestamp() + self.now

    def skip(self, seconds: float) -> None:
        """Let time pass between two runs."""
        self.now += seconds


class VirtualClock:
    """A `reconciler.ports.Clock` on a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def monotonic(self) -> float:
        """Seconds on the timeline."""
        return self._timeline.now

    def now(self) -> datetime:
        """The wall clock that goes with it."""
        return EPOCH + timedelta(seconds=self._timeline.now)

    async def sleep(self, seconds: float) -> None:
        """Wait on the virtual loop."""
        await asyncio.sleep(seconds)


class VirtualSelector(selectors.BaseSelector):
    """A selector that moves the timeline instead of waiting for it."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._inner = selectors.DefaultSelector()
        self.threads_at_work = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file object."""
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop watching a file object."""
        return self._inner.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; where nothing is, the end of the timeout has come.

        A worker thread lives in real time: the timeline stands still until it is done.
        Raises RuntimeError where the loop would wait for ever.
        """
        ready = self._inner.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads_at_work:
            return self._inner.select(_REAL_PATIENCE)
        if timeout is None:
            raise RuntimeError("everything waits and nothing will ever happen")
        now = self._timeline.now
        self._timeline.now = max(now + timeout, math.nextafter(now, math.inf))
        return []

    def close(self) -> None:
        """Close the real selector."""
        self._inner.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is watched."""
        return self._inner.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a timeline."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._virtual = VirtualSelector(timeline)
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds on the timeline."""
        return self._timeline.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run in a thread, and hold the timeline until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._virtual.threads_at_work += 1
        future.add_done_callback(self._count_down)
        return future

    def _count_down(self, _: asyncio.Future[Any]) -> None:
        self._virtual.threads_at_work -= 1


def run(main: Coroutine[Any, Any, T], timeline: Timeline | None = None) -> T:
    """Run a coroutine to its end in no time."""
    line = timeline or Timeline()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(line)) as runner:
        return runner.run(main)
