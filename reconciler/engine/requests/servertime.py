"""The time by the server's clock, as far as its answers have told it: between two bounds."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.core.protocol.api_results import Ambiguous, ApiResult, NotFound, Unavailable
from reconciler.ports import Clock

# A Date has no fractions: the server's clock may show up to a second more.
_FRACTION = timedelta(seconds=1)


class ServerTime:
    """The server's clock, learnt from the Dates of its answers; until the first one, our own.

    The times in a record are compared by later runs on other machines, whose clocks may be an hour
    apart: only the server's own is the same for all of them.

    A Date was written after its request had left and before its answer was read, and both may have
    waited for minutes (a process that was stopped, a laptop that slept). So one answer gives two
    bounds, and the tightest of the run count. Where they contradict each other (replicas with
    clocks of their own, a virtual machine whose clock stood still), the more cautious one counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # What the server's clock showed when our monotonic clock stood at zero.
        own = clock.now() - timedelta(seconds=clock.monotonic())
        self._at_least = self._at_most = own
        self._is_told = False

    def observe(self, answer: ApiResult, asked_at: float) -> None:
        """Learn from an answer to a request of that monotonic time.

        One that a proxy may have written says nothing of the server.
        """
        if isinstance(answer, Ambiguous | Unavailable):
            return
        if isinstance(answer, NotFound) and not answer.trusted:
            return
        if not answer.date:
            return
        date = datetime.fromisoformat(answer.date)
        # Both as of when our monotonic clock stood at zero, so that answers of different times
        # compare.
        at_least = date - timedelta(seconds=self._clock.monotonic())
        at_most = date + _FRACTION - timedelta(seconds=asked_at)
        self._at_least = max(self._at_least, at_least) if self._is_told else at_least
        self._at_most = min(self._at_most, at_most) if self._is_told else at_most
        self._is_told = True

    def earliest(self) -> datetime:
        """What the server's clock shows now at least: by this it is judged what is over."""
        return min(self._at_least, self._at_most) + self._elapsed()

    def latest(self) -> datetime:
        """What the server's clock shows now at most: with this is dated what may come true."""
        return max(self._at_least, self._at_most) + self._elapsed()

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=self._clock.monotonic())
