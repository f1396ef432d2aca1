"""`reconciler doctor`: whether an apply from here could work, and why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.options import OutputOptions, environment_options, output_options

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.command(cls=HelpCommand)
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@environment_options
@output_options("text", "json")
def doctor(directory: Path, *, flags: Flags, output: OutputOptions) -> int:
    """Find out whether an apply of DIR (default: here) could work: server, login, state, lock.

    Shows every setting with its origin, and no secret. Changes nothing; the lock is taken for an
    instant, and the server is only asked for a workload that does not exist. Ends with 0, or with
    the code that an apply would end with. The specs are checked by 'reconciler validate'.
    """
    import asyncio

    from reconciler.app.status.doctor import examine
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.heartbeat import Heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import to_text
    from reconciler.report.text.doctor import examination_document, examination_text

    console, connector = Console(output), connector_for(yes=False)
    with Heartbeat(console, "asking the server"):
        report = asyncio.run(examine(directory, flags, environ=os.environ, connector=connector))
    console.emit("json", lambda: to_text(examination_document(report)))
    console.emit("text", lambda: examination_text(report, console.paint(), width=console.width()))
    return report.exit_code
