"""Plans, the ends of applies and failures as comments that a reviewer reads in ten seconds.

Every page begins with a comment that is not shown, by which a workflow finds it again. Sizes are
bytes of UTF-8, which are never fewer than characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.file_names import under_prefix
from reconciler.core.history.events import ActionEnded, RunFinished, Summary
from reconciler.core.history.outcome import NAMES, Failed, InDoubt, Skipped, Succeeded, Unsuccessful
from reconciler.core.model import Address
from reconciler.core.planning.actions import AnyAction, document_of
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.core.review.content import content_of, former_source_of, kind_of
from reconciler.core.review.plan_differences import EntryDifference
from reconciler.errors import ReconcilerError, Where
from reconciler.report.changes import (
    ChangeLine,
    DriftFate,
    ShownDrift,
    action_lines,
    change_lines,
    planned_counts,
    shown_drift,
)
from reconciler.report.commands import COMMANDS, Commands
from reconciler.report.machine.documents import to_yaml
from reconciler.report.markdown.commonmark import (
    LONGEST_HINT,
    code,
    code_html,
    diff_block,
    marker,
    prose,
    row,
    table,
    yaml_block,
)
from reconciler.report.markdown.gpu_tables import gpus_section, quota_section
from reconciler.report.markdown.sections import (
    LONGEST_NAME,
    alert_section,
    counts_section,
    diagnostics_section,
    place_text,
    plan_name,
    refusals_section,
    standings_section,
)
from reconciler.report.markdown.size_limit import (
    MarkdownPart,
    MarkdownSection,
    Omitted,
    count_kinds,
    fit_into_page,
    whole_part,
)
from reconciler.report.next_step import HELD_BACK, hint_after
from reconciler.report.standing import find_standings
from reconciler.report.text.formatting import (
    at_work,
    failing_text,
    idle_text,
    number_of,
)
from reconciler.report.text.gpu_text import given_back, gpu_effect
from reconciler.report.text.text import Text

# What GitHub takes as a comment.
COMMENT_LIMIT = 65_536
# As for the names in `sections`: what is always there must stay within `size_limit.LEAST`.
_LONGEST_HEADING = 80
# What becomes of drift, and what would undo it.
_DRIFT_FATES = {
    DriftFate.LEFT: ("not undone", "`--on-drift update` or `replace` would undo it"),
    DriftFate.RETURNED: ("back after it was undone, not undone again", "`--replace` would undo it"),
    DriftFate.OVERWRITTEN: ("overwritten by this plan", ""),
}


def markdown_plan(
    plan: Plan,
    refusals: Sequence[Refusal],
    *,
    limit: int = COMMENT_LIMIT,
    prefix: str = "",
    outdated: ReconcilerError | None = None,
    differences: Sequence[EntryDifference] = (),
) -> str:
    """What an apply would do: verdict, what speaks against it, counts, GPUs, the workloads.

    `prefix` goes before the names of files. `outdated` says that this plan is not the approved one,
    and was not applied; `differences` say in what it is not. Raises ValueError for a limit below
    `size_limit.LEAST`.
    """
    verdict = Text().verdict(plan)
    if sentence := failing_text(plan) if plan.changes else idle_text(plan):
        verdict = f"{sentence} {verdict}"
    if refusals:
        verdict = f"Refused. {verdict}"
    stale = []
    if outdated is not None:
        verdict = f"Not applied. {verdict}"
        stale = [f"{prose(outdated.message)}. Way out: {prose(outdated.hint, LONGEST_HINT)}"]
    # The comment of an apply must not take the place of that of a plan.
    kind = "plan" if outdated is None else "apply"
    other_run = [prose(at_work(plan))] if plan.at_work else []
    sections = [
        MarkdownSection(head=f"{marker(kind, plan.target.stack)}\n\n## {verdict}"),
        *alert_section("CAUTION", "Nothing was applied: this plan is not the approved one.", stale),
        *refusals_section(refusals),
        *alert_section("NOTE", "Another run is at work on this state.", other_run),
        *standings_section(find_standings(plan)),
        *diagnostics_section(plan.diagnostics, prefix, complete=plan.complete),
        counts_section(
            {
                **dict(planned_counts(plan)),
                "held": len(plan.holds),
                "unchanged": plan.count("keep"),
                "drifted": len(plan.drift),
            },
            always=("create", "update", "replace", "delete", "unchanged"),
        ),
        gpus_section(plan),
        *quota_section(plan),
        *_workloads("Not as it was approved", [_entry_difference(each) for each in differences]),
        *_workloads("Changes", [_action(action, prefix) for action in plan.changes]),
        *_workloads("Held back", [_action(action, prefix) for action in plan.holds]),
        *_workloads(
            "Changed on the server",
            [_drift(drift) for drift in shown_drift(plan)],
        ),
        MarkdownSection(head=f"{plan_name(plan)} (`reconciler apply --expect-digest`)."),
    ]
    return fit_into_page(sections, limit)


def markdown_applied(
    plan: Plan,
    finished: RunFinished,
    ended: Sequence[ActionEnded],
    *,
    troubles: Sequence[str] = (),
    limit: int = COMMENT_LIMIT,
    prefix: str = "",
    commands: Commands = COMMANDS,
) -> str:
    """How an apply ended: verdict, counts, what did not work and why, what was done.

    `troubles` tell what went wrong with the record of the run, and not with a workload.
    """
    summary = finished.summary
    verdict = Text().applied(summary, finished.took)
    unfinished = summary.failed or summary.down or summary.in_doubt or summary.skipped
    if unfinished or finished.stopped_by or troubles:
        verdict = f"Incomplete. {verdict}"
    places = {action.address: action.source for action in plan.actions}
    mended = {event.address for event in ended if isinstance(event.outcome, Succeeded)}
    stopped = [f"The run was stopped: {finished.stopped_by}."] if finished.stopped_by else []
    unrecorded = [f"Record of the run: {prose(trouble)}" for trouble in troubles]
    sections = [
        MarkdownSection(head=f"{marker('apply', plan.target.stack)}\n\n## {verdict}"),
        *alert_section(
            "CAUTION", "Something went wrong with the run itself.", [*stopped, *unrecorded]
        ),
        _summary_counts(summary),
        *_unsuccessful(Failed, ended, places, prefix, commands),
        *_unsuccessful(InDoubt, ended, places, prefix, commands),
        *_unsuccessful(Skipped, ended, places, prefix, commands),
        *standings_section(find_standings(plan, mended)),
        *_successful(ended),
        MarkdownSection(head=_next_steps(plan, finished, ended)),
    ]
    return fit_into_page(sections, limit)


def markdown_failure(
    error: ReconcilerError,
    *,
    doing: str,
    stack: str,
    refusals: Sequence[Refusal] = (),
    diagnostics: Sequence[Diagnostic] = (),
    limit: int = COMMENT_LIMIT,
    prefix: str = "",
) -> str:
    """Why there is no plan, or why an apply did not begin; `doing` is `plan` or `apply`."""
    place = f"{code(place_text(error.where, prefix))}: " if error.where else ""
    hint = f". Way out: {prose(error.hint, LONGEST_HINT)}" if error.hint else ""
    why = [f"Error: {place}{prose(error.message)}{hint}"]
    verdict = "No plan" if doing == "plan" else "Nothing was applied"
    # A heading is a whole sentence or none: the alert below it has the long ones.
    title = (
        verdict if len(error.message) > _LONGEST_HEADING else f"{verdict}: {prose(error.message)}"
    )
    sections = [
        MarkdownSection(head=f"{marker(doing, stack)}\n\n## {title}"),
        *refusals_section(refusals),
        # Refusals and diagnostics say why by themselves, and a short heading has said it.
        *alert_section("CAUTION", f"{verdict}.", [] if refusals or diagnostics else why),
        *diagnostics_section(diagnostics, prefix),
    ]
    return fit_into_page(sections, limit)


def _summary_counts(summary: Summary) -> MarkdownSection:
    return counts_section(
        {
            "created": summary.created,
            "updated": summary.updated,
            "replaced": summary.replaced,
            "deleted": summary.deleted,
            "settled": summary.adopted,
            "forgotten": summary.forgotten,
            "recorded": summary.recorded,
            "finished": summary.finished,
            "expired": summary.expired,
            "failed": summary.failed,
            "down": summary.down,
            "in doubt": summary.in_doubt,
            "skipped": summary.skipped,
        },
        always=("created", "updated", "replaced", "deleted", "failed", "in doubt"),
    )


def _workloads(title: str, parts: Sequence[MarkdownPart]) -> Iterator[MarkdownSection]:
    def say(cut: Omitted) -> str:
        texts = []
        if cut.count:
            left_out = f"{number_of(cut.count, 'workload')} left out here"
            texts.append(f"{left_out}: {count_kinds(cut)}")
        if cut.shortened:
            texts.append(f"{number_of(cut.shortened, 'workload')} shown without details")
        if cut.unextended:
            texts.append(f"{number_of(cut.unextended, 'effective document')} left out")
        return f"\n**… {'; '.join(texts)}. All of it is in the plan as JSON.**"

    if parts:
        yield MarkdownSection(head=f"### {title} ({len(parts)})", parts=parts, say=say)


def _action(action: AnyAction, prefix: str) -> MarkdownPart:
    place = code_html(place_text(action.source, prefix)) if action.source else ""
    kind, former = kind_of(action), former_source_of(action)
    if former:
        place = f"last declared in {code_html(under_prefix(prefix, former))}"
    notes = (code_html(kind) if kind else "", gpu_effect(action), place, action.reason.value)
    head = f"{action.glyph} {action.kind} {code_html(str(action.address))}"
    why = f"{action.reason}: {prose(action.detail)}" if action.detail else str(action.reason)
    facts = [why, given_back(action), f"wave {action.wave}" if action.wave else ""]
    lines = list(action_lines(action))
    shown = _details(" · ".join([head, *filter(None, notes)]), facts, lines, action.kind)
    document = document_of(action)
    if document is None:
        return shown
    # What a policy or a reviewer judges: the spec with its defaults, as it will be sent.
    block = yaml_block(to_yaml([content_of(document).document]))
    # Nested, so that one click shows what changes and a second one all that is sent.
    end = "</details>"
    effective = f"<details><summary>Effective document</summary>\n\n{block}\n\n{end}"
    return replace(shown, extended=f"{shown.full.removesuffix(end)}{effective}\n\n{end}")


def _entry_difference(difference: EntryDifference) -> MarkdownPart:
    now = f" · now {difference.now}" if difference.now else ""
    lines = list(chain.from_iterable(map(change_lines, difference.changes)))
    head = f"{code_html(difference.address)}{now}"
    return _details(head, [prose(difference.message)], lines, difference.now or "none")


def _drift(drift: ShownDrift) -> MarkdownPart:
    fate, way = _DRIFT_FATES[drift.fate]
    head = f"~ drifted {code_html(str(drift.address))} · {fate}"
    lines = list(chain.from_iterable(map(change_lines, drift.changes)))
    return _details(head, [way], lines, "drifted")


def _details(
    head: str, facts: Sequence[str], lines: Sequence[ChangeLine], kind: str
) -> MarkdownPart:
    """Something to unfold. HTML lasts until an empty line, and what follows is Markdown again."""
    body = ["\n".join(f"- {fact}" for fact in facts if fact)]
    body += [diff_block(lines)] if lines else []
    inside = "\n\n".join(filter(None, body))
    return MarkdownPart(
        full=f"\n<details><summary>{head}</summary>\n\n{inside}\n\n</details>",
        # No <details>: nothing is left that could be unfolded.
        brief=f"\n<p>{head}</p>",
        kind=kind,
    )


def _unsuccessful(
    kind: type[Unsuccessful],
    ended: Sequence[ActionEnded],
    places: dict[Address, Where | None],
    prefix: str,
    commands: Commands,
) -> Iterator[MarkdownSection]:
    """One way in which workloads did not become what they should, with the server's messages."""
    parts = []
    for event in ended:
        outcome = event.outcome
        if not isinstance(outcome, kind):
            continue
        where = places.get(event.address)
        cells = (
            code(str(event.address)),
            prose(event.action),
            code(place_text(where, prefix)) if where else "",
            prose(outcome.message),
            prose(hint_after(event.address, outcome, commands), LONGEST_HINT),
        )
        parts.append(whole_part(row(cells)))
    if parts:
        title = NAMES[kind].word.capitalize()
        head = table(("Workload", "Action", "Line", "Message", "Way out"))
        yield MarkdownSection(
            head="\n".join([f"### {title} ({len(parts)})", "", *head]),
            parts=parts,
            say=lambda cut: row((f"… {cut.count} more", "", "", "", "")),
        )


def _successful(ended: Sequence[ActionEnded]) -> Iterator[MarkdownSection]:
    parts = []
    for event in ended:
        if isinstance(event.outcome, Succeeded):
            detail = f": {prose(event.outcome.detail)}" if event.outcome.detail else ""
            line = f"- {prose(event.action)} {code(str(event.address))}{detail}"
            parts.append(whole_part(line, event.action))
    if parts:
        yield MarkdownSection(
            head=f"<details><summary>Done ({len(parts)})</summary>\n",
            parts=parts,
            foot="\n</details>",
            say=lambda cut: f"- … {cut.count} more: {count_kinds(cut)}",
        )


def _next_steps(plan: Plan, finished: RunFinished, ended: Sequence[ActionEnded]) -> str:
    summary = finished.summary
    steps = []
    # What an apply has held back, the next one holds back as well.
    failures = [event.outcome for event in ended if isinstance(event.outcome, Failed)]
    can_finish = any(failed.cause not in HELD_BACK for failed in failures)
    skipped = summary.skipped - sum(not hold.fails for hold in plan.due_holds)
    if can_finish or skipped or finished.stopped_by:
        steps.append("Applying again is safe, and finishes what is left.")
    if summary.in_doubt:
        steps.append(
            "The next apply looks for what is in doubt, as does `reconciler state resolve`."
        )
    run = f"run {code(finished.run, LONGEST_NAME)} (`reconciler runs show`)"
    return " ".join([*steps, f"{plan_name(plan)}, {run}."])
