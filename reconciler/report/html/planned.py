"""The parts of a page that show a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.model import Address
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import (
    AnyAction,
    Delete,
    Drift,
    GpuTotals,
    Hold,
    Plan,
    Reason,
    Replace,
)
from reconciler.report.changes import ChangeLine, action_lines, change_lines
from reconciler.report.html.charts import BarPart, bar
from reconciler.report.html.components import (
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
from reconciler.report.text.formatting import gpu_number, number_of
from reconciler.report.text.gpu_text import given_back, gpu_effect

# What can end something comes first.
KINDS = ("delete", "replace", "resolve", "create", "adopt", "forget", "record")
WORKLOADS = 400
LINES = 6_000
FINDINGS = 200
PROJECTS = 60
OPEN = 8

_LOOKS = {"+": "added", "-": "removed", "~": "changed", "@": "part", " ": "same"}


class LineBudget:
    """How many lines of differences a page still has room for.

    All of a workload's or none of them: what is left out in the middle could be what matters.
    """

    def __init__(self, left: int = LINES) -> None:
        self._left = left

    def take(self, found: Sequence[ChangeLine]) -> Sequence[ChangeLine]:
        """All of these, if there is room for them."""
        if len(found) > self._left:
            return ()
        self._left -= len(found)
        return found


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


def diagnostics_section(found: Sequence[Diagnostic], prefix: str) -> Iterator[Section]:
    """What was found in the specs."""
    if not found:
        return
    # Errors first; sorting keeps the order of their places.
    first = sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)[:FINDINGS]
    items = tag("ul", *(_finding(finding, prefix) for finding in first), class_="cards")
    more = len(found) - len(first)
    left = note(f"{number_of(more, 'more finding')} left out; 'validate' lists all.")
    yield Section(
        id="findings", heading="Warnings", content=fragment(items, left if more else None)
    )


def _finding(finding: Diagnostic, prefix: str) -> Html:
    bad = finding.severity is Severity.ERROR
    head = join(
        [
            tag("strong", finding.severity.value),
            place_of(finding.where, prefix),
            tag("code", finding.code, class_="code"),
        ]
    )
    body = (tag("p", head), message_text(finding.message), hint_text(finding.hint))
    return tag("li", *body, class_="bad" if bad else "attention")


def counts_section(plan: Plan) -> Section:
    """What would happen, in numbers."""
    always = ("create", "replace", "delete")
    counts = [
        (kind, plan.count(kind), f"to {kind}")
        for kind in (*always, "adopt", "forget", "resolve", "record")
        if kind in always or plan.count(kind)
    ]
    counts.append(("keep", plan.count("keep"), "unchanged"))
    if plan.holds:
        counts.append(("hold", len(plan.holds), "held"))
    if plan.drift:
        counts.append(("drift", len(plan.drift), "drifted"))
    return Section(id="counts", heading="In numbers", content=tiles(counts))


def gpus_section(plan: Plan) -> Section:
    """GPUs before, after and at most, per project."""
    groups = sorted(plan.gpus_by_project.items(), key=lambda item: -_moved(item[1]))
    shown = groups[:PROJECTS]
    widest = max((_most(total) for _, total in shown), default=0.0)
    rows = [_gpu_row(tag("code", name), total, widest) for name, total in shown]
    rows.append(_gpu_row("All projects", plan.gpus, _most(plan.gpus), look="total"))
    caption = (
        "GPUs asked for. The peak is what an apply may need at worst while it lasts. "
        "Bars: before in grey, after in blue, the peak paler."
    )
    remarks = []
    if len(groups) > len(shown):
        left = number_of(len(groups) - len(shown), "more project")
        remarks.append(note(f"{left} with smaller changes are left out; the total holds them."))
    if plan.unknown_gpus:
        unknown = number_of(plan.unknown_gpus, "workload")
        remarks.append(note(f"Not counted: {unknown} whose manifest does not say it plainly."))
    heads = ("Project", "Before", "After", "Peak", "Before and after")
    return Section(
        id="gpus", heading="GPUs", content=fragment(table(caption, heads, rows, "gpus"), *remarks)
    )


def _moved(total: GpuTotals) -> float:
    return max(abs(total.after - total.before), total.peak - total.before)


def _most(total: GpuTotals) -> float:
    return max(total.before, total.after, total.peak)


def _gpu_row(name: Child, total: GpuTotals, widest: float, look: str | None = None) -> Html:
    figures = [gpu_number(value) for value in (total.before, total.after, total.peak)]
    scale = widest or 1.0
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


def changes_section(plan: Plan, prefix: str, budget: LineBudget) -> Iterator[Section]:
    """Every action that does something, by its kind; the largest plans in part."""
    if not plan.changes:
        return
    kinds = {kind: [a for a in plan.changes if a.kind == kind] for kind in KINDS}
    counts = {kind: len(actions) for kind, actions in kinds.items() if actions}
    shown = share_of_each(counts, WORKLOADS)
    is_open = len(plan.changes) <= OPEN
    groups = [
        fragment(
            tag("h3", f"To {kind}: {count:,}"),
            lines(_action(a, prefix, budget, is_open) for a in kinds[kind][: shown[kind]]),
            _left_out(count - shown[kind]),
        )
        for kind, count in counts.items()
    ]
    yield Section(id="changes", heading="Changes", content=lines(groups))


def _left_out(count: int) -> Html | None:
    if not count:
        return None
    return note(f"{count:,} more of these are left out here; the counts and GPUs hold them.")


def holds_section(plan: Plan, prefix: str, budget: LineBudget) -> Iterator[Section]:
    """What would be done if nothing held it back."""
    if plan.holds:
        shown = lines(_action(hold, prefix, budget, False) for hold in plan.holds[:WORKLOADS])
        left = _left_out(len(plan.holds) - WORKLOADS if len(plan.holds) > WORKLOADS else 0)
        yield Section(
            id="held", heading=f"Held: {len(plan.holds):,}", content=fragment(shown, left)
        )


def drift_section(plan: Plan, budget: LineBudget) -> Iterator[Section]:
    """What somebody changed on the server, and whether this plan undoes it."""
    if not plan.drift:
        return
    ended = {a.address for a in plan.changes if isinstance(a, Replace | Delete)}
    kept = [drift for drift in plan.drift if drift.address not in ended]
    undone = [drift for drift in plan.drift if drift.address in ended]
    groups = [
        *_drifted("Not undone (--on-drift replace does)", kept, budget),
        *_drifted("Overwritten by this plan", undone, budget),
    ]
    yield Section(
        id="drift", heading=f"Changed on the server: {len(plan.drift):,}", content=lines(groups)
    )


def _drifted(heading: str, drifts: Sequence[Drift], budget: LineBudget) -> Iterator[Html]:
    if drifts:
        yield tag("h3", f"{heading}: {len(drifts):,}")
    for drift in drifts[:WORKLOADS]:
        found = [line for change in drift.changes for line in change_lines(change)]
        body = _difference(found, budget)
        kind = tag("span", "≠ drift", class_="kind")
        yield _workload(kind, drift.address, None, body, "drift", is_open=False)
    if left := _left_out(max(0, len(drifts) - WORKLOADS)):
        yield left


def _action(action: AnyAction, prefix: str, budget: LineBudget, is_open: bool) -> Html:
    # What says the same under every line of a first apply or a destroy is left out.
    obvious = action.reason is Reason.NEW or (
        action.reason is Reason.REQUESTED and isinstance(action, Delete)
    )
    reason = None
    if not obvious or isinstance(action, Hold):
        reason = message_text(f"{action.reason.value}: {action.detail}")
    differences = _difference([*action_lines(action)], budget)
    kind = tag("span", f"{action.glyph} {action.kind}", class_="kind")
    wave = tag("span", f"wave {action.wave}") if action.wave else None
    told = [words for words in (gpu_effect(action), given_back(action)) if words]
    effects = [tag("span", words) for words in told]
    notes = join([*effects, place_of(action.source, prefix), wave])
    body = fragment(reason, differences) if reason or differences else None
    return _workload(kind, action.address, notes, body, action.kind, is_open=is_open)


def _workload(
    kind: Html, address: Address, notes: Child, body: Html | None, look: str, *, is_open: bool
) -> Html:
    head = join([kind, address_of(address), tag("span", notes, class_="notes") if notes else None])
    classes = f"workload {look}"
    if body is None:
        return tag("div", head, class_=classes)
    return tag("details", tag("summary", head), body, class_=classes, open=is_open)


def _difference(found: Sequence[ChangeLine], budget: LineBudget) -> Html | None:
    """The lines that differ, if there is room for them."""
    if not found:
        return None
    shown = budget.take(found)
    if not shown:
        return note(f"{number_of(len(found), 'line')} left out here.")
    return tag("pre", lines(map(_line, shown)), class_="difference")


def _line(line: ChangeLine) -> Html:
    margin = "  " if line.inner else ""
    return tag("span", f"{margin}{line.sign} {line.text}".rstrip(), class_=_LOOKS[line.sign])
