"""The one way out: how many, in which order, how often, and until when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address, Remote
from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    ClusterList,
    ClusterVersions,
    Conflict,
    Described,
    DryRunPassed,
    Listed,
    Method,
    NotFound,
    NotSent,
    NotShown,
    Occurrences,
    ProjectPage,
    Refused,
    TooManyRequests,
    TypeList,
    Unauthorised,
    Unavailable,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.protocol.retry import RULES, SendCounts
from reconciler.engine.requests.dispatcher import Dispatcher, Retry, StoppedError, StopSignal
from tests.support.timing import Timeline, VirtualClock, run

FINE = Listed(ids=())
POST, GET, DELETE = Method.POST, Method.GET, Method.DELETE

ANSWERS: Sequence[ApiResult] = (
    DryRunPassed(),
    ClusterVersions(),
    Described(workload=LiveWorkload(id="x", address=Address(project="1", name="x"), is_v2=True)),
    WorkloadPage(workloads=()),
    WorkloadCount(count=0),
    Occurrences(occurrences=()),
    ProjectPage(projects=()),
    ClusterList(clusters=()),
    TypeList(types=()),
    NotShown(),
    FINE,
    Refused(status=400),
    Conflict(),
    NotFound(trusted=True),
    Unauthorised(),
    TooManyRequests(),
    TooManyRequests(retry_after=3.0),
    Unavailable(),
    Unavailable(retry_after=40.0),
    NotSent(),
    NotSent(permanent=True),
    Ambiguous(),
)
# To one method only, so that nothing draws it for another.
DELETED = Acknowledged()


def _accepted() -> ApiResult:
    address = Address(project="1", name="a")
    return Accepted(
        remote=Remote(id="i", address=address, metadata={}, raw_manifest={}, desired_phase="")
    )


@dataclass
class Rig:
    """A dispatcher on a timeline, and a book of what it let through."""

    limit: int = 4
    deadline: float = 300.0
    seed: int = 1
    timeline: Timeline = field(default_factory=Timeline)
    sent: list[tuple[float, str]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.timeline)
        self.halt: StopSignal
        self.dispatcher: Dispatcher

    async def open(self) -> None:
        """Build what needs a running loop."""
        self.halt = StopSignal()
        self.dispatcher = Dispatcher(
            clock=self.clock,
            ceiling=self.limit,
            rng=random.Random(self.seed),  # noqa: S311 - jitter needs no secrecy
            halt=self.halt,
            deadline=self.deadline,
        )

    async def send(
        self, name: str, method: Method, *script: ApiResult, takes: float = 1.0
    ) -> ApiResult | None:
        """Send through a script of answers, the last one for ever; None when the run ended."""
        answers = iter(script)
        last = script[-1]

        async def attempt(_: SendCounts) -> ApiResult:
            assert not self.halt
            self.sent.append((self.timeline.now, name))
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                await asyncio.sleep(takes)
            finally:
                self.in_flight -= 1
            return next(answers, last)

        try:
            return await self.dispatcher.send(method, attempt)
        except StoppedError:
            return None


def test_never_more_than_the_limit_are_in_flight() -> None:
    """Thirty requests through a gate of four: always four at a time, in seven and a half rounds."""
    rig = Rig(limit=4)

    async def main() -> list[ApiResult | None]:
        await rig.open()
        return await asyncio.gather(*(rig.send(str(n), GET, FINE) for n in range(30)))

    answers = run(main(), rig.timeline)

    assert answers == [FINE] * 30
    assert rig.most_in_flight == 4
    assert rig.timeline.now == pytest.approx(8.0)
    assert [name for _, name in rig.sent] == [str(n) for n in range(30)]


def test_a_place_is_given_to_whoever_became_ready_first() -> None:
    """One that has to be sent again goes behind those that were already waiting."""
    rig = Rig(limit=1)

    async def main() -> None:
        await rig.open()
        first = rig.send("first", GET, Unavailable(), FINE)
        await asyncio.gather(first, rig.send("second", GET, FINE), rig.send("third", GET, FINE))

    run(main(), rig.timeline)

    assert [name for _, name in rig.sent] == ["first", "second", "third", "first"]


@pytest.mark.parametrize(("method", "answer"), RULES)
def test_the_table_decides_what_is_sent_again(method: Method, answer: type[ApiResult]) -> None:
    """Every answer to every method: final, repeated up to its limit, or until the deadline."""
    example = next(a for a in (*ANSWERS, DELETED, _accepted()) if isinstance(a, answer))
    rig = Rig(deadline=200.0)

    async def main() -> ApiResult | None:
        await rig.open()
        return await rig.send("x", method, example)

    assert run(main(), rig.timeline) == example
    rule = RULES[method, answer]
    if answer is NotSent:
        assert len(rig.sent) == 4
    elif not rule.retry:
        assert len(rig.sent) == 1
    elif rule.limit is not None:
        assert len(rig.sent) == rule.limit
    else:
        assert 5 <= len(rig.sent) <= 200
    assert rig.timeline.now <= 201.0


def test_a_server_that_answered_once_may_be_away_for_long() -> None:
    """Only one that was never reached is given up after four sends."""
    rig = Rig(deadline=100.0)

    async def main() -> ApiResult | None:
        await rig.open()
        await rig.send("hello", GET, FINE)
        return await rig.send("x", GET, *([NotSent()] * 9), FINE)

    assert run(main(), rig.timeline) == FINE
    assert len(rig.sent) == 11


def test_what_was_tried_is_told_to_the_next_attempt() -> None:
    """Sends, unclear answers and unsent ones are counted apart."""
    rig = Rig()
    seen: list[SendCounts] = []
    script = iter([TooManyRequests(), Unavailable(), NotSent(), Ambiguous(), Conflict()])

    async def attempt(tries: SendCounts) -> ApiResult:
        seen.append(tries)
        return next(script)

    async def main() -> None:
        await rig.open()
        await rig.dispatcher.send(POST, attempt)

    run(main(), rig.timeline)

    assert seen == [
        SendCounts(),
        SendCounts(sends=1),
        SendCounts(sends=2, ambiguous=True),
        SendCounts(sends=3, unsent=1, ambiguous=True),
        SendCounts(sends=4, unsent=1, unclear=1, ambiguous=True),
    ]


def test_a_retry_says_how_long_it_waits_and_who_else_does() -> None:
    """A back-off is one's own; a Retry-After is everybody's."""
    rig = Rig()
    retries: list[Retry] = []
    script = iter([Unavailable(), TooManyRequests(retry_after=5.0), FINE])

    async def attempt(_: SendCounts) -> ApiResult:
        return next(script)

    async def main() -> None:
        await rig.open()
        await rig.dispatcher.send(GET, attempt, retries.append)

    run(main(), rig.timeline)

    assert [(r.answer, r.everyone) for r in retries] == [
        (Unavailable(), False),
        (TooManyRequests(retry_after=5.0), True),
    ]
    assert 0.0 <= retries[0].delay <= 0.5
    assert 5.0 <= retries[1].delay <= 7.0


def test_the_gate_closes_before_the_place_is_given_away() -> None:
    """Of a queue behind a place of one, nobody slips through after the server asked to wait."""
    rig = Rig(limit=1)

    async def main() -> None:
        await rig.open()
        asked = rig.send("asked", GET, TooManyRequests(retry_after=10.0), FINE)
        await asyncio.gather(asked, *(rig.send(str(n), GET, FINE) for n in range(3)))

    run(main(), rig.timeline)

    first, *later = (at for at, _ in rig.sent)
    assert first == 0.0
    assert min(later) >= 11.0


def test_a_cancelled_waiter_gives_its_turn_away() -> None:
    """Whoever leaves the queue, waiting or just admitted, blocks nobody behind."""
    rig = Rig(limit=1)

    async def main() -> list[ApiResult | None]:
        await rig.open()
        running = asyncio.create_task(rig.send("a", GET, FINE))
        waiting = [asyncio.create_task(rig.send(f"w{n}", GET, FINE)) for n in range(3)]
        await asyncio.sleep(0.5)
        waiting[0].cancel()
        running.cancel()
        await asyncio.sleep(0)
        # By now the next one is admitted, and has not run yet.
        waiting[1].cancel()
        return [await waiting[2]]

    assert run(main(), rig.timeline) == [FINE]
    assert rig.sent[-1] == (0.5, "w2")


def test_nothing_is_sent_once_the_switch_is_pulled() -> None:
    """Who waits is told so at once; who is in flight comes home."""
    rig = Rig(limit=2)

    async def main() -> list[ApiResult | None]:
        await rig.open()
        asyncio.get_running_loop().call_later(0.5, rig.halt.pull, StopReason.SIGINT)
        return await asyncio.gather(*(rig.send(str(n), GET, FINE) for n in range(6)))

    assert run(main(), rig.timeline) == [FINE, FINE, None, None, None, None]
    assert rig.timeline.now == pytest.approx(1.0)


def test_the_last_answer_is_kept_when_the_run_ends_before_the_next_send() -> None:
    """A POST answered by 503 is not forgotten because the switch was pulled meanwhile."""
    rig = Rig()

    async def main() -> ApiResult | None:
        await rig.open()
        asyncio.get_running_loop().call_later(1.01, rig.halt.pull, StopReason.SIGINT)
        return await rig.send("a", POST, Unavailable(retry_after=30.0))

    assert run(main(), rig.timeline) == Unavailable(retry_after=30.0)
    assert len(rig.sent) == 1


def test_a_pause_ends_with_the_run() -> None:
    """Whoever waits between two looks is woken by the switch, and by the deadline."""
    rig = Rig(deadline=50.0)

    async def main() -> list[float]:
        await rig.open()
        ends = []
        await rig.dispatcher.pause(10.0)
        ends.append(rig.timeline.now)
        with pytest.raises(StoppedError):
            await rig.dispatcher.pause(100.0)
        ends.append(rig.timeline.now)
        return ends

    assert run(main(), rig.timeline) == [10.0, 50.0]


def test_the_switch_wakes_everyone_who_waits() -> None:
    """Ten thousand may be waiting for the cluster when the run is stopped."""
    rig = Rig()

    async def rest() -> float:
        with pytest.raises(StoppedError):
            await rig.dispatcher.pause(100.0)
        return rig.timeline.now

    async def main() -> list[float]:
        await rig.open()
        asyncio.get_running_loop().call_later(5.0, rig.halt.pull, StopReason.SIGINT)
        woken = await asyncio.gather(*(rest() for _ in range(50)))
        return [*woken, await rest()]

    assert run(main(), rig.timeline) == [5.0] * 51


def test_in_a_crowd_everyone_looks_less_often() -> None:
    """A thousand who wait look five hundred times a second in all, a few as often as they like."""
    rig = Rig()

    async def main() -> list[float]:
        await rig.open()
        crowd = [asyncio.create_task(rig.dispatcher.pause(10.0)) for _ in range(1000)]
        alone = rig.dispatcher.stretched(0.25)
        await asyncio.sleep(1.0)
        together = [rig.dispatcher.stretched(0.25), rig.dispatcher.stretched(5.0)]
        await asyncio.gather(*crowd)
        return [alone, *together, rig.dispatcher.stretched(0.0)]

    assert run(main(), rig.timeline) == [0.25, 2.0, 5.0, 0.0]


def test_the_same_seed_sends_at_the_same_times() -> None:
    """A run can be replayed: its jitter comes from the injected numbers only."""

    def book(seed: int) -> list[tuple[float, str]]:
        rig = Rig(seed=seed)

        async def main() -> None:
            await rig.open()
            script = (Unavailable(), TooManyRequests(), NotSent(), FINE)
            await asyncio.gather(*(rig.send(str(n), GET, *script) for n in range(9)))

        run(main(), rig.timeline)
        return rig.sent

    assert book(3) == book(3)
    assert book(3) != book(4)


SCRIPTS = st.lists(
    st.tuples(
        st.sampled_from(Method),
        st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6),
        st.sampled_from([0.0, 0.1, 1.0, 7.0]),
    ),
    max_size=12,
)


def _has_a_rule(method: Method, answer: ApiResult) -> bool:
    return (method, type(answer)) in RULES


@given(
    scripts=SCRIPTS,
    limit=st.integers(1, 4),
    halt_at=st.none() | st.floats(0.0, 60.0),
    cancel_at=st.none() | st.floats(0.0, 30.0),
    seed=st.integers(0, 99),
)
def test_any_script_ends_in_time_and_within_its_limits(
    scripts: list[tuple[Method, list[ApiResult], float]],
    limit: int,
    halt_at: float | None,
    cancel_at: float | None,
    seed: int,
) -> None:
    """It ends, keeps the limit, loses no place, and sends nothing after a stop."""
    rig = Rig(limit=limit, deadline=120.0, seed=seed)

    async def main() -> None:
        await rig.open()
        loop = asyncio.get_running_loop()
        if halt_at is not None:
            loop.call_later(halt_at, rig.halt.pull, StopReason.SIGINT)
        tasks = [
            asyncio.create_task(
                rig.send(
                    str(n),
                    method,
                    *[a for a in script if _has_a_rule(method, a)] or [NotSent()],
                    takes=takes,
                )
            )
            for n, (method, script, takes) in enumerate(scripts)
        ]
        if cancel_at is not None:
            for task in tasks[::2]:
                loop.call_later(cancel_at, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        # A gate may keep the probes waiting, so a stop that is still to come would end them.
        if halt_at is None and rig.timeline.now < 70.0:
            probes = [rig.send("probe", GET, FINE, takes=0.0) for _ in range(limit)]
            assert await asyncio.gather(*probes) == [FINE] * limit
        rig.dispatcher.close()

    run(main(), rig.timeline)

    ended = min(x for x in (halt_at, 120.0) if x is not None)
    assert rig.most_in_flight <= limit
    assert all(at <= ended for at, _ in rig.sent)
    assert rig.timeline.now <= ended + 7.0 + 1e-6
    assert len(rig.sent) <= 250 * (len(scripts) + limit)


@pytest.mark.parametrize(("method", "ends"), [(GET, 302.0), (POST, 330.0)])
def test_a_read_does_not_outlast_the_run(method: Method, ends: float) -> None:
    """What was sent to change something is waited for: without its answer it would be in doubt."""
    rig = Rig()

    async def hang(_: SendCounts) -> ApiResult:
        await rig.clock.sleep(330.0)
        return _accepted()

    async def work() -> str:
        await rig.open()
        try:
            return type(await rig.dispatcher.send(method, hang)).__name__
        except StoppedError:
            return "halted"

    ended = run(work(), rig.timeline)
    assert (ended, rig.timeline.now) == ("halted" if method is GET else "Accepted", ends)
