"""The end of an apply as people read it: what went wrong, and what could not even be shown."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli.output.console import Console

if TYPE_CHECKING:
    from reconciler.app.applying.applying import ApplyResult
    from reconciler.app.planning.workspace import Workspace
    from reconciler.core.events import Event
    from reconciler.report.next_step import Commands


def tell_problems(
    console: Console,
    applied: ApplyResult,
    problems: Sequence[Event],
    workspace: Workspace,
    commands: Commands,
) -> None:
    """List once more what did not succeed, where people read."""
    from reconciler.report.text.conclusion import Conclusion

    if not (problems and applied.finished and console.wants("text")):
        return
    conclusion = Conclusion(
        applied.planned.plan,
        run=applied.finished.run,
        commands=commands,
        paint=console.paint(),
        prefix=workspace.prefix,
        locate=workspace.loaded.locate,
    )
    console.tell("text", f"\n{conclusion.text(problems)}\n")


def tell_losses(console: Console, applied: ApplyResult, commands: Commands) -> None:
    """Say that nobody can have read the result; what was done is done, so the code stays."""
    if not console.lost:
        return
    words = f"warning: not all of the result could be written: {console.lost}"
    if applied.finished is not None:
        told = commands.of(f"runs show {applied.finished.run[:8]}")
        words = f"{words}\n  hint: what was done is recorded: {told}"
    console.warn(words)


def commands_of(
    command: str, directory: Path, options: Mapping[str, Any], workspace: Workspace
) -> Commands:
    """The commands that carry on where this one ended, for the same folder and state."""
    from reconciler.report.next_step import Commands

    state = f" --state {shlex.quote(os.path.relpath(workspace.settings.state))}"
    folder = [] if directory == Path() else [str(directory)]
    words = shlex.join([*command.split(), *folder, *_limits(options)])
    return Commands(
        again=f"{words}{state}" if options["state"] else words,
        state=state if folder or options["state"] else "",
    )


def _limits(options: Mapping[str, Any]) -> Iterator[str]:
    """What kept this run from being about everything: without it, the next one would do more."""
    for flag, name in (("-t", "targets"), ("-x", "excludes")):
        for pattern in options[name]:
            yield from (flag, pattern)
    if options["project"] is not None:
        yield from ("--project", options["project"])
    for flag, name in (("--no-delete", "no_delete"), ("--no-create", "no_create")):
        if options[name]:
            yield flag
