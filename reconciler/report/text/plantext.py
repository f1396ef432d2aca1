"""A plan as lines of text: what happens, why, from which line, and the verdict last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from reconciler.core.diff.diff import FieldChange
from reconciler.core.planning.plan import AnyAction, Delete, GpuTotals, Hold, Plan, Reason, Replace
from reconciler.report.changes import ChangeLine, action_lines, change_lines
from reconciler.report.text.color import COLOURS, SIGN_COLOURS, ColorWriter, name_of
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import at_work, gpu_number
from reconciler.report.text.gpu_text import given_back, gpu_effect

INDENT = " " * 13


class PlanText:
    """Renders a plan; `now` turns its time stamps into ages, `prefix` its files into paths."""

    def __init__(
        self, paint: ColorWriter, *, prefix: str = "", now: datetime | None = None
    ) -> None:
        self._paint = paint
        self._prefix = prefix
        self._now = now

    def plan(self, plan: Plan, *, details: bool = True) -> str:
        """The whole plan; its last line is the verdict."""
        shown = (*plan.changes, *plan.holds)
        width = max((len(name_of(action.address)) for action in shown), default=0)
        lines = [self.action(action, width, details=details) for action in shown]
        blocks = ["\n".join(lines)] if lines else []
        if plan.drift:
            blocks.append(self._drift(plan))
        if not plan.changes:
            blocks.append("Nothing to do.")
        if told := at_work(plan):
            blocks.append(self._paint(escape_terminal(told), "cyan"))
        if not plan.complete:
            blocks.append(self._paint("Not everything was read from the server.", "yellow"))
        return "\n\n".join([*blocks, self.verdict(plan)])

    def verdict(self, plan: Plan) -> str:
        """The last line of a plan."""
        always = ("create", "replace", "delete")
        counts = [
            f"{plan.count(kind)} to {kind}"
            for kind in (*always, "adopt", "forget", "resolve", "record")
            if kind in always or plan.count(kind)
        ]
        rest = [f"{plan.count('keep')} unchanged"]
        if plan.holds:
            rest.append(f"{len(plan.holds)} held")
        if plan.drift:
            rest.append(f"{len(plan.drift)} drifted")
        gpus = _gpus(plan.gpus, plan.unknown_gpus)
        return self._paint.bold(f"Plan: {', '.join(counts)}; {', '.join(rest)}. {gpus}")

    def action(self, action: AnyAction, width: int = 0, *, details: bool = True) -> str:
        """One line for what happens, below it the reason and the fields that lead to it."""
        head = self._paint(f"{action.glyph} {action.kind:<7}", COLOURS.get(action.kind, ""))
        place = f"{self._place(action.source.file)}:{action.source.line}" if action.source else ""
        wave = f"wave {action.wave}" if action.wave else ""
        notes = "  ".join(part for part in (gpu_effect(action), place, wave) if part)
        address = self._paint.bold(f"{name_of(action.address):<{width if notes else 0}}")
        dim = self._paint.dim(notes)
        lines = [f"  {head}  {address}  {dim}" if notes else f"  {head}  {address}"]
        if _needs_reason(action):
            words = f"{action.reason}: {action.detail}" if action.detail else action.reason
            lines.append(f"{INDENT}{escape_terminal(words)}")
        if back := given_back(action, self._now):
            lines.append(f"{INDENT}{back}")
        if details:
            lines += [f"{INDENT}{self._line(line)}" for line in action_lines(action)]
        return "\n".join(lines)

    def changes(self, changes: Sequence[FieldChange]) -> Iterator[str]:
        """The fields that differ, in the colours of their signs."""
        return (self._line(line) for change in changes for line in change_lines(change))

    def _line(self, line: ChangeLine) -> str:
        margin = "  " if line.inner else ""
        words = f"{margin}{line.sign} {escape_terminal(line.text)}".rstrip()
        return self._paint(words, SIGN_COLOURS[line.sign])

    def _drift(self, plan: Plan) -> str:
        ended = {a.address for a in plan.changes if isinstance(a, Replace | Delete)}
        groups = (
            (False, "Changed on the server, and not undone (--on-drift replace does):"),
            (True, "Changed on the server, and overwritten by this plan:"),
        )
        blocks = []
        for undone, heading in groups:
            lines = [heading]
            for drift in plan.drift:
                if (drift.address in ended) is undone:
                    lines.append(f"  {name_of(drift.address)}")
                    lines += [f"    {line}" for line in self.changes(drift.changes)]
            if lines != [heading]:
                blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def _place(self, file: str) -> str:
        return escape_terminal(f"{self._prefix}{file}")


def _needs_reason(action: AnyAction) -> bool:
    """Whether the reason is more than what stands under every line of a first apply or destroy."""
    obvious = action.reason is Reason.NEW or (
        action.reason is Reason.REQUESTED and isinstance(action, Delete)
    )
    return not obvious or isinstance(action, Hold)


def _gpus(total: GpuTotals, unknown: int) -> str:
    before, after, peak = map(gpu_number, (total.before, total.after, total.peak))
    more = f", {unknown} not countable" if unknown else ""
    return f"GPUs {before} → {after} (peak {peak}{more})."
