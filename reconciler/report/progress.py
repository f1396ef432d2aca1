"""How far an apply has come: the numbers behind the live view and the pulse."""

from __future__ import annotations

from collections import Counter, deque
from datetime import timedelta
from itertools import islice
from threading import Lock

from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestEnded,
    RequestRetried,
    Throttled,
)
from reconciler.core.history.outcome import NAMES, Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.model import Address
from reconciler.core.planning.plan import Plan
from reconciler.core.shorten import shorten
from reconciler.report.text.color import name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import gpu_number

# A rate over less than this, or of fewer, is chance.
LEAST_SECONDS, LEAST_DONE = 5.0, 10
# What the server takes changes; how it was longer ago says nothing.
WINDOW_SECONDS = 30.0
# Nobody is told when the limit grows again, so a cut is only named for as long as it is news.
NEWS_SECONDS = 15.0
BAR_WIDTH = 20
# Nothing is changed by a run that waits for what is there already.
WAITING = "waiting for unchanged workloads"
OLDEST = 3


class Progress:
    """Counts what happens; told by one thread and asked by another.

    Times are seconds of a monotonic clock. Without a plan nothing is said of GPUs.
    """

    def __init__(self, total: int, plan: Plan | None = None, *, now: float = 0.0) -> None:
        self.total = total
        self._effects = {a.address: a.gpus for a in plan.changes} if plan else {}
        self._plan = plan
        self._gpus = plan.gpus.before if plan else 0.0
        self._ends: Counter[type[Outcome]] = Counter()
        self._retries = 0
        self._under_way: dict[Address, float] = {}
        self._pause_until = self._news_until = now
        self._reason = ""
        self._limit: int | None = None
        self._request_limit = 0
        self._began = now
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])
        # Events come from the thread of the apply, lines are asked for by that of the display.
        self._lock = Lock()

    @property
    def done(self) -> int:
        """How many actions have come to an end, whichever it was."""
        return sum(self._ends.values())

    def add(self, event: Event, now: float) -> None:
        """Something happened."""
        with self._lock:
            match event:
                case ActionStarted(address=address):
                    self._under_way[address] = now
                case RequestRetried():
                    self._retries += 1
                case Throttled():
                    self._reason = event.reason
                    self._pause_until = max(self._pause_until, now + event.delay)
                    if event.limit is not None:
                        self._limit = event.limit
                        self._news_until = now + NEWS_SECONDS
                case ActionEnded(address=address, outcome=outcome):
                    self._under_way.pop(address, None)
                    self._ends[type(outcome)] += 1
                    if isinstance(outcome, Succeeded) and address in self._effects:
                        effect = self._effects[address]
                        # Only a success is known to have changed what is asked for.
                        self._gpus += effect.after - effect.before
                case _:
                    pass

    def trace(self, request: RequestEnded) -> None:
        """A request came back; it tells how many may be sent at a time."""
        with self._lock:
            self._request_limit = request.limit

    def sentence(self) -> str:
        """All of it in one sentence, for those who see one line now and then."""
        with self._lock:
            if not self.total:
                return WAITING
            parts = [f"{self.done} of {self.total} done", *self._unsuccessful()]
            return f"applying: {', '.join(parts)}"

    def lines(self, now: float) -> list[str]:
        """All of it as a few lines, as it is at this moment."""
        with self._lock:
            share = min(1.0, self.done / self.total) if self.total else 1.0
            # Rounded down: a full bar says that all is done.
            filled = int(share * BAR_WIDTH)
            bar = "━" * filled + "─" * (BAR_WIDTH - filled)
            passed = str(timedelta(seconds=int(now - self._began)))
            if not self.total:
                return [f"{WAITING}  {passed}"]
            time = ", ".join(filter(None, (passed, self._time_left(now))))
            lines = [f"{bar} {self.done} of {self.total} ({share:.0%})  {time}", self._counts()]
            if self._plan and (self._plan.gpus.before or self._plan.gpus.after):
                total = self._plan.gpus
                before, after = gpu_number(total.before), gpu_number(total.after)
                gpus = gpu_number(round(self._gpus, 6))
                lines.append(f"GPUs asked for: {gpus} ({before} → {after})")
            slowdown = []
            if now < self._news_until:
                slowdown.append(f"slowed to {self._limit} at a time")
            if now < self._pause_until:
                slowdown.append(f"pausing {self._pause_until - now:.0f} s more")
            if slowdown:
                lines.append(f"{', '.join(slowdown)}: {escape_terminal(self._reason)}")
            # A dict keeps the order of insertion, so the first are those that take longest.
            oldest = [
                f"{shorten(name_of(address), 32)} {now - begun:.0f} s"
                for address, begun in islice(self._under_way.items(), OLDEST)
            ]
            return [*lines, f"longest: {', '.join(oldest)}"] if oldest else lines

    def _counts(self) -> str:
        waiting = max(0, self.total - self.done - len(self._under_way))
        parts = [f"{len(self._under_way)} under way, {waiting} waiting", *self._unsuccessful()]
        if self._request_limit:
            parts.append(f"up to {self._request_limit} requests at a time")
        if self._retries:
            parts.append("1 retry" if self._retries == 1 else f"{self._retries} retries")
        return ", ".join(parts)

    def _unsuccessful(self) -> list[str]:
        counts = [(self._ends[kind], NAMES[kind].word) for kind in (Failed, InDoubt, Skipped)]
        return [f"{count} {word}" for count, word in counts if count]

    def _time_left(self, now: float) -> str:
        """How long it will take at the present rate; empty where that would be a guess."""
        self._samples.append((now, self.done))
        # The oldest sample stays until the next one is as old as the window: a rate needs two.
        while len(self._samples) > 2 and self._samples[1][0] <= now - WINDOW_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        passed, ended = now - since, self.done - before
        if passed < LEAST_SECONDS or ended < LEAST_DONE:
            return ""
        seconds = (self.total - self.done) * passed / ended
        if seconds < 10:
            return "a few seconds left"
        if seconds < 120:
            return f"about {round(seconds, -1):.0f} s left"
        return f"about {seconds / 60:.0f} min left"
