"""What people read: plans, findings, refusals and the course of an apply, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

import click

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff import FieldChange
from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    Event,
    InDoubt,
    RequestRetried,
    RunFinished,
    RunStarted,
    Summary,
    Throttled,
)
from reconciler.core.gpus import count_gpus
from reconciler.core.guards import Refusal
from reconciler.core.model import Address, Live, Recorded
from reconciler.core.plan import AnyAction, Delete, GpuTotals, Hold, Plan, Reason, Record, Replace
from reconciler.errors import ReconcilerError
from reconciler.report.changes import change_lines
from reconciler.report.documents import status_message, status_word
from reconciler.report.escape import escape_terminal, shorten
from reconciler.report.excerpts import Excerpts

COLOURS = {
    "create": "green",
    "replace": "yellow",
    "delete": "red",
    "forget": "magenta",
    "resolve": "cyan",
    "record": "blue",
    "hold": "bright_black",
}
SIGN_COLOURS = {"+": "green", "-": "red", "~": "yellow", "@": "cyan", " ": ""}
INDENT = " " * 13
_PAST = {
    "create": "created",
    "replace": "replaced",
    "delete": "deleted",
    "forget": "forgotten",
    "resolve": "settled",
    "record": "recorded",
    "hold": "held",
}


def gpu_number(gpus: float) -> str:
    """A number of GPUs without trailing zeros."""
    return f"{gpus:g}" if gpus < 1e6 else f"{gpus:.0f}"


class Text:
    """Renders values as text; `colour` decides about escape sequences, nothing else does."""

    def __init__(self, *, colour: bool = False, prefix: str = "") -> None:
        self._colour = colour
        self._prefix = prefix

    def plan(self, plan: Plan, *, details: bool = True) -> str:
        """The whole plan; its last line is the verdict."""
        shown = (*plan.changes, *plan.holds)
        width = max((len(_name(action.address)) for action in shown), default=0)
        lines = [self._action(action, width, details) for action in shown]
        blocks = ["\n".join(lines)] if lines else []
        if plan.drift:
            blocks.append(self._drift(plan))
        if not plan.changes:
            blocks.append("Nothing to do.")
        if not plan.complete:
            blocks.append(self._paint("Not everything was read from the server.", "yellow"))
        return "\n\n".join([*blocks, self.verdict(plan)])

    def verdict(self, plan: Plan) -> str:
        """The last line of a plan."""
        always = ("create", "replace", "delete")
        counts = [
            f"{plan.count(kind)} to {kind}"
            for kind in (*always, "forget", "resolve", "record")
            if kind in always or plan.count(kind)
        ]
        rest = [f"{plan.count('keep')} unchanged"]
        if plan.holds:
            rest.append(f"{len(plan.holds)} held")
        if plan.drift:
            rest.append(f"{len(plan.drift)} drifted")
        gpus = self._gpus(plan.gpus, plan.unknown_gpus)
        return self._bold(f"Plan: {', '.join(counts)}; {', '.join(rest)}. {gpus}")

    def applied(self, summary: Summary, took: float) -> str:
        """The last line of an apply."""
        done = [
            f"{summary.created} created",
            f"{summary.replaced} replaced",
            f"{summary.deleted} deleted",
        ]
        for count, word in (
            (summary.adopted, "settled"),
            (summary.forgotten, "forgotten"),
            (summary.recorded, "recorded"),
        ):
            if count:
                done.append(f"{count} {word}")
        rest = [f"{summary.failed} failed", f"{summary.in_doubt} in doubt"]
        if summary.skipped:
            rest.append(f"{summary.skipped} skipped")
        return self._bold(f"Applied: {', '.join(done)}; {', '.join(rest)} ({took:.1f} s).")

    def validation(
        self,
        found: Sequence[Diagnostic],
        workloads: int,
        files: int,
        excerpts: Excerpts | None = None,
    ) -> str:
        """Every finding, with the line that it is about if asked for, and the verdict."""
        verdict = self.validation_verdict(found, workloads, files)
        return f"{self.diagnostics(found, excerpts)}\n{verdict}" if found else verdict

    def validation_verdict(self, found: Sequence[Diagnostic], workloads: int, files: int) -> str:
        """The last line of a validation."""
        errors = sum(finding.severity is Severity.ERROR for finding in found)
        warnings = len(found) - errors
        counts = [f"{number_of(errors, 'error')}"] if errors else []
        counts += [f"{number_of(warnings, 'warning')}"] if warnings else []
        if not errors:
            specs = f"{number_of(workloads, 'workload')} in {number_of(files, 'file')}"
            counts.insert(0, f"{specs}: valid")
        return self._bold(", ".join(counts) + ".")

    def records(self, rows: Sequence[Recorded]) -> str:
        """What the state records, a line each."""
        if not rows:
            return "The state records no workloads."
        table = [
            (
                _name(row.address),
                row.own.value.lower(),
                escape_terminal(row.id or "-"),
                "protected" if row.protected or row.lifecycle.protect else "",
            )
            for row in rows
        ]
        return columns(("ADDRESS", "STATE", "ID", ""), table)

    def statuses(self, looks: Sequence[tuple[Recorded, Live | None]]) -> str:
        """What is recorded beside what the server says, a line each."""
        if not looks:
            return "The state records no workloads."
        table = [
            (
                _name(row.address),
                escape_terminal(status_word(row, live)),
                gpu_number(count_gpus(row.spec.get("manifest", {})).gpus),
                escape_terminal(row.id or "-"),
                escape_terminal(shorten(status_message(row, live))),
            )
            for row, live in looks
        ]
        return columns(("ADDRESS", "STATUS", "GPUS", "ID", "MESSAGE"), table)

    def diagnostics(self, found: Sequence[Diagnostic], excerpts: Excerpts | None = None) -> str:
        """Every finding, each with its hint below it."""
        return "\n".join(self._diagnostic(finding, excerpts) for finding in found)

    def refusals(self, refusals: Sequence[Refusal]) -> str:
        """Why an apply will not begin."""
        return "\n".join(
            self._with_hint(
                f"{self._error('refused')} {escape_terminal(refusal.message)}", refusal.hint
            )
            for refusal in refusals
        )

    def error(self, error: ReconcilerError) -> str:
        """Anything that ended a command."""
        where = f"{escape_terminal(str(error.where))}: " if error.where else ""
        message = escape_terminal(error.message, keep="\n")
        return self._with_hint(f"{where}{self._error('error')} {message}", error.hint)

    def event(self, event: Event, *, verbose: bool = False) -> str | None:
        """One line about something that happened, or None where it is not worth one."""
        match event:
            case ActionSucceeded(address=address, action=kind, id=id_, detail=detail):
                words = self._paint(f"{_PAST[kind]:<9}", COLOURS[kind])
                notes = escape_terminal("; ".join(part for part in (id_ or "", detail) if part))
                return f"{words} {_name(address)}  {notes}".rstrip()
            case ActionFailed(address=address, message=message, hint=hint):
                return self._problem("failed", "red", address, message, hint)
            case InDoubt(address=address, message=message, hint=hint):
                return self._problem("in doubt", "yellow", address, message, hint)
            case ActionSkipped(address=address, message=message):
                return self._problem("skipped", "bright_black", address, message, "")
            case Throttled(delay=delay, reason=reason, limit=limit):
                slower = [f"slowing to {limit} at a time"] if limit is not None else []
                slower += [f"pausing for {delay:.0f} s"] if delay else []
                words = f"{escape_terminal(reason)}: {', '.join(slower)}"
                return self._paint(words, "yellow")
            case RequestRetried(address=address, method=method, attempt=attempt, delay=delay):
                if not verbose:
                    return None
                again = f"{method} sent {attempt} times, again in {delay:.1f} s"
                return f"retry     {_name(address)}  {again}: {escape_terminal(event.reason)}"
            case ActionStarted(address=address, action=kind):
                return f"begun     {_name(address)}  {kind}" if verbose else None
            case RunStarted() | RunFinished():
                return None
            case _:
                assert_never(event)

    def _action(self, action: AnyAction, width: int, details: bool) -> str:
        """One line for what happens, below it the reason and the fields that lead to it."""
        head = self._paint(f"{action.glyph} {action.kind:<7}", COLOURS.get(action.kind, ""))
        place = f"{self._place(action.source.file)}:{action.source.line}" if action.source else ""
        wave = f"wave {action.wave}" if action.wave else ""
        notes = "  ".join(part for part in (self._gpu_effect(action), place, wave) if part)
        address = self._bold(f"{_name(action.address):<{width if notes else 0}}")
        lines = [f"  {head}  {address}  {self._dim(notes)}" if notes else f"  {head}  {address}"]
        # What says the same under every line of a first apply or a destroy is left out.
        obvious = action.reason is Reason.NEW or (
            action.reason is Reason.REQUESTED and isinstance(action, Delete)
        )
        if not obvious or isinstance(action, Hold):
            lines.append(f"{INDENT}{escape_terminal(f'{action.reason}: {action.detail}')}")
        if details:
            lines += [f"{INDENT}{line}" for line in self._changes(action.changes)]
        return "\n".join(lines)

    def _gpu_effect(self, action: AnyAction) -> str:
        before, after = gpu_number(action.gpus.before), gpu_number(action.gpus.after)
        if not action.gpus.known:
            counted = f"{before} → {after} and more" if (before, after) != ("0", "0") else "GPUs"
            return f"{counted} that cannot be counted"
        if before == after and (before == "0" or isinstance(action, Hold | Record)):
            return ""
        return f"{before} → {after} GPUs"

    def _changes(self, changes: Sequence[FieldChange]) -> Iterator[str]:
        for change in changes:
            for line in change_lines(change):
                margin = "  " if line.inner else ""
                words = f"{margin}{line.sign} {escape_terminal(line.text)}".rstrip()
                yield self._paint(words, SIGN_COLOURS[line.sign])

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
                    lines.append(f"  {_name(drift.address)}")
                    lines += [f"    {line}" for line in self._changes(drift.changes)]
            if lines != [heading]:
                blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def _gpus(self, total: GpuTotals, unknown: int) -> str:
        before, after, peak = map(gpu_number, (total.before, total.after, total.peak))
        more = f", {unknown} not countable" if unknown else ""
        return f"GPUs {before} → {after} (peak {peak}{more})."

    def _diagnostic(self, finding: Diagnostic, excerpts: Excerpts | None) -> str:
        colour = "red" if finding.severity is Severity.ERROR else "yellow"
        where = finding.where
        place = f"{self._place(where.file)}:{where.line}:{where.column}"
        severity = self._paint(f"{finding.severity.value}:", colour)
        message = f"{place}: {severity} {escape_terminal(finding.message)} ({finding.code})"
        if excerpts is not None and (drawn := excerpts.draw(where)):
            (margin, line), (below, carets) = drawn
            message = f"{message}\n{self._dim(margin)}{line}"
            message = f"{message}\n{self._dim(below)}{self._paint(carets, colour)}"
        return self._with_hint(message, finding.hint)

    def _problem(self, word: str, colour: str, address: Address, message: str, hint: str) -> str:
        head = self._paint(f"{word:<9}", colour)
        return self._with_hint(f"{head} {_name(address)}  {escape_terminal(message)}", hint)

    def _with_hint(self, text: str, hint: str) -> str:
        return f"{text}\n  hint: {escape_terminal(hint)}" if hint else text

    def _place(self, file: str) -> str:
        return escape_terminal(f"{self._prefix}{file}")

    def _error(self, word: str) -> str:
        return self._paint(f"{word}:", "red")

    def _paint(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour or None) if self._colour and colour else text

    def _bold(self, text: str) -> str:
        return click.style(text, bold=True) if self._colour else text

    def _dim(self, text: str) -> str:
        return click.style(text, dim=True) if self._colour and text else text


def _name(address: Address) -> str:
    return escape_terminal(str(address))


def number_of(count: int, noun: str) -> str:
    """A number and what is counted, in the plural where it takes one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def columns(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table whose columns are as wide as they have to be."""
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
