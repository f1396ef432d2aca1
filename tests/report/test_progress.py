from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestEnded,
    RequestRetried,
    RunStarted,
    Throttled,
)
from reconciler.core.history.outcome import Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.planning.plan import Plan
from reconciler.report.progress import BAR_WIDTH, NEWS_SECONDS, Progress
from reconciler.report.text.escape import escape_terminal
from tests.support.factories import (
    NOW,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    plan_for,
)
from tests.support.strategies import hostile


def at(kind: Callable[..., Event], name: str = "1/a", **fields: Any) -> Event:
    """Return an event about a workload."""
    return kind(at=NOW, address=make_address(name), **fields)


def ended(outcome: Outcome, name: str = "1/a") -> Event:
    """Return the end of a create."""
    return at(ActionEnded, name, action="create", outcome=outcome)


def begun(name: str = "1/a") -> Event:
    """Return the beginning of a create."""
    return at(ActionStarted, name, action="create")


def done(name: str = "1/a") -> Event:
    """Return the end of a create."""
    return ended(Succeeded(id="i"), name)


def plan() -> Plan:
    """Return a plan of two creates, a delete and a workload that stays."""
    kept, gone = make_desired("2/kept"), make_desired("2/gone")
    wanted = [
        make_desired("1/a", manifest=make_manifest(gpus=8)),
        make_desired("1/b", manifest=make_manifest(gpus=4)),
        kept,
    ]
    return plan_for(wanted, [make_recorded(kept), make_recorded(gone)])


def test_an_apply_that_has_just_begun() -> None:
    """Nothing is done, everything waits, and there is no guess at how long it takes."""
    assert Progress(3, plan(), now=100.0).lines(100.0) == [
        "──────────────────── 0 of 3 (0%)  0:00:00",
        "0 under way, 3 waiting",
        "GPUs asked for: 2 (2 → 13)",
    ]


def test_an_apply_in_the_middle() -> None:
    """What is done, under way, waiting and failed, what holds it up, and who takes longest."""
    progress = Progress(6, plan(), now=0.0)
    for event, now in (
        (begun("1/a"), 1.0),
        (begun("1/b"), 2.0),
        (at(RequestRetried, "1/b", method="POST", attempt=2, delay=1.0, reason="503"), 3.0),
        (at(Throttled, "1/b", delay=4.0, reason="HTTP\n503", limit=5), 3.0),
        (done("1/a"), 4.0),
        (ended(Failed(message="no"), "3/x"), 4.0),
        (ended(Skipped(message="no"), "3/y"), 4.0),
    ):
        progress.add(event, now)
    assert progress.lines(5.0) == [
        "━━━━━━━━━━────────── 3 of 6 (50%)  0:00:05",
        "1 under way, 2 waiting, 1 failed, 1 skipped, 1 retry",
        "GPUs asked for: 10 (2 → 13)",
        "slowed to 5 at a time, pausing 2 s more: HTTP\\x0a503",
        "longest: 1/b 3 s",
    ]
    assert progress.sentence() == "applying: 3 of 6 done, 1 failed, 1 skipped"
    later = progress.lines(3.0 + NEWS_SECONDS)
    assert later[3:] == ["longest: 1/b 16 s"]


@pytest.mark.parametrize(
    ("per_second", "seconds", "words"),
    [
        (1.0, 4.0, "0:00:04"),
        (0.5, 10.0, "0:00:10"),
        (10.0, 5.0, "0:00:05, about 100 s left"),
        (10.0, 60.0, "0:01:00, about 40 s left"),
        (10.0, 95.0, "0:01:35, a few seconds left"),
        (1.0, 60.0, "0:01:00, about 16 min left"),
    ],
)
def test_how_long_it_will_take(per_second: float, seconds: float, words: str) -> None:
    """At the present rate, in the unit that it deserves; nothing where a rate says nothing."""
    progress = Progress(1000, now=0.0)
    lines = [""]
    for tick in range(1, int(seconds * 4) + 1):
        now = tick / 4
        while progress.done < per_second * now:
            progress.add(done(f"1/w{progress.done}"), now)
        lines = progress.lines(now)
    assert lines[0].endswith(f"  {words}")


def test_a_run_that_stands_still_promises_nothing() -> None:
    """Of what was done long ago no rate follows."""
    progress = Progress(100, now=0.0)
    for number in range(50):
        progress.add(done(f"1/w{number}"), 1.0)
    for tick in range(4, 400):
        lines = progress.lines(tick / 4)
    assert lines[0] == "━━━━━━━━━━────────── 50 of 100 (50%)  0:01:39"


ends = st.sampled_from(
    [
        lambda name: ended(Succeeded(), name),
        lambda name: ended(Failed(message="no"), name),
        lambda name: ended(Skipped(message="no"), name),
        lambda name: ended(InDoubt(message="no"), name),
        begun,
        lambda name: at(Throttled, name, delay=1.0, reason="429", limit=3),
        lambda _: RunStarted(at=NOW, run="r", actions=1),
    ]
)


@given(st.lists(st.tuples(ends, st.integers(0, 30)), max_size=60), st.integers(0, 5))
def test_the_counts_add_up(happened: list[tuple[Any, int]], more: int) -> None:
    """Done, under way and waiting are all there is, whatever the order of events."""
    progress = Progress(40 + more, now=0.0)
    ended = set()
    for moment, (make, number) in enumerate(happened):
        event = make(f"1/w{number}")
        progress.add(event, float(moment))
        if isinstance(event, ActionEnded):
            ended.add((number, moment))
    head, counts = progress.lines(float(len(happened)))[:2]
    under_way, waiting = (int(part.split()[0]) for part in counts.split(", ")[:2])
    assert progress.done == len(ended)
    assert waiting == max(0, progress.total - progress.done - under_way)
    assert head[:BAR_WIDTH].count("━") <= BAR_WIDTH


@given(hostile)
def test_nothing_harmful_is_drawn(word: str) -> None:
    """Names and reasons are other people's."""
    progress = Progress(2, now=0.0)
    progress.add(at(Throttled, delay=9.0, reason=word, limit=1), 0.0)
    for line in progress.lines(1.0):
        assert escape_terminal(line) == line


def test_the_present_pace_is_told() -> None:
    """How many the server is taken to bear at this moment, as the last answer left it."""
    progress = Progress(3, now=0.0)
    request = RequestEnded(
        at="now", address=make_address("1/a"), method="POST", took=0.1, answer="Accepted", limit=12
    )
    progress.trace(request)
    assert progress.lines(1.0)[1] == "0 under way, 3 waiting, up to 12 requests at a time"


def test_without_changes_it_says_what_is_waited_for() -> None:
    """Of no action nothing can be done: `--wait-for` also waits for what is unchanged."""
    progress = Progress(0, plan(), now=0.0)
    assert progress.sentence() == "waiting for unchanged workloads"
    assert progress.lines(75.0) == ["waiting for unchanged workloads  0:01:15"]
