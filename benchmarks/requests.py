"""Ten thousand creates against servers that refuse: failures, requests and time, simulated.

The dispatcher is the real one; the clock is virtual and the server a few lines below. A fixed
number of requests in flight, the best of several, is simulated beside it in the same run. Where
tokens end, the client is the real one as well, and a last run goes through engine and sandbox.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.login.credentials import ClientCredentials
from reconciler.api.secret import Secret
from reconciler.app.session import Session
from reconciler.core.model import Address, Remote
from reconciler.core.protocol.adaptive_limit import AdaptiveLimit
from reconciler.core.protocol.api_results import Accepted, ApiResult, Method, Unavailable
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.requests import dispatcher as engine
from tests.support.timing import Timeline, VirtualClock, run
from tests.support.worlds import World, wish

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

    async def answer(self, _: SendCounts) -> ApiResult:
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


Refuses = Callable[[Server], ApiResult | None]


def at_random(share: float) -> Refuses:
    """That share of all requests gets a 503, whatever the load."""
    return lambda server: Unavailable() if server.rng.random() < share else None


def more_than(cap: int, share: float = 0.0) -> Refuses:
    """Only so many are served at once, and of those a share is refused at random."""
    noise = at_random(share)
    return lambda server: Unavailable() if server.serving >= cap else noise(server)


def between(begin: float, end: float, retry_after: float | None = None) -> Refuses:
    """An outage."""

    def refuses(server: Server) -> ApiResult | None:
        away = begin <= server.timeline.now < end
        return Unavailable(retry_after=retry_after) if away else None

    return refuses


def spikes(_: Server) -> ApiResult | None:
    """Nothing is refused, but every fifth second takes twenty times as long."""
    return None


TOKEN_SECONDS = 2.0
REVOKED_AT = (1.1, 5.3)
WORKLOAD: dict[str, Any] = {
    "metadata": {"name": "a", "projectId": "1"},
    "manifest": {"apiVersion": "batch/v1", "kind": "Job"},
}
ECHO: dict[str, Any] = {
    "metadata": {**WORKLOAD["metadata"], "id": "i", "tenantId": 1, "projectName": "one"},
    "desiredPhase": "Running",
    "workloadManifest": {},
    "rawManifest": WORKLOAD["manifest"],
}


class Gate(httpx.AsyncBaseTransport):
    """Lets in whoever shows a token that has neither ended nor been revoked when it answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ends: dict[str, float] = {}
        self.turned_away = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a login, or a create."""
        if request.url.path == "/api/v2/token":
            return await self._log_in()
        answer = await self.server.answer(SendCounts())
        token = request.headers["authorization"].removeprefix("Bearer ")
        if self.server.timeline.now < self.ends[token] and answer is FINE:
            return httpx.Response(202, json=ECHO)
        self.turned_away += 1
        return httpx.Response(401, json={"code": 401, "message": "token is expired"})

    async def _log_in(self) -> httpx.Response:
        await asyncio.sleep(0.05)
        now, token = self.server.timeline.now, f"t{len(self.ends)}"
        revoked = [moment for moment in REVOKED_AT if moment > now]
        self.ends[token] = min(now + TOKEN_SECONDS, *revoked) if revoked else now + TOKEN_SECONDS
        return httpx.Response(200, json={"access_token": token, "expires_in": TOKEN_SECONDS})


def no_one(_: Server) -> ApiResult | None:
    """Nothing is refused by the server; its `Gate` turns away old tokens."""
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
    "tokens that end": no_one,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one simulation came to; `requests` per create, `seconds` of virtual time.

    `logins` and `turned_away` count where there is a gate.
    """

    failed: int
    requests: float
    seconds: float
    logins: int = 0
    turned_away: int = 0


class _Fixed(AdaptiveLimit):
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
    gate = Gate(server)
    send = _through(gate, timeline) if scenario is no_one else server.answer

    async def main() -> list[ApiResult]:
        sender = engine.Dispatcher(
            clock=VirtualClock(timeline),
            ceiling=fixed or CEILING,
            rng=random.Random(seed + 1),
            halt=engine.StopSignal(),
            deadline=1800.0,
        )
        if fixed is not None:
            pace = _Fixed(fixed)
            pace._limit = float(fixed)
            sender._writes.pace = pace
        sends = (sender.send(Method.POST, send) for _ in range(count))
        answers = await asyncio.gather(*sends)
        sender.close()
        return answers

    answers = run(main(), timeline)
    return Outcome(
        failed=sum(not isinstance(answer, Accepted) for answer in answers),
        requests=server.requests / count,
        seconds=timeline.now - began,
        logins=len(gate.ends),
        turned_away=gate.turned_away,
    )


def _through(gate: Gate, timeline: Timeline) -> engine.Attempt:
    """Creates of the real client, which logs in and replays."""
    credentials = ClientCredentials(client_id="robot", client_secret=Secret(value="secret"))
    api = HttpWorkloadApi(
        ApiSettings(url="https://cp.example", credentials=credentials),
        transport=gate,
        monotonic=VirtualClock(timeline).monotonic,
    )
    return lambda _: api.create(WORKLOAD)


def whole(count: int) -> str:
    """The same through engine and sandbox, whose tokens end with requests in flight."""
    world = World(token_lifetime=2.0, latency=0.25)
    specs = [wish(f"w{number:05}") for number in range(count)]

    def revoke(_: Session) -> None:
        for moment in REVOKED_AT:
            asyncio.get_running_loop().call_later(moment, world.sandbox.tokens.revoke)

    ran = world.apply(*specs, meanwhile=revoke, concurrency=CEILING)
    entries = world.sandbox.ledger.entries
    logins = sum(entry.path == "/api/v2/token" for entry in entries)
    turned_away = sum(entry.status == 401 for entry in world.entries())
    kept = {row.id for row in world.rows()} & {w.id for w in world.sandbox.store.live()}
    return (
        f"through engine and sandbox: exit code {ran.exit_code}, {count - len(kept)} of {count} "
        f"lost, {len(world.created_twice())} made twice, {logins} logins, "
        f"{turned_away} requests turned away, {len(world.ledger('POST')) / count:.3f} creates each"
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
    print(
        f"\ntokens that end: they live {TOKEN_SECONDS:g} s and are revoked at "
        f"{' and '.join(f'{moment:g} s' for moment in REVOKED_AT)}: "
        f"{statistics.mean(one.logins for one in ours):.1f} logins and "
        f"{statistics.mean(one.turned_away for one in ours):.1f} requests turned away per run"
    )
    print(whole(arguments.count))


if __name__ == "__main__":
    main()
