"""The end of an apply as people read it: what went wrong, and what could not even be shown."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.workspace import Workspace
from reconciler.cli.invocation import current_commands
from reconciler.cli.options import PlanFlags
from reconciler.cli.output.console import Console
from reconciler.core.history.events import ActionEnded
from reconciler.report.commands import Commands
from reconciler.report.text.conclusion import Conclusion


def list_problems(
    console: Console,
    applied: ApplyResult,
    problems: Sequence[ActionEnded],
    workspace: Workspace,
    commands: Commands,
) -> None:
    """List once more what did not succeed, where people read."""
    if not (problems and applied.finished and console.wants("text")):
        return
    conclusion = Conclusion(
        applied.planned.plan,
        run=applied.finished.run,
        stopped_by=applied.finished.stopped_by,
        commands=commands,
        paint=console.paint(),
        prefix=workspace.prefix,
        locate=applied.planned.loaded.locate,
    )
    console.stream("text", f"\n{conclusion.text(problems)}\n")


def warn_of_losses(console: Console, commands: Commands, run: str = "") -> None:
    """Name each output that could not be written, and where the result of the run is recorded."""
    if not console.losses:
        return
    for loss in console.losses.values():
        console.warn(f"warning: not all of the result could be written: {loss}")
    if run:
        history = commands.of(f"runs show {run[:8]}")
        console.warn(f"  hint: what was done is recorded: {history}")


def follow_up_commands(command: str, directory: Path, plan_flags: PlanFlags) -> Commands:
    """The commands that carry on where this one ended, for the same folder, state and stack."""
    commands = current_commands()
    arguments = [] if directory == Path() else [str(directory)]
    # What kept this run from being about everything: without it, the next one would do more.
    for flag, patterns in (("-t", plan_flags.targets), ("-x", plan_flags.excludes)):
        for pattern in patterns:
            arguments += [flag, pattern]
    if plan_flags.project is not None:
        arguments += ["--project", plan_flags.project]
    arguments += ["--no-delete"] if plan_flags.no_delete else []
    arguments += ["--no-create"] if plan_flags.no_create else []
    arguments += ["--no-update"] if plan_flags.no_update else []
    return dataclasses.replace(
        commands, again=commands.completed(shlex.join([*command.split(), *arguments]))
    )
