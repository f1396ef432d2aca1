"""`reconciler show`: a saved plan, in any format that a plan has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.commands.plan import show_plan
from reconciler.cli.options import output_options, settings_from, state_options
from reconciler.cli.output.ci_reports import BESIDE, PLAN_FORMATS, CiReports, markdown_option
from reconciler.cli.output.console import Console

if TYPE_CHECKING:
    from reconciler.app.settings import Settings
    from reconciler.core.planning.approval import Approval
    from reconciler.core.planning.guards import Refusal


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="PLAN")
@state_options
@markdown_option
@output_options("text", "json", "html", *PLAN_FORMATS)
def show(file: Path, **options: Any) -> int:
    """Show a plan that 'plan --save' has written; nothing is read but the file.

    Where the state is at hand, a plan that can no longer be applied says so.
    """
    from reconciler.app.planning.planning import PlanResult
    from reconciler.app.planning.saving import load_plan

    console = Console.of(options, beside=BESIDE)
    approval, created_at = load_plan(file)
    refusals = _find_reasons_against(approval, settings_from(options))
    planned = PlanResult(plan=approval.plan, refusals=refusals, recorded=(), tenant_id=None)
    show_plan(console, planned, "", created_at)
    reviews = CiReports(
        console=console,
        doing="plan",
        stack=approval.plan.target.stack,
        limit=options["markdown_limit"],
    )
    reviews.plan(approval.plan, refusals, 0)
    return 0


def _find_reasons_against(approval: Approval, settings: Settings) -> tuple[Refusal, ...]:
    from reconciler.app.planning.saving import check_state, check_unused
    from reconciler.app.state.states import read_state
    from reconciler.core.planning.guards import Refusal
    from reconciler.errors import StalePlanError
    from reconciler.state.sqlite import is_there

    if not is_there(settings.state):
        return ()
    with read_state(settings.state) as store:
        try:
            check_unused(approval, store.runs())
            check_state(approval, store.header)
        except StalePlanError as error:
            return (Refusal(guard="stale-plan", message=error.message, hint=error.hint),)
    return ()
