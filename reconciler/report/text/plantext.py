"""A plan as lines of text: each action with its reason and its spec, and the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.core.file_names import under_prefix
from reconciler.core.planning.actions import AnyAction, Hold
from reconciler.core.review.content import former_source_of, kind_of
from reconciler.report.changes import (
    DriftFate,
    action_lines,
    change_lines,
    needs_reason,
    planned_counts,
    shown_drift,
)
from reconciler.report.text.color import COLOURS, ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import (
    at_work,
    failing_text,
    gpu_number,
    idle_text,
    number_of,
    target_text,
)
from reconciler.report.text.gpu_text import given_back, gpu_effect, quota_lines

if TYPE_CHECKING:
    from reconciler.core.diff.diff import FieldChange
    from reconciler.core.planning.plan import Plan
    from reconciler.core.review.plan_differences import EntryDifference

INDENT = " " * 13
_DRIFT_HEADINGS = {
    DriftFate.LEFT: "Changed on the server, and not undone (--on-drift update or replace does):",
    DriftFate.RETURNED: "Changed on the server again after an apply had undone it, and not undone "
    "(--replace ADDRESS does):",
    DriftFate.OVERWRITTEN: "Changed on the server, and overwritten by this plan:",
}


class PlanText:
    """Renders a plan; `now` turns its time stamps into ages, `prefix` its files into paths.

    `state` names the state that it was made from.
    """

    def __init__(
        self,
        paint: ColorWriter,
        *,
        prefix: str = "",
        now: datetime | None = None,
        state: str = "",
    ) -> None:
        self._paint = paint
        self._state = state
        self._prefix = prefix
        self._now = now

    def plan(self, plan: Plan, *, details: bool = True) -> str:
        """The whole plan; its last line is the verdict."""
        # Not what stays as it is: of a fleet that is nearly all, and the verdict counts it.
        actions = (*plan.changes, *plan.holds)
        width = max((len(name_of(action.address)) for action in actions), default=0)
        lines = [self.action(action, width, details=details) for action in actions]
        blocks = ["\n".join(lines)] if lines else []
        blocks += self._drift_blocks(plan)
        if quotas := list(quota_lines(plan)):
            blocks.append("\n".join(map(escape_terminal, quotas)))
        if sentence := failing_text(plan) if plan.changes else idle_text(plan):
            blocks.append(sentence)
        if other_run := at_work(plan):
            blocks.append(self._paint(escape_terminal(other_run), "cyan"))
        if not plan.complete:
            blocks.append(self._paint("Not everything was read from the server.", "yellow"))
        target = self._paint.dim(escape_terminal(f"{target_text(plan, self._state)}."))
        return "\n\n".join([*blocks, f"{target}\n{self.verdict(plan)}"])

    def verdict(self, plan: Plan) -> str:
        """The last line of a plan."""
        changes = ", ".join(f"{count} to {kind}" for kind, count in planned_counts(plan))
        others = [f"{plan.count('keep')} unchanged"]
        if plan.holds:
            others.append(f"{len(plan.holds)} held")
        if plan.drift:
            others.append(f"{len(plan.drift)} drifted")
        total = plan.gpus
        before, after, peak = map(gpu_number, (total.before, total.after, total.peak))
        unknown = f", {plan.unknown_gpus} not countable" if plan.unknown_gpus else ""
        gpus = f"GPUs {before} → {after} (peak {peak}{unknown})."
        return self._paint.bold(f"Plan: {changes}; {', '.join(others)}. {gpus}")

    def action(self, action: AnyAction, width: int = 0, *, details: bool = True) -> str:
        """One line for what happens, below it the reason and the fields that lead to it."""
        is_due = isinstance(action, Hold) and action.is_due
        colour = "red" if is_due else COLOURS.get(action.kind, "")
        head = self._paint(f"{action.glyph} {action.kind:<7}", colour)
        wave = f"wave {action.wave}" if action.wave else ""
        parts = (escape_terminal(kind_of(action)), gpu_effect(action), self._place(action), wave)
        notes = "  ".join(part for part in parts if part)
        # Padded only before notes: no line of a log should end in blanks.
        address = self._paint.bold(f"{name_of(action.address):<{width if notes else 0}}")
        lines = [f"  {head}  {address}"]
        if notes:
            lines = [f"  {head}  {address}  {self._paint.dim(notes)}"]
        if needs_reason(action):
            reason = f"{action.reason}: {action.detail}" if action.detail else action.reason
            lines.append(f"{INDENT}{escape_terminal(reason)}")
        if back := given_back(action, self._now):
            lines.append(f"{INDENT}{back}")
        if details:
            lines += [f"{INDENT}{self._paint.line(line)}" for line in action_lines(action)]
        return "\n".join(lines)

    def _place(self, action: AnyAction) -> str:
        """The line that declares a workload, or the file that did before."""
        if source := action.source:
            return f"{escape_terminal(under_prefix(self._prefix, source.file))}:{source.line}"
        former = former_source_of(action)
        return (
            f"last declared in {escape_terminal(under_prefix(self._prefix, former))}"
            if former
            else ""
        )

    def differences(self, differences: Sequence[EntryDifference]) -> str:
        """In which entries a plan is not the approved one, each with what would be sent now."""
        count = number_of(len(differences), "workload")
        lines = [self._paint(f"Not as it was approved: {count}", "yellow")]
        for each in differences:
            now = f"now {each.now}; " if each.now else ""
            lines.append(f"  {escape_terminal(f'{each.address}  {now}{each.message}')}")
            lines += [f"    {line}" for line in self.changes(each.changes)]
        return "\n".join(lines)

    def changes(self, changes: Sequence[FieldChange]) -> Iterator[str]:
        """The fields that differ, in the colours of their signs."""
        return (self._paint.line(line) for change in changes for line in change_lines(change))

    def _drift_blocks(self, plan: Plan) -> Iterator[str]:
        drifts = shown_drift(plan)
        for fate, heading in _DRIFT_HEADINGS.items():
            lines = [heading]
            for drift in drifts:
                if drift.fate is fate:
                    lines.append(f"  {name_of(drift.address)}")
                    lines += [f"    {line}" for line in self.changes(drift.changes)]
            if lines != [heading]:
                yield "\n".join(lines)
