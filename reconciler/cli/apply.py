"""`reconciler apply` and `reconciler destroy`: carry out what a plan says."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from reconciler.cli.console import Console, explain
from reconciler.cli.ending import commands_of, tell_losses, tell_problems
from reconciler.cli.metrics import Meter, metrics_option
from reconciler.cli.options import (
    environment_options,
    flags_from,
    output_options,
    plan_options,
    plan_request_from,
)
from reconciler.cli.pages import ApplyPage, emit_plan_page
from reconciler.cli.params import DURATION
from reconciler.cli.reviews import APPLY_FORMATS, BESIDE, Reviews, markdown_option

if TYPE_CHECKING:
    from reconciler.app.applying import Applied, ApplyRequest
    from reconciler.app.planning import Planned, PlanRequest
    from reconciler.cli.progress import ApplyReporter
    from reconciler.core.events import Event

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

    from reconciler.app.applying import carry_out
    from reconciler.app.planning import GuardError
    from reconciler.app.session import Connector
    from reconciler.app.workspace import open_workspace
    from reconciler.cli.progress import ApplyReporter

    console = Console.of(options, lenient=True, beside=BESIDE)
    if not options["yes"] and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; add --yes to apply without asking")
    meter, connector = Meter.current(), Connector.system(os.environ)
    workspace = open_workspace([directory], flags_from(options), os.environ)
    meter.attach(workspace.settings, connector)
    request = _request(options, workspace.places, destroying=destroying)
    reporter = ApplyReporter(console)
    reviews = Reviews.of(console, workspace, options, "apply")
    page = ApplyPage(console, workspace)

    def confirm(planned: Planned) -> bool:
        meter.plan = planned.plan
        _show(console, planned, workspace.prefix)
        idle = not planned.plan.changes
        if idle or options["yes"] or _ask(reporter):
            reporter.begin(len(planned.plan.changes), planned.plan)
            return True
        return False

    with reviews.failures(), reporter:
        try:
            applied = asyncio.run(
                carry_out(
                    workspace,
                    request,
                    connector=connector,
                    confirm=confirm,
                    say=meter.listening(page.listening(reviews.listening(reporter.say))),
                    trace=page.trace,
                )
            )
        except GuardError as error:
            if error.planned is not None:
                meter.plan = error.planned.plan
                _show(console, error.planned, workspace.prefix)
                emit_plan_page(console, error.planned, workspace.prefix)
            raise
    commands = commands_of(request.command, directory, options, workspace)
    tell_problems(console, applied, reporter.problems, workspace, commands)
    code = _conclude(console, applied, reporter.outcomes)
    tell_losses(console, applied, commands)
    unreported = reviews.applied(applied)
    page.emit(applied, commands.again)
    return code or unreported


def _ask(reporter: ApplyReporter) -> bool:
    reporter.waiting("waiting for an answer")
    return click.confirm("Apply this plan?", err=True)


def _request(options: dict[str, Any], places: tuple[str, ...], *, destroying: bool) -> ApplyRequest:
    from reconciler.app.applying import ApplyRequest
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
    from reconciler.app.planning import PlanRequest
    from reconciler.app.saving import load_plan

    approval, _ = load_plan(path)
    return PlanRequest(
        selection=approval.selection,
        options=dataclasses.replace(approval.options, refreshed=True),
        allow_missing=approval.allow_missing,
        allow_empty=approval.allow_empty,
        approval=approval,
    )


def _show(console: Console, planned: Planned, prefix: str) -> None:
    """The plan that is about to be applied, where people read; a stream holds events only."""
    console.findings(planned.plan.diagnostics, prefix)
    if console.has("text"):
        console.line(console.text(prefix, now=datetime.now(UTC)).plan(planned.plan))
        console.line("")
    if planned.beyond:
        console.warn(f"changes that the saved plan does not hold, and are left: {planned.beyond}")


def _conclude(console: Console, applied: Applied, outcomes: Sequence[Event]) -> int:
    from reconciler.report.documents import applied_document, to_line, to_text, unsaved_document
    from reconciler.report.history import unsaved_text

    finished = applied.finished
    if finished is None:
        console.note("Nothing was changed.")
        return 0
    console.emit(
        "json", lambda: to_text(applied_document(applied.planned.plan, finished, outcomes))
    )
    if applied.trouble is not None:
        explain(applied.trouble)
    if finished.stopped_by:
        kept = "not all of what is" if applied.unsaved else "everything"
        console.warn(f"stopped by {finished.stopped_by}; {kept} known is recorded")
    if console.has("text"):
        console.line(console.text().applied(finished.summary, finished.took))
    for row in applied.unsaved:
        # Known of the server, but not writable to the state: it must not be lost with the screen.
        console.warn(to_line(unsaved_document(row)))
    if applied.unsaved:
        console.warn(unsaved_text(applied.unsaved))
    if applied.unlogged:
        console.warn(f"the history of this run is not complete: {applied.unlogged}")
    return applied.exit_code
