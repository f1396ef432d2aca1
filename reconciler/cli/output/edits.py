"""How an edit of the state is asked for, and how it is reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import click

from reconciler.app.applying.applying import ApplyResult
from reconciler.cli.options import EditFlags
from reconciler.cli.output.console import Console
from reconciler.core.model import Recorded
from reconciler.core.planning.adoption import Proposal
from reconciler.core.states.address_records import group_by_address
from reconciler.report.machine.documents import to_text
from reconciler.report.text.adoption import proposal_document, proposal_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.formatting import number_of
from reconciler.specs.checked import display_name


def asker(
    edit: EditFlags, question: str, *, asks: bool = True
) -> Callable[[Sequence[Recorded]], bool]:
    """How an edit is confirmed: by a flag, or by somebody at a terminal who sees the records."""
    if edit.yes or edit.dry_run or not asks:
        return lambda _: True
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; add --yes to go on without asking")

    def ask(rows: Sequence[Recorded]) -> bool:
        console = Console()
        by_address = chain.from_iterable(group_by_address(rows).values())
        console.warn(console.text(err=True).records(by_address))
        return click.confirm(question, err=True)

    return ask


def list_edited(rows: Sequence[Recorded], verb: str) -> None:
    """A line for each record that was edited, or would be."""
    for row in rows:
        Console().line(f"{verb} {row.address} ({row.id or 'no id'}).")


def finish_edit(done: Sequence[object]) -> int:
    """The exit code of an edit; one that was declined says so."""
    if not done:
        Console().note("Nothing was changed.")
    return 0


def adoption_asker(
    console: Console, edit: EditFlags, prefix: str, *, marks: bool
) -> Callable[[Proposal], bool]:
    """How an adoption is confirmed: by a flag, or by somebody who sees what it comes to."""
    asks = not (edit.yes or edit.dry_run)

    def agree(proposal: Proposal) -> bool:
        if console.has("text"):
            console.line(proposal_text(proposal, console.paint(), prefix=prefix, marks=marks))
        elif asks:
            # Standard output is for the document, so a question shows its subject beside it.
            console.warn(proposal_text(proposal, ColorWriter(), prefix=prefix, marks=marks))
        if not (asks and proposal.adoptions):
            return True
        return click.confirm("Record these workloads?", err=True)

    return agree


def show_adopted(console: Console, proposal: Proposal, *, dry_run: bool) -> None:
    """What was adopted, or would be."""
    done = bool(proposal.adoptions) and not dry_run
    console.emit("json", lambda: to_text(proposal_document(proposal, done=done)))
    if proposal.adoptions and console.has("text"):
        verb = "Adopted" if done else "Would adopt"
        console.line(f"{verb} {number_of(len(proposal.adoptions), 'workload')}.")


def show_imported(
    console: Console,
    proposal: Proposal,
    files: Mapping[str, str],
    prefix: str,
    *,
    dry_run: bool,
) -> None:
    """What was imported and which files were written, or would be; a dry run shows their texts."""
    done = bool(proposal.adoptions) and not dry_run
    console.emit(
        "json",
        lambda: to_text(proposal_document(proposal, done=done) | {"files": dict(files)}),
    )
    if not (proposal.adoptions and console.has("text")):
        return
    if dry_run:
        for file, text in files.items():
            console.line(f"\n# {display_name(file, prefix)}\n{text.rstrip()}")
        console.line("")
    verb, written = ("Imported", "wrote") if done else ("Would import", "write")
    new = number_of(len(files), "new file")
    console.line(f"{verb} {number_of(len(proposal.adoptions), 'workload')}, {written} {new}.")
    if done:
        console.line("  hint: commit the files; an apply without them leaves these workloads alone")


def show_marked(console: Console, applied: ApplyResult) -> None:
    """How many workloads carry our mark now; what each failure was about is in the history."""
    if applied.finished is None or not console.has("text"):
        return
    summary = applied.finished.summary
    console.line(f"Marked {number_of(summary.updated, 'workload')}; {summary.failed} failed.")
    if summary.failed:
        console.line("  hint: 'reconciler runs show' says why; they are recorded as they are")
