"""Time series of an apply: actions under way, actions that wait, requests, GPUs asked for."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from reconciler.core.history.outcome import Failed, InDoubt, Succeeded
from reconciler.core.history.timeline import ActionTimeline, Timeline
from reconciler.core.planning.actions import GpuEffect
from reconciler.core.planning.plan import Plan

Point = tuple[float, float]
"""A moment in seconds since the run began, and the value from then on."""


def actions_under_way(timeline: Timeline) -> list[Point]:
    """How many workloads had been begun and were not over."""
    spans = [
        (action.began, math.inf if action.ended is None else action.ended)
        for action in timeline.actions
        if action.began is not None
    ]
    return _count_open(spans)


def requests_in_flight(timeline: Timeline) -> list[Point]:
    """How many requests were between their send and their response."""
    return _count_open(timeline.request_spans)


def actions_waiting(timeline: Timeline) -> list[Point]:
    """How many of them did nothing but wait until a request could be sent again."""
    spans = []
    for action in timeline.actions:
        end = timeline.duration if action.ended is None else action.ended
        # An action may end before its wait does: a stop does not let it send again.
        for begin, until in _merge((r.at, r.at + r.delay) for r in action.resends):
            spans.append((begin, max(begin, min(until, end))))
    return _count_open(spans)


def pauses(timeline: Timeline) -> list[tuple[float, float]]:
    """The times in which everyone held back, from and to."""
    spans = ((slow.at, slow.at + slow.delay) for slow in timeline.slowdowns if slow.delay)
    return [(begin, min(end, timeline.duration)) for begin, end in _merge(spans)]


def gpus_asked_for(plan: Plan, timeline: Timeline) -> list[Point]:
    """The GPUs asked for, from before the run to its end, as far as outcomes tell.

    What was created counts from the response that accepted it, everything else from its end. What
    was deleted for a replacement that was not accepted is gone.
    """
    effects = _effects(plan)
    edges = []
    for action in timeline.actions:
        effect = effects.get((str(action.address), action.action))
        if effect is None or action.ended is None or action.outcome is None:
            continue
        if isinstance(action.outcome, Succeeded):
            moment = action.ended if action.accepted is None else action.accepted
            edges.append((moment, effect.after - effect.before))
        elif action.outcome.deleted is not None:
            edges.append((action.ended, -effect.before))
    return add_up(edges, start=plan.gpus.before)


def uncertain_gpus(plan: Plan, actions: Iterable[ActionTimeline]) -> float:
    """By how many GPUs the series may be wrong: a failed action may have done half of its work."""
    effects = _effects(plan)
    gpus = []
    for action in actions:
        effect = effects.get((str(action.address), action.action), GpuEffect())
        if not isinstance(action.outcome, Failed | InDoubt):
            continue
        if action.outcome.down:
            # The old workload is known to be gone; only a replacement in doubt may be there.
            gpus.append(effect.after if isinstance(action.outcome, InDoubt) else 0.0)
        else:
            gpus.append(max(effect.before, effect.after))
    return round(math.fsum(gpus), 6)


def _effects(plan: Plan) -> Mapping[tuple[str, str], GpuEffect]:
    """What each action of a plan does to the GPUs."""
    return {(str(action.address), action.kind): action.gpus for action in plan.changes}


def _count_open(spans: Iterable[tuple[float, float]]) -> list[Point]:
    """How many spans are open from each moment on; an infinite end never comes."""
    edges = [edge for begin, end in spans for edge in ((begin, 1.0), (end, -1.0))]
    return add_up(edge for edge in edges if edge[0] < math.inf)


def add_up(edges: Iterable[Point], *, start: float = 0.0) -> list[Point]:
    """Changes at moments to the value from each moment on, beginning with `start` at 0."""
    points, value = [(0.0, start)], start
    for at, group in groupby(sorted(edges), key=lambda edge: edge[0]):
        # Without rounding, fractions of GPUs that were added and taken away leave a remainder.
        value = round(value + math.fsum(change for _, change in group), 6)
        points.append((at, value))
    return points


def thin_out(points: Sequence[Point], duration: float, columns: int) -> list[Point]:
    """A series with the same look in a number of columns."""
    # A line through the first, last, lowest and highest point of each column covers the same
    # pixels as one through all of its points.
    thinned: list[Point] = []
    for _, group in groupby(points, key=lambda point: int(point[0] / duration * columns)):
        column = list(group)
        indices = {0, len(column) - 1}
        indices.add(min(range(len(column)), key=lambda index: column[index][1]))
        indices.add(max(range(len(column)), key=lambda index: column[index][1]))
        thinned += [column[index] for index in sorted(indices)]
    return thinned


def value_at(points: Sequence[Point], moment: float) -> float:
    """The value of a series at a moment; that of its first point before it begins."""
    after = bisect_right(points, moment, key=lambda point: point[0])
    return points[max(0, after - 1)][1]


def _merge(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
