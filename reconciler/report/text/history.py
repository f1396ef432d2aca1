"""Texts about a state as a whole: its runs, its soundness, what could not be written to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.history.outcome import NAMES, Succeeded
from reconciler.core.model import Own, Recorded
from reconciler.core.planning.actions import Reason
from reconciler.core.shorten import shorten
from reconciler.core.states.inspection import Inspection
from reconciler.ports import ActionEntry, RunEntry
from reconciler.report.standing import STANDINGS
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import columns, commit_text, moment, number_of

# What fits beside a prompt, and into a message to a colleague.
WIDTH = 100
# The history of one run is looked at for what happened: an id in the middle is worth a long line.
MESSAGE = 400
# The history counts under the names of the published summary; people read what an apply says.
_DONE = NAMES[Succeeded].word
# So many workloads are named at the top of a run; the table has all of them.
MOST_NAMED = 10
_LABELS = {"adopted": "settled", "in_doubt": "in doubt"}


def runs_text(runs: Sequence[RunEntry], at_work: str = "", *, width: int | None = WIDTH) -> str:
    """The history of a state, a line each, the newest first; `at_work` is who writes to it now.

    Without a `width` nothing is cut: whoever reads a pipe looks for whole words.
    """
    if not runs:
        return "The state remembers no runs."
    running = find_running(runs, at_work)
    results = [escape_terminal(_result(run, brief=True, is_running=run is running)) for run in runs]
    table = [
        (
            escape_terminal(run.id[:8]),
            f"{moment(run.started)}Z",
            _author(run),
            escape_terminal(run.command.removeprefix("reconciler ")),
            _duration(run.took),
            result,
        )
        for run, result in zip(runs, results, strict=True)
    ]
    head = ("RUN", "STARTED", "BY", "COMMAND", "TOOK", "RESULT")
    text = columns(head, table, width=width, yielding=("BY", "COMMAND", "RESULT"))
    is_whole = all(result in text for result in results)
    if any(run.provenance.job for run in runs):
        # A link that is cut leads nowhere, so it stands behind what people read.
        links = ("JOB", *(escape_terminal(run.provenance.job) for run in runs))
        lines = zip(text.split("\n"), links, strict=True)
        text = "\n".join(f"{line:<{width or WIDTH}}  {link}".rstrip() for line, link in lines)
    if is_whole:
        return text
    return f"{text}\nA result with … in it is cut; to see all of it: reconciler runs show RUN"


def find_running(runs: Sequence[RunEntry], at_work: str) -> RunEntry | None:
    """Which run is still going on: the newest without an end, if its command is the writer's."""
    unfinished = next((run for run in runs if run.finished is None), None)
    return unfinished if unfinished is not None and unfinished.command in at_work else None


def run_text(run: RunEntry, actions: Sequence[ActionEntry], *, is_running: bool = False) -> str:
    """One run: how it began and ended, and what it did to each workload."""
    took = f" ({_duration(run.took)})" if run.took is not None else ""
    unfinished = "not yet" if is_running else "never"
    commit = commit_text(run.provenance)
    facts = (
        ("run", escape_terminal(run.id)),
        ("command", escape_terminal(run.command)),
        ("by", _author(run)),
        *((("job", escape_terminal(run.provenance.job)),) if run.provenance.job else ()),
        *((("commit", escape_terminal(commit)),) if commit else ()),
        ("started", _moment(run.started)),
        ("finished", f"{_moment(run.finished)}{took}" if run.finished else unfinished),
        ("result", escape_terminal(_result(run, is_running=is_running))),
    )
    head = "\n".join(f"{name:<9} {value}" for name, value in facts)
    if not actions:
        return head
    table = [
        (
            escape_terminal(action.address),
            escape_terminal(action.action),
            escape_terminal(action.outcome),
            _duration(action.seconds),
            escape_terminal(action.id or "-"),
            escape_terminal(shorten(action.message or action.reason, MESSAGE)),
        )
        for action in actions
    ]
    titles = ("ADDRESS", "ACTION", "OUTCOME", "TOOK", "ID", "MESSAGE")
    return "\n".join([head, *_standings(actions), "", columns(titles, table)])


def _standings(actions: Sequence[ActionEntry]) -> Iterator[str]:
    """Which workloads the run left down or refused, and which it ended because they were over."""
    for reason, word in STANDINGS.items():
        is_over = reason in (Reason.EXPIRED, Reason.FINISHED)
        named = dict.fromkeys(
            action.address
            for action in actions
            if action.reason == reason and (action.outcome == _DONE) is is_over
        )
        if named:
            listed = ", ".join(map(escape_terminal, [*named][:MOST_NAMED]))
            more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
            yield f"{word:<9} {listed}{more}"


def inspection_text(inspection: Inspection) -> str:
    """Everything that is wrong with a state, and the verdict as the last line."""
    lines = []
    for flaw in inspection.flaws:
        lines += [
            f"flaw: {escape_terminal(flaw.message)}",
            f"  hint: {escape_terminal(flaw.hint)}",
        ]
    verdict = number_of(len(inspection.flaws), "flaw") if inspection.flaws else "sound"
    under_way = f", {inspection.under_way} under way" if inspection.under_way else ""
    doubts = f"{inspection.in_doubt} in doubt{under_way}"
    counts = ", ".join(
        (
            f"{number_of(inspection.records, 'record')} ({doubts})",
            number_of(inspection.runs, "run"),
            number_of(inspection.backups, "backup"),
        )
    )
    place = escape_terminal(inspection.path)
    return "\n".join([*lines, f"{place}: {verdict}; {counts}, format {inspection.format}."])


def unsaved_text(records: Sequence[Recorded]) -> str:
    """Says what the lines about records that could not be written are for."""
    count = number_of(len(records), "record")
    lines = [f"{count} could not be written to the state; the lines above hold what is known."]
    lines.append(
        "Apply again once it can be written. The state announces every request before it is sent, "
        "so the next apply finds each workload by its marker and finishes each delete."
    )
    for record in records:
        # One example is enough: the lines above have the ids of all.
        if record.id and record.own is Own.ACCEPTED:
            command = f"reconciler state resolve {record.address} --id {record.id}"
            lines.append(
                "If the server cannot list its workloads, record one by its id, for example: "
                f"{escape_terminal(command)}"
            )
            break
    return "\n".join(lines)


def _author(run: RunEntry) -> str:
    return escape_terminal(f"{run.user}@{run.host}")


def _moment(at: str) -> str:
    """A time as people read it, in UTC as it was written down."""
    # By characters, not as a time: what an edited state holds is shown as it is.
    return escape_terminal(f"{at[:19].replace('T', ' ')}Z")


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _result(run: RunEntry, *, brief: bool = False, is_running: bool = False) -> str:
    """How a run ended, in a few words; what stopped it says more than its exit code."""
    if run.finished is None:
        return "at work" if is_running else "never finished"
    # What an apply adopts was its own; what a person adopts was not.
    labels = {} if " state adopt" in run.command else _LABELS
    counts = [f"{count} {labels.get(name, name)}" for name, count in run.counts.items()]
    parts = [", ".join(counts) or "nothing to do"]
    if run.stopped_by:
        parts.append(f"stopped by {run.stopped_by}")
    if run.exit_code and not (brief and run.stopped_by):
        parts.append(f"exit {run.exit_code}")
    return "; ".join(parts)
