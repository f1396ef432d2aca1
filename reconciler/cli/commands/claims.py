"""`reconciler state adopt|resolve|recover`: what ties records to workloads on the server."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.commands.state import asker, dry_run_option, finish_edit, yes_option
from reconciler.cli.complete import complete_recorded
from reconciler.cli.connecting import connector_for
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    settings_from,
)
from reconciler.cli.output.console import Console
from reconciler.cli.params import PROJECT_ID

if TYPE_CHECKING:
    from reconciler.app.planning.workspace import Workspace
    from reconciler.app.state.claiming import ResolveRequest
    from reconciler.core.model import Recorded
    from reconciler.core.planning.adoption import Proposal
    from reconciler.ports import Say

T = TypeVar("T")


@click.command(short_help="Record workloads that the state does not know.")
@click.argument("address", required=False)
@click.option("--id", "workload_id", metavar="ID", help="Which workload ADDRESS is.")
@click.option(
    "--project",
    type=PROJECT_ID,
    metavar="ID",
    help="All that the server lists in this project.",
)
@click.option(
    "--match",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="Of those only names like this (with a slash: addresses), repeatable.",
)
@click.option(
    "--undeclared",
    is_flag=True,
    help="Of those also what no spec declares: the next apply would delete it.",
)
@click.option("--take-over", is_flag=True, help="Also what another stack or state has marked.")
@click.option("--init", is_flag=True, help="Make the state if there is none.")
@dry_run_option
@yes_option
@environment_options
@output_options("text", "json")
def adopt(address: str | None, workload_id: str | None, **options: Any) -> int:
    """Record the workload ID as ADDRESS, or what the server lists in a project.

    Shows first what would be recorded, which spec declares it, and what the next plan does about
    it. Nothing changes on the server, and nothing is written unless everything could be read.

    --take-over is for what its owner has given up, and has forgotten with 'state rm': the mark on
    the workload cannot be changed. It is deleted or replaced from here by its id and that very
    mark; a state that still records it would go on to do the same.
    """
    _check_adopt(address, workload_id, options)
    from reconciler.app.state.adopting import AdoptOptions, adopt_project
    from reconciler.app.state.adopting import adopt as adopt_one
    from reconciler.app.state.examining import AdoptionTerms

    console, connector = Console.of(options), connector_for(options)
    workspace = _workspace(options)
    if options["project"] is not None:
        # A spec that cannot be read would look like a workload that none declares.
        workspace.need_valid()
    terms = AdoptionTerms(
        declared=workspace.desired,
        take_over=options["take_over"],
        undeclared=options["undeclared"],
    )
    request = AdoptOptions(
        command=_adopt_command(address, workload_id, options),
        agree=_agree(console, options, workspace.prefix),
        terms=terms,
        init=options["init"],
        dry_run=options["dry_run"],
    )
    settings = workspace.settings

    def work(say: Say) -> Coroutine[Any, Any, Proposal | None]:
        if address is not None and workload_id is not None:
            return adopt_one(settings, request, address, workload_id, connector=connector, say=say)
        return adopt_project(
            settings,
            request,
            options["project"],
            options["patterns"],
            connector=connector,
            say=say,
        )

    return _tell_adopted(console, _reading(options, work), options)


def _check_adopt(address: str | None, workload_id: str | None, options: dict[str, Any]) -> None:
    """One workload, or a project: what belongs to the other way is a mistake."""
    if options["project"] is None:
        if address is None or workload_id is None:
            raise click.UsageError("give ADDRESS and --id ID, or --project ID")
        if options["patterns"] or options["undeclared"]:
            raise click.UsageError("--match and --undeclared are for --project ID")
    elif address is not None or workload_id is not None:
        raise click.UsageError("--project ID takes no ADDRESS and no --id; it has --match GLOB")
    _check_terminal(options)


def _check_terminal(options: dict[str, Any]) -> None:
    """A question that nobody can answer is a mistake before anything is read."""
    asker(options, "")


def _adopt_command(address: str | None, workload_id: str | None, options: dict[str, Any]) -> str:
    words = [address, "--id", workload_id] if address else ["--project", options["project"]]
    for pattern in options["patterns"]:
        words += ["--match", pattern]
    words += [
        f"--{name.replace('_', '-')}" for name in ("undeclared", "take_over") if options[name]
    ]
    return f"reconciler state adopt {' '.join(map(str, words))}"


def _agree(console: Console, options: dict[str, Any], prefix: str) -> Callable[[Proposal], bool]:
    """How an adoption is confirmed: by a flag, or by somebody who sees what it comes to."""
    from reconciler.report.text.adoption import proposal_text
    from reconciler.report.text.color import ColorWriter

    asks = not (options["yes"] or options["dry_run"])

    def agree(proposal: Proposal) -> bool:
        if console.has("text"):
            console.line(proposal_text(proposal, console.paint(), prefix=prefix))
        elif asks:
            console.warn(proposal_text(proposal, ColorWriter(), prefix=prefix))
        if not (asks and proposal.adoptions):
            return True
        return click.confirm("Record these workloads?", err=True)

    return agree


def _tell_adopted(console: Console, proposal: Proposal | None, options: dict[str, Any]) -> int:
    from reconciler.report.machine.documents import to_text
    from reconciler.report.text.adoption import proposal_document
    from reconciler.report.text.formatting import number_of

    if proposal is None:
        return finish_edit(())
    done = bool(proposal.adoptions) and not options["dry_run"]
    console.emit("json", lambda: to_text(proposal_document(proposal, done=done)))
    if proposal.adoptions and console.has("text"):
        word = "Adopted" if done else "Would adopt"
        console.line(f"{word} {number_of(len(proposal.adoptions), 'workload')}.")
    return 0


@click.command(short_help="Settle a create or a delete that is in doubt.")
@click.argument("address", shell_complete=complete_recorded)
@click.option("--id", "workload_id", metavar="ID", help="This workload is what became of it.")
@click.option("--recheck", is_flag=True, help="Look for the evidence again; only reads.")
@click.option(
    "--abandon", is_flag=True, help="Nothing became of it, and nothing will; wait for it no longer."
)
@dry_run_option
@yes_option
@environment_options
@output_options("text")
def resolve(address: str, workload_id: str | None, **options: Any) -> int:
    """Settle a create of ADDRESS that is in doubt, in one of three ways.

    --recheck looks again and records what is proven. --id names the workload; its marker is
    checked if it has one. --abandon drops the doubt on your word: if the create comes true after
    all, that workload runs without being known here.

    A delete that does not come to its end is settled by --recheck once the workload is gone.
    --abandon only stops the waiting for it: its id stays listed, its name is not free, and an apply
    ends with 4.
    """
    if (workload_id is not None) + options["recheck"] + options["abandon"] != 1:
        raise click.UsageError("give one of --recheck, --id ID and --abandon")
    if options["recheck"]:
        return _recheck(address, options)
    return _settle(address, workload_id, options)


def _settle(address: str, workload_id: str | None, options: dict[str, Any]) -> int:
    from reconciler.app.state.claiming import abandon, resolve_by_id
    from reconciler.report.text.escape import escape_terminal

    settings = settings_from(options)
    if workload_id is None:
        claim = _claim(options, f"resolve {address} --abandon", address, "Drop this doubt?")
        done = abandon(settings, claim)
        code = _tell(done.dropped, options, "Would abandon" if options["dry_run"] else "Abandoned")
        if done.down is not None:
            words = f"{address} is down: {done.down.ending}, and nothing runs there now."
            Console.of(options).line(escape_terminal(words))
        return code
    claim = _claim(
        options, f"resolve {address} --id {workload_id}", address, "Is this what became of it?"
    )
    rows = _reading(
        options,
        lambda say: resolve_by_id(
            settings, claim, workload_id, connector=connector_for(options), say=say
        ),
    )
    return _tell(rows, options, "Would settle" if options["dry_run"] else "Settled")


def _recheck(address: str, options: dict[str, Any]) -> int:
    import asyncio

    from reconciler.app.state.claiming import recheck
    from reconciler.cli.output.progress_display import ApplyReporter

    console = Console.of(options)
    # It only reads, and records only what is proven: there is nothing to ask.
    claim = _claim(options | {"yes": True}, f"resolve {address} --recheck", address, "")
    with ApplyReporter(console) as reporter:
        reporter.begin(1)
        applied = asyncio.run(
            recheck(
                settings_from(options),
                claim,
                connector=connector_for(options),
                say=reporter.say,
            )
        )
    if applied.finished is None:
        console.line(f"Would look {address} up again.")
    return applied.exit_code


@click.command(short_help="Rebuild a lost state from the server.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "--project",
    "projects",
    type=PROJECT_ID,
    multiple=True,
    metavar="ID",
    help="Look in this project too, repeatable.  [default: those that the specs name]",
)
@click.option("--lineage", metavar="ID", help="Take the workloads that this state made.")
@dry_run_option
@yes_option
@environment_options
@output_options("text")
def recover(
    patterns: tuple[str, ...],
    projects: tuple[str, ...],
    lineage: str | None,
    **options: Any,
) -> int:
    """Rebuild a lost state from the server's list and the markers of this stack's workloads.

    PATTERN is a glob on <projectId>/<name>. A state that is there gets what it does not know.
    Nothing changes on the server. Run it where the specs are: what they declare is compared by the
    next plan, of anything else the whole content is taken as it is.
    """
    from reconciler.app.state.recovering import RecoverSearch
    from reconciler.app.state.recovering import recover as recover_state
    from reconciler.core.planning.selection import Selection

    workspace = _workspace(options)
    claim = _claim(options, "recover", "", "Record these workloads?")
    search = RecoverSearch(
        declared=workspace.desired,
        projects=projects,
        selection=Selection(targets=patterns),
        lineage=lineage,
    )
    found = _reading(
        options,
        lambda say: recover_state(
            workspace.settings,
            claim,
            search,
            connector=connector_for(options),
            say=say,
        ),
    )
    console = Console()
    for other, count in found.elsewhere.items():
        console.note(
            f"made by another state of this stack, lineage {other}: {count}; to recover them: "
            f"--lineage {other} --state NEW-FILE, or move this state away first"
        )
    console.note(f"not of this stack: {found.others}")
    return _tell(found.rows, options, "Would recover" if options["dry_run"] else "Recovered")


def _claim(options: dict[str, Any], command: str, address: str, question: str) -> ResolveRequest:
    from reconciler.app.state.claiming import ResolveRequest

    return ResolveRequest(
        address=address,
        command=f"reconciler state {command}",
        confirm=asker(options, question),
        dry_run=options["dry_run"],
    )


def _workspace(options: dict[str, Any]) -> Workspace:
    """The specs here, those that can be read: a mistake in one of them is no reason to stop."""
    from reconciler.app.planning.workspace import open_workspace

    return open_workspace([Path()], flags_from(options), os.environ)


def _reading(options: dict[str, Any], work: Callable[[Say], Coroutine[Any, Any, T]]) -> T:
    import asyncio

    from reconciler.cli.output.progress_display import Heartbeat

    with Heartbeat(Console.of(options), "reading the server") as heartbeat:
        return asyncio.run(work(heartbeat.say))


def _tell(rows: Sequence[Recorded], options: dict[str, Any], word: str) -> int:
    for row in rows:
        Console.of(options).line(f"{word} {row.address} ({row.id or 'no id'}).")
    return finish_edit(rows)
