"""`reconciler render`: the specs as they are after defaults, aliases and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.options import OutputOptions, output_options, reading_options

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.command(cls=HelpCommand)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@reading_options
@output_options("yaml", "json")
def render(paths: tuple[Path, ...], *, flags: Flags, output: OutputOptions) -> int:
    """Print the effective specs of PATH (default: here)."""
    from reconciler.app.planning.workspace import open_workspace
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.validation_output import unresolved_note
    from reconciler.core.planning.selection import Selection
    from reconciler.report.machine.documents import to_text, to_yaml
    from reconciler.specs.compose.rendering import render_documents

    console = Console(output, default="yaml")
    workspace = open_workspace(paths or (Path(),), flags, os.environ)
    workspace.need_valid()
    console.diagnostics(workspace.diagnostics, workspace.prefix)
    desired, _ = Selection(places=workspace.places).narrow(workspace.desired, ())
    documents = render_documents(map(workspace.loaded.as_written, desired))
    console.emit("json", lambda: to_text(documents))
    console.emit("yaml", lambda: to_yaml(documents))
    if names := [str(name) for name in workspace.loaded.unresolved]:
        console.note(unresolved_note(names))
    return 0
