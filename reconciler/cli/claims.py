"""`reconciler state adopt|resolve|recover`: what ties records to workloads on the server."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.console import Console
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    settings_from,
)
from reconciler.cli.state import asker, conclude, dry_run_option, yes_option

if TYPE_CHECKING:
    from reconciler.app.claiming import Claim
    from reconciler.app.workspace import Workspace
    from reconciler.core.model import Recorded
    from reconciler.ports import Say

T = TypeVar("T")


@click.command(short_help="Record a workload that the state does not know.")
@click.argument("address")
@click.option("--id", "workload_id", required=True, metavar="ID", help="Which workload it is.")
@dry_run_option
@yes_option
@environment_options
@output_options("text")
def adopt(address: str, workload_id: str, **options: Any) -> int:
    """Record the workload ID, which this state does not know, as ADDRESS.

    Nothing changes on the server. If a spec here declares ADDRESS, the next plan compares the two.
    """
    from reconciler.app.claiming import adopt as adopt_workload
    from reconciler.app.session import Connector

    workspace = _workspace(options)
    claim = _claim(options, f"adopt {address} --id {workload_id}", address, "Record this workload?")
    rows = _reading(
        options,
        lambda say: adopt_workload(
            workspace.settings,
            claim,
            workload_id,
            declared=workspace.desired,
            connector=Connector.system(os.environ),
            say=say,
        ),
    )
    return _tell(rows, options, "Would adopt" if options["dry_run"] else "Adopted")


@click.command(short_help="Settle a create that is in doubt.")
@click.argument("address", shell_complete=complete_recorded)
@click.option("--id", "workload_id", metavar="ID", help="This workload is what became of it.")
@click.option("--recheck", is_flag=True, help="Look for the evidence again; only reads.")
@click.option("--abandon", is_flag=True, help="Nothing became of it, and nothing will.")
@dry_run_option
@yes_option
@environment_options
@output_options("text")
def resolve(address: str, workload_id: str | None, **options: Any) -> int:
    """Settle a create of ADDRESS that is in doubt, in one of three ways.

    --recheck looks again and records what is proven. --id names the workload; its marker is
    checked if it has one. --abandon drops the doubt on your word: if the create comes true after
    all, that workload runs without being known here.
    """
    if (workload_id is not None) + options["recheck"] + options["abandon"] != 1:
        raise click.UsageError("give one of --recheck, --id ID and --abandon")
    if options["recheck"]:
        return _recheck(address, options)
    return _settle(address, workload_id, options)


def _settle(address: str, workload_id: str | None, options: dict[str, Any]) -> int:
    from reconciler.app.claiming import abandon, resolve_by_id
    from reconciler.app.session import Connector

    settings = settings_from(options)
    if workload_id is None:
        claim = _claim(options, f"resolve {address} --abandon", address, "Drop this doubt?")
        rows = abandon(settings, claim)
        return _tell(rows, options, "Would abandon" if options["dry_run"] else "Abandoned")
    claim = _claim(
        options, f"resolve {address} --id {workload_id}", address, "Is this what became of it?"
    )
    rows = _reading(
        options,
        lambda say: resolve_by_id(
            settings, claim, workload_id, connector=Connector.system(os.environ), say=say
        ),
    )
    return _tell(rows, options, "Would settle" if options["dry_run"] else "Settled")


def _recheck(address: str, options: dict[str, Any]) -> int:
    import asyncio

    from reconciler.app.claiming import recheck
    from reconciler.app.session import Connector
    from reconciler.cli.progress import ApplyReporter

    console = Console.of(options)
    # It only reads, and records only what is proven: there is nothing to ask.
    claim = _claim(options | {"yes": True}, f"resolve {address} --recheck", address, "")
    with ApplyReporter(console) as reporter:
        reporter.begin(1)
        applied = asyncio.run(
            recheck(
                settings_from(options),
                claim,
                connector=Connector.system(os.environ),
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
    from reconciler.app.recovering import Search
    from reconciler.app.recovering import recover as recover_state
    from reconciler.app.session import Connector
    from reconciler.core.selection import Selection

    workspace = _workspace(options)
    claim = _claim(options, "recover", "", "Record these workloads?")
    search = Search(
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
            connector=Connector.system(os.environ),
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


def _claim(options: dict[str, Any], command: str, address: str, question: str) -> Claim:
    from reconciler.app.claiming import Claim

    return Claim(
        address=address,
        command=f"reconciler state {command}",
        confirm=asker(options, question),
        dry_run=options["dry_run"],
    )


def _workspace(options: dict[str, Any]) -> Workspace:
    """The specs here, those that can be read: a mistake in one of them is no reason to stop."""
    from reconciler.app.workspace import open_workspace

    return open_workspace([Path()], flags_from(options), os.environ)


def _reading(options: dict[str, Any], work: Callable[[Say], Coroutine[Any, Any, T]]) -> T:
    import asyncio

    from reconciler.cli.progress import Heartbeat

    with Heartbeat(Console.of(options), "reading the server") as heartbeat:
        return asyncio.run(work(heartbeat.say))


def _tell(rows: Sequence[Recorded], options: dict[str, Any], word: str) -> int:
    for row in rows:
        Console.of(options).line(f"{word} {row.address} ({row.id or 'no id'}).")
    return conclude(rows)
