"""Ten thousand creates against servers that refuse: failures, requests and time, simulated.

The dispatcher is the real one; the clock is virtual and the server a few lines below. A fixed
number of requests in flight, the best of several, is simulated beside it in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.answers import Accepted, Answer, Method, Unavailable
from reconciler.core.model import Address, Remote
from reconciler.core.pace import Pace
from reconciler.core.retry import Tries
from reconciler.engine import dispatcher as engine
from tests.timing import Timeline, VirtualClock, run

CEILING = 64
FIXED = (8, 16, 24, 32, 64)
REFUSAL_SECONDS = 0.002
FINE = Accepted(
    remote=Remote(
        id="i",
        address=Address(project="1", name="a"),
        metadata={},
        raw_manifest={},
        desired_phase="Running",
    )
)


class Server:
    """Serves in 40 to 60 ms, unless its rule refuses, which takes 2 ms."""

    def __init__(self, refuses: Refuses, timeline: Timeline, rng: random.Random) -> None:
        self.refuses = refuses
        self.timeline = timeline
        self.rng = rng
        self.serving = 0
        self.requests = 0

    async def answer(self, _: Tries) -> Answer:
        """One request."""
        self.requests += 1
        refusal = self.refuses(self)
        if refusal is not None:
            await asyncio.sleep(REFUSAL_SECONDS)
            return refusal
        self.serving += 1
        slow = 20.0 if self.refuses is spikes and int(self.timeline.now) % 5 == 0 else 1.0
        await asyncio.sleep(self.rng.uniform(0.04, 0.06) * slow)
        self.serving -= 1
        return FINE


Refuses = Callable[[Server], Answer | None]


def at_random(share: float) -> Refuses:
    """That share of all requests gets a 503, whatever the load."""
    return lambda server: Unavailable() if server.rng.random() < share else None


def more_than(cap: int, share: float = 0.0) -> Refuses:
    """Only so many are served at once, and of those a share is refused at random."""
    noise = at_random(share)
    return lambda server: Unavailable() if server.serving >= cap else noise(server)


def between(begin: float, end: float, retry_after: float | None = None) -> Refuses:
    """An outage."""

    def refuses(server: Server) -> Answer | None:
        away = begin <= server.timeline.now < end
        return Unavailable(retry_after=retry_after) if away else None

    return refuses


def spikes(_: Server) -> Answer | None:
    """Nothing is refused, but every fifth second takes twenty times as long."""
    return None


SCENARIOS: dict[str, Refuses] = {
    "nothing wrong": at_random(0.0),
    "30 % of 503": at_random(0.3),
    "60 % of 503": at_random(0.6),
    "24 at once": more_than(24),
    "24 at once and 30 %": more_than(24, 0.3),
    "outage of 60 s": between(1.0, 61.0),
    "outage, Retry-After 20": between(1.0, 61.0, 20.0),
    "latency spikes": spikes,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one simulation came to; `requests` per create, `seconds` of virtual time."""

    failed: int
    requests: float
    seconds: float


class _Fixed(Pace):
    """A number of requests in flight that never changes, for comparison."""

    def succeeded(self, latency: float) -> None:
        """Learn nothing."""

    def refused(self) -> None:
        """Learn nothing."""


def simulate(scenario: Refuses, count: int, *, seed: int, fixed: int | None = None) -> Outcome:
    """Send so many creates through the dispatcher, adaptive unless a fixed number is given."""
    timeline = Timeline()
    began = timeline.now
    server = Server(scenario, timeline, random.Random(seed))

    async def main() -> list[Answer]:
        sender = engine.Dispatcher(
            clock=VirtualClock(timeline),
            ceiling=fixed or CEILING,
            rng=random.Random(seed + 1),
            halt=engine.Halt(),
            deadline=1800.0,
        )
        if fixed is not None:
            pace = _Fixed(fixed)
            pace._limit = float(fixed)
            sender._writes.pace = pace
        sends = (sender.send(Method.POST, server.answer) for _ in range(count))
        answers = await asyncio.gather(*sends)
        sender.close()
        return answers

    answers = run(main(), timeline)
    return Outcome(
        failed=sum(answer is not FINE for answer in answers),
        requests=server.requests / count,
        seconds=timeline.now - began,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    seeds = range(1, arguments.seeds + 1)
    print(f"{arguments.count} creates, at most {CEILING} in flight, {arguments.seeds} seeds\n")
    print("| server | failed | requests per create | seconds | best fixed | its seconds | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, scenario in SCENARIOS.items():
        ours = [simulate(scenario, arguments.count, seed=seed) for seed in seeds]
        fixed = {
            number: statistics.mean(
                simulate(scenario, arguments.count, seed=seed, fixed=number).seconds
                for seed in seeds
            )
            for number in FIXED
        }
        best = min(fixed, key=lambda number: fixed[number])
        seconds = statistics.mean(one.seconds for one in ours)
        print(
            f"| {name} | {sum(one.failed for one in ours)} "
            f"| {statistics.mean(one.requests for one in ours):.3f} | {seconds:.1f} "
            f"| {best} | {fixed[best]:.1f} | {seconds / fixed[best]:.2f} |"
        )


if __name__ == "__main__":
    main()
