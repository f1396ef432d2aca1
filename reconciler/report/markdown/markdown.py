"""Plans, the ends of applies and failures as comments that a reviewer reads in ten seconds.

Every page begins with a comment that is not shown, by which a workflow finds it again. Sizes are
bytes of UTF-8, which are never fewer than characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionSucceeded,
    Event,
    InDoubt,
    RunFinished,
)
from reconciler.core.model import Address
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import AnyAction, Delete, Drift, GpuTotals, Plan, Replace
from reconciler.core.shorten import shorten
from reconciler.errors import ReconcilerError, Where
from reconciler.report.changes import ChangeLine, action_lines, change_lines
from reconciler.report.markdown.commonmark import (
    code,
    code_html,
    diff_block,
    marker,
    row,
    table,
    words,
)
from reconciler.report.markdown.size_limit import (
    MarkdownPart,
    MarkdownSection,
    Omitted,
    compose,
    count_kinds,
)
from reconciler.report.text.formatting import at_work, gpu_number, number_of
from reconciler.report.text.gpu_text import given_back, gpu_effect
from reconciler.report.text.text import Text

# What GitHub takes as a comment.
COMMENT_LIMIT = 65_536
# What is always there must stay within `budget.LEAST`.
_LONGEST_NAME = 80
# Of more projects, those in which nothing changes would hide those in which something does.
_FEW = 10
_MOMENTS = ("before", "after", "peak")


def markdown_plan(
    plan: Plan, refusals: Sequence[Refusal], *, limit: int = COMMENT_LIMIT, prefix: str = ""
) -> str:
    """What an apply would do: verdict, what speaks against it, counts, GPUs, the workloads.

    `prefix` goes before the names of files. Raises ValueError for a limit below `budget.LEAST`.
    """
    verdict = Text().verdict(plan)
    if not plan.changes:
        verdict = f"Nothing to do. {verdict}"
    if refusals:
        verdict = f"Refused. {verdict}"
    overwritten = {a.address for a in plan.changes if isinstance(a, Replace | Delete)}
    sections = [
        MarkdownSection(head=f"{marker('plan', plan.target.stack)}\n\n## {verdict}"),
        *_refusals(refusals),
        *_alert("NOTE", "Another run is at work on this state.", _at_work(plan)),
        *_findings(plan.diagnostics, prefix, complete=plan.complete),
        _counts(_plan_counts(plan)),
        _gpus(plan),
        *_workloads("Changes", [_action(action, prefix) for action in plan.changes]),
        *_workloads("Held back", [_action(action, prefix) for action in plan.holds]),
        *_workloads(
            "Changed on the server",
            [_drift(drift, overwritten=drift.address in overwritten) for drift in plan.drift],
        ),
        _plan_foot(plan),
    ]
    return compose(sections, limit)


def markdown_applied(
    plan: Plan,
    finished: RunFinished,
    outcomes: Sequence[Event],
    *,
    troubles: Sequence[str] = (),
    limit: int = COMMENT_LIMIT,
    prefix: str = "",
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
    stopped = [f"The run was stopped: {finished.stopped_by}."] if finished.stopped_by else []
    told = [f"Of the record: {words(trouble)}" for trouble in troubles]
    sections = [
        MarkdownSection(head=f"{marker('apply', plan.target.stack)}\n\n## {verdict}"),
        *_alert("CAUTION", "Something went wrong with the run itself.", [*stopped, *told]),
        _counts(_applied_counts(finished)),
        *_problems("Failed", ActionFailed, outcomes, places, prefix),
        *_problems("In doubt", InDoubt, outcomes, places, prefix),
        *_problems("Skipped", ActionSkipped, outcomes, places, prefix),
        *_done([event for event in outcomes if isinstance(event, ActionSucceeded)]),
        _applied_foot(plan, finished),
    ]
    return compose(sections, limit)


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
    place = f"{code(_place(error.where, prefix))}: " if error.where else ""
    hint = f". Way out: {words(error.hint)}" if error.hint else ""
    why = [f"Error: {place}{words(error.message)}{hint}"]
    verdict = "No plan" if doing == "plan" else "Nothing was applied"
    what = words(shorten(error.message, _LONGEST_NAME))
    sections = [
        MarkdownSection(head=f"{marker(doing, stack)}\n\n## {verdict}: {what}"),
        *_refusals(refusals),
        *_alert("CAUTION", f"{verdict}.", [] if refusals or diagnostics else why),
        *_findings(diagnostics, prefix),
    ]
    return compose(sections, limit)


def _refusals(refusals: Sequence[Refusal]) -> Iterator[MarkdownSection]:
    lines = [
        f"**{words(f'{one.guard}')}**: {words(one.message)}. Way out: {words(one.hint)}"
        for one in refusals
    ]
    yield from _alert("CAUTION", "Guards refuse this plan: an apply would change nothing.", lines)


def _findings(
    found: Sequence[Diagnostic], prefix: str, *, complete: bool = True
) -> Iterator[MarkdownSection]:
    if not complete:
        yield MarkdownSection(head="> [!WARNING]\n> **Not everything was read from the server.**")
    lines = [
        f"{finding.severity.value} at {code(_place(finding.where, prefix, column=True))}: "
        f"{words(finding.message)} ({code(finding.code)})"
        + (f". Way out: {words(finding.hint)}" if finding.hint else "")
        for finding in found
    ]
    kind = "CAUTION" if has_errors(found) else "WARNING"
    yield from _alert(kind, f"{number_of(len(found), 'finding')} in the specs.", lines)


def _at_work(plan: Plan) -> list[str]:
    return [words(told)] if (told := at_work(plan)) else []


def _alert(kind: str, title: str, lines: Sequence[str]) -> Iterator[MarkdownSection]:
    """A box in the colour of its kind; a plain quotation where nobody knows such boxes."""
    if lines:
        parts = [
            MarkdownPart(full=f"> - {line}", brief=f"> - {line}", kind="more") for line in lines
        ]
        head = f"> [!{kind}]\n> **{title}**\n>"
        yield MarkdownSection(head=head, parts=parts, say=lambda cut: f"> - … {cut.count} more")


def _counts(counts: Sequence[tuple[str, int]]) -> MarkdownSection:
    """Numbers below their names; the names are ours."""
    head, numbers = zip(*counts, strict=True)
    cells = [str(number) for number in numbers]
    return MarkdownSection(head="\n".join(table(head, [cells], numbers=head)))


def _plan_counts(plan: Plan) -> list[tuple[str, int]]:
    kinds = ("create", "replace", "delete", "adopt", "forget", "resolve", "record")
    always = ("create", "replace", "delete", "unchanged")
    counts = [(kind, plan.count(kind)) for kind in kinds]
    counts += [("held", len(plan.holds)), ("unchanged", plan.count("keep"))]
    counts += [("drifted", len(plan.drift))]
    return [(name, count) for name, count in counts if count or name in always]


def _applied_counts(finished: RunFinished) -> list[tuple[str, int]]:
    done = finished.summary
    always = ("created", "replaced", "deleted", "failed", "in doubt")
    counts = [
        ("created", done.created),
        ("replaced", done.replaced),
        ("deleted", done.deleted),
        ("settled", done.adopted),
        ("forgotten", done.forgotten),
        ("recorded", done.recorded),
        ("failed", done.failed),
        ("down", done.down),
        ("in doubt", done.in_doubt),
        ("skipped", done.skipped),
    ]
    return [(name, count) for name, count in counts if count or name in always]


def _gpus(plan: Plan) -> MarkdownSection:
    groups = plan.gpus_by_project
    told = {name: one for name, one in groups.items() if _is_moved(one) or len(groups) <= _FEW}
    lines = [_gpu_row(code(project), totals, "{}") for project, totals in told.items()]
    total = _gpu_row("**total**", plan.gpus, "**{}**")
    if len(told) < len(groups):
        total = f"{row((f'{len(groups) - len(told)} without a change', '', '', ''))}\n{total}"
    unknown = plan.unknown_gpus
    verb = "asks" if unknown == 1 else "ask"
    more = f"\n\n{number_of(unknown, 'workload')} {verb} for GPUs that cannot be counted."
    return MarkdownSection(
        head="\n".join(table(("GPUs in project", *_MOMENTS), numbers=_MOMENTS)),
        parts=[MarkdownPart(full=line, brief=line, kind="more") for line in lines],
        foot=total + (more if unknown else ""),
        say=lambda cut: row((f"… {cut.count} more", "", "", "")),
    )


def _is_moved(totals: GpuTotals) -> bool:
    return not totals.before == totals.after == totals.peak


def _gpu_row(name: str, totals: GpuTotals, form: str) -> str:
    numbers = (totals.before, totals.after, totals.peak)
    return row((name, *(form.format(gpu_number(number)) for number in numbers)))


def _workloads(title: str, parts: Sequence[MarkdownPart]) -> Iterator[MarkdownSection]:
    if parts:
        yield MarkdownSection(head=f"### {title} ({len(parts)})", parts=parts, say=_say_cut)


def _say_cut(cut: Omitted) -> str:
    said = [f"{number_of(cut.count, 'workload')} left out here: {count_kinds(cut)}"] * bool(
        cut.count
    )
    said += [f"{number_of(cut.shortened, 'workload')} shown without details"] * bool(cut.shortened)
    return f"\n**… {'; '.join(said)}. All of it is in the text of the plan.**"


def _action(action: AnyAction, prefix: str) -> MarkdownPart:
    place = code_html(_place(action.source, prefix)) if action.source else ""
    notes = (gpu_effect(action), place, action.reason.value)
    head = f"{action.glyph} {action.kind} {code_html(str(action.address))}"
    why = f"{action.reason}: {words(action.detail)}" if action.detail else str(action.reason)
    facts = [why, given_back(action), f"wave {action.wave}" if action.wave else ""]
    lines = list(action_lines(action))
    return _details(" · ".join([head, *filter(None, notes)]), facts, lines, action.kind)


def _drift(drift: Drift, *, overwritten: bool) -> MarkdownPart:
    what = "overwritten by this plan" if overwritten else "not undone"
    head = f"~ drifted {code_html(str(drift.address))} · {what}"
    way = "" if overwritten else "`--on-drift replace` would undo it"
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
        brief=f"\n<p>{head}</p>",
        kind=kind,
    )


def _plan_foot(plan: Plan) -> MarkdownSection:
    return MarkdownSection(head=f"{_of(plan)} (`reconciler apply --expect-digest`).")


def _problems(
    title: str,
    kind: type[ActionFailed | InDoubt | ActionSkipped],
    outcomes: Sequence[Event],
    places: dict[Address, Where | None],
    prefix: str,
) -> Iterator[MarkdownSection]:
    """One way in which workloads did not become what they should, in the server's words."""
    found = [event for event in outcomes if isinstance(event, kind)]
    lines = [_problem(event, places.get(event.address), prefix) for event in found]
    if lines:
        head = table(("Workload", "Action", "Line", "What was said", "Way out"))
        yield MarkdownSection(
            head="\n".join([f"### {title} ({len(lines)})", "", *head]),
            parts=[MarkdownPart(full=line, brief=line, kind="more") for line in lines],
            say=lambda cut: row((f"… {cut.count} more", "", "", "", "")),
        )


def _problem(
    event: ActionFailed | InDoubt | ActionSkipped, where: Where | None, prefix: str
) -> str:
    hint = "" if isinstance(event, ActionSkipped) else event.hint
    place = code(_place(where, prefix)) if where else ""
    return row(
        (code(str(event.address)), words(event.action), place, words(event.message), words(hint))
    )


def _done(events: Sequence[ActionSucceeded]) -> Iterator[MarkdownSection]:
    if not events:
        return
    parts = []
    for event in events:
        detail = f": {words(event.detail)}" if event.detail else ""
        line = f"- {words(event.action)} {code(str(event.address))}{detail}"
        parts.append(MarkdownPart(full=line, brief=line, kind=event.action))
    yield MarkdownSection(
        head=f"<details><summary>Done ({len(events)})</summary>\n",
        parts=parts,
        foot="\n</details>",
        say=lambda cut: f"- … {cut.count} more: {count_kinds(cut)}",
    )


def _applied_foot(plan: Plan, finished: RunFinished) -> MarkdownSection:
    summary = finished.summary
    ways = []
    if summary.failed or summary.skipped or finished.stopped_by:
        ways.append("Applying again is safe, and does what is left.")
    if summary.in_doubt:
        ways.append(
            "The next apply looks for what is in doubt, as does `reconciler state resolve`."
        )
    run = f"run {code(finished.run, _LONGEST_NAME)} (`reconciler runs show`)"
    return MarkdownSection(head=" ".join([*ways, f"{_of(plan)}, {run}."]))


def _of(plan: Plan) -> str:
    stack, url = (code(text, _LONGEST_NAME) for text in (plan.target.stack, plan.target.url))
    return f"Stack {stack} on {url}, plan `{plan.digest}`"


def _place(where: Where | None, prefix: str, *, column: bool = False) -> str:
    if where is None:
        return ""
    place = f"{prefix}{where.file}:{where.line}"
    return f"{place}:{where.column}" if column else place
