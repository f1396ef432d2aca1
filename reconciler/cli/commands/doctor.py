"""`reconciler doctor`: whether an apply from here could work, and why not."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli.connecting import connector_for
from reconciler.cli.options import environment_options, flags_from, output_options
from reconciler.cli.output.console import Console


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@environment_options
@output_options("text", "json")
def doctor(directory: Path, **options: Any) -> int:
    """Find out whether an apply of DIR (default: here) could work: server, login, state, lock.

    Shows every setting with its origin, and no secret. Changes nothing; the lock is taken for an
    instant, and the server is only asked for a workload that does not exist. Ends with 0, or with
    the code that an apply would end with. The specs are checked by 'reconciler validate'.
    """
    import asyncio

    from reconciler.app.status.doctor import examine
    from reconciler.cli.output.progress_display import Heartbeat
    from reconciler.report.machine.documents import to_text
    from reconciler.report.text.doctor import examination_document, examination_text

    console = Console.of(options)
    connector = connector_for(options)
    flags = flags_from(options)
    with Heartbeat(console, "asking the server"):
        found = asyncio.run(examine(directory, flags, environ=os.environ, connector=connector))
    paint = console.paint()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    console.emit("json", lambda: to_text(examination_document(found)))
    console.emit("text", lambda: examination_text(found, paint, width=width))
    return found.exit_code
