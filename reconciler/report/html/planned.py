"""The parts of a page that show a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.diagnostics import Diagnostic, Severity, has_errors
from reconciler.core.file_names import under_prefix
from reconciler.core.model import Address
from reconciler.core.planning.actions import AnyAction, document_of
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import GpuTotals, Plan
from reconciler.core.review.content import content_of, former_source_of, kind_of
from reconciler.core.review.plan_differences import EntryDifference
from reconciler.core.shorten import shorten
from reconciler.report.changes import (
    ChangeLine,
    DriftFate,
    action_lines,
    change_lines,
    needs_reason,
    planned_counts,
    shown_drift,
)
from reconciler.report.html.charts import BarPart, bar
from reconciler.report.html.components import (
    LONGEST_PLACE,
    Section,
    address_of,
    facts,
    hint_text,
    join,
    message_text,
    note,
    place_of,
    share_of_each,
    table,
    tiles,
)
from reconciler.report.html.markup import Child, Html, fragment, lines, tag
from reconciler.report.machine.documents import to_yaml
from reconciler.report.standing import standings_title
from reconciler.report.text.formatting import commit_text, gpu_number, number_of
from reconciler.report.text.gpu_text import given_back, gpu_effect

# What can end something comes first.
KINDS = ("delete", "replace", "resolve", "update", "create", "adopt", "forget", "record")
# Browsers and readers give up on more; 'show' and the text have all of it.
WORKLOADS = 400
LINES = 6_000
DOCUMENT_LINES = 3_000
DIAGNOSTICS = 200
PROJECTS = 60
STANDINGS = 30
LONGEST_REASON = 200
# So few are read without unfolding each of them.
OPEN = 8

_DRIFT_HEADINGS = {
    DriftFate.LEFT: "Not undone (--on-drift update or replace does)",
    DriftFate.RETURNED: "Back after an apply had undone it, and not undone (--replace does)",
    DriftFate.OVERWRITTEN: "Overwritten by this plan",
}
_LOOKS = {"+": "added", "-": "removed", "~": "changed", "@": "part", " ": "same"}


class LineBudget:
    """How many lines of differences a page still has room for.

    All of a workload's or none of them: what is left out in the middle could be what matters.
    """

    def __init__(self, left: int = LINES, *, documents: int = DOCUMENT_LINES) -> None:
        self._left = left
        self._left_for_documents = documents

    def take(self, difference: Sequence[ChangeLine]) -> Sequence[ChangeLine]:
        """All of these lines, if there is room for them."""
        if len(difference) > self._left:
            return ()
        self._left -= len(difference)
        return difference

    def take_document(self, count: int) -> bool:
        """Whether there is room for so many lines of a document: they take none from changes."""
        if count > self._left_for_documents:
            return False
        self._left_for_documents -= count
        return True


def plan_facts(plan: Plan) -> Html:
    """What the plan is for and where it comes from."""
    target = plan.target
    state = f"{plan.lineage}, serial {plan.serial}" if plan.lineage else "none yet"
    pairs: list[tuple[str, Child]] = [
        ("Server", tag("code", target.url)),
        ("Stack", tag("code", target.stack)),
        ("State", tag("code", state)),
        ("Digest", tag("code", plan.digest)),
    ]
    if commit := commit_text(plan.provenance):
        pairs.append(("Commit", tag("code", commit)))
    if job := plan.provenance.job:
        pairs.append(("CI job", tag("code", shorten(job, LONGEST_PLACE))))
    for project, name in sorted(plan.project_names.items()):
        pairs.append((f"Project {project}", tag("code", name)))
    return facts(pairs)


def refusals_section(refusals: Sequence[Refusal]) -> Iterator[Section]:
    """Why an apply would not begin."""
    if refusals:
        items = (
            tag("li", message_text(r.message), hint_text(r.hint), class_="bad") for r in refusals
        )
        yield Section(
            id="refused", heading="Refused by guards", content=tag("ul", *items, class_="cards")
        )


def standings_section(standings: Sequence[tuple[str, AnyAction]]) -> Iterator[Section]:
    """Which workloads are down, refused, expired or finished, and why."""
    if not standings:
        return
    rows = [
        tag(
            "tr",
            tag("th", address_of(action.address), scope="row"),
            tag("td", word),
            tag("td", shorten(action.detail, LONGEST_REASON), class_="words"),
        )
        for word, action in standings[:STANDINGS]
    ]
    content = fragment(
        table("Workloads that do not run as declared", ("Workload", "Is", "Because"), rows),
        _omitted(len(standings) - len(rows)),
    )
    yield Section(id="standings", heading=standings_title(standings), content=content)


def diagnostics_section(diagnostics: Sequence[Diagnostic], prefix: str) -> Iterator[Section]:
    """The errors and warnings of the specs."""
    if not diagnostics:
        return
    # Errors first; sorting keeps the order of their places.
    ordered = sorted(diagnostics, key=lambda d: d.severity is not Severity.ERROR)
    items = []
    for diagnostic in ordered[:DIAGNOSTICS]:
        head = join(
            [
                tag("strong", diagnostic.severity.value),
                place_of(diagnostic.where, prefix),
                tag("code", diagnostic.code, class_="code"),
            ]
        )
        body = (tag("p", head), message_text(diagnostic.message), hint_text(diagnostic.hint))
        look = "bad" if diagnostic.severity is Severity.ERROR else "attention"
        items.append(tag("li", *body, class_=look))
    remark = None
    if omitted := len(diagnostics) - len(items):
        count = number_of(omitted, "more diagnostic")
        remark = note(f"{count} left out; 'validate' lists all of them.")
    content = fragment(tag("ul", *items, class_="cards"), remark)
    heading = "Errors and warnings" if has_errors(diagnostics) else "Warnings"
    yield Section(id="findings", heading=heading, content=content)


def counts_section(plan: Plan) -> Section:
    """What would happen, in numbers."""
    counts = [(kind, count, f"to {kind}") for kind, count in planned_counts(plan)]
    counts.append(("keep", plan.count("keep"), "unchanged"))
    if plan.holds:
        counts.append(("hold", len(plan.holds), "held"))
    if plan.drift:
        counts.append(("drift", len(plan.drift), "drifted"))
    return Section(id="counts", heading="In numbers", content=tiles(counts))


def most_gpus(plan: Plan) -> float:
    """The GPUs of the longest bar of a plan."""
    return max(map(_most, (plan.gpus, *plan.gpus_by_project.values())))


def gpus_section(plan: Plan, widest: float | None = None) -> Section:
    """GPUs before, after and at most, per project; a full bar is `widest`, else the longest."""

    def moved(total: GpuTotals) -> float:
        return max(abs(total.after - total.before), total.peak - total.before)

    # Where most changes stands first; what does not change is left out first.
    groups = sorted(plan.gpus_by_project.items(), key=lambda group: -moved(group[1]))
    listed = groups[:PROJECTS]
    # One scale, so that any two bars can be compared.
    widest = most_gpus(plan) if widest is None else widest
    rows = [_gpu_row(tag("code", name), total, widest) for name, total in listed]
    rows.append(_gpu_row("All projects", plan.gpus, widest, look="total"))
    caption = (
        "GPUs asked for. The peak is what an apply may need at worst while it lasts. "
        "Bars: before in grey, after in blue, the peak paler."
    )
    remarks = []
    if len(groups) > len(listed):
        omitted = number_of(len(groups) - len(listed), "more project")
        remark = f"{omitted} with smaller changes are left out; the total includes them."
        remarks.append(note(remark))
    if plan.unknown_gpus:
        unknown = number_of(plan.unknown_gpus, "workload")
        remarks.append(note(f"Not counted: {unknown} whose manifests do not state their GPUs."))
    heads = ("Project", "Before", "After", "Peak", "Before and after")
    content = fragment(table(caption, heads, rows, "gpus"), *remarks)
    return Section(id="gpus", heading="GPUs", content=content)


def _most(total: GpuTotals) -> float:
    return max(total.before, total.after, total.peak)


def _gpu_row(name: Child, total: GpuTotals, widest: float, look: str | None = None) -> Html:
    figures = [gpu_number(value) for value in (total.before, total.after, total.peak)]
    scale = widest or 1.0
    # What is drawn later covers the earlier: a peak shows only beyond the end.
    parts = (("before", total.before, 0), ("peak", total.peak, 1), ("after", total.after, 1))
    pieces = [
        BarPart(look=part, begin=0.0, end=value / scale, row=row)
        for part, value, row in parts
        if value and (part != "peak" or total.peak > total.after)
    ]
    label = "before {}, after {}, peak {}".format(*figures)
    return tag(
        "tr",
        tag("th", name, scope="row"),
        *(tag("td", figure, class_="figure") for figure in figures),
        tag("td", bar(pieces, label, "bars", rows=2)),
        class_=look,
    )


def differences_section(
    differences: Sequence[EntryDifference], budget: LineBudget
) -> Iterator[Section]:
    """In which entries the plan is not the approved one."""
    if not differences:
        return
    items = []
    for each in differences[:WORKLOADS]:
        now = f"now {each.now}; " if each.now else ""
        lines_ = [line for change in each.changes for line in change_lines(change)]
        head = join([tag("code", shorten(each.address, LONGEST_PLACE)), f"{now}{each.message}"])
        items.append(tag("li", tag("p", head), _difference(lines_, budget), class_="attention"))
    content = fragment(tag("ul", *items, class_="cards"), _omitted(len(differences) - len(items)))
    yield Section(id="approved", heading="Not as it was approved", content=content)


def changes_section(plan: Plan, prefix: str, budget: LineBudget) -> Iterator[Section]:
    """Every action that does something, by its kind; the largest plans in part."""
    if not plan.changes:
        return
    kinds = {kind: [a for a in plan.changes if a.kind == kind] for kind in KINDS}
    counts = {kind: len(actions) for kind, actions in kinds.items() if actions}
    shares = share_of_each(counts, WORKLOADS)
    is_open = len(plan.changes) <= OPEN
    groups = [
        fragment(
            tag("h3", f"To {kind}: {count:,}"),
            lines(_action(a, prefix, budget, is_open) for a in kinds[kind][: shares[kind]]),
            _omitted(count - shares[kind]),
        )
        for kind, count in counts.items()
    ]
    yield Section(id="changes", heading="Changes", content=lines(groups))


def _omitted(count: int) -> Html | None:
    if count <= 0:
        return None
    return note(f"{count:,} more of these are left out here; the counts and GPUs include them.")


def holds_section(plan: Plan, prefix: str, budget: LineBudget) -> Iterator[Section]:
    """What would be done if nothing held it back."""
    if plan.holds:
        # Folded whatever their number: nothing of this is going to happen.
        holds = lines(_action(hold, prefix, budget, False) for hold in plan.holds[:WORKLOADS])
        content = fragment(holds, _omitted(len(plan.holds) - WORKLOADS))
        yield Section(id="held", heading=f"Held: {len(plan.holds):,}", content=content)


def drift_section(plan: Plan, budget: LineBudget) -> Iterator[Section]:
    """What somebody changed on the server, and whether this plan undoes it."""
    if not plan.drift:
        return
    parts: list[Html | None] = []
    for fate, heading in _DRIFT_HEADINGS.items():
        drifts = [drift for drift in shown_drift(plan) if drift.fate is fate]
        if drifts:
            parts.append(tag("h3", f"{heading}: {len(drifts):,}"))
        for drift in drifts[:WORKLOADS]:
            changes = [line for change in drift.changes for line in change_lines(change)]
            kind = tag("span", "≠ drift", class_="kind")
            body = _difference(changes, budget)
            parts.append(_workload(kind, drift.address, None, body, "drift", is_open=False))
        parts.append(_omitted(len(drifts) - WORKLOADS))
    yield Section(
        id="drift", heading=f"Changed on the server: {len(plan.drift):,}", content=lines(parts)
    )


def _action(action: AnyAction, prefix: str, budget: LineBudget, is_open: bool) -> Html:
    reason = None
    if needs_reason(action):
        reason = message_text(f"{action.reason.value}: {action.detail}")
    differences = _difference([*action_lines(action)], budget)
    kind = tag("span", f"{action.glyph} {action.kind}", class_="kind")
    wave = tag("span", f"wave {action.wave}") if action.wave else None
    texts = (kind_of(action), gpu_effect(action), given_back(action))
    effects = [tag("span", text) for text in texts if text]
    place = place_of(action.source, prefix)
    if former := former_source_of(action):
        name = shorten(under_prefix(prefix, former), LONGEST_PLACE)
        place = fragment("last declared in ", tag("code", name, class_="place"))
    notes = join([*effects, place, wave])
    document = _effective_document(action, budget)
    has_body = reason or differences or document
    body = fragment(reason, differences, document) if has_body else None
    return _workload(kind, action.address, notes, body, action.kind, is_open=is_open)


def _effective_document(action: AnyAction, budget: LineBudget) -> Html | None:
    """All that is sent, folded: the spec with its defaults, without its secrets."""
    document = document_of(action)
    if document is None:
        return None
    text = to_yaml([content_of(document).document]).splitlines()
    if not budget.take_document(len(text)):
        return note("The effective document is left out here; the plan as JSON has it.")
    body = tag("pre", lines(text), class_="difference")
    return tag("details", tag("summary", "Effective document"), body, class_="document")


def _workload(
    kind: Html, address: Address, notes: Child, body: Html | None, look: str, *, is_open: bool
) -> Html:
    head = join([kind, address_of(address), tag("span", notes, class_="notes") if notes else None])
    classes = f"workload {look}"
    if body is None:
        return tag("div", head, class_=classes)
    return tag("details", tag("summary", head), body, class_=classes, open=is_open)


def _difference(difference: Sequence[ChangeLine], budget: LineBudget) -> Html | None:
    """The lines that differ, if there is room for them."""
    if not difference:
        return None
    # Counted, so that nobody takes a page without differences for one that changes nothing.
    if not budget.take(difference):
        return note(f"{number_of(len(difference), 'line')} left out here.")
    spans = []
    for line in difference:
        margin = "  " if line.inner else ""
        text = f"{margin}{line.sign} {line.text}".rstrip()
        spans.append(tag("span", text, class_=_LOOKS[line.sign]))
    return tag("pre", lines(spans), class_="difference")
