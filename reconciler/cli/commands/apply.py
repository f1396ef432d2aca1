"""`reconciler apply` and `reconciler destroy`: carry out what a plan says."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.connecting import connector_for
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    plan_options,
    plan_request_from,
)
from reconciler.cli.output.apply_summary import commands_of
from reconciler.cli.output.ci_reports import APPLY_FORMATS, BESIDE, markdown_option
from reconciler.cli.output.console import Console
from reconciler.cli.output.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.output.output_paths import check_places
from reconciler.cli.params import DURATION

if TYPE_CHECKING:
    from reconciler.app.applying.applying import ApplyRequest
    from reconciler.app.planning.planning import PlanRequest

Command = TypeVar("Command", bound=Callable[..., Any])


def _apply_options(command: Command) -> Command:
    for option in reversed(
        (
            click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal."),
            click.option(
                "--wait/--no-wait",
                default=True,
                show_default=True,
                help="Wait until the cluster has taken every workload.",
            ),
            click.option(
                "--wait-timeout",
                type=DURATION,
                default="15m",
                show_default=True,
                envvar="RECONCILER_WAIT_TIMEOUT",
                help="Longest wait for one workload.",
            ),
            click.option("--fail-fast", is_flag=True, help="Begin nothing new after a failure."),
            click.option(
                "--lock-timeout",
                type=DURATION,
                default="0s",
                show_default=True,
                envvar="RECONCILER_LOCK_TIMEOUT",
                help="Wait this long for another run to end.",
            ),
            click.option(
                "--expect-digest",
                metavar="DIGEST",
                help="Go on only if the plan has this digest (see 'plan -o json').",
            ),
            metrics_option,
            markdown_option,
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@_apply_options
@click.option("--init", is_flag=True, help="Make the state if there is none.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Carry out this saved plan, as far as everything is as it was.",
)
@environment_options
@output_options("text", "json", "ndjson", "html", *APPLY_FORMATS)
def apply(directory: Path, **options: Any) -> int:
    """Make the server have what the specs in DIR (default: here) declare."""
    if options["plan_file"] is not None:
        _refuse_plan_options()
    return _carry_out(directory, options, destroying=False)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@plan_options
@_apply_options
@environment_options
@output_options("text", "json", "ndjson", "html", *APPLY_FORMATS)
def destroy(directory: Path, **options: Any) -> int:
    """Delete every workload that the state of DIR (default: here) records.

    An apply of nothing: the same plan, the same guards.
    """
    absent = {"init": False, "plan_file": None}
    return _carry_out(directory, options | absent, destroying=True)


# A saved plan says these itself.
_SAID_BY_A_PLAN = {
    "targets": "--target",
    "excludes": "--exclude",
    "project": "--project",
    "no_refresh": "--no-refresh",
    "no_delete": "--no-delete",
    "no_create": "--no-create",
    "replace": "--replace",
    "on_drift": "--on-drift",
    "allow_deletes": "--allow-deletes",
    "allow_missing": "--allow-missing",
    "allow_empty": "--allow-empty",
}


def _refuse_plan_options() -> None:
    context = click.get_current_context()
    for name, flag in _SAID_BY_A_PLAN.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{flag} cannot be added to --plan: the saved plan has its own")


def _carry_out(directory: Path, options: dict[str, Any], *, destroying: bool) -> int:
    import asyncio

    from reconciler.app.applying.applying import carry_out
    from reconciler.app.planning.workspace import open_workspace
    from reconciler.cli.output.apply_output import ApplyOutput

    console = Console.of(options, lenient=True, beside=BESIDE)
    if not options["yes"] and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; add --yes to apply without asking")
    meter, connector = MetricsWriter.current(), connector_for(options)
    workspace = open_workspace([directory], flags_from(options), os.environ)
    meter.attach(workspace.settings, connector)
    check_places(console, options, root=workspace.settings.root, state=workspace.settings.state)
    console.need_places()
    request = _request(options, workspace.places, destroying=destroying)
    commands = commands_of(request.command, directory, options, workspace)
    audience = ApplyOutput(console, workspace, options, meter, commands)
    with audience.following():
        applied = asyncio.run(
            carry_out(
                workspace,
                request,
                connector=connector,
                confirm=audience.confirm,
                say=audience.say,
                trace=audience.trace,
            )
        )
    return audience.conclude(applied)


def _request(options: dict[str, Any], places: tuple[str, ...], *, destroying: bool) -> ApplyRequest:
    from reconciler.app.applying.applying import ApplyRequest
    from reconciler.engine.run import ApplyOptions

    plan = plan_request_from(options, places)
    if options["plan_file"] is not None:
        plan = _saved_request(options["plan_file"])
    return ApplyRequest(
        plan=dataclasses.replace(
            plan, options=dataclasses.replace(plan.options, destroying=destroying)
        ),
        options=ApplyOptions(
            wait=options["wait"],
            wait_timeout=options["wait_timeout"],
            fail_fast=options["fail_fast"],
        ),
        command="reconciler destroy" if destroying else "reconciler apply",
        init=options["init"],
        lock_timeout=options["lock_timeout"],
        expect_digest=options["expect_digest"],
    )


def _saved_request(path: Path) -> PlanRequest:
    """The plan is made again as it was made before, and only what was approved is taken of it."""
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.planning.saving import load_plan

    approval, _ = load_plan(path)
    return PlanRequest(
        selection=approval.selection,
        options=dataclasses.replace(approval.options, refreshed=True),
        allow_missing=approval.allow_missing,
        allow_empty=approval.allow_empty,
        approval=approval,
    )
