"""`reconciler state adopt|resolve|recover`: what ties records to workloads on the server."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.help import HelpCommand
from reconciler.cli.options import (
    EditFlags,
    OutputOptions,
    edit_options,
    environment_options,
    output_options,
    settings_from,
)
from reconciler.cli.params import PROJECT

if TYPE_CHECKING:
    from reconciler.app.applying.applying import ApplyResult
    from reconciler.app.settings import Flags
    from reconciler.core.planning.adoption import Proposal
    from reconciler.ports import EventListener


@click.command(cls=HelpCommand, short_help="Record workloads that the state does not know.")
@click.argument("address", required=False)
@click.option("--id", "workload_id", metavar="ID", help="Which workload ADDRESS is.")
@click.option(
    "--project",
    type=PROJECT,
    metavar="ID",
    help="Record all that the server lists in this project.",
)
@click.option(
    "--match",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="Record only workloads whose name matches (with a slash: the address); repeatable.",
)
@click.option(
    "--undeclared",
    is_flag=True,
    help="Record also workloads without a spec; the next apply deletes them.",
)
@click.option("--take-over", is_flag=True, help="Record also workloads of another stack or state.")
@click.option(
    "--mark",
    is_flag=True,
    help="Put our mark on the recorded workloads, by an update that changes nothing else.",
)
@click.option("--init", is_flag=True, help="Create the state if there is none.")
@edit_options
@environment_options
@output_options("text", "json")
def adopt(
    address: str | None,
    *,
    workload_id: str | None,
    project: str | None,
    patterns: tuple[str, ...],
    undeclared: bool,
    take_over: bool,
    mark: bool,
    init: bool,
    edit: EditFlags,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Record the workload ID as ADDRESS, or what the server lists in a project.

    Shows first what would be recorded, which spec declares it, and what the next plan does about
    it. Nothing changes on the server without --mark, and nothing is written unless everything could
    be read.

    Use --take-over only after the owner of the workload has run 'state rm'. The workload keeps its
    old mark, and this state deletes or replaces it by its id and that mark. If another state still
    records it, both do. With --mark, on a server with updates, the workload gets our mark instead,
    and its former owner leaves it alone.
    """
    from reconciler.app.planning.workspace import open_workspace
    from reconciler.app.state.adopting import AdoptOptions, adopt_project
    from reconciler.app.state.adopting import adopt as adopt_one
    from reconciler.app.state.examining import AdoptionTerms
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import (
        adoption_asker,
        asker,
        finish_edit,
        show_adopted,
        show_marked,
    )

    if project is None:
        if address is None or workload_id is None:
            raise click.UsageError("give ADDRESS and --id ID, or --project ID")
        if patterns or undeclared:
            raise click.UsageError("--match and --undeclared are for --project ID")
    elif address is not None or workload_id is not None:
        raise click.UsageError("--project ID takes no ADDRESS and no --id; it has --match GLOB")
    # A question that nobody can answer is a mistake before anything is read.
    asker(edit, "")
    console, connector = Console(output), connector_for(yes=edit.yes)
    # A mistake in one of the specs is no reason to leave a workload unrecorded.
    workspace = open_workspace([Path()], flags, os.environ)
    if project is not None:
        # A spec that cannot be read would look like a workload that none declares.
        workspace.need_valid()
    command = ["reconciler state adopt"]
    command += [f"{address} --id {workload_id}"] if project is None else [f"--project {project}"]
    command += [f"--match {pattern}" for pattern in patterns]
    command += ["--undeclared"] if undeclared else []
    command += ["--take-over"] if take_over else []
    command += ["--mark"] if mark else []
    marked: list[ApplyResult] = []
    options = AdoptOptions(
        command=" ".join(command),
        agree=adoption_asker(console, edit, workspace.prefix, marks=mark),
        workspace=workspace,
        terms=AdoptionTerms(take_over=take_over, undeclared=undeclared),
        init=init,
        dry_run=edit.dry_run,
        on_marked=marked.append if mark else None,
    )
    settings = workspace.settings

    def work(say: EventListener) -> Coroutine[Any, Any, Proposal | None]:
        if address is not None and workload_id is not None:
            return adopt_one(settings, options, address, workload_id, connector=connector, say=say)
        return adopt_project(
            settings, options, project or "", patterns, connector=connector, say=say
        )

    proposal = run_with_heartbeat(console, "reading the server", work)
    if proposal is None:
        return finish_edit(())
    show_adopted(console, proposal, dry_run=edit.dry_run)
    for applied in marked:
        show_marked(console, applied)
    return max((applied.exit_code for applied in marked), default=0)


@click.command(cls=HelpCommand, short_help="Settle a create or a delete that is in doubt.")
@click.argument("address", shell_complete=complete_recorded)
@click.option(
    "--id",
    "workload_id",
    metavar="ID",
    help="This workload is the result; it is kept unless it is being deleted.",
)
@click.option("--recheck", is_flag=True, help="Search the server again; sends no changes.")
@click.option(
    "--abandon",
    is_flag=True,
    help="Stop waiting for it: it made no workload, and never will.",
)
@edit_options
@environment_options
@output_options("text")
def resolve(
    address: str,
    *,
    workload_id: str | None,
    recheck: bool,
    abandon: bool,
    edit: EditFlags,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Settle a create of ADDRESS that is in doubt, in one of three ways.

    --recheck looks again and records what is proven. --id names the workload; its marker is
    checked if it has one. --abandon trusts you: if the server still carries out the create, that
    workload runs without a record.

    For a delete that does not end, wait until the workload is gone, then use --recheck. --abandon
    only stops the waiting: the id stays listed, the name is not free, and an apply ends with 4.
    If the server is not deleting the workload at all, --recheck lets the next apply send the DELETE
    again. Then --id ID keeps the workload instead, and the next plan compares it with its spec. The
    server may still carry out an unanswered DELETE for some minutes.
    """
    from reconciler.app.state import claiming
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit, list_edited
    from reconciler.report.text.escape import escape_terminal

    if (workload_id is not None) + recheck + abandon != 1:
        raise click.UsageError("give one of --recheck, --id ID and --abandon")
    if recheck:
        return _recheck(address, edit, flags, output)
    console, settings, dry_run = Console(output), settings_from(flags), edit.dry_run
    if workload_id is None:
        request = claiming.ResolveRequest(
            address=address,
            command=f"reconciler state resolve {address} --abandon",
            confirm=asker(edit, "Drop this doubt?"),
            dry_run=dry_run,
        )
        abandoned = claiming.abandon(settings, request)
        list_edited(abandoned.dropped, "Would abandon" if dry_run else "Abandoned")
        if abandoned.down is not None:
            message = (
                f"{address} is down: {abandoned.down.ending}, and nothing of ours runs there now."
            )
            console.line(escape_terminal(message))
        return finish_edit(abandoned.dropped)
    request = claiming.ResolveRequest(
        address=address,
        command=f"reconciler state resolve {address} --id {workload_id}",
        confirm=asker(edit, "Did the create make this workload?"),
        dry_run=dry_run,
    )
    connector = connector_for(yes=edit.yes)
    rows = run_with_heartbeat(
        console,
        "reading the server",
        lambda say: claiming.resolve_by_id(
            settings, request, workload_id, connector=connector, say=say
        ),
    )
    list_edited(rows, "Would settle" if dry_run else "Settled")
    return finish_edit(rows)


def _recheck(address: str, edit: EditFlags, flags: Flags, output: OutputOptions) -> int:
    import asyncio

    from reconciler.app.state.claiming import ResolveRequest, recheck
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.apply_reporter import ApplyReporter
    from reconciler.cli.output.console import Console

    console = Console(output)
    request = ResolveRequest(
        address=address,
        command=f"reconciler state resolve {address} --recheck",
        # It only reads, and records only what is proven: there is nothing to ask.
        confirm=lambda _: True,
        dry_run=edit.dry_run,
    )
    with ApplyReporter(console) as reporter:
        reporter.begin(1)
        connector = connector_for(yes=edit.yes)
        work = recheck(settings_from(flags), request, connector=connector, say=reporter.say)
        applied = asyncio.run(work)
    if applied.finished is None:
        console.line(f"Would look {address} up again.")
    return applied.exit_code


@click.command(cls=HelpCommand, short_help="Rebuild a lost state from the server.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "--project",
    "projects",
    type=PROJECT,
    multiple=True,
    metavar="ID",
    help="Look in this project too, repeatable.  [default: those that the specs name]",
)
@click.option("--lineage", metavar="ID", help="Take the workloads that this state made.")
@edit_options
@environment_options
@output_options("text")
def recover(
    patterns: tuple[str, ...],
    *,
    projects: tuple[str, ...],
    lineage: str | None,
    edit: EditFlags,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Rebuild a lost state from the server's list and the markers of this stack's workloads.

    PATTERN is a glob on <projectId>/<name>. An existing state gets the records that it lacks.
    Nothing changes on the server. Run it in the folder of the specs: the next plan compares
    declared workloads with them. Other workloads are recorded as they are.
    """
    from reconciler.app.planning.workspace import open_workspace
    from reconciler.app.state.claiming import ResolveRequest
    from reconciler.app.state.recovering import RecoverSearch
    from reconciler.app.state.recovering import recover as recover_state
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit, list_edited
    from reconciler.core.planning.selection import Selection

    workspace = open_workspace([Path()], flags, os.environ)
    request = ResolveRequest(
        address="",
        command="reconciler state recover",
        confirm=asker(edit, "Record these workloads?"),
        dry_run=edit.dry_run,
    )
    search = RecoverSearch(
        workspace=workspace,
        projects=projects,
        selection=Selection(targets=patterns),
        lineage=lineage,
    )
    connector = connector_for(yes=edit.yes)
    console = Console(output)
    recovered = run_with_heartbeat(
        console,
        "reading the server",
        lambda say: recover_state(
            workspace.settings, request, search, connector=connector, say=say
        ),
    )
    for other, count in recovered.elsewhere.items():
        console.note(
            f"another state of this stack made {count} workloads (lineage {other}); recover them "
            f"with --lineage {other} --state NEW-FILE, or move this state away first"
        )
    console.note(f"not of this stack: {recovered.others}")
    list_edited(recovered.rows, "Would recover" if edit.dry_run else "Recovered")
    return finish_edit(recovered.rows)
