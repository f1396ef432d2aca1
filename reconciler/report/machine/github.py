"""Diagnostics, plans and applies for GitHub Actions: workflow commands, and a step's outputs.

GitHub shows a command beside the line of a pull request that it names: of each step ten errors, ten
warnings and ten notices. So the first one says it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.file_names import under_prefix
from reconciler.core.history.events import ActionEnded, RunFinished
from reconciler.core.history.outcome import NAMES, Failed, InDoubt
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import ReconcilerError, Where
from reconciler.report.commands import COMMANDS, Commands
from reconciler.report.next_step import hint_after
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import at_work, gpu_number, number_of
from reconciler.report.text.text import Text
from reconciler.values import dataclass

# What GitHub takes as the summary of one step, in bytes; more makes it drop the whole of it.
SUMMARY_LIMIT = 1024 * 1024
# GitHub shows so many annotations of each level.
_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Annotation:
    """One annotation: `level` is error, warning or notice; without a place it is about the step."""

    level: str
    title: str
    message: str
    hint: str = ""
    where: Where | None = None


def annotations_text(diagnostics: Sequence[Diagnostic], verdict: str) -> str:
    """One workflow command a line, and the verdict for whoever reads the log."""
    return "\n".join([*(_command(_diagnostic(each)) for each in diagnostics), verdict])


def plan_annotations(plan: Plan, refusals: Sequence[Refusal], *, prefix: str = "") -> str:
    """A plan: its verdict, then what refuses it, then the diagnostics."""
    annotations = list(_refusals(refusals))
    if other_run := at_work(plan):
        annotations.append(_Annotation(level="notice", title="at work", message=other_run))
    if not plan.complete:
        message = "not everything was read from the server"
        annotations.append(_Annotation(level="warning", title="incomplete", message=message))
    annotations += [_diagnostic(each, prefix) for each in plan.diagnostics]
    refused = "Refused. " if refusals else ""
    verdict = f"{refused}{Text().verdict(plan)}"
    # What ends something is a warning of the plan, with its numbers; a lint beside it is one more.
    ends = plan.count("delete") + plan.count("replace")
    return _with_aggregate(
        "reconciler plan", verdict, annotations, least="warning" if ends else "notice"
    )


def applied_annotations(
    plan: Plan,
    finished: RunFinished,
    ended: Sequence[ActionEnded],
    *,
    prefix: str = "",
    commands: Commands = COMMANDS,
) -> str:
    """The end of an apply: its verdict, then what failed and what is in doubt, at their specs."""
    places = {action.address: action.source for action in plan.actions}
    annotations = []
    if finished.stopped_by:
        message = f"the run was stopped: {finished.stopped_by}"
        annotations.append(_Annotation(level="error", title="stopped", message=message))
    for event in ended:
        outcome = event.outcome
        if isinstance(outcome, Failed | InDoubt):
            annotations.append(
                _Annotation(
                    level="error",
                    title=f"{event.action} {NAMES[type(outcome)].word}",
                    message=f"{event.address}: {outcome.message}",
                    hint=hint_after(event.address, outcome, commands),
                    where=_below(places.get(event.address), prefix),
                )
            )
    verdict = Text().applied(finished.summary, finished.took)
    return _with_aggregate("reconciler apply", verdict, annotations)


def failure_annotations(
    error: ReconcilerError,
    *,
    doing: str,
    refusals: Sequence[Refusal] = (),
    diagnostics: Sequence[Diagnostic] = (),
    prefix: str = "",
) -> str:
    """Why there is no plan, or why an apply did not begin; `doing` is `plan` or `apply`."""
    annotations = [*_refusals(refusals), *(_diagnostic(each, prefix) for each in diagnostics)]
    # Refusals and diagnostics say why by themselves; their error only counts them.
    if not annotations:
        annotations = [
            _Annotation(
                level="error",
                title=doing,
                message=error.message,
                hint=error.hint,
                where=_below(error.where, prefix),
            )
        ]
    verdict = f"{'No plan' if doing == 'plan' else 'Nothing was applied'}: {error.message}"
    return _with_aggregate(f"reconciler {doing}", verdict, annotations)


def plan_outputs(plan: Plan, *, refused: bool, exit_code: int) -> dict[str, str]:
    """A plan as the outputs of a step: short values of one line, all of them ours."""
    # Outputs end up in scripts: nothing here is a text of a spec or a server.
    kinds = (
        "create",
        "update",
        "replace",
        "delete",
        "adopt",
        "forget",
        "resolve",
        "record",
        "hold",
    )
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
        "updated": str(done.updated),
        "replaced": str(done.replaced),
        "deleted": str(done.deleted),
        "settled": str(done.adopted),
        "forgotten": str(done.forgotten),
        "recorded": str(done.recorded),
        "finished": str(done.finished),
        "expired": str(done.expired),
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
    # A second line in a value would be read as another output of the step.
    if any(char in value for value in outputs.values() for char in "\r\n"):
        raise ValueError("an output of a step has several lines")
    return "".join(f"{name}={value}\n" for name, value in outputs.items())


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _refusals(refusals: Sequence[Refusal]) -> Iterator[_Annotation]:
    for refusal in refusals:
        title = f"refused by {refusal.guard}"
        yield _Annotation(level="error", title=title, message=refusal.message, hint=refusal.hint)


def _diagnostic(diagnostic: Diagnostic, prefix: str = "") -> _Annotation:
    return _Annotation(
        level=diagnostic.severity.value,
        title=diagnostic.code,
        message=diagnostic.message,
        hint=diagnostic.hint,
        where=_below(diagnostic.where, prefix),
    )


def _below(where: Where | None, prefix: str) -> Where | None:
    return replace(where, file=under_prefix(prefix, where.file)) if where else None


def _with_aggregate(
    title: str, verdict: str, annotations: Sequence[_Annotation], *, least: str = "notice"
) -> str:
    """The verdict as an annotation of the worst level that there is, then all others."""
    levels = (Severity.ERROR.value, Severity.WARNING.value)
    counts = {level: sum(each.level == level for each in annotations) for level in levels}
    worst = next((level for level, count in counts.items() if count), least)
    cut = [number_of(count, level) for level, count in counts.items() if count >= _MOST_SHOWN]
    totals = f" {' and '.join(cut)} in all, GitHub shows fewer." if cut else ""
    first = _Annotation(level=worst, title=title, message=f"{verdict}{totals}")
    return "\n".join(map(_command, (first, *annotations)))


def _command(annotation: _Annotation) -> str:
    properties: dict[str, Any] = {}
    if where := annotation.where:
        properties = {"file": where.file, "line": where.line}
        within_line = where.end_line in (None, where.line) or where.end_column is None
        # GitHub drops an annotation that has columns across several lines.
        if within_line:
            properties["col"] = where.column
        if where.end_line is not None and where.end_column is not None:
            properties["endLine"] = where.end_line
            if within_line:
                properties["endColumn"] = where.end_column
    properties["title"] = annotation.title
    pairs = []
    for name, value in properties.items():
        # A comma ends a property and a colon ends all of them, as an escape of data would not.
        text = _data(escape_terminal(str(value))).replace(":", "%3A").replace(",", "%2C")
        pairs.append(f"{name}={text}")
    # Below the message: an annotation has no field for a way out.
    hint = f"\nhint: {escape_terminal(annotation.hint)}" if annotation.hint else ""
    message = _data(escape_terminal(annotation.message) + hint)
    return f"::{annotation.level} {','.join(pairs)}::{message}"


def _data(value: str) -> str:
    # The percent sign first: it begins what the others become.
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
