"""`reconciler show`: a saved plan, in any format that a plan has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.option_tables import BESIDE, MARKDOWN_LIMIT, PLAN_FORMATS
from reconciler.cli.options import OutputOptions, output_options, settings_from, state_options

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.command(cls=HelpCommand)
@click.argument("file", type=click.Path(path_type=Path), metavar="PLAN")
@state_options
@MARKDOWN_LIMIT
@output_options(*PLAN_FORMATS)
def show(file: Path, *, flags: Flags, markdown_limit: int, output: OutputOptions) -> int:
    """Show a plan that 'plan --save' has written; nothing is read but the file.

    Where the state is at hand, a plan that can no longer be applied says so.
    """
    from reconciler.app.planning.planning import PlanResult
    from reconciler.app.planning.saved_plans import find_refusals, load_plan
    from reconciler.cli.output.ci_reports import CiReports
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.html_pages import emit_plan_page
    from reconciler.cli.output.plan_output import show_plan

    console = Console(output, beside=BESIDE)
    approval, created_at = load_plan(file)
    refusals = find_refusals(approval, settings_from(flags).state)
    planned = PlanResult(plan=approval.plan, refusals=refusals, recorded=(), tenant_id=None)
    # Without specs at hand, files have the names that they had when the plan was saved.
    show_plan(console, planned, "", created_at)
    emit_plan_page(console, planned, "", created_at)
    reports = CiReports(
        console=console, doing="plan", stack=approval.plan.target.stack, limit=markdown_limit
    )
    reports.plan(approval.plan, refusals, 0)
    return 0
