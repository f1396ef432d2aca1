"""The time line of an apply: every action on a line of its own, with its requests below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from reconciler.report.curves import pauses
from reconciler.report.html.charts import Piece, bar, seconds
from reconciler.report.html.components import Section, address_of, join, message_text, note
from reconciler.report.html.markup import Html, fragment, lines, tag
from reconciler.report.text.formatting import number_of
from reconciler.report.timeline import (
    DONE,
    FAILED,
    IN_DOUBT,
    SKIPPED,
    ActionTimeline,
    Resend,
    Sent,
    Timeline,
)

MOST_DRAWN = 200
TICK = 0.004

_LOOKS = {DONE: "done", FAILED: "failed", IN_DOUBT: "doubt", SKIPPED: "skipped"}


def timeline_section(timeline: Timeline) -> Iterator[Section]:
    """The courses that tell most one by one, all others in a sentence."""
    if not timeline.courses:
        return
    shown, rest = choose_drawn(timeline.courses, MOST_DRAWN)
    key = note(
        "One bar per action: dark during a request, light while it waits to be sent again. "
        "A tick marks the answer before a wait. Top bar: all requests paused."
    )
    items = tag("ol", lines(_course(course, timeline) for course in shown), class_="courses")
    yield Section(
        id="timeline",
        heading="Time line",
        content=fragment(key, _axis(timeline), items, _rest(rest), _uncounted(timeline)),
    )


def choose_drawn(
    courses: Sequence[ActionTimeline], most: int
) -> tuple[list[ActionTimeline], list[ActionTimeline]]:
    """What went wrong, was sent again or took long, and the rest; both in the order of time."""
    ranked = sorted(
        range(len(courses)),
        key=lambda index: (
            courses[index].outcome == DONE,
            -courses[index].sent_again,
            -courses[index].took,
        ),
    )
    shown, rest = sorted(ranked[:most]), sorted(ranked[most:])
    return [courses[index] for index in shown], [courses[index] for index in rest]


def _axis(timeline: Timeline) -> Html:
    """The scale of all bars, and the times in which everyone held back."""
    span = max(timeline.span, 0.001)
    words = ("0 s", seconds(span / 2), seconds(span))
    labels = tag("div", *(tag("span", word) for word in words), class_="axis", aria_hidden="true")
    held = [
        Piece(look="pause", begin=begin / span, end=end / span) for begin, end in pauses(timeline)
    ]
    if not held:
        return labels
    drawn = bar(held, f"everyone held back {number_of(len(held), 'time')}", "track")
    return fragment(labels, tag("div", drawn, class_="held"))


def _course(course: ActionTimeline, timeline: Timeline) -> Html:
    outcome = course.outcome or "not heard of again"
    again = f"sent again {number_of(course.sent_again, 'time')}" if course.sent_again else ""
    # What sent nothing took no time that anybody waited for.
    took = seconds(course.took) if course.began is not None else ""
    notes = ", ".join(word for word in (outcome, took, again) if word)
    head = join(
        [
            tag("span", course.action, class_="kind"),
            address_of(course.address),
            tag("span", notes, class_="notes"),
        ]
    )
    steps = list(_steps(course))
    body = tag("ol", *steps, class_="steps")
    look = _LOOKS.get(course.outcome, "skipped")
    summary = tag("summary", head, _drawn(course, timeline))
    return tag("li", tag("details", summary, body), class_=look)


def _drawn(course: ActionTimeline, timeline: Timeline) -> Html | None:
    if course.began is None:
        return None
    span = max(timeline.span, 0.001)
    end = timeline.span if course.ended is None else course.ended
    pieces = [Piece(look="span", begin=course.began / span, end=end / span)]
    pieces += [
        Piece(look="request", begin=sent.began / span, end=sent.ended / span)
        for sent in course.requests
    ]
    for resend in course.resends:
        until = min(resend.at + resend.delay, end)
        pieces.append(Piece(look="wait", begin=resend.at / span, end=until / span))
        pieces.append(Piece(look="tick", begin=resend.at / span, end=resend.at / span + TICK))
    return bar(pieces, f"from {course.began:.2f} s to {end:.2f} s of the run", "track")


def _steps(course: ActionTimeline) -> Iterator[Html]:
    """What happened to it, in order."""
    if course.began is not None:
        yield _step(course.began, "first request sent")
    told = [(sent.ended, _answered(sent)) for sent in course.requests]
    told += [(resend.at, _resent(resend)) for resend in course.resends]
    for at, words in sorted(told, key=lambda step: step[0]):
        yield _step(at, words)
    for more, what in (
        (course.sent - len(course.requests), "more request"),
        (course.sent_again - len(course.resends), "more repetition"),
    ):
        if more > 0:
            yield tag("li", note(f"{number_of(more, what)} not kept one by one."))
    if course.ended is not None:
        words = ": ".join(
            part for part in (course.outcome, course.words or course.id or "") if part
        )
        yield _step(course.ended, words)


def _answered(sent: Sent) -> str:
    return f"{sent.method} answered after {seconds(sent.ended - sent.began)}: {sent.answer}"


def _resent(resend: Resend) -> str:
    sent = f"{resend.method} sent {number_of(resend.attempt, 'time')}"
    return f"{sent}, again in {resend.delay:.2f} s: {resend.reason}"


def _step(at: float, words: str) -> Html:
    return tag("li", tag("span", f"+{at:.2f} s", class_="at"), message_text(words))


def _rest(courses: Sequence[ActionTimeline]) -> Html | None:
    """Those that are not drawn one by one."""
    if not courses:
        return None
    took = [course.took for course in courses]
    outcomes = sorted({course.outcome for course in courses})
    counts = ", ".join(
        f"{sum(course.outcome == outcome for course in courses):,} {outcome}"
        for outcome in outcomes
    )
    again = sum(course.sent_again for course in courses)
    return note(
        f"{len(courses):,} more actions are not drawn one by one ({counts}): half of them took "
        f"less than {seconds(median(took))}, the slowest {seconds(max(took))}, and "
        f"{number_of(again, 'request')} had to be sent again."
    )


def _uncounted(timeline: Timeline) -> Html | None:
    """What this page knows only as a number."""
    words = []
    if timeline.dropped:
        words.append(f"{number_of(timeline.dropped, 'repeated request')} more than are kept")
    if timeline.planning:
        words.append(f"{number_of(timeline.planning, 'request')} sent again before the run began")
    return note(f"Not on the time line: {'; '.join(words)}.") if words else None
