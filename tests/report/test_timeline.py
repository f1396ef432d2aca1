from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.history import time_series
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
from reconciler.core.history.timeline import (
    LONGEST_MESSAGE,
    MOST_PAUSES,
    MOST_REQUESTS_EACH,
    MOST_RETRIES_EACH,
    ActionTimeline,
    SentRequest,
    Timeline,
)
from reconciler.report.html.action_timelines import choose_drawn
from tests.report.pagetree import at, events
from tests.support.factories import (
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    plan_for,
)

ONE = make_address("1/one")
DONE = Succeeded(id="id-1")
DOWN: dict[str, Any] = {"deleted": "id-0", "down": True}


def started(when: float, kind: str = "create") -> ActionStarted:
    """Work on the one workload begins."""
    return ActionStarted(at=at(when), address=ONE, action=kind)


def retried(when: float, delay: float = 1.0) -> RequestRetried:
    """One of its requests will be sent again."""
    return RequestRetried(
        at=at(when), address=ONE, method="POST", attempt=1, delay=delay, reason="503"
    )


def ended(when: float, outcome: Outcome, kind: str = "create") -> ActionEnded:
    """It is over."""
    return ActionEnded(at=at(when), address=ONE, action=kind, outcome=outcome)


def done(when: float, kind: str = "create") -> ActionEnded:
    """It is over, and all is well."""
    return ended(when, DONE, kind)


def timeline_of(*happened: Event) -> Timeline:
    """A time line that heard a run."""
    timeline = Timeline()
    for event in (RunStarted(at=at(0), run="r", actions=1), *happened):
        timeline.add(event)
    return timeline


def test_an_action_has_its_beginning_its_waits_and_its_end() -> None:
    """Times are those since the run began."""
    timeline = timeline_of(started(1), retried(2, 3.0), done(7))
    [action] = timeline.actions
    assert (action.began, action.ended, action.took) == (1.0, 7.0, 6.0)
    assert (action.outcome, action.id) == (DONE, "id-1")
    assert [(resend.at, resend.delay) for resend in action.resends] == [(2.0, 3.0)]
    assert time_series.actions_under_way(timeline) == [(0.0, 0.0), (1.0, 1.0), (7.0, 0.0)]
    assert time_series.actions_waiting(timeline) == [(0.0, 0.0), (2.0, 1.0), (5.0, 0.0)]


def test_every_request_has_its_place() -> None:
    """In the time line of its action, in the series of all, and in the one of the GPUs."""
    create = plan_for([make_desired("1/one", manifest=make_manifest(gpus=4))])
    sent = RequestEnded(at=at(3), address=ONE, method="POST", took=2.0, answer="Accepted")
    timeline = Timeline()
    timeline.trace(sent)
    for event in (RunStarted(at=at(0), run="r", actions=1), started(1)):
        timeline.add(event)
    timeline.trace(sent)
    timeline.trace(dataclasses.replace(sent, at=at(4), address=make_address("1/other"), took=9.0))
    timeline.add(done(7))

    [action] = timeline.actions
    assert action.requests == [
        SentRequest(began=1.0, ended=3.0, method="POST", response="Accepted")
    ]
    assert (action.sent, action.accepted) == (1, 3.0)
    assert time_series.requests_in_flight(timeline) == [
        (0.0, 0.0),
        (0.0, 1.0),
        (1.0, 2.0),
        (3.0, 1.0),
        (4.0, 0.0),
    ]
    assert time_series.gpus_asked_for(create, timeline) == [(0.0, 0.0), (3.0, 4.0)]


def test_requests_beyond_a_bound_are_counted() -> None:
    """A workload that is looked at for hours has a time line like any other."""
    timeline = timeline_of(started(1))
    request = RequestEnded(at=at(3), address=ONE, method="GET", took=0.1, answer="Accepted")
    for _ in range(MOST_REQUESTS_EACH + 5):
        timeline.trace(request)
    [action] = timeline.actions
    assert (action.sent, len(action.requests)) == (MOST_REQUESTS_EACH + 5, MOST_REQUESTS_EACH)


def test_two_actions_of_one_workload_are_two_entries() -> None:
    """A delete that is finished, then a create under the same name."""
    timeline = timeline_of(started(0, "delete"), done(1, "delete"), started(2), retried(3), done(4))
    assert [(c.action, c.began, c.ended, c.sent_again) for c in timeline.actions] == [
        ("delete", 0.0, 1.0, 0),
        ("create", 2.0, 4.0, 1),
    ]


def test_what_sent_nothing_has_no_beginning() -> None:
    """It is over in the moment in which it is told."""
    skipped = Skipped(message="too late")
    [action] = timeline_of(ended(2, skipped)).actions
    assert (action.began, action.ended, action.outcome, action.took) == (None, 2.0, skipped, 0.0)


def test_what_happened_while_planning_is_counted() -> None:
    """It is not on the time line of the run."""
    timeline = Timeline()
    for event in (retried(-2), retried(-1), RunStarted(at=at(0), run="r", actions=0)):
        timeline.add(event)
    assert (timeline.planning, timeline.actions) == (2, [])


def test_a_clock_that_is_set_back_does_not_turn_the_report_around() -> None:
    """Nothing happens before the run begins."""
    timeline = timeline_of(started(-30), done(5))
    assert timeline.actions[0].began == 0.0
    assert timeline.duration == 5.0


def test_memory_is_bounded_however_long_an_outage_lasts() -> None:
    """What is beyond the bounds is counted, and words are cut."""
    storm: list[Event] = [retried(number / 10) for number in range(5_000)]
    pauses = [
        Throttled(at=at(number), address=ONE, delay=1.0, reason="x" * 5_000)
        for number in range(MOST_PAUSES + 10)
    ]
    failed = ended(600, Failed(message="y" * 50_000, hint="z" * 50_000))
    timeline = timeline_of(started(0), *storm, *pauses, failed)
    [action] = timeline.actions
    assert (action.sent_again, len(action.resends)) == (5_000, MOST_RETRIES_EACH)
    assert len(timeline.slowdowns) == MOST_PAUSES
    assert timeline.dropped == 5_000 - MOST_RETRIES_EACH + 10
    assert isinstance(action.outcome, Failed)
    assert len(action.outcome.message) == len(action.outcome.hint) == LONGEST_MESSAGE
    assert max(len(slow.reason) for slow in timeline.slowdowns) <= 200


def test_the_gpu_curve_follows_the_plan_and_ends_where_it_ended() -> None:
    """A create counts when it is done, a delete until it is."""
    plan = plan_for(
        [make_desired("1/one", manifest=make_manifest(gpus=8))],
        [make_recorded(make_desired("1/old", manifest=make_manifest(gpus=3)))],
    )
    old = ActionEnded(at=at(6), address=make_address("1/old"), action="delete", outcome=Succeeded())
    everything = timeline_of(started(1), done(4), old)
    assert time_series.gpus_asked_for(plan, everything) == [(0.0, 3.0), (4.0, 11.0), (6.0, 8.0)]
    assert time_series.gpus_asked_for(plan, everything)[-1][1] == plan.gpus.after
    half = timeline_of(started(1), ended(2, Failed(message="no")))
    assert time_series.gpus_asked_for(plan, half) == [(0.0, 3.0)]
    assert time_series.uncertain_gpus(plan, half.actions) == 8.0


@pytest.mark.parametrize(
    ("outcome", "uncertain"),
    [
        (Failed(message="no", **DOWN), 0.0),
        (Skipped(message="late", **DOWN), 0.0),
        (InDoubt(message="lost", **DOWN), 8.0),
    ],
)
def test_what_was_deleted_for_a_successor_that_is_not_there_is_off_the_gpu_curve(
    outcome: Outcome, uncertain: float
) -> None:
    """A refused replace leaves nothing; one in doubt may have been made, and no more than that."""
    row = make_recorded(make_desired("1/one", manifest=make_manifest(gpus=3)))
    plan = plan_for([make_desired("1/one", manifest=make_manifest(gpus=8))], [row])
    timeline = timeline_of(started(1, "replace"), ended(5, outcome, "replace"))
    assert time_series.gpus_asked_for(plan, timeline) == [(0.0, 3.0), (5.0, 0.0)]
    assert time_series.uncertain_gpus(plan, timeline.actions) == uncertain


def test_pauses_that_touch_are_one() -> None:
    """And none lasts longer than the run."""
    slow = [
        Throttled(at=at(when), address=ONE, delay=delay, reason="503")
        for when, delay in ((1, 2), (2, 2), (6, 0), (7, 60))
    ]
    assert time_series.pauses(timeline_of(*slow, done(9))) == [(1.0, 4.0), (7.0, 9.0)]


_spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)).map(sorted), max_size=60)


@given(_spans)
def test_nobody_is_under_way_when_all_are_over(spans: list[list[float]]) -> None:
    """The curve is never below nothing, never above all, and ends at nothing."""
    timeline = Timeline()
    timeline.actions = [
        ActionTimeline(address=ONE, action="create", began=begin, ended=end) for begin, end in spans
    ]
    values = [value for _, value in time_series.actions_under_way(timeline)]
    assert values[-1] == 0.0
    assert min(values) >= 0.0
    assert max(values) <= len(spans)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-5, 5)), max_size=200), st.integers(1, 50))
def test_a_thinned_curve_has_the_same_outline(edges: list[time_series.Point], columns: int) -> None:
    """Its ends, its highest and its lowest value are those of the whole; it is never reordered."""
    points = time_series.add_up(edges)
    thin = time_series.thin_out(points, 100.0, columns)
    assert len(thin) <= 4 * (columns + 1)
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert max(value for _, value in thin) == max(value for _, value in points)
    assert min(value for _, value in thin) == min(value for _, value in points)
    rest = iter(points)
    assert all(point in rest for point in thin)
    assert time_series.value_at(points, 1e9) == points[-1][1]


def test_the_actions_that_tell_most_are_chosen() -> None:
    """What went wrong, then what was sent again, then what took long; in the order of time."""
    calm = [
        ActionTimeline(address=ONE, action=f"c{number}", began=0.0, ended=1.0, outcome=DONE)
        for number in range(5)
    ]
    slow = ActionTimeline(address=ONE, action="slow", began=0.0, ended=9.0, outcome=DONE)
    again = ActionTimeline(
        address=ONE, action="again", began=0.0, ended=1.0, outcome=DONE, sent_again=2
    )
    bad = ActionTimeline(address=ONE, action="bad", outcome=Failed(message="no"))
    shown, rest = choose_drawn([*calm, slow, again, bad], 3)
    assert [action.action for action in shown] == ["slow", "again", "bad"]
    assert rest == calm


def test_the_example_is_a_run_like_any_other() -> None:
    """Every action of it has an outcome."""
    timeline = Timeline()
    for event in events():
        timeline.add(event)
    assert sorted(action.word for action in timeline.actions) == [
        *("done", "done", "failed", "failed", "in doubt", "skipped"),
    ]
