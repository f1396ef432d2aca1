"""The parts of a page that show how an apply went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.core.events import Summary
from reconciler.core.model import Recorded
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError
from reconciler.report import curves
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
from reconciler.report.timeline import Timeline

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
    parts: list[Html] = []
    if losses.trouble:
        parts += [message_text(losses.trouble.message)]
        parts += [hint for hint in [hint_text(losses.trouble.hint)] if hint]
    if losses.unsaved:
        rows = [to_line(unsaved_document(row)) for row in losses.unsaved[:UNSAVED]]
        count = number_of(len(losses.unsaved), "record")
        parts.append(tag("p", f"{count} could not be written to the state. What is known of them:"))
        parts.append(tag("pre", lines(rows), class_="records"))
        if len(losses.unsaved) > UNSAVED:
            parts.append(note("The rest is in the output of the command."))
    if losses.unlogged:
        parts.append(message_text(f"The history of this run is not complete: {losses.unlogged}"))
    yield Section(id="losses", heading="Not recorded", content=fragment(*parts))


def summary_section(summary: Summary) -> Section:
    """What was done, in numbers."""
    always = [
        ("create", summary.created, "created"),
        ("replace", summary.replaced, "replaced"),
        ("delete", summary.deleted, "deleted"),
    ]
    rare = [
        ("resolve", summary.adopted, "settled"),
        ("forget", summary.forgotten, "forgotten"),
        ("record", summary.recorded, "recorded"),
    ]
    ends = [("failed", summary.failed, "failed"), ("doubt", summary.in_doubt, "in doubt")]
    if summary.down:
        ends.insert(1, ("failed", summary.down, "down"))
    skipped = [("skipped", summary.skipped, "skipped")]
    counts = [*always, *(one for one in rare if one[1]), *ends, *(s for s in skipped if s[1])]
    return Section(id="counts", heading="What was done", content=tiles(counts))


def gpu_curve_section(plan: Plan, timeline: Timeline) -> Section:
    """GPUs asked for while the apply lasted, against what was planned."""
    points = curves.gpus(plan, timeline)
    last = points[-1][1]
    total = plan.gpus
    words = (
        f"From {gpu_number(total.before)} to {gpu_number(last)} GPUs; "
        f"planned were {gpu_number(total.after)} with a peak of {gpu_number(total.peak)} at worst."
    )
    uncertain = curves.uncertain_gpus(plan, timeline.courses)
    remark = None
    if uncertain:
        remark = note(
            f"What failed or is in doubt may have been done by half: the truth may differ by up to "
            f"{gpu_number(uncertain)} GPUs."
        )
    drawn = chart(
        name="GPUs over time",
        summary=words,
        span=timeline.span,
        curves=[Curve(name="asked for", look="gpus", points=points, filled=True)],
        levels=[
            Level(name="before", look="before", value=total.before),
            Level(name="planned after", look="after", value=total.after),
            Level(name="planned peak", look="peak", value=total.peak),
        ],
        shades=curves.pauses(timeline),
    )
    explained = note(
        "A created workload counts from the answer that accepted it, "
        "a deleted one until its end was reported."
    )
    return Section(
        id="gpu-curve", heading="GPUs over time", content=fragment(drawn, explained, remark)
    )


def concurrency_section(timeline: Timeline) -> Section:
    """How many workloads were under way at a time, and how many requests."""
    busy, idle = curves.under_way(timeline), curves.waiting(timeline)
    flying = curves.in_flight(timeline)
    most, flown = (max(value for _, value in points) for points in (busy, flying))
    shades = curves.pauses(timeline)
    held = sum(end - begin for begin, end in shades)
    words = f"At most {number(most)} workloads and {number(flown)} requests at a time."
    if shades:
        words += f" Everyone held back {number_of(len(shades), 'time')}, {seconds(held)} in all."
    drawn = chart(
        name="Under way",
        summary=words,
        span=timeline.span,
        curves=[
            Curve(name="workloads begun", look="busy", points=busy, filled=True),
            Curve(name="of these waiting to send again", look="waiting", points=idle, filled=True),
            Curve(name="requests in flight", look="flying", points=flying),
        ],
        shades=shades,
    )
    return Section(
        id="concurrency",
        heading="Concurrency",
        content=fragment(drawn, _slowdowns(timeline)),
    )


def _slowdowns(timeline: Timeline) -> Html | None:
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
    more = len(timeline.slowdowns) - len(rows)
    caption = "Pauses for everyone, and slower paces" + (f"; {more:,} more" if more else "")
    count = number_of(len(timeline.slowdowns), "slowdown")
    return tag("details", tag("summary", count), table(caption, heads, rows))
