"""`reconciler status`: what is recorded, beside what the server says now."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.help import HelpCommand
from reconciler.cli.metrics.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.options import (
    OutputOptions,
    environment_options,
    output_options,
    settings_from,
)
from reconciler.cli.params import DURATION, PROJECT

if TYPE_CHECKING:
    from reconciler.app.settings import Flags
    from reconciler.app.status.choosing import StatusRequest
    from reconciler.cli.output.console import Console
    from reconciler.core.running.search import LiveSearch
    from reconciler.report.status.status import Status

EVERY = "5s"
IDLE_FOR = "10m"


class _StatusCommand(HelpCommand):
    """A command whose `--watch` and `--idle` may be followed by an address or by a duration."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give them their defaults where what comes next can only be an address."""
        defaults = {"--watch": EVERY, "--idle": IDLE_FOR}
        # Every address has a slash, and no duration has one.
        return super().parse_args(
            ctx,
            [
                f"{arg}={defaults[arg]}" if arg in defaults and {"/", "*"} & set(after) else arg
                for arg, after in zip(args, [*args[1:], ""], strict=False)
            ],
        )


@click.command(cls=_StatusCommand)
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...", shell_complete=complete_recorded)
@click.option(
    "--watch",
    type=DURATION,
    is_flag=False,
    flag_value=EVERY,
    metavar="[INTERVAL]",
    help=f"Look again and again, by default every {EVERY}, until Ctrl-C.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Say of each ADDRESS why it is pending, and what happened to it last.",
)
@click.option(
    "--exit-status",
    is_flag=True,
    help="End with 8 where a create is in doubt, with 4 where a workload is Failed, Degraded, "
    "refused by the cluster, missing, never created, down or given up.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Read by its id only what the list does not show to be well; what the cluster has refused "
    "since the last apply may look Synced.",
)
@click.option(
    "--unmanaged",
    is_flag=True,
    help="Show instead what runs in the projects and is not recorded.",
)
@click.option(
    "--idle",
    type=DURATION,
    is_flag=False,
    flag_value=IDLE_FOR,
    metavar="[DURATION]",
    help="Show instead what holds idle GPUs and has been in its phase for so long, by default "
    f"{IDLE_FOR}; recorded or not.",
)
@click.option(
    "--project",
    "projects",
    type=PROJECT,
    multiple=True,
    metavar="ID",
    help="With --unmanaged or --idle: look in this project; repeatable.  [default: those that the "
    "specs and the state name]",
)
@metrics_option
@environment_options
@output_options("text", "json", "markdown")
def status(
    addresses: tuple[str, ...],
    *,
    watch: float | None,
    explain: bool,
    exit_status: bool,
    quick: bool,
    unmanaged: bool,
    idle: float | None,
    projects: tuple[str, ...],
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Show the live status of every recorded workload, or of those given (also as globs).

    In the folder of the specs, or below, it also lists what they declare and no apply has created.
    PHASE tells how the workload does in the cluster. SYNC tells whether the cluster took the last
    request. AGE is the time since the server created it. GPUS are those asked for, allocated, and
    of these idle. A workload that is down was deleted for a replace, and its replacement does not
    run yet. The exit code is 0 whatever the status is, unless --exit-status asks for another. With
    --watch a terminal shows the table anew; elsewhere there is a line for every change, with
    -o json an object for each.
    """
    if explain and (watch is not None or not addresses):
        raise click.UsageError("--explain needs an ADDRESS, and no --watch")
    if unmanaged or idle is not None:
        if watch is not None or explain or (unmanaged and idle is not None):
            raise click.UsageError("give one of --unmanaged, --idle, --watch and --explain")
        search = _search(addresses, projects, idle, flags, output)
        return search.exit_code if exit_status else 0
    if projects:
        raise click.UsageError("--project is for --unmanaged and --idle; ADDRESS may be a glob")
    if quick and (exit_status or MetricsWriter.current().path is not None):
        raise click.UsageError("--quick may miss a refusal; leave it out where somebody is alerted")
    if watch is not None:
        if exit_status:
            raise click.UsageError("--watch has no exit status of its own: leave out --exit-status")
        return _watch(addresses, watch, flags, output, quick=quick)
    statuses = _show(addresses, flags, output, explain=explain, quick=quick)
    return _exit_code(statuses) if exit_status else 0


def _show(
    addresses: tuple[str, ...],
    flags: Flags,
    output: OutputOptions,
    *,
    explain: bool,
    quick: bool,
) -> list[Status]:
    """Look once; with `explain` at what explains each as well."""
    from reconciler.app.status.workload_status import explain_statuses, read_statuses
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import to_text
    from reconciler.report.status.explanation import explanation_document, explanation_text
    from reconciler.report.status.status import status_document
    from reconciler.report.status.table import statuses_markdown, statuses_text

    console, settings, metrics = Console(output), settings_from(flags), MetricsWriter.current()
    metrics.settings, connector = settings, metrics.connect(yes=False)
    # Handed over and not kept: it holds all that is declared, of which little is looked at.
    requests = [_request(console, addresses, flags, quick=quick)]
    if explain:
        if console.wants("markdown"):
            raise click.UsageError("--explain is shown as text or JSON")
        explained = run_with_heartbeat(
            console,
            "reading the server",
            lambda say: explain_statuses(settings, requests.pop(), connector=connector, say=say),
        )
        console.emit("json", lambda: to_text([explanation_document(item) for item in explained]))
        paint = console.paint()
        console.emit(
            "text", lambda: "\n\n".join(explanation_text(item, paint) for item in explained)
        )
        return [item.status for item in explained]
    statuses = run_with_heartbeat(
        console,
        "reading the server",
        lambda say: read_statuses(settings, requests.pop(), connector=connector, say=say),
    )
    metrics.phases = Counter(status.phase_word for status in statuses)
    metrics.refused = sum(status.is_refused for status in statuses)
    console.emit("json", lambda: to_text([status_document(status) for status in statuses]))
    console.emit("markdown", lambda: statuses_markdown(statuses))
    console.emit("text", lambda: statuses_text(statuses, console.paint(), width=console.width()))
    return statuses


def _request(
    console: Console, addresses: tuple[str, ...], flags: Flags, *, quick: bool
) -> StatusRequest:
    """What to look at, with the specs that are at hand."""
    from reconciler.app.status.choosing import StatusRequest
    from reconciler.app.status.declared import read_declared

    declared = read_declared(Path(), flags, os.environ)
    if declared.problem:
        console.warn(f"warning: {declared.problem}; what was never created may be incomplete")
    return StatusRequest(patterns=addresses, declared=declared, quick=quick)


def _watch(
    addresses: tuple[str, ...],
    interval: float,
    flags: Flags,
    output: OutputOptions,
    *,
    quick: bool,
) -> int:
    """Look again and again, until a signal ends it."""
    import asyncio

    from reconciler.app.status.workload_status import watch as watch_statuses
    from reconciler.cli.live.watch_views import view_of
    from reconciler.cli.output.console import Console

    console, settings, metrics = Console(output), settings_from(flags), MetricsWriter.current()
    metrics.settings, connector = settings, metrics.connect(yes=False)
    if console.wants("markdown"):
        raise click.UsageError("--watch shows changes as text or JSON")
    if any(output.path is not None for output in console.outputs):
        raise click.UsageError("--watch shows changes as they come; they cannot go to a file (-o)")
    if metrics.path is not None:
        metrics.disarm()
        raise click.UsageError("--watch has no end to write --metrics-file at")
    if interval <= 0:
        raise click.UsageError("--watch needs an interval such as 5s")
    request = _request(console, addresses, flags, quick=quick)
    with view_of(console, interval) as view:
        ended = asyncio.run(
            watch_statuses(
                settings,
                request,
                interval=interval,
                connector=connector,
                show=view.show,
                trouble=view.trouble,
            )
        )
    # As a shell counts what a signal has ended.
    return 128 + ended if ended else 0


def _search(
    patterns: tuple[str, ...],
    projects: tuple[str, ...],
    idle: float | None,
    flags: Flags,
    output: OutputOptions,
) -> LiveSearch:
    """Show what is not recorded, or with a duration what is idle for so long."""
    from reconciler.app.status.declared import read_declared
    from reconciler.app.status.unmanaged import ProjectSearch, search_idle, search_unmanaged
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import to_text
    from reconciler.report.status import live_search as views

    console, settings, metrics = Console(output), settings_from(flags), MetricsWriter.current()
    metrics.settings, connector = settings, metrics.connect(yes=False)
    declared = read_declared(Path(), flags, os.environ)
    if declared.problem and not projects:
        console.warn(f"warning: {declared.problem}; give --project for a project that is missing")
    search = ProjectSearch(projects=projects, declared=declared.projects, patterns=patterns)
    if idle is None:
        result = run_with_heartbeat(
            console,
            "reading the server",
            lambda say: search_unmanaged(settings, search, connector=connector, say=say),
        )
        console.emit("json", lambda: to_text(views.unmanaged_document(result)))
        console.emit("markdown", lambda: views.unmanaged_markdown(result))
        console.emit("text", lambda: views.unmanaged_text(result, console.paint()))
        return result
    at_least = timedelta(seconds=idle)
    result = run_with_heartbeat(
        console,
        "reading the server",
        lambda say: search_idle(settings, search, at_least, connector=connector, say=say),
    )
    console.emit("json", lambda: to_text(views.idle_document(result)))
    console.emit("markdown", lambda: views.idle_markdown(result))
    console.emit("text", lambda: views.idle_text(result, console.paint()))
    return result


def _exit_code(statuses: Sequence[Status]) -> int:
    """What --exit-status ends with; doubt goes first, as it does in an apply."""
    if any(status.is_in_doubt for status in statuses):
        return 8
    if any(status.is_wrong for status in statuses):
        return 4
    # What nobody could look at is not well: it is not known.
    return 9 if any(status.is_unseen for status in statuses) else 0
