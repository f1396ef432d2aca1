"""Sends a request that changes something: recorded first, and dated anew if it leaves late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from reconciler.core.protocol.api_results import ApiResult, Method
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.run import ActionContext, ApplyContext

# Seconds within which an intent is followed by its request, or its date is put right.
PROMPT = 1.0


class SendGuard:
    """Sees to it that no record is older than its send: later runs count from its date.

    `redate` makes another date durable (RFC 3339, by the server's clock).
    """

    def __init__(self, run: ApplyContext, redate: Callable[[str], Awaitable[None]]) -> None:
        self._run = run
        self._redate = redate
        self._dated_until = run.clock.monotonic()

    def date(self) -> str:
        """The time to record of a request that is about to be sent."""
        self._dated_until = self._run.clock.monotonic() + PROMPT
        return self._run.latest_server_time().isoformat(timespec="milliseconds")

    async def before_send(self) -> None:
        """Put the date right where the queue, the disk or the network was slow.

        The process may also have stood still. Raises StoppedError when the run was stopped
        meanwhile: the next thing to happen is that bytes leave.
        """
        allowance = PROMPT
        while (now := self._run.clock.monotonic()) > self._dated_until:
            # A disk that is slower than the allowance gets twice as much, dated ahead.
            at = self._run.latest_server_time() + timedelta(seconds=allowance - PROMPT)
            self._dated_until = now + allowance
            await self._redate(at.isoformat(timespec="milliseconds"))
            allowance *= 2
        if self._run.halt:
            raise StoppedError


async def send_recorded(
    work: ActionContext,
    method: Method,
    *,
    record: Callable[[SendCounts], Awaitable[None]],
    attempt: Callable[[], Awaitable[ApiResult]],
) -> ApiResult:
    """Send a request until there is a final answer; each send of it is recorded before.

    The first record is written while other requests are in flight, not in place of one; the later
    ones are told how the sends before them went.
    Raises StoppedError when the run ends first.
    """
    places = work.run.dispatcher.ahead
    await places.acquire()
    has_place = True
    try:
        if work.run.halt:
            raise StoppedError
        await record(SendCounts())

        async def recorded(tries: SendCounts) -> ApiResult:
            nonlocal has_place
            if has_place:
                has_place = False
                places.release()
            if tries.sends:
                await record(tries)
            return await attempt()

        return await work.send(method, recorded)
    finally:
        if has_place:
            places.release()
