"""What a run sends and meets, counted."""

from __future__ import annotations

import pytest

from reconciler.app.applying.request_stats import RequestStats
from reconciler.core.protocol.api_results import (
    ApiResult,
    Method,
    NotFound,
    NotSent,
    TooManyRequests,
    Unavailable,
)
from reconciler.core.protocol.retry import RULES, SendCounts
from reconciler.engine.requests.dispatcher import Retry
from tests.support.timing import run
from tests.support.worlds import World, wish


def retry(answer: ApiResult, delay: float, *, everyone: bool = False) -> Retry:
    """A request that is sent again after a while."""
    return Retry(
        method=Method.GET, answer=answer, tries=SendCounts(sends=1), delay=delay, everyone=everyone
    )


def test_requests_are_counted_by_method_and_status() -> None:
    """One without an answer has no status."""
    traffic = RequestStats()
    for status in (200, 200, None):
        traffic.sent("GET", status)
    assert traffic.requests == {("GET", "200"): 2, ("GET", ""): 1}


@pytest.mark.parametrize(
    ("kind", "method"), [(kind, method) for (method, kind), rule in RULES.items() if rule.retry]
)
def test_every_answer_that_is_tried_again_has_a_reason(
    kind: type[ApiResult], method: Method
) -> None:
    """And no other reason can come up: the set of labels is closed."""
    traffic = RequestStats()
    reasons = set(traffic.retries)
    traffic.retried(retry(kind(message=str(method)), 1.0), 0.0)
    assert sum(traffic.retries.values()) == 1
    assert set(traffic.retries) == reasons


def test_pauses_that_overlap_are_one() -> None:
    """Thirty requests that were told to wait waited together."""
    traffic = RequestStats()
    for now, delay in ((0.0, 5.0), (0.1, 5.0), (1.0, 1.0), (6.0, 2.0)):
        traffic.retried(retry(Unavailable(), delay, everyone=True), now)
    traffic.retried(retry(TooManyRequests(), 60.0), 7.0)
    assert traffic.pauses == 2
    assert traffic.paused == pytest.approx(7.1)
    assert traffic.retries | {"unavailable": 4, "throttled": 1} == traffic.retries


def test_a_run_counts_all_that_it_sends() -> None:
    """Logins, writes and reads, the first of which finds out who is there; answered or not."""
    world = World()
    connector = world.connector()

    async def main() -> None:
        async with connector.open_session(world.settings, None, lambda _: None) as session:
            await session.dispatcher.send(
                Method.GET, lambda _: session.api.read("0ae9b56f-831f-47a4-a997-23b9e3658202")
            )

    world.apply(wish("a"))
    run(main(), world.timeline)
    assert connector.traffic.requests == {("POST", "200"): 1, ("GET", "404"): 2}


def test_what_is_repeated_is_counted_with_its_reason() -> None:
    """Whoever asked for the request, and whether or not anybody listens."""
    world = World()
    connector = world.connector()
    answers = iter(
        [
            NotSent(message="refused"),
            TooManyRequests(retry_after=3.0),
            Unavailable(),
            NotFound(trusted=True),
        ]
    )
    heard: list[Retry] = []

    async def attempt(_: SendCounts) -> ApiResult:
        return next(answers)

    async def main() -> ApiResult:
        async with connector.open_session(world.settings, None, lambda _: None) as session:
            return await session.dispatcher.send(Method.GET, attempt, heard.append)

    assert isinstance(run(main(), world.timeline), NotFound)
    counts = {reason: count for reason, count in connector.traffic.retries.items() if count}
    assert counts == {"not-sent": 1, "throttled": 1, "unavailable": 1}
    assert len(heard) == 3
    assert connector.traffic.pauses == 1
    assert connector.traffic.paused >= 3.0
