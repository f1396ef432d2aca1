"""`reconciler apply` and `reconciler destroy`: carry out what a plan says."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from reconciler.cli.help import HelpCommand
from reconciler.cli.metrics.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.option_tables import APPLY_FORMATS, BESIDE, MARKDOWN_LIMIT
from reconciler.cli.options import (
    ApplyFlags,
    OutputOptions,
    PlanFlags,
    apply_options,
    environment_options,
    output_options,
    plan_options,
)
from reconciler.cli.params import GPUS

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.settings import Flags

# In seconds, for one workload to be synced or to run.
WAIT_TIMEOUT = 900.0
# A saved plan holds these itself.
_SAVED_OPTIONS = {
    "targets": "--target",
    "excludes": "--exclude",
    "project": "--project",
    "no_refresh": "--no-refresh",
    "no_delete": "--no-delete",
    "no_create": "--no-create",
    "no_update": "--no-update",
    "replace": "--replace",
    "retry_failed": "--retry-failed",
    "on_drift": "--on-drift",
    "allow_deletes": "--allow-deletes",
    "allow_missing": "--allow-missing",
    "allow_empty": "--allow-empty",
    "accept_projects": "--accept-project",
}


@click.command(cls=HelpCommand)
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@apply_options
@metrics_option
@MARKDOWN_LIMIT
@click.option("--init", is_flag=True, help="Create the state if there is none.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Apply this saved plan, and leave out what has changed since it was made.",
)
@click.option(
    "--max-surge-gpus",
    type=GPUS,
    metavar="N",
    help="Create and grow only while at most N GPUs more are asked for than before; the rest waits "
    "until what was deleted is gone.  [default: no limit]",
)
@environment_options
@output_options(*APPLY_FORMATS)
def apply(
    directory: Path,
    *,
    plan_flags: PlanFlags,
    apply_flags: ApplyFlags,
    markdown_limit: int,
    init: bool,
    plan_file: Path | None,
    max_surge_gpus: float | None,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Make the server have what the specs in DIR (default: here) declare."""
    if plan_file is not None:
        context = click.get_current_context()
        for name, flag in _SAVED_OPTIONS.items():
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(
                    f"{flag} cannot be added to --plan: the saved plan has its own"
                )
    return _carry_out(
        directory,
        plan_flags,
        apply_flags,
        flags,
        output,
        markdown_limit=markdown_limit,
        init=init,
        plan_file=plan_file,
        max_surge_gpus=max_surge_gpus,
    )


@click.command(cls=HelpCommand)
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@apply_options
@metrics_option
@MARKDOWN_LIMIT
@environment_options
@output_options(*APPLY_FORMATS)
def destroy(
    directory: Path,
    *,
    plan_flags: PlanFlags,
    apply_flags: ApplyFlags,
    markdown_limit: int,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Delete every workload that the state of DIR (default: here) records.

    A destroy is an apply without specs: it makes the same plan and asks the same guards.
    """
    return _carry_out(
        directory,
        plan_flags,
        apply_flags,
        flags,
        output,
        markdown_limit=markdown_limit,
        destroying=True,
    )


def _carry_out(
    directory: Path,
    plan_flags: PlanFlags,
    apply_flags: ApplyFlags,
    flags: Flags,
    output: OutputOptions,
    *,
    markdown_limit: int,
    init: bool = False,
    plan_file: Path | None = None,
    max_surge_gpus: float | None = None,
    destroying: bool = False,
) -> int:
    import asyncio

    from reconciler.app.applying.applying import ApplyRequest, carry_out
    from reconciler.app.planning.approval_checks import read_approved
    from reconciler.app.planning.workspace import need_folder, open_workspace
    from reconciler.cli.output.apply_output import ApplyOutput
    from reconciler.cli.output.apply_summary import follow_up_commands
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.output_paths import check_output_paths
    from reconciler.engine.run import ApplyOptions, WaitFor

    # Lenient: an output that cannot be written must not end work that is under way.
    console = Console(output, lenient=True, beside=BESIDE)
    if not apply_flags.yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; add --yes to apply without asking")
    need_folder(directory)
    workspace = open_workspace([directory], flags, os.environ, max_errors=plan_flags.max_errors)
    metrics = MetricsWriter.current()
    wait_for = WaitFor(apply_flags.wait_for)
    has_no_end = apply_flags.wait and wait_for is WaitFor.COMPLETED
    if not apply_flags.wait and wait_for is not WaitFor.SYNCED:
        raise click.UsageError(
            f"--no-wait waits for nothing: leave it out, or --wait-for {wait_for}"
        )
    wait_timeout = apply_flags.wait_timeout
    if wait_timeout is None:
        wait_timeout = math.inf if has_no_end else WAIT_TIMEOUT
    source = click.get_current_context().get_parameter_source("deadline")
    if has_no_end and source is ParameterSource.DEFAULT:
        # A training takes as long as it takes; whoever wants an end says which.
        endless = dataclasses.replace(workspace.settings, deadline=math.inf)
        workspace = dataclasses.replace(workspace, settings=endless)
    metrics.settings = workspace.settings
    check_output_paths(console, roots=workspace.roots, state=workspace.settings.state)
    # Once workloads are being made it is too late to find out that a report cannot be written.
    console.check_files()
    plan = plan_flags.request(workspace.places) if plan_file is None else _saved_request(plan_file)
    request = ApplyRequest(
        plan=dataclasses.replace(
            plan, options=dataclasses.replace(plan.options, destroying=destroying)
        ),
        options=ApplyOptions(
            wait=apply_flags.wait,
            wait_for=wait_for,
            wait_timeout=wait_timeout,
            fail_fast=apply_flags.fail_fast,
            max_surge_gpus=max_surge_gpus,
        ),
        command="reconciler destroy" if destroying else "reconciler apply",
        init=init,
        lock_timeout=apply_flags.lock_timeout,
        expected=read_approved(apply_flags.expect_digest) if apply_flags.expect_digest else None,
    )
    apply_output = ApplyOutput(
        console,
        workspace,
        metrics,
        follow_up_commands(request.command, directory, plan_flags),
        markdown_limit=markdown_limit,
        yes=apply_flags.yes,
    )
    with apply_output.following():
        workspace.need_valid()
        applied = asyncio.run(
            carry_out(
                workspace,
                request,
                connector=metrics.connect(yes=apply_flags.yes),
                confirm=apply_output.confirm,
                say=apply_output.say,
                tracers=apply_output.tracers,
            )
        )
    return apply_output.conclude(applied)


def _saved_request(path: Path) -> PlanRequest:
    """The plan is made again as it was made before, and only what was approved is taken of it."""
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.planning.saved_plans import load_plan

    approval, _ = load_plan(path)
    return PlanRequest(
        selection=approval.selection,
        # Also for a plan that trusted the state: what was approved is compared with the server.
        options=dataclasses.replace(approval.options, refreshed=True),
        allow_missing=approval.allow_missing,
        allow_empty=approval.allow_empty,
        accept_projects=approval.accept_projects,
        approval=approval,
    )
