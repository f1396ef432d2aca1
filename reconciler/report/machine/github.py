"""Findings, plans and applies for GitHub Actions: workflow commands, and a step's outputs.

GitHub shows a command beside the line of a pull request that it names: of each step ten errors, ten
warnings and ten notices. So the first one says it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.events import ActionFailed, Event, InDoubt, RunFinished
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError, Where
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import at_work, gpu_number, number_of
from reconciler.report.text.text import Text

# What GitHub takes as the summary of one step, in bytes; more makes it drop the whole of it.
SUMMARY_LIMIT = 1024 * 1024
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """One annotation: `level` is error, warning or notice; without a place it is about the step."""

    level: str
    title: str
    message: str
    hint: str = ""
    where: Where | None = None


def annotations_text(found: Sequence[Diagnostic], verdict: str) -> str:
    """One workflow command a line, and the verdict for whoever reads the log."""
    return "\n".join([*(_command(_found(finding)) for finding in found), verdict])


def plan_annotations(plan: Plan, refusals: Sequence[Refusal], *, prefix: str = "") -> str:
    """A plan: its verdict, then what refuses it, then the findings."""
    notes = list(_refused(refusals))
    if told := at_work(plan):
        notes.append(_Note(level="notice", title="at work", message=told))
    if not plan.complete:
        message = "not everything was read from the server"
        notes.append(_Note(level="warning", title="incomplete", message=message))
    notes += [_found(finding, prefix) for finding in plan.diagnostics]
    refused = "Refused. " if refusals else ""
    return _with_aggregate("reconciler plan", f"{refused}{Text().verdict(plan)}", notes)


def applied_annotations(
    plan: Plan, finished: RunFinished, outcomes: Sequence[Event], *, prefix: str = ""
) -> str:
    """The end of an apply: its verdict, then what failed and what is in doubt, at their specs."""
    places = {action.address: action.source for action in plan.actions}
    notes = []
    if finished.stopped_by:
        message = f"the run was stopped: {finished.stopped_by}"
        notes.append(_Note(level="error", title="stopped", message=message))
    for event in outcomes:
        if isinstance(event, ActionFailed | InDoubt):
            word = "failed" if isinstance(event, ActionFailed) else "in doubt"
            notes.append(
                _Note(
                    level="error",
                    title=f"{event.action} {word}",
                    message=f"{event.address}: {event.message}",
                    hint=event.hint,
                    where=_below(places.get(event.address), prefix),
                )
            )
    return _with_aggregate(
        "reconciler apply", Text().applied(finished.summary, finished.took), notes
    )


def failure_annotations(
    error: ReconcilerError,
    *,
    doing: str,
    refusals: Sequence[Refusal] = (),
    diagnostics: Sequence[Diagnostic] = (),
    prefix: str = "",
) -> str:
    """Why there is no plan, or why an apply did not begin; `doing` is `plan` or `apply`."""
    notes = [*_refused(refusals), *(_found(finding, prefix) for finding in diagnostics)]
    if not notes:
        where = _below(error.where, prefix)
        notes = [
            _Note(level="error", title=doing, message=error.message, hint=error.hint, where=where)
        ]
    verdict = f"{'No plan' if doing == 'plan' else 'Nothing was applied'}: {error.message}"
    return _with_aggregate(f"reconciler {doing}", verdict, notes)


def plan_outputs(plan: Plan, *, refused: bool, exit_code: int) -> dict[str, str]:
    """A plan as the outputs of a step: short values of one line, all of them ours."""
    kinds = ("create", "replace", "delete", "adopt", "forget", "resolve", "record", "hold")
    outcome = "refused" if refused else "changes" if plan.has_changes else "nothing"
    gpus = plan.gpus
    return {
        "outcome": outcome,
        "exit_code": str(exit_code),
        "has_changes": _flag(plan.has_changes),
        "refused": _flag(refused),
        "complete": _flag(plan.complete),
        "digest": plan.digest,
        **{kind: str(plan.count(kind)) for kind in kinds},
        "unchanged": str(plan.count("keep")),
        "drifted": str(len(plan.drift)),
        "gpus_before": gpu_number(gpus.before),
        "gpus_after": gpu_number(gpus.after),
        "gpus_peak": gpu_number(gpus.peak),
    }


def applied_outputs(plan: Plan, finished: RunFinished, *, exit_code: int) -> dict[str, str]:
    """The end of an apply as the outputs of a step."""
    done = finished.summary
    return {
        "outcome": "incomplete" if exit_code else "applied",
        "exit_code": str(exit_code),
        "digest": plan.digest,
        "created": str(done.created),
        "replaced": str(done.replaced),
        "deleted": str(done.deleted),
        "settled": str(done.adopted),
        "forgotten": str(done.forgotten),
        "recorded": str(done.recorded),
        "failed": str(done.failed),
        "down": str(done.down),
        "in_doubt": str(done.in_doubt),
        "skipped": str(done.skipped),
    }


def failure_outputs(error: ReconcilerError, *, refused: bool) -> dict[str, str]:
    """A command that ended before it began as the outputs of a step."""
    outcome = "refused" if refused else "failed"
    return {"outcome": outcome, "exit_code": str(error.exit_code)}


def outputs_text(outputs: Mapping[str, str]) -> str:
    """Lines for the file of a step's outputs; raises ValueError for a value of several lines."""
    if any(char in value for value in outputs.values() for char in "\r\n"):
        raise ValueError("an output of a step has several lines")
    return "".join(f"{name}={value}\n" for name, value in outputs.items())


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _refused(refusals: Sequence[Refusal]) -> Iterator[_Note]:
    for one in refusals:
        title = f"refused by {one.guard}"
        yield _Note(level="error", title=title, message=one.message, hint=one.hint)


def _found(finding: Diagnostic, prefix: str = "") -> _Note:
    return _Note(
        level=finding.severity.value,
        title=finding.code,
        message=finding.message,
        hint=finding.hint,
        where=_below(finding.where, prefix),
    )


def _below(where: Where | None, prefix: str) -> Where | None:
    return replace(where, file=f"{prefix}{where.file}") if where else None


def _with_aggregate(title: str, verdict: str, notes: Sequence[_Note]) -> str:
    """The worst level of all for the sum of them."""
    counts = {level: sum(note.level == level for note in notes) for level in _LEVELS}
    worst = next((level for level, count in counts.items() if count), "notice")
    cut = [number_of(count, level) for level, count in counts.items() if count >= _SHOWN]
    more = f" {' and '.join(cut)} in all, GitHub shows fewer." if cut else ""
    first = _Note(level=worst, title=title, message=f"{verdict}{more}")
    return "\n".join(map(_command, (first, *notes)))


_LEVELS = (Severity.ERROR.value, Severity.WARNING.value)


def _command(note: _Note) -> str:
    place = {"file": note.where.file, **_range(note.where)} if note.where else {}
    properties = {**place, "title": note.title}
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    hint = f"\nhint: {escape_terminal(note.hint)}" if note.hint else ""
    return f"::{note.level} {written}::{_data(escape_terminal(note.message) + hint)}"


def _range(where: Where) -> dict[str, int]:
    """Columns only within one line: GitHub drops an annotation that has them across several."""
    if where.end_line is None or where.end_column is None:
        return {"line": where.line, "col": where.column}
    if where.end_line != where.line:
        return {"line": where.line, "endLine": where.end_line}
    return {
        "line": where.line,
        "col": where.column,
        "endLine": where.end_line,
        "endColumn": where.end_column,
    }


def _property(value: str) -> str:
    return _data(escape_terminal(value)).replace(":", "%3A").replace(",", "%2C")


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
