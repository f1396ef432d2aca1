"""The time line of an apply: every action on a line of its own, with its requests below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from reconciler.core.history.outcome import Skipped, Succeeded, message_of
from reconciler.core.history.time_series import pauses
from reconciler.core.history.timeline import ActionTimeline, Timeline
from reconciler.report.html.charts import BarPart, axis_labels, bar, seconds
from reconciler.report.html.components import LOOKS, Section, address_of, join, message_text, note
from reconciler.report.html.markup import Html, fragment, lines, tag
from reconciler.report.text.formatting import number_of

MOST_DRAWN = 200
TICK = 0.004


def timeline_section(timeline: Timeline) -> Iterator[Section]:
    """The actions that tell most one by one, all others in a sentence."""
    if not timeline.actions:
        return
    drawn, others = choose_drawn(timeline.actions, MOST_DRAWN)
    key = note(
        "One bar per action: dark during a request, light while it waits to be sent again. "
        "A tick marks the answer before a wait. Top bar: all requests paused."
    )
    items = tag("ol", lines(_action_item(action, timeline) for action in drawn), class_="courses")
    uncounted = []
    if timeline.dropped:
        repeated = number_of(timeline.dropped, "repeated request")
        uncounted.append(f"{repeated} beyond those that are kept")
    if timeline.planning:
        repeated = number_of(timeline.planning, "request")
        uncounted.append(f"{repeated} sent again before the run began")
    remark = note(f"Not on the time line: {'; '.join(uncounted)}.") if uncounted else None
    yield Section(
        id="timeline",
        heading="Time line",
        content=fragment(key, _axis(timeline), items, _others_note(others), remark),
    )


def choose_drawn(
    actions: Sequence[ActionTimeline], most: int
) -> tuple[list[ActionTimeline], list[ActionTimeline]]:
    """What went wrong, was sent again or took long, and the others; both in the order of time."""

    def rank(index: int) -> tuple[bool, int, float]:
        action = actions[index]
        return isinstance(action.outcome, Succeeded), -action.sent_again, -action.took

    # By index, so that what is chosen can be put back into the order of time.
    ranked = sorted(range(len(actions)), key=rank)
    drawn, others = sorted(ranked[:most]), sorted(ranked[most:])
    return [actions[index] for index in drawn], [actions[index] for index in others]


def _axis(timeline: Timeline) -> Html:
    """The scale of all bars, and the times in which everyone held back."""
    duration = max(timeline.duration, 0.001)
    labels = axis_labels("axis", "0 s", seconds(duration / 2), seconds(duration))
    parts = [
        BarPart(look="pause", begin=begin / duration, end=end / duration)
        for begin, end in pauses(timeline)
    ]
    if not parts:
        return labels
    track = bar(parts, f"all requests paused {number_of(len(parts), 'time')}", "track")
    return fragment(labels, tag("div", track, class_="held"))


def _action_item(action: ActionTimeline, timeline: Timeline) -> Html:
    outcome = action.word or "no outcome known"
    again = f"sent again {number_of(action.sent_again, 'time')}" if action.sent_again else ""
    # What sent nothing took no time that anybody waited for.
    took = seconds(action.took) if action.began is not None else ""
    notes = ", ".join(part for part in (outcome, took, again) if part)
    head = join(
        [
            tag("span", action.action, class_="kind"),
            address_of(action.address),
            tag("span", notes, class_="notes"),
        ]
    )
    summary = tag("summary", head, _action_bar(action, timeline))
    body = tag("ol", *_steps(action), class_="steps")
    # One that was not heard of again has no outcome, and looks like a skipped one.
    look = LOOKS[type(action.outcome) if action.outcome else Skipped]
    return tag("li", tag("details", summary, body), class_=look)


def _action_bar(action: ActionTimeline, timeline: Timeline) -> Html | None:
    if action.began is None:
        return None
    duration = max(timeline.duration, 0.001)
    # One that was not heard of again is drawn to the end of the run.
    end = timeline.duration if action.ended is None else action.ended
    spans = [("span", action.began, end)]
    spans += [("request", sent.began, sent.ended) for sent in action.requests]
    parts = [BarPart(look=look, begin=a / duration, end=b / duration) for look, a, b in spans]
    for resend in action.resends:
        at, until = resend.at / duration, min(resend.at + resend.delay, end) / duration
        parts.append(BarPart(look="wait", begin=at, end=until))
        # Of one width, so that the response is seen on the bar of a run of hours as well.
        parts.append(BarPart(look="tick", begin=at, end=at + TICK))
    return bar(parts, f"from {action.began:.2f} s to {end:.2f} s of the run", "track")


def _steps(action: ActionTimeline) -> Iterator[Html]:
    """What happened to an action, in order."""
    steps = []
    for sent in action.requests:
        answered = f"{sent.method} answered after {seconds(sent.ended - sent.began)}"
        steps.append((sent.ended, f"{answered}: {sent.response}"))
    for resend in action.resends:
        sent_times = f"{resend.method} sent {number_of(resend.attempt, 'time')}"
        steps.append((resend.at, f"{sent_times}, again in {resend.delay:.2f} s: {resend.reason}"))
    if action.began is not None:
        yield _step(action.began, "first request sent")
    # Stable, and the requests come first: a response is told before the repetition it led to.
    for at, message in sorted(steps, key=lambda step: step[0]):
        yield _step(at, message)
    for uncounted, noun in (
        (action.sent - len(action.requests), "more request"),
        (action.sent_again - len(action.resends), "more repetition"),
    ):
        if uncounted > 0:
            yield tag("li", note(f"{number_of(uncounted, noun)} not kept one by one."))
    if action.ended is not None and action.outcome is not None:
        detail = message_of(action.outcome) or action.id or ""
        yield _step(action.ended, ": ".join(part for part in (action.word, detail) if part))


def _step(at: float, message: str) -> Html:
    return tag("li", tag("span", f"+{at:.2f} s", class_="at"), message_text(message))


def _others_note(actions: Sequence[ActionTimeline]) -> Html | None:
    """Those that are not drawn one by one."""
    if not actions:
        return None
    took = [action.took for action in actions]
    counts = ", ".join(
        f"{count:,} {outcome}"
        for outcome, count in sorted(Counter(action.word for action in actions).items())
    )
    # Counted over all, also the repetitions that were not kept one by one.
    again = sum(action.sent_again for action in actions)
    return note(
        f"{len(actions):,} more actions have no bar of their own ({counts}). Half of them took "
        f"less than {seconds(median(took))}, the slowest {seconds(max(took))}, and "
        f"{number_of(again, 'request')} had to be sent again."
    )
