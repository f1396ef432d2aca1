"""`reconciler validate`: everything that can be checked without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import output_options, state_options


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@state_options
@output_options("text", "json")
def validate(paths: tuple[Path, ...], **options: Any) -> int:
    """Check the specs in PATH (default: here) without network or credentials.

    Exits with 3 when anything is wrong, after reporting all of it.
    """
    from reconciler.app.workspace import open_workspace
    from reconciler.cli.options import flags_from
    from reconciler.core.diagnostics import has_errors
    from reconciler.errors import InvalidInputError
    from reconciler.report.documents import diagnostics_document, to_text

    console = Console.of(options)
    workspace = open_workspace(paths or (Path(),), flags_from(options), os.environ)
    found = workspace.diagnostics
    if not workspace.desired and not found:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    console.emit("json", lambda: to_text(diagnostics_document(found)))
    text = console.text(workspace.prefix)
    console.emit("text", lambda: text.validation(found, len(workspace.desired), workspace.files))
    return 3 if has_errors(found) else 0
