"""The dispatcher against servers that refuse, on virtual time: `make bench-requests` in small."""

from __future__ import annotations

import pytest

from benchmarks.requests import SCENARIOS, simulate

COUNT = 2_000

# Requests per create. At random shares the arithmetic minimum is 1 / (1 - share).
MOST_REQUESTS = {
    "nothing wrong": 1.0,
    "30 % of 503": 1.5,
    "60 % of 503": 2.65,
    "24 at once": 1.05,
    "24 at once and 30 %": 1.7,
    "outage of 60 s": 1.15,
    "outage, Retry-After 20": 1.1,
    "latency spikes": 1.0,
    "tokens that end": 1.05,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_given_up_and_nothing_is_hammered(name: str) -> None:
    """Every create gets through, at about the number of requests that arithmetic allows."""
    outcome = simulate(SCENARIOS[name], COUNT, seed=1)
    assert outcome.failed == 0
    assert outcome.requests <= MOST_REQUESTS[name]


def test_random_refusals_do_not_starve() -> None:
    """At 60 % of 503 it takes no more than 1.3 times as long as the best fixed number."""
    scenario = SCENARIOS["60 % of 503"]
    seeds = (1, 2)
    ours = sum(simulate(scenario, COUNT // 2, seed=seed).seconds for seed in seeds)
    best = min(
        sum(simulate(scenario, COUNT // 2, seed=seed, fixed=fixed).seconds for seed in seeds)
        for fixed in (16, 32, 64)
    )
    assert ours <= 1.3 * best
