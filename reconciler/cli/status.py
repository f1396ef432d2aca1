"""`reconciler status`: what is recorded, beside what the server says now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import environment_options, flags_from, output_options


@click.command()
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@environment_options
@output_options("text", "json")
def status(addresses: tuple[str, ...], **options: Any) -> int:
    """Show the live status of every recorded workload, or of those given."""
    import asyncio

    from reconciler.app.looking import look
    from reconciler.app.session import Connector
    from reconciler.app.workspace import settings_here
    from reconciler.cli.progress import Heartbeat
    from reconciler.report.documents import status_document, to_text

    console = Console.of(options)
    settings = settings_here(Path(), flags_from(options), os.environ)
    with Heartbeat(console, "reading the server") as heartbeat:
        looks = asyncio.run(
            look(settings, addresses, connector=Connector.system(os.environ), say=heartbeat.say)
        )
    console.emit("json", lambda: to_text([status_document(one.row, one.live) for one in looks]))
    console.emit("text", lambda: console.text().statuses([(one.row, one.live) for one in looks]))
    return 0
