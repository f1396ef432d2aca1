"""`reconciler status`: what is recorded, beside what the server says now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.options import (
    OutputOptions,
    environment_options,
    output_options,
    place_options,
    settings_from,
)
from reconciler.cli.output.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.params import DURATION

if TYPE_CHECKING:
    from reconciler.app.settings import Flags
    from reconciler.report.status.status import Status

EVERY = "5s"


class _StatusCommand(click.Command):
    """A command whose `--watch` may be followed by an address as well as by an interval."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give `--watch` its default where what comes next can only be an address."""
        # Every address has a slash, and no duration has one.
        return super().parse_args(
            ctx,
            [
                f"--watch={EVERY}" if arg == "--watch" and ("/" in after or "*" in after) else arg
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
    "refused by the cluster, missing, down or given up.",
)
@metrics_option
@environment_options
@output_options("text", "json")
def status(
    addresses: tuple[str, ...],
    *,
    watch: float | None,
    explain: bool,
    exit_status: bool,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Show the live status of every recorded workload, or of those given (also as globs).

    PHASE tells how the workload does in the cluster. SYNC tells whether the cluster took the last
    request. AGE is the time since the server created it. GPUS are those asked for, allocated, and
    of these idle. A workload that is down was deleted for a replace, and its replacement does not
    run yet. The exit code is 0 whatever the status is, unless --exit-status asks for another. With
    --watch a terminal shows the table anew; elsewhere there is a line for every change, with
    -o json an object for each.
    """
    import asyncio

    from reconciler.app.status.workload_status import explain_statuses, read_statuses
    from reconciler.app.status.workload_status import watch as watch_statuses
    from reconciler.cli.live.apply_reporter import run_with_heartbeat
    from reconciler.cli.live.watch_views import view_of
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import to_text
    from reconciler.report.next_step import Commands
    from reconciler.report.status.explanation import explanation_document, explanation_text
    from reconciler.report.status.status import status_document
    from reconciler.report.status.table import statuses_text

    if explain and (watch is not None or not addresses):
        raise click.UsageError("--explain needs an ADDRESS, and no --watch")
    console, settings, metrics = Console(output), settings_from(flags), MetricsWriter.current()
    metrics.settings, connector = settings, metrics.connect(yes=False)
    if explain:
        explained = run_with_heartbeat(
            console,
            "reading the server",
            lambda say: explain_statuses(settings, addresses, connector=connector, say=say),
        )
        console.emit("json", lambda: to_text([explanation_document(item) for item in explained]))
        paint = console.paint()
        console.emit(
            "text", lambda: "\n\n".join(explanation_text(item, paint) for item in explained)
        )
        return _exit_code([item.status for item in explained]) if exit_status else 0
    if watch is None:
        statuses = run_with_heartbeat(
            console,
            "reading the server",
            lambda say: read_statuses(settings, addresses, connector=connector, say=say),
        )
        metrics.phases = Counter(status.phase_word for status in statuses)
        metrics.refused = sum(status.is_refused for status in statuses)
        console.emit("json", lambda: to_text([status_document(status) for status in statuses]))
        commands = Commands(state=place_options(flags, "state", "config"))
        console.emit(
            "text",
            lambda: commands.completed(
                statuses_text(statuses, console.paint(), width=console.width())
            ),
        )
        return _exit_code(statuses) if exit_status else 0
    if exit_status:
        raise click.UsageError("--watch has no exit status of its own: leave out --exit-status")
    if any(output.path is not None for output in console.outputs):
        raise click.UsageError("--watch shows changes as they come; they cannot go to a file (-o)")
    if metrics.path is not None:
        metrics.disarm()
        raise click.UsageError("--watch has no end to write --metrics-file at")
    if watch <= 0:
        raise click.UsageError("--watch needs an interval such as 5s")
    with view_of(console, watch) as view:
        ended = asyncio.run(
            watch_statuses(
                settings,
                addresses,
                interval=watch,
                connector=connector,
                show=view.show,
                trouble=view.trouble,
            )
        )
    # As a shell counts what a signal has ended.
    return 128 + ended if ended else 0


def _exit_code(statuses: Sequence[Status]) -> int:
    """What --exit-status ends with; doubt goes first, as it does in an apply."""
    if any(status.is_in_doubt for status in statuses):
        return 8
    return 4 if any(status.is_wrong for status in statuses) else 0
