"""One way out for every request: bounded, patient, and polite when asked to wait."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler.core.answers import Answer, Method, NotSent
from reconciler.core.retry import RULES, Tries, asked_pause, may_retry
from reconciler.ports import Clock

BACKOFF_CAP = 20.0
PAUSE_CAP = 120.0
PAUSE_JITTER = 2.0

Attempt = Callable[[Tries], Awaitable[Answer]]
"""Sends once; it is told what has been tried, and may write an intent down first."""
OnRetry = Callable[["Retry"], None]


class HaltedError(Exception):
    """The run is ending: this request was not sent."""


class Halt:
    """The one switch that ends a run; the first reason stands."""

    def __init__(self) -> None:
        self.reason = ""
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self._event.is_set()

    def pull(self, reason: str) -> None:
        """Send nothing new from now on."""
        if not self:
            self.reason = reason
            self._event.set()
            for listener in self._listeners:
                listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Be told when the switch is pulled."""
        self._listeners.append(listener)

    async def wait(self) -> None:
        """Return when the switch is pulled."""
        await self._event.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A request that will be sent again after `delay` seconds; `everyone` waits if it was asked."""

    method: Method
    answer: Answer
    tries: Tries
    delay: float
    everyone: bool


class Limit:
    """How many requests may be in flight: fixed here, the place where adapting goes."""

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling

    @property
    def value(self) -> int:
        """The number at this moment."""
        return self._ceiling


class Dispatcher:
    """Admits requests in the order in which they become ready, at most `limit` at a time.

    `deadline` is a time of the monotonic clock after which nothing is sent.
    """

    def __init__(
        self, *, clock: Clock, limit: Limit, rng: random.Random, halt: Halt, deadline: float
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._rng = rng
        self._deadline = deadline
        self._halt = halt
        self._heap: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._gate = 0.0
        self._reached = False
        self._timer: asyncio.Task[None] | None = None
        self._wake_time = math.inf
        halt.listen(self._pump)

    async def send(
        self, method: Method, attempt: Attempt, on_retry: OnRetry | None = None
    ) -> Answer:
        """Send until there is a final answer or no time is left; the last answer is returned.

        Raises HaltedError when the run ends before anything could be sent.
        """
        tries = Tries()
        ready_at = self._clock.monotonic()
        last: Answer | None = None
        while True:
            if not await self._admit(ready_at):
                if last is None:
                    raise HaltedError
                return last
            try:
                last = await attempt(tries)
                asked = self._obey(last)
            finally:
                self._in_flight -= 1
                self._pump()
            tries = tries.after(method, last)
            self._reached = self._reached or not isinstance(last, NotSent)
            if not may_retry(method, last, tries, reached=self._reached):
                return last
            delay = self._back_off(method, last, tries) if asked is None else asked
            ready_at = self._clock.monotonic() + delay
            if ready_at > self._deadline or self._halt:
                return last
            if on_retry is not None:
                everyone = asked is not None
                on_retry(
                    Retry(method=method, answer=last, tries=tries, delay=delay, everyone=everyone)
                )

    async def pause(self, seconds: float) -> None:
        """Wait that long, but not past the end of the run; raises HaltedError at its end."""
        left = self._deadline - self._clock.monotonic()
        sleeping = asyncio.ensure_future(self._clock.sleep(min(seconds, max(0.0, left))))
        halted = asyncio.ensure_future(self._halt.wait())
        try:
            await asyncio.wait((sleeping, halted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            halted.cancel()
        if self._halt or left <= seconds:
            raise HaltedError

    def close(self) -> None:
        """Stop watching the clock; nobody may be waiting any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _obey(self, answer: Answer) -> float | None:
        """A Retry-After holds everyone back, with jitter against a stampede.

        The gate closes before the place of this request is given to the next one.
        """
        asked = asked_pause(answer)
        if asked is None:
            return None
        pause = min(asked, PAUSE_CAP) + self._rng.uniform(0, PAUSE_JITTER)
        self._gate = max(self._gate, self._clock.monotonic() + pause)
        return pause

    def _back_off(self, method: Method, answer: Answer, tries: Tries) -> float:
        """Full jitter: anything from nothing to a ceiling that doubles with every send."""
        base = RULES[method, type(answer)].base
        return self._rng.uniform(0, min(BACKOFF_CAP, base * 2 ** min(tries.sends, 16)))

    async def _admit(self, ready_at: float) -> bool:
        """Wait for a turn; False when the run ends first."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._heap, (ready_at, next(self._order), turn))
        self._pump()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._in_flight -= 1
                self._pump()
            raise
        if self._halt or self._clock.monotonic() >= self._deadline:
            self._in_flight -= 1
            self._pump()
            return False
        return True

    def _pump(self) -> None:
        """Let in whoever may go now, and wake up when the next one may."""
        now = self._clock.monotonic()
        ending = bool(self._halt) or now >= self._deadline
        while self._heap and (ending or self._is_open(now)):
            _, _, turn = heapq.heappop(self._heap)
            if not turn.cancelled():
                self._in_flight += 1
                turn.set_result(None)
        if self._heap and self._in_flight < self._limit.value:
            self._wake_at(max(self._heap[0][0], self._gate))

    def _is_open(self, now: float) -> bool:
        return self._in_flight < self._limit.value and now >= self._gate and self._heap[0][0] <= now

    def _wake_at(self, at: float) -> None:
        if self._timer is not None:
            if self._wake_time <= at:
                return
            self._timer.cancel()
        self._wake_time = at
        self._timer = asyncio.create_task(self._wake(at))

    async def _wake(self, at: float) -> None:
        await self._clock.sleep(max(0.0, min(at, self._deadline) - self._clock.monotonic()))
        self._timer = None
        self._pump()
