"""`reconciler init`: the first files of a repository of workloads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import environment_options, flags_from


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@environment_options
def init(directory: Path, **options: Any) -> int:
    """Write a commented configuration, one example spec and a CI workflow into DIR.

    What exists is left alone. With --state, the state is made as well.
    """
    from reconciler.app.scaffold import scaffold
    from reconciler.app.states import make_state
    from reconciler.app.workspace import settings_here

    console = Console()
    made = scaffold(directory)
    for path in made.written:
        console.line(f"wrote {path}")
    for path in made.kept:
        console.line(f"kept  {path}")
    if options["state"] is not None:
        settings = settings_here(directory, flags_from(options), os.environ)
        console.line(f"wrote {make_state(settings)}")
    console.note(f"Next: edit them, then run 'reconciler validate {directory}'.")
    return 0
