"""The two pages: what a plan would do, and how an apply went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler import __version__
from reconciler.core.diagnostics import Severity
from reconciler.core.history.events import RunFinished
from reconciler.core.history.outcome import Succeeded
from reconciler.core.history.timeline import Timeline
from reconciler.core.model import Address
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.core.review.plan_differences import EntryDifference
from reconciler.report.commands import COMMANDS, Commands
from reconciler.report.error_field import Locate
from reconciler.report.html.action_timelines import timeline_section
from reconciler.report.html.applied import (
    UnsavedRecords,
    concurrency_section,
    gpu_curve_section,
    summary_section,
    unsaved_section,
)
from reconciler.report.html.components import PageMood, Section, contents, facts, verdict
from reconciler.report.html.document import document
from reconciler.report.html.failed_actions import Advice, failed_action_sections
from reconciler.report.html.markup import Html, lines, tag
from reconciler.report.html.planned import (
    LineBudget,
    changes_section,
    counts_section,
    diagnostics_section,
    differences_section,
    drift_section,
    gpus_section,
    holds_section,
    plan_facts,
    refusals_section,
    standings_section,
)
from reconciler.report.standing import find_standings, plan_concerns
from reconciler.report.text.formatting import at_work, number_of
from reconciler.report.text.text import Text
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What a page says: its verdict with the reasons, what it is about, and its parts."""

    mood: PageMood
    title: str
    sentence: str
    why: Sequence[str]
    about: Html
    sections: Sequence[Section]

    def verdict(self, level: str = "h1") -> Html:
        """What it comes to, as a heading of that level."""
        return verdict(
            self.mood, title=self.title, sentence=self.sentence, why=self.why, level=level
        )

    def page(self, moment: str) -> str:
        """All of it as a page of its own."""
        # The verdict and what it is about come before the links: most readers need no more.
        parts = (section.render() for section in self.sections)
        main = tag("main", lines([self.verdict(), self.about, contents(self.sections), *parts]))
        return document(self.title, main, footer(moment))


def plan_page(
    plan: Plan,
    refusals: Sequence[Refusal] = (),
    *,
    created_at: datetime,
    prefix: str = "",
    differences: Sequence[EntryDifference] = (),
) -> str:
    """A plan as a page of its own; `prefix` leads from here to the files of its specs."""
    content = plan_content(plan, refusals, prefix=prefix, differences=differences)
    return content.page(created_at.isoformat(timespec="seconds"))


def plan_content(
    plan: Plan,
    refusals: Sequence[Refusal] = (),
    *,
    prefix: str = "",
    differences: Sequence[EntryDifference] = (),
    widest: float | None = None,
) -> PageContent:
    """What a page says of a plan; `prefix` leads from here to the files of its specs.

    `widest` are the GPUs of a full bar, where the page has those of other plans as well.
    """
    # One budget for the whole page, spent in the order of its sections: changes come first.
    budget = LineBudget()
    sections = [
        *refusals_section(refusals),
        *differences_section(differences, budget),
        *standings_section(find_standings(plan)),
        *diagnostics_section(plan.diagnostics, prefix),
        counts_section(plan),
        gpus_section(plan, widest),
        *changes_section(plan, prefix, budget),
        *holds_section(plan, prefix, budget),
        *drift_section(plan, budget),
    ]
    concerns = [*_plan_doubts(plan), *plan_concerns(plan)]
    reasons = [*concerns, *_plan_remarks(plan)]
    mood = PageMood.BAD if refusals else PageMood.ATTENTION if concerns else PageMood.GOOD
    state = "ready" if plan.changes else "nothing to do"
    if refusals:
        count = number_of(len(refusals), "guard")
        reasons.insert(0, f"Refused by {count}: an apply would not begin.")
        state = "refused"
    elif concerns:
        state = "needs attention"
    return PageContent(
        mood=mood,
        title=f"Plan: {state}",
        sentence=Text().verdict(plan),
        why=reasons,
        about=plan_facts(plan),
        sections=sections,
    )


def apply_page(
    plan: Plan,
    finished: RunFinished,
    timeline: Timeline,
    *,
    prefix: str = "",
    commands: Commands = COMMANDS,
    locate: Locate | None = None,
    losses: UnsavedRecords | None = None,
) -> str:
    """How an apply of a plan went, as a page of its own.

    `prefix` leads from here to the files of its specs, `commands` are those that go on from
    here, `locate` finds the line of a part of a spec.
    """
    budget = LineBudget()
    losses = losses or UnsavedRecords()
    advice = Advice(plan=plan, commands=commands, prefix=prefix, locate=locate)
    # Without any action there is nothing to draw over time.
    curves = [gpu_curve_section(plan, timeline), concurrency_section(timeline)]
    sections = [
        *unsaved_section(losses),
        *failed_action_sections(timeline, advice),
        *standings_section(find_standings(plan, _mended(timeline))),
        *diagnostics_section(plan.diagnostics, prefix),
        summary_section(finished.summary),
        gpus_section(plan),
        *(curves if timeline.actions else ()),
        *timeline_section(timeline),
        *changes_section(plan, prefix, budget),
        *holds_section(plan, prefix, budget),
        *drift_section(plan, budget),
    ]
    remarks = [*_apply_remarks(finished, losses), *_plan_doubts(plan)]
    reasons = [*remarks, *_plan_remarks(plan)]
    failed = finished.summary.failed or losses.unsaved or losses.trouble
    mood = PageMood.BAD if failed else PageMood.ATTENTION if remarks else PageMood.GOOD
    unfinished = finished.stopped_by or finished.summary.in_doubt or finished.summary.skipped
    state = "failed in part" if failed else "not finished" if unfinished else "done"
    began = (("Run", tag("code", finished.run)), ("Began", timeline.started or finished.at))
    content = PageContent(
        mood=mood,
        title=f"Apply: {state}",
        sentence=Text().applied(finished.summary, finished.took),
        why=reasons,
        about=lines([facts(began), plan_facts(plan)]),
        sections=sections,
    )
    return content.page(finished.at)


def _mended(timeline: Timeline) -> set[Address]:
    """The workloads to which an apply has done what it wanted."""
    return {action.address for action in timeline.actions if isinstance(action.outcome, Succeeded)}


def _plan_doubts(plan: Plan) -> Iterator[str]:
    """Why a plan may not be right."""
    if other_run := at_work(plan):
        yield other_run
    if not plan.complete:
        yield "Not everything was read from the server."
    if errors := _count_errors(plan):
        yield f"The specs have {number_of(errors, 'error')}."


def _count_errors(plan: Plan) -> int:
    return sum(diagnostic.severity is Severity.ERROR for diagnostic in plan.diagnostics)


def _plan_remarks(plan: Plan) -> Iterator[str]:
    """What a reader of a plan should know besides; a warning alone needs nobody's attention."""
    if warnings := len(plan.diagnostics) - _count_errors(plan):
        yield f"The specs have {number_of(warnings, 'warning')}."
    if plan.drift:
        yield f"{number_of(len(plan.drift), 'workload')} changed on the server."
    if plan.holds:
        yield f"{number_of(len(plan.holds), 'workload')} held back."


def _apply_remarks(finished: RunFinished, losses: UnsavedRecords) -> Iterator[str]:
    """What somebody has to look at after an apply."""
    summary = finished.summary
    if finished.stopped_by:
        yield f"Stopped by {finished.stopped_by}. This page shows what happened until then."
    if summary.failed:
        yield f"{number_of(summary.failed, 'workload')} failed."
    if summary.down:
        yield f"{number_of(summary.down, 'workload')} down: deleted, and no replacement runs."
    if summary.in_doubt:
        yield f"{number_of(summary.in_doubt, 'workload')} in doubt: the next apply looks for proof."
    if summary.skipped:
        yield f"{number_of(summary.skipped, 'workload')} skipped."
    if losses.unsaved:
        yield f"{number_of(len(losses.unsaved), 'record')} could not be written to the state."
    if losses.trouble:
        yield "The state could not be written."
    if losses.unlogged:
        yield "The history of this run is not complete."


def footer(moment: str) -> Html:
    """What has made a page, and when."""
    return tag("footer", tag("p", f"reconciler {__version__}, {moment}"))
