"""`reconciler plan`: what an apply would do, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    plan_options,
    plan_request_from,
)

if TYPE_CHECKING:
    from reconciler.app.planning import Planned


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes or drift."
)
@environment_options
@output_options("text", "json")
def plan(directory: Path, detailed_exitcode: bool, **options: Any) -> int:
    """Show what 'apply' would do with the specs in DIR (default: here), and why.

    Reads the server, changes nothing. Exits with 5 when a guard would refuse the apply.
    """
    import asyncio

    from reconciler.app.planning import make
    from reconciler.app.session import Connector
    from reconciler.app.workspace import open_workspace
    from reconciler.cli.progress import Heartbeat

    console = Console.of(options)
    workspace = open_workspace([directory], flags_from(options), os.environ)
    workspace.need_valid()
    request = plan_request_from(options, workspace.places)
    with Heartbeat(console, "reading what is recorded") as heartbeat:
        planned = asyncio.run(
            make(workspace, request, connector=Connector.system(os.environ), say=heartbeat.say)
        )
    show_plan(console, planned, workspace.prefix)
    if planned.refusals:
        return 5
    return 2 if detailed_exitcode and planned.plan.has_changes else 0


def show_plan(console: Console, planned: Planned, prefix: str) -> None:
    """Findings and refusals beside the plan, the plan to wherever it was asked for."""
    from datetime import UTC, datetime

    from reconciler.report.documents import plan_document, to_text

    console.findings(planned.plan.diagnostics, prefix)
    console.emit("json", lambda: to_text(plan_document(planned.plan, datetime.now(UTC))))
    console.emit("text", lambda: console.text(prefix).plan(planned.plan))
    if planned.refusals:
        console.warn(console.text(err=True).refusals(planned.refusals))
