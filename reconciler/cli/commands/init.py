"""`reconciler init`: the first files of a repository of workloads."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.options import environment_options

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.command(cls=HelpCommand)
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option(
    "--ci",
    type=click.Choice(["github", "gitlab", "none"]),
    help="System to write a pipeline for.  [default: what the git repository is made for]",
)
@environment_options
def init(directory: Path, *, ci: str | None, flags: Flags) -> int:
    """Write a commented configuration, one example spec and a CI pipeline into DIR.

    What exists is left alone, but a pipeline that was written for another folder gets a line for
    this one. With --state, the state is made as well.
    """
    from reconciler.app.repositories import settings_here
    from reconciler.app.scaffold import Ci, scaffold
    from reconciler.app.state.states import make_state
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.output.console import Console

    console = Console()
    files = scaffold(directory, ci=Ci(ci) if ci else None)
    for path in files.written:
        console.line(f"wrote {path}")
    for path in files.extended:
        console.line(f"added {files.stack} to {path}")
    for path in files.untouched:
        console.line(f"kept  {path}")
    if flags.state is not None:
        settings = settings_here(directory, flags, os.environ)
        # A state confirms its server from then on, so whose it is pinned to is asked here.
        server = connector_for(yes=False).check(settings, None)
        make_state(settings, server).close()
        console.line(f"wrote {settings.state}")
    for note in files.notes:
        console.note(note)
    command = shlex.join(["reconciler", "validate", str(directory)])
    console.note(f"Next: edit them, then run '{command}'.")
    return 0
