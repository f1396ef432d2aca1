"""One way out for every request: it slows down where that helps, and pauses in an outage."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections.abc import Awaitable, Callable

from reconciler.core.history.stop_reason import StopReason
from reconciler.core.protocol.adaptive_limit import AdaptiveLimit
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    Conflict,
    Method,
    NotSent,
    TooManyRequests,
    Unavailable,
)
from reconciler.core.protocol.retry import (
    NO_SENDS,
    RULES,
    SendCounts,
    asked_pause,
    is_final,
    may_retry,
)
from reconciler.engine.requests.servertime import ServerTime
from reconciler.ports import Clock
from reconciler.values import dataclass

BACKOFF_CAP = 20.0
PAUSE_CAP = 120.0
PAUSE_JITTER = 2.0
# So many failures in a row, whoever's, are an outage: everyone pauses, longer each time.
OUTAGE_RUN = 10
OUTAGE_PAUSE = 0.5
OUTAGE_PAUSE_CAP = 10.0
PROBES = 2
# However many wait for something to happen on the server, so often are they looked at in all.
LOOKS_PER_SECOND = 500
# Seconds past the deadline after which a read is cut: nothing is in doubt without its answer.
READ_DRAIN = 2.0

Attempt = Callable[[SendCounts], Awaitable[ApiResult]]
"""Sends once; it is told what has been tried, and may write an intent down first."""
OnRetry = Callable[["Retry"], None]


class StoppedError(Exception):
    """The run is ending: this request was not sent, or was a read that nobody waits for."""


class StopSignal:
    """The one switch that ends a run; the first reason stands."""

    def __init__(self) -> None:
        self.reason = StopReason.NOTHING
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self._event.is_set()

    def pull(self, reason: StopReason) -> None:
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
    """A request that will be sent again after `delay` seconds.

    `everyone` waits, if the server asked for it or seems to be away; `slowed_to` is the new number
    of requests in flight where this answer led to one.
    """

    method: Method
    answer: ApiResult
    tries: SendCounts
    delay: float
    everyone: bool
    slowed_to: int | None = None


class _Lane:
    """Requests of one sort that wait for their turn, and how many of them may be in flight."""

    def __init__(self, ceiling: int) -> None:
        self.heap: list[tuple[float, int, asyncio.Future[None]]] = []
        self.pace = AdaptiveLimit(ceiling)
        self.in_flight = 0
        self.next_at = 0.0

    def ready_at(self) -> float:
        """When the first in the queue may go, as far as this lane is concerned."""
        return max(self.heap[0][0], self.next_at)


class Dispatcher:
    """Admits requests in the order in which they become ready, reads and writes in lanes.

    `ceiling` bounds the requests in flight, however much the server would take; `deadline` is a
    time of the monotonic clock after which nothing is sent; `max_rps` bounds the sends per second;
    `server` is told every answer, so that it knows the server's time. `reached` says that the
    server has answered before, so that it is not taken for a wrong address. Whoever has to prepare
    a request does it under `ahead`, which keeps a place's next request at hand and no more.
    Whoever has to read before it sends begins under `begun`: what it has read waits for no others.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ceiling: int,
        rng: random.Random,
        halt: StopSignal,
        deadline: float,
        max_rps: float | None = None,
        server: ServerTime | None = None,
        reached: bool = False,
    ) -> None:
        self.server = server or ServerTime(clock)
        self.ahead = asyncio.Semaphore(ceiling)
        self.begun = asyncio.Semaphore(2 * ceiling)
        self._clock = clock
        self.ceiling = ceiling
        self._rng = rng
        self._deadline = deadline
        self._halt = halt
        self._reads, self._writes = _Lane(ceiling), _Lane(ceiling)
        self._interval = 1.0 / max_rps if max_rps else 0.0
        self._order = itertools.count()
        self._gate = 0.0
        self._failures = self._pauses = 0
        self._reached = reached
        self._timer: asyncio.Task[None] | None = None
        self._wake_time = math.inf
        self._resting: set[asyncio.Future[None]] = set()
        # Whoever waits for a turn or rests has to hear of the stop, or would sleep through it.
        halt.listen(self._pump)
        halt.listen(self._rouse)

    async def send(
        self,
        method: Method,
        attempt: Attempt,
        on_retry: OnRetry | None = None,
        *,
        conflict_for: float = math.inf,
    ) -> ApiResult:
        """Send until there is a final answer or no time is left; the last answer is returned.

        A 409 says that the server will not do it for now: it is repeated for `conflict_for`
        seconds.
        Raises StoppedError when the run ends before anything could be sent, or read to its end.
        """
        lane = self._reads if method is Method.GET else self._writes
        tries = NO_SENDS
        ready_at = self._clock.monotonic()
        conflict_until = ready_at + conflict_for
        last: ApiResult | None = None
        while True:
            # A repetition queues again like everybody else: a pause that was asked for meanwhile
            # holds it back as well.
            if not await self._admit(lane, ready_at):
                if last is None:
                    raise StoppedError
                return last
            before = lane.pace.limit
            began = self._clock.monotonic()
            patience = self._patience(method, began)
            try:
                if patience is None:
                    last = await attempt(tries)
                else:
                    async with asyncio.timeout(patience):
                        last = await attempt(tries)
                self.server.observe(last, began)
                # The gate closes before the place of this request is given to the next one.
                pause = self._heed(lane, last, self._clock.monotonic() - began)
            except TimeoutError:
                # Only reads have such a limit: what changes something is waited for, since nobody
                # could tell what became of it.
                raise StoppedError from None
            finally:
                self._leave(lane)
            if is_final(method, last):
                return last
            tries = tries.after(method, last)
            if not may_retry(method, last, tries, reached=self._reached):
                return last
            delay = max(pause, self._back_off(method, last, tries))
            ready_at = self._clock.monotonic() + delay
            end = conflict_until if isinstance(last, Conflict) else self._deadline
            # An answer is worth more than a wait that leads to no other one.
            if ready_at > min(end, self._deadline) or self._halt:
                return last
            if on_retry is not None:
                slowed_to = lane.pace.limit if lane.pace.limit < before else None
                on_retry(
                    Retry(
                        method=method,
                        answer=last,
                        tries=tries,
                        delay=delay,
                        everyone=pause > 0.0,
                        slowed_to=slowed_to,
                    )
                )

    def limit_of(self, method: Method) -> int:
        """How many requests of this sort may be in flight now, as far as has been learnt."""
        lane = self._reads if method is Method.GET else self._writes
        return min(self.ceiling, PROBES if self._pauses else lane.pace.limit)

    async def pause(self, seconds: float) -> None:
        """Wait that long, but not past the end of the run; raises StoppedError at its end."""
        left = self._deadline - self._clock.monotonic()
        if self._halt:
            raise StoppedError
        nap = asyncio.ensure_future(self._clock.sleep(min(seconds, max(0.0, left))))
        self._resting.add(nap)
        try:
            # `wait` does not raise where a stop cancels the nap; `await nap` would, as if whoever
            # called this had been cancelled.
            await asyncio.wait((nap,))
        finally:
            self._resting.discard(nap)
            nap.cancel()
        if self._halt or left <= seconds:
            raise StoppedError

    def stretched(self, seconds: float) -> float:
        """A pause before the next look at something: as long as asked for, longer in a crowd."""
        return max(seconds, len(self._resting) / LOOKS_PER_SECOND)

    def _rouse(self) -> None:
        for nap in self._resting:
            nap.cancel()

    def close(self) -> None:
        """Stop watching the clock; nobody may be waiting any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _heed(self, lane: _Lane, answer: ApiResult, latency: float) -> float:
        """Learn from an answer; returns the seconds for which it makes everyone wait."""
        self._reached = self._reached or not isinstance(answer, NotSent)
        if not isinstance(answer, Unavailable | TooManyRequests | Ambiguous | NotSent):
            self._failures = self._pauses = 0
            # An answer that waited while this process stood still says nothing of the pace.
            lane.pace.succeeded(min(latency, BACKOFF_CAP))
            return 0.0
        self._failures += 1
        # What did not reach the server says nothing of how much it can take.
        if not isinstance(answer, NotSent):
            lane.pace.refused()
            lane.next_at = self._clock.monotonic() + lane.pace.spacing
        # All that were in flight when an outage began fail at once, and are one failure.
        outage = max(OUTAGE_RUN, lane.pace.limit)
        asked = asked_pause(answer)
        if asked is not None:
            # A Retry-After holds everyone back, with jitter against a stampede at its end.
            pause = min(asked, PAUSE_CAP) + self._rng.uniform(0, PAUSE_JITTER)
        elif self._failures >= outage:
            # A pause and a few probes, not a hail of requests: as many failures as there are probes
            # lead to the next pause, which is longer.
            self._failures = outage - PROBES
            self._pauses += 1
            longest = min(OUTAGE_PAUSE_CAP, OUTAGE_PAUSE * 2 ** min(self._pauses - 1, 16))
            pause = self._rng.uniform(longest / 2, longest)
        else:
            return 0.0
        self._gate = max(self._gate, self._clock.monotonic() + pause)
        return pause

    def _back_off(self, method: Method, answer: ApiResult, tries: SendCounts) -> float:
        """Full jitter: anything from nothing to a ceiling that doubles with every send."""
        base = RULES[method, type(answer)].base
        return self._rng.uniform(0, min(BACKOFF_CAP, base * 2 ** min(tries.sends, 16)))

    async def _admit(self, lane: _Lane, ready_at: float) -> bool:
        """Wait for a turn; False when the run ends first."""
        now = self._clock.monotonic()
        if (
            not lane.heap
            and self._has_room(lane)
            and max(self._gate, lane.next_at, ready_at) <= now
        ):
            # Nobody is before it, as for most of a long reading: nothing has to wake it.
            self._let_in(lane, now)
        else:
            await self._queue(lane, ready_at)
            now = self._clock.monotonic()
        if self._halt or now >= self._deadline:
            self._leave(lane)
            return False
        return True

    async def _queue(self, lane: _Lane, ready_at: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(lane.heap, (ready_at, next(self._order), turn))
        self._pump()
        try:
            await turn
        except asyncio.CancelledError:
            # The place was given just before the cancel: nobody else would free it.
            if turn.done() and not turn.cancelled():
                self._leave(lane)
            raise

    def _patience(self, method: Method, now: float) -> float | None:
        """How many seconds a request may take, as far as the end of the run bounds them."""
        if method is not Method.GET or math.isinf(self._deadline):
            return None
        return self._deadline + READ_DRAIN - now

    def _leave(self, lane: _Lane) -> None:
        lane.in_flight -= 1
        self._pump()

    def _pump(self) -> None:
        """Let in whoever may go now, and wake up when the next one may."""
        if not (self._reads.heap or self._writes.heap):
            return
        now = self._clock.monotonic()
        ending = bool(self._halt) or now >= self._deadline
        # The lane with fewer in flight first, so that neither starves below the common ceiling.
        while lane := min(
            (
                lane
                for lane in (self._writes, self._reads)
                # At the end of the run everybody is let in, to be told that it has ended.
                if (lane.heap if ending else self._has_place(lane))
                and (ending or max(self._gate, lane.ready_at()) <= now)
            ),
            key=lambda lane: lane.in_flight,
            default=None,
        ):
            _, _, turn = heapq.heappop(lane.heap)
            if not turn.cancelled():
                self._let_in(lane, now)
                turn.set_result(None)
        waiting = [lane for lane in (self._writes, self._reads) if self._has_place(lane)]
        # A lane without a place needs no alarm: whoever leaves it calls this again.
        if not waiting:
            return
        wake_at = max(self._gate, min(lane.ready_at() for lane in waiting))
        if self._timer is not None:
            # Waking too early is harmless, since that looks again; too late would waste time.
            if self._wake_time <= wake_at:
                return
            self._timer.cancel()
        self._wake_time = wake_at
        self._timer = asyncio.create_task(self._wake(wake_at))

    def _let_in(self, lane: _Lane, now: float) -> None:
        lane.in_flight += 1
        if self._interval:
            self._gate = max(self._gate, now + self._interval)

    def _has_place(self, lane: _Lane) -> bool:
        return bool(lane.heap) and self._has_room(lane)

    def _has_room(self, lane: _Lane) -> bool:
        limit = PROBES if self._pauses else lane.pace.limit
        in_all = self._reads.in_flight + self._writes.in_flight
        return lane.in_flight < limit and in_all < self.ceiling

    async def _wake(self, at: float) -> None:
        # Not past the deadline: whoever still waits then has to be told of the end.
        await self._clock.sleep(max(0.0, min(at, self._deadline) - self._clock.monotonic()))
        self._timer = None
        self._pump()
