"""`reconciler plan`: what an apply would do, and why."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.connecting import connector_for
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    plan_options,
    plan_request_from,
)
from reconciler.cli.output.ci_reports import BESIDE, PLAN_FORMATS, CiReports, markdown_option
from reconciler.cli.output.console import Console
from reconciler.cli.output.explaining import explain_option, show_explanation
from reconciler.cli.output.html_pages import emit_plan_page
from reconciler.cli.output.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.output.output_paths import check_places

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest, PlanResult


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 when there are changes or drift, or what is held fails an apply.",
)
@click.option(
    "--save",
    "save_to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the plan in FILE for 'apply --plan' and 'show'.",
)
@explain_option
@metrics_option
@environment_options
@markdown_option
@output_options("text", "json", "html", *PLAN_FORMATS)
def plan(directory: Path, detailed_exitcode: bool, **options: Any) -> int:
    """Show what 'apply' would do with the specs in DIR (default: here), and why.

    Reads the server, changes nothing. Exits with 5 when a guard would refuse the apply.
    """
    import asyncio

    from reconciler.app.planning.planning import make
    from reconciler.app.planning.workspace import open_workspace
    from reconciler.cli.output.progress_display import Heartbeat

    console = Console.of(options, beside=BESIDE)
    meter, connector = MetricsWriter.current(), connector_for(options)
    workspace = open_workspace([directory], flags_from(options), os.environ)
    meter.attach(workspace.settings, connector)
    check_places(console, options, root=workspace.settings.root, state=workspace.settings.state)
    request = plan_request_from(options, workspace.places)
    if options["explain"]:
        workspace.need_valid()
        asked = options | {"detailed_exitcode": detailed_exitcode}
        return show_explanation(console, workspace, request, asked, connector=connector)
    reviews = CiReports.of(console, workspace, options, "plan")
    with reviews.failures(), Heartbeat(console, "reading what is recorded") as heartbeat:
        workspace.need_valid()
        planned = asyncio.run(make(workspace, request, connector=connector, say=heartbeat.say))
    meter.plan = planned.plan
    show_plan(console, planned, workspace.prefix)
    if options["save_to"] is not None:
        _save(console, options["save_to"], planned, request, directory)
    changed = 2 if detailed_exitcode and planned.plan.has_changes else 0
    code = 5 if planned.refusals else changed
    reviews.plan(planned.plan, planned.refusals, code)
    return code


def _save(
    console: Console, path: Path, planned: PlanResult, request: PlanRequest, directory: Path
) -> None:
    """A plan that is refused is not kept: nobody could apply it."""
    import shlex

    from reconciler.app.planning.saving import save_plan

    if planned.refusals:
        console.warn(f"not saved to {path}: an apply of this plan would be refused")
        return
    save_plan(path, planned, request, datetime.now(UTC))
    folder = [] if directory == Path() else [str(directory)]
    again = shlex.join(["reconciler", "apply", *folder, "--plan", str(path)])
    console.note(f"Saved: {shlex.join(['reconciler', 'show', str(path)])}; {again}")


def show_plan(
    console: Console, planned: PlanResult, prefix: str, created_at: datetime | None = None
) -> None:
    """Findings and refusals beside the plan, the plan to wherever it was asked for.

    `created_at` is now, unless the plan was saved before.
    """
    from reconciler.report.machine.documents import plan_document, to_text

    console.findings(planned.plan.diagnostics, prefix)
    now = datetime.now(UTC)
    created_at = created_at or now
    console.emit("json", lambda: to_text(plan_document(planned.plan, created_at)))
    console.emit("text", lambda: console.text(prefix, now=now).plan(planned.plan))
    emit_plan_page(console, planned, prefix)
    if planned.refusals:
        console.warn(console.text(err=True).refusals(planned.refusals))
