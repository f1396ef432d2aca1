"""What a run sent and met on its way, counted for whoever watches unattended runs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field
from typing import Any

from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    Conflict,
    Method,
    NotSent,
    TooManyRequests,
    Unavailable,
)
from reconciler.engine.requests.dispatcher import Attempt, Dispatcher, OnRetry, Retry
from reconciler.ports import Clock
from reconciler.values import dataclass

# Every result that the rules of core/retry.py let a request be repeated after. Their names are
# published as labels of a metric.
_REASONS: dict[type[ApiResult], str] = {
    Ambiguous: "unclear",
    Conflict: "conflict",
    NotSent: "not-sent",
    TooManyRequests: "throttled",
    Unavailable: "unavailable",
}


@dataclass(slots=True, kw_only=True)
class RequestStats:
    """Counts of one run: requests by method and status, retries by reason, and the pauses.

    Pauses that overlap are one; `paused` is in seconds, and the longest that it can have been.
    """

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    retries: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_REASONS.values(), 0))
    pauses: int = 0
    paused: float = 0.0
    _until: float = 0.0

    def sent(self, method: str, status: int | None) -> None:
        """A request was sent, and answered with a status or not at all."""
        self.requests[method, "" if status is None else str(status)] += 1

    def retried(self, retry: Retry, now: float) -> None:
        """A request will be sent again; `now` is a time of the monotonic clock."""
        self.retries[_REASONS[type(retry.answer)]] += 1
        if not retry.everyone:
            return
        # One that begins before the last has ended only makes that one longer.
        if now >= self._until:
            self.pauses += 1
        until = max(self._until, now + retry.delay)
        self.paused += until - max(now, self._until)
        self._until = until


class CountingDispatcher(Dispatcher):
    """A dispatcher whose retries are counted, whoever asked for the request."""

    def __init__(self, stats: RequestStats, *, clock: Clock, **options: Any) -> None:
        super().__init__(clock=clock, **options)
        self._stats = stats
        self._stats_clock = clock

    async def send(
        self,
        method: Method,
        attempt: Attempt,
        on_retry: OnRetry | None = None,
        *,
        conflict_for: float = math.inf,
    ) -> ApiResult:
        """As the dispatcher sends."""

        def count(retry: Retry) -> None:
            self._stats.retried(retry, self._stats_clock.monotonic())
            if on_retry is not None:
                on_retry(retry)

        return await super().send(method, attempt, count, conflict_for=conflict_for)
