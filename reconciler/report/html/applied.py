"""The parts of a page that show how an apply went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.history.events import Summary
from reconciler.core.history.time_series import (
    actions_under_way,
    actions_waiting,
    gpus_asked_for,
    pauses,
    requests_in_flight,
    uncertain_gpus,
)
from reconciler.core.history.timeline import Timeline
from reconciler.core.model import Recorded
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError
from reconciler.report.html.charts import Curve, Level, chart, number, seconds
from reconciler.report.html.components import (
    Section,
    hint_text,
    message_text,
    note,
    table,
    tiles,
)
from reconciler.report.html.markup import Html, fragment, lines, tag
from reconciler.report.machine.documents import to_line, unsaved_document
from reconciler.report.text.formatting import gpu_number, number_of
from reconciler.values import dataclass

UNSAVED = SLOWDOWNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsavedRecords:
    """What an apply could not keep: records that are not written, and why; a gap in its history."""

    unsaved: Sequence[Recorded] = ()
    trouble: ReconcilerError | None = None
    unlogged: str = ""


def unsaved_section(losses: UnsavedRecords) -> Iterator[Section]:
    """What must not be lost with the screen."""
    if not (losses.unsaved or losses.trouble or losses.unlogged):
        return
    parts: list[Html | None] = []
    if losses.trouble:
        parts += [message_text(losses.trouble.message), hint_text(losses.trouble.hint)]
    # A record has the marker and the id of a workload: what it takes to settle it by hand.
    if losses.unsaved:
        records = [to_line(unsaved_document(record)) for record in losses.unsaved[:UNSAVED]]
        count = number_of(len(losses.unsaved), "record")
        lost = f"{count} could not be written to the state. All that is known of them:"
        parts.append(tag("p", lost))
        parts.append(tag("pre", lines(records), class_="records"))
        if len(losses.unsaved) > UNSAVED:
            parts.append(note("The output of the command has all of them."))
    if losses.unlogged:
        parts.append(message_text(f"The history of this run is not complete: {losses.unlogged}"))
    yield Section(id="losses", heading="Not recorded", content=fragment(*parts))


def summary_section(summary: Summary) -> Section:
    """What was done, in numbers."""
    always = [
        ("create", summary.created, "created"),
        ("update", summary.updated, "updated"),
        ("replace", summary.replaced, "replaced"),
        ("delete", summary.deleted, "deleted"),
    ]
    rare = [
        ("resolve", summary.adopted, "settled"),
        ("forget", summary.forgotten, "forgotten"),
        ("record", summary.recorded, "recorded"),
        ("delete", summary.finished, "finished"),
        ("delete", summary.expired, "expired"),
    ]
    ends = [("failed", summary.failed, "failed"), ("doubt", summary.in_doubt, "in doubt")]
    # Named apart: nothing runs there any more, which cannot wait as other failures can.
    if summary.down:
        ends.insert(1, ("failed", summary.down, "down"))
    counts = [*always, *(count for count in rare if count[1]), *ends]
    if summary.skipped:
        counts.append(("skipped", summary.skipped, "skipped"))
    return Section(id="counts", heading="What was done", content=tiles(counts))


def gpu_curve_section(plan: Plan, timeline: Timeline) -> Section:
    """GPUs asked for while the apply lasted, against what was planned."""
    points = gpus_asked_for(plan, timeline)
    total = plan.gpus
    summary = (
        f"From {gpu_number(total.before)} to {gpu_number(points[-1][1])} GPUs. The plan was "
        f"{gpu_number(total.after)}, with a peak of {gpu_number(total.peak)} at most."
    )
    remark = None
    # Failed and doubtful actions have no end that tells what became of their GPUs.
    if uncertain := uncertain_gpus(plan, timeline.actions):
        remark = note(
            "Actions that failed or are in doubt may be done in part: the real number may differ "
            f"by up to {gpu_number(uncertain)} GPUs."
        )
    drawing = chart(
        name="GPUs over time",
        summary=summary,
        duration=timeline.duration,
        curves=[Curve(name="asked for", look="gpus", points=points, filled=True)],
        levels=[
            Level(name="before", look="before", value=total.before),
            Level(name="planned after", look="after", value=total.after),
            Level(name="planned peak", look="peak", value=total.peak),
        ],
        pauses=pauses(timeline),
    )
    explanation = note(
        "A new workload counts from the answer that accepted it, "
        "a deleted one until the server reported its end."
    )
    content = fragment(drawing, explanation, remark)
    return Section(id="gpu-curve", heading="GPUs over time", content=content)


def concurrency_section(timeline: Timeline) -> Section:
    """How many workloads were under way at a time, and how many requests."""
    begun, waiting = actions_under_way(timeline), actions_waiting(timeline)
    requests = requests_in_flight(timeline)
    most_begun, most_requests = (max(value for _, value in s) for s in (begun, requests))
    summary = (
        f"At most {number(most_begun)} workloads and {number(most_requests)} requests at a time."
    )
    if times := pauses(timeline):
        paused = sum(end - begin for begin, end in times)
        count = number_of(len(times), "time")
        summary += f" All requests paused {count}, {seconds(paused)} in all."
    drawing = chart(
        name="Under way",
        summary=summary,
        duration=timeline.duration,
        curves=[
            Curve(name="workloads begun", look="busy", points=begun, filled=True),
            Curve(
                name="of these waiting to send again", look="waiting", points=waiting, filled=True
            ),
            Curve(name="requests in flight", look="flying", points=requests),
        ],
        pauses=times,
    )
    content = fragment(drawing, _slowdowns_table(timeline))
    return Section(id="concurrency", heading="Concurrency", content=content)


def _slowdowns_table(timeline: Timeline) -> Html | None:
    """Every time at which requests were held back for everyone, and why."""
    if not timeline.slowdowns:
        return None
    rows = [
        tag(
            "tr",
            tag("th", f"+{slow.at:.2f} s", scope="row"),
            tag("td", f"{slow.delay:.1f} s" if slow.delay else ""),
            tag("td", "" if slow.limit is None else f"{slow.limit:,}"),
            tag("td", slow.reason, class_="words"),
        )
        for slow in timeline.slowdowns[:SLOWDOWNS]
    ]
    heads = ("At", "Pause", "Slowed to", "Because of")
    omitted = len(timeline.slowdowns) - len(rows)
    remainder = f"; {omitted:,} more" if omitted else ""
    caption = f"Pauses of all requests, and lower limits{remainder}"
    count = number_of(len(timeline.slowdowns), "slowdown")
    return tag("details", tag("summary", count), table(caption, heads, rows))
