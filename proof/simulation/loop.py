"""An event loop that does nothing but take turns and move a timeline.

`VirtualLoop` of `tests.support.timing` is a whole asyncio loop, with a selector for threads and
sockets. There are none here, and ten thousand histories take about a million turns: this one takes
them in a third of the time. Times are those of the same `Timeline`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from random import Random
from typing import Any, TypeVar, TypeVarTuple

from tests.support.timing import Timeline

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Platter(Executor):
    """Where writes take a while: the loop goes on meanwhile, as it does beside a thread."""

    def __init__(self, rng: Random, slowest: float) -> None:
        self._rng = rng
        self._slowest = slowest

    def delay(self) -> float:
        """Seconds for one write."""
        return self._rng.random() * self._slowest


class _Timer(asyncio.TimerHandle):
    """A call at an instant, unless it is called off."""

    def __init__(self, at: float, call: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.at = at
        self.call: Callable[..., object] | None = call
        self.args = args

    def cancel(self) -> None:
        """Call it off."""
        self.call = None
        self.args = ()

    def cancelled(self) -> bool:
        """Whether it was called off."""
        return self.call is None


class Loop(asyncio.BaseEventLoop):
    """Coroutines, futures and timers on a timeline; the order of everything is fixed."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = 0
        self._handle = asyncio.Handle(print, (), self)
        self._tasks: list[asyncio.Task[Any]] = []
        self.errors: list[dict[str, Any]] = []

    def time(self) -> float:
        """Seconds on the timeline."""
        return self._timeline.now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, **_: Any) -> asyncio.Handle:
        """Take a turn; nothing here reads context variables."""
        self._ready.append((callback, args))
        return self._handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        **_: Any,
    ) -> asyncio.TimerHandle:
        """Take a turn when so much time has passed."""
        return self.call_at(self._timeline.now + delay, callback, *args)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        **_: Any,
    ) -> asyncio.TimerHandle:
        """Take a turn at an instant."""
        timer = _Timer(when, callback, args)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **_: Any) -> asyncio.Task[Any]:
        """A task of this loop."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self)
        self._tasks.append(task)
        return task

    def take_unfinished(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done, the oldest first; all others are forgotten."""
        self._tasks = [task for task in self._tasks if not task.done()]
        return self._tasks

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Do it on a platter, after the time that it takes; there are no threads."""
        assert isinstance(executor, Platter)
        future = self.create_future()
        self.call_later(executor.delay(), _finish, future, func, args)
        return future

    def travel(self, seconds: float) -> asyncio.Future[None]:
        """Be done after so many seconds."""
        future: asyncio.Future[None] = asyncio.Future(loop=self)
        self.call_at(self._timeline.now + seconds, _arrive, future)
        return future

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Take turns until it is done; raises RuntimeError where it would wait for ever."""
        task: asyncio.Task[T] = asyncio.Task(main, loop=self)
        # Another one may stand still meanwhile, as its machine does.
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            self._take_turns(task)
        finally:
            asyncio._set_running_loop(outer)
        if self.errors:
            raise RuntimeError(f"lost on the way: {self.errors}")
        return task.result()

    def _take_turns(self, task: asyncio.Task[Any]) -> None:
        ready, timers, timeline = self._ready, self._timers, self._timeline
        while not task.done():
            while ready:
                call, args = ready.popleft()
                call(*args)
            if task.done():
                return
            while timers and timers[0][2].call is None:
                heapq.heappop(timers)
            if not timers:
                raise RuntimeError("everything waits and nothing will ever happen")
            when, _, timer = heapq.heappop(timers)
            timeline.now = max(timeline.now, when)
            if timer.call is not None:
                timer.call(*timer.args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody has asked for; whoever runs the loop hears of it."""
        self.errors.append(context)

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Whether it takes turns now."""
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        """There is nothing that would have to be closed."""
        return True


def _arrive(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _finish(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = func(*args)
    except asyncio.CancelledError:
        future.cancel()
    except Exception as error:
        if not future.cancelled():
            future.set_exception(error)
    else:
        if not future.cancelled():
            future.set_result(result)
