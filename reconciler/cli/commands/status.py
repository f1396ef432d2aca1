"""`reconciler status`: what is recorded, beside what the server says now."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.connecting import connector_for
from reconciler.cli.options import environment_options, output_options, settings_from
from reconciler.cli.output.console import Console
from reconciler.cli.params import DURATION

if TYPE_CHECKING:
    from reconciler.app.session import Connector
    from reconciler.app.settings import Settings
    from reconciler.app.status.workload_status import WorkloadStatus
    from reconciler.cli.output.watching import View
    from reconciler.report.text.status import Status

EVERY = "5s"


class _Status(click.Command):
    """A command whose `--watch` may be followed by an address as well as by an interval."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give `--watch` its default where what comes next can only be an address."""
        return super().parse_args(ctx, list(_with_interval(args)))


def _with_interval(arguments: Sequence[str]) -> Iterator[str]:
    for word, after in zip(arguments, [*arguments[1:], ""], strict=False):
        # Every address has a slash, and no duration has one.
        yield f"--watch={EVERY}" if word == "--watch" and ("/" in after or "*" in after) else word


@click.command(cls=_Status)
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
    "--exit-status",
    is_flag=True,
    help="End with 8 where a create is in doubt, with 4 where a workload is Failed, missing, down "
    "or given up.",
)
@environment_options
@output_options("text", "json")
def status(
    addresses: tuple[str, ...], watch: float | None, exit_status: bool, **options: Any
) -> int:
    """Show the live status of every recorded workload, or of those given (also as globs).

    AGE is how long ago the server made it; what is down was deleted to be replaced, and its
    successor is not there. The exit code is 0 whatever the status is, unless --exit-status asks for
    another. With --watch a terminal shows the table anew; elsewhere there is a line for every
    change, with -o json an object for each.
    """
    console = Console.of(options)
    settings = settings_from(options)
    if watch is None:
        found = _look(console, settings, addresses, connector_for(options))
        return _exit_code(found) if exit_status else 0
    if exit_status:
        raise click.UsageError("--watch ends when somebody ends it: it has no --exit-status")
    if any(output.path is not None for output in console.outputs):
        raise click.UsageError("--watch shows what changes; it cannot be kept in a file (-o)")
    if watch <= 0:
        raise click.UsageError("--watch needs an interval such as 5s")
    return _watch(console, settings, addresses, watch, connector_for(options))


def _exit_code(found: Sequence[Status]) -> int:
    """Doubt goes first, as it does in an apply."""
    if any(one.is_in_doubt for one in found):
        return 8
    return 4 if any(one.is_wrong for one in found) else 0


def _look(
    console: Console, settings: Settings, addresses: Sequence[str], connector: Connector
) -> list[Status]:
    import asyncio

    from reconciler.app.status.workload_status import read_statuses
    from reconciler.cli.output.progress_display import Heartbeat
    from reconciler.report.machine.documents import to_text
    from reconciler.report.text.status import status_document, statuses_text

    with Heartbeat(console, "reading the server") as heartbeat:
        looks = asyncio.run(
            read_statuses(settings, addresses, connector=connector, say=heartbeat.say)
        )
    found = _statuses(looks)
    paint = console.paint()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    console.emit("json", lambda: to_text([status_document(one) for one in found]))
    console.emit("text", lambda: statuses_text(found, paint, width=width))
    return found


def _watch(
    console: Console,
    settings: Settings,
    addresses: Sequence[str],
    interval: float,
    connector: Connector,
) -> int:
    import asyncio

    from reconciler.app.status.workload_status import watch
    from reconciler.cli.output.watching import view_of

    def show(looks: Sequence[WorkloadStatus]) -> None:
        view.show(_statuses(looks))

    view: View
    with view_of(console, interval) as view:
        ended = asyncio.run(
            watch(
                settings,
                addresses,
                interval=interval,
                connector=connector,
                show=show,
                trouble=view.trouble,
            )
        )
    return 128 + ended if ended else 0


def _statuses(looks: Sequence[WorkloadStatus]) -> list[Status]:
    from reconciler.report.text.status import Status

    return [
        Status(
            row=one.row,
            live=one.live,
            at=one.at,
            late=one.late,
            at_work=one.at_work,
            replaced=one.replaced,
        )
        for one in looks
    ]
