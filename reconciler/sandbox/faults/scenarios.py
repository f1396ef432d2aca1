"""Named sets of rules that are worth rehearsing as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.sandbox.settings import SandboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named set of rules."""

    name: str
    story: str
    rules: tuple[str, ...]


# Published by name: a pipeline may rehearse one, so their rules change with care.
SCENARIOS = (
    Scenario(
        name="storm",
        story="three requests in ten answer 503, one change in ten is done but its answer lost",
        rules=("503 p=30%", "lost p=10% on=POST,DELETE"),
    ),
    Scenario(
        name="outage",
        story="after 2 s the gateway answers everything with an HTML 503 for 20 s",
        rules=("503 page=html at=all after=2s for=20s",),
    ),
    Scenario(
        name="late",
        story="one create in five is carried out 20 s late, long after its connection has died",
        rules=("late=20s hangup p=20% on=POST",),
    ),
    Scenario(
        name="lag",
        story="what was created shows up by id after 3 s and in lists after 10 s",
        rules=("lag=3s", "list-lag=10s"),
    ),
    Scenario(
        name="stubborn",
        story="deletes take 15 s, one in five fails on its first attempt, one sync in ten fails",
        rules=("linger=15s", "delete-fails p=20% try=1", "sync-fails p=10%"),
    ),
    Scenario(
        name="crowd",
        story="at most 16 requests in flight and 50 a second; the rest is told to come back",
        rules=("cap=16 status=503", "rate=50 retry-after=1s"),
    ),
    Scenario(
        name="slow",
        story="every answer takes 300 ms to 800 ms",
        rules=("latency=300ms jitter=500ms at=all",),
    ),
    Scenario(
        name="hostile",
        story="answers that are cut off, garbled, dripped, bloated, or a login page",
        rules=(
            "truncate=20 p=5%",
            "garble p=5%",
            "drip=50ms p=5%",
            "bomb=64MiB p=2%",
            "502 page=html p=5%",
            "redirect p=2%",
        ),
    ),
)


def find_scenario(name: str) -> Scenario:
    """Find a scenario; raises SandboxError that lists the known ones."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    names = ", ".join(scenario.name for scenario in SCENARIOS)
    raise SandboxError(f"no scenario is called '{name}'; known are {names}")
