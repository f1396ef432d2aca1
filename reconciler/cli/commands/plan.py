"""`reconciler plan`: what an apply would do, and why."""

from __future__ import annotations

import os
import shlex
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.metrics.metrics_file import MetricsWriter, metrics_option
from reconciler.cli.option_tables import BESIDE, MARKDOWN_LIMIT, PLAN_FORMATS, REVIEW_FORMATS
from reconciler.cli.options import (
    OutputOptions,
    PlanFlags,
    environment_options,
    output_options,
    plan_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.app.planning.planning import PlanResult
    from reconciler.app.settings import Flags
    from reconciler.cli.output.console import Console


@click.command(cls=HelpCommand)
@click.argument("directories", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR]...")
@plan_options
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit with 2 when there are changes or drift, or what is held back is due.",
)
@click.option(
    "--save",
    "save_to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the plan to FILE, for 'apply --plan' and 'show'.",
)
@click.option(
    "--explain",
    metavar="ADDRESS",
    help="Show what led to the decision about this workload: its documents, what differs, "
    "which policies apply.",
)
@metrics_option
@environment_options
@MARKDOWN_LIMIT
@output_options(*PLAN_FORMATS)
def plan(
    directories: tuple[Path, ...],
    *,
    plan_flags: PlanFlags,
    detailed_exitcode: bool,
    save_to: Path | None,
    explain: str | None,
    markdown_limit: int,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Show what 'apply' would do with the specs in DIR (default: here), and why.

    Reads the server, changes nothing. Exits with 5 when a guard would refuse the apply. Several DIR
    are planned one after the other, each with its own configuration, state and server. They end
    in one report, and with the highest exit code.
    """
    from reconciler.cli.output.console import Console

    if len(directories) < 2:
        console = Console(output, beside=BESIDE)
        (directory,) = directories or (Path(),)
        return _plan(
            console,
            directory,
            plan_flags,
            flags,
            detailed_exitcode=detailed_exitcode,
            save_to=save_to,
            explain=explain,
            markdown_limit=markdown_limit,
            show_page=lambda planned, prefix: _show_page(console, planned, prefix),
        )
    from reconciler.app.planning.explaining import UnknownAddressError
    from reconciler.cli.output.several_roots import (
        CombiningConsole,
        for_each_root,
        need_one_root,
    )

    metrics = MetricsWriter.current()
    for flag, value in (("--save", save_to), ("--metrics-file", metrics.path)):
        if value is not None:
            metrics.disarm()
            need_one_root(flag)
    several = CombiningConsole(output, beside=BESIDE)
    return for_each_root(
        several,
        directories,
        flags,
        lambda directory: _plan(
            several,
            directory,
            plan_flags,
            flags,
            detailed_exitcode=detailed_exitcode,
            save_to=None,
            explain=explain,
            markdown_limit=markdown_limit // len(directories),
            show_page=several.keep_plan,
        ),
        # An address is a workload of one of them, and of no other.
        unknown=UnknownAddressError,
    )


def _show_page(console: Console, planned: PlanResult, prefix: str) -> None:
    # The pages load much that no other format needs.
    if console.wants("html"):
        from reconciler.cli.output.html_pages import emit_plan_page

        emit_plan_page(console, planned, prefix)


def _plan(
    console: Console,
    directory: Path,
    plan_flags: PlanFlags,
    flags: Flags,
    *,
    detailed_exitcode: bool,
    save_to: Path | None,
    explain: str | None,
    markdown_limit: int,
    show_page: Callable[[PlanResult, str], None],
) -> int:
    import asyncio

    from reconciler.app.planning.planning import make
    from reconciler.app.planning.workspace import need_folder, open_workspace
    from reconciler.cli.live.heartbeat import Heartbeat
    from reconciler.cli.output.output_paths import check_output_paths
    from reconciler.cli.output.plan_output import show_plan, state_name

    need_folder(directory)
    workspace = open_workspace([directory], flags, os.environ, max_errors=plan_flags.max_errors)
    metrics = MetricsWriter.current()
    metrics.settings = workspace.settings
    check_output_paths(
        console, save_to=save_to, roots=workspace.roots, state=workspace.settings.state
    )
    request = plan_flags.request(workspace.places)
    if explain is not None:
        from reconciler.cli.output.explaining import check_explain_options, show_explanation

        workspace.need_valid()
        check_explain_options(console, plan_flags)
        connector = metrics.connect(yes=False)
        explained = show_explanation(console, workspace, request, explain, connector=connector)
        refused, has_changes = bool(explained.refusals), explained.plan.has_changes
        return 5 if refused else 2 if detailed_exitcode and has_changes else 0
    reports = None
    if any(map(console.wants, REVIEW_FORMATS)):
        from reconciler.cli.output.ci_reports import CiReports

        reports = CiReports.of(console, workspace, markdown_limit, doing="plan")
    reported = reports.failures() if reports else nullcontext()
    with reported, Heartbeat(console, "reading what is recorded") as heartbeat:
        workspace.need_valid()
        connector = metrics.connect(yes=False)
        planned = asyncio.run(make(workspace, request, connector=connector, say=heartbeat.say))
    metrics.plan = planned.plan
    state = state_name(workspace.settings.state)
    show_plan(console, planned, workspace.prefix, state=state)
    show_page(planned, workspace.prefix)
    if save_to is not None and planned.refusals:
        # Nobody could apply it.
        console.warn(f"not saved to {save_to}: an apply of this plan would be refused")
    elif save_to is not None:
        from reconciler.app.planning.saved_plans import save_plan

        save_plan(save_to, planned, planned.request or request, datetime.now(UTC))
        folder = [] if directory == Path() else [str(directory)]
        # Without a state the first apply has to make one.
        init = [] if planned.plan.lineage else ["--init"]
        apply = shlex.join(["reconciler", "apply", *folder, "--plan", str(save_to), *init])
        console.note(f"Saved: {shlex.join(['reconciler', 'show', str(save_to)])}; {apply}")
    changed = 2 if detailed_exitcode and planned.plan.has_changes else 0
    code = 5 if planned.refusals else changed
    if reports:
        reports.plan(planned.plan, planned.refusals, code)
    return code
