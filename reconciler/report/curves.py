"""The curves of an apply: how many were under way, how many waited, what was asked of the GPUs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from reconciler.core.planning.plan import GpuEffect, Plan
from reconciler.report.timeline import DONE, FAILED, IN_DOUBT, ActionTimeline, Timeline

Point = tuple[float, float]
"""A moment in seconds since the run began, and the value from then on."""


def under_way(timeline: Timeline) -> list[Point]:
    """How many workloads had been begun and were not over."""
    edges: list[Point] = []
    for course in timeline.courses:
        if course.began is not None:
            edges.append((course.began, 1.0))
            if course.ended is not None:
                edges.append((course.ended, -1.0))
    return add_up(edges)


def in_flight(timeline: Timeline) -> list[Point]:
    """How many requests were between their send and their answer."""
    edges = [(began, 1.0) for began, _ in timeline.flights]
    return add_up(edges + [(ended, -1.0) for _, ended in timeline.flights])


def waiting(timeline: Timeline) -> list[Point]:
    """How many of them did nothing but wait until a request could be sent again."""
    edges: list[Point] = []
    for course in timeline.courses:
        end = timeline.span if course.ended is None else course.ended
        for begin, until in _merge((r.at, r.at + r.delay) for r in course.resends):
            edges += [(begin, 1.0), (max(begin, min(until, end)), -1.0)]
    return add_up(edges)


def pauses(timeline: Timeline) -> list[tuple[float, float]]:
    """The times in which everyone held back, from and to."""
    spans = ((slow.at, slow.at + slow.delay) for slow in timeline.slowdowns if slow.delay)
    return [(begin, min(end, timeline.span)) for begin, end in _merge(spans)]


def gpus(plan: Plan, timeline: Timeline) -> list[Point]:
    """The GPUs asked for, from before the run to its end, as far as outcomes tell.

    What was created counts from the answer that accepted it, everything else from its end. What
    was deleted for a successor that was not accepted is gone.
    """
    effects = effects_of(plan)
    edges = []
    for course in timeline.courses:
        effect = effects.get((str(course.address), course.action))
        if effect is None or course.ended is None:
            continue
        if course.outcome == DONE:
            moment = course.ended if course.accepted is None else course.accepted
            edges.append((moment, effect.after - effect.before))
        elif course.deleted is not None:
            edges.append((course.ended, -effect.before))
    return add_up(edges, start=plan.gpus.before)


def uncertain_gpus(plan: Plan, courses: Iterable[ActionTimeline]) -> float:
    """By how much the truth may differ from the curve: what failed may have happened by half."""
    effects = effects_of(plan)
    unknown = (
        _uncertain(course, effects.get((str(course.address), course.action), GpuEffect()))
        for course in courses
        if course.outcome in (FAILED, IN_DOUBT)
    )
    return round(math.fsum(unknown), 6)


def _uncertain(course: ActionTimeline, effect: GpuEffect) -> float:
    """What is down is known to be gone; only its successor may be there, where that is in doubt."""
    if course.down:
        return effect.after if course.outcome == IN_DOUBT else 0.0
    return max(effect.before, effect.after)


def effects_of(plan: Plan) -> Mapping[tuple[str, str], GpuEffect]:
    """What each action of a plan does to the GPUs."""
    return {(str(action.address), action.kind): action.gpus for action in plan.changes}


def add_up(edges: Iterable[Point], *, start: float = 0.0) -> list[Point]:
    """Changes at moments to the value from each moment on, beginning with `start` at 0."""
    points, value = [(0.0, start)], start
    for at, group in groupby(sorted(edges), key=lambda edge: edge[0]):
        value = round(value + math.fsum(change for _, change in group), 6)
        points.append((at, value))
    return points


def thin_out(points: Sequence[Point], span: float, columns: int) -> list[Point]:
    """A curve that looks the same in so many columns: of each the first, last, least and most."""
    kept: list[Point] = []
    for _, group in groupby(points, key=lambda point: int(point[0] / span * columns)):
        column = list(group)
        marks = {0, len(column) - 1}
        marks.add(min(range(len(column)), key=lambda index: column[index][1]))
        marks.add(max(range(len(column)), key=lambda index: column[index][1]))
        kept += [column[index] for index in sorted(marks)]
    return kept


def value_at(points: Sequence[Point], moment: float) -> float:
    """The value of a curve at a moment."""
    value = points[0][1]
    for at, now in points:
        if at > moment:
            break
        value = now
    return value


def _merge(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
