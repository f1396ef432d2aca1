"""`reconciler validate`: everything that can be checked without a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import output_options, state_options

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Diagnostic
    from reconciler.specs.loaded import Loaded


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--changed-since",
    metavar="REVISION",
    help="Only findings that have to do with files changed since this git revision.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="From which severity on a finding makes the command fail.",
)
@click.option(
    "--max-errors",
    type=click.IntRange(1),
    metavar="N",
    help="Show no more than N errors, and what comes before them.",
)
@state_options
@output_options("text", "json")
def validate(
    paths: tuple[Path, ...],
    changed_since: str | None,
    fail_on: str,
    max_errors: int | None,
    **options: Any,
) -> int:
    """Check the specs in PATH (default: here) without network or credentials.

    Exits with 3 when anything is wrong, after reporting all of it. All specs of the repository are
    read, whatever part is asked for, since some mistakes only show between them.
    """
    from reconciler.app.workspace import open_workspace
    from reconciler.cli.options import flags_from
    from reconciler.core.diagnostics import has_errors
    from reconciler.errors import InvalidInputError
    from reconciler.report.documents import diagnostics_document, to_text

    console = Console.of(options)
    workspace = open_workspace(paths or (Path(),), flags_from(options), os.environ)
    if not workspace.desired and not workspace.diagnostics:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    loaded = _narrow(workspace.loaded, workspace.settings.root, changed_since, console)
    found = _named_from_here(loaded)
    shown = _first(found, max_errors)
    console.emit("json", lambda: to_text(diagnostics_document(shown)))
    counted = (len(loaded.targeted), loaded.targeted_files)
    console.emit("text", lambda: console.text().validation(shown, *counted))
    if len(shown) < len(found):
        console.note(f"{len(found) - len(shown)} more findings are not shown (--max-errors)")
    return 3 if has_errors(found) or (found and fail_on == "warning") else 0


def _narrow(loaded: Loaded, root: Path, revision: str | None, console: Console) -> Loaded:
    if revision is None:
        return loaded
    from reconciler.specs.changes import changed_files

    narrowed = loaded.about(changed_files(root, revision))
    hidden = len(loaded.diagnostics) - len(narrowed.diagnostics)
    if hidden:
        console.note(f"{hidden} findings have nothing to do with changes since {revision}")
    return narrowed


def _named_from_here(loaded: Loaded) -> list[Diagnostic]:
    """Name files as paths from the working directory, in every format alike."""
    from dataclasses import replace

    return [
        replace(one, where=replace(one.where, file=loaded.display(one.where)))
        for one in loaded.diagnostics
    ]


def _first(found: Sequence[Diagnostic], errors: int | None) -> Sequence[Diagnostic]:
    """Cut a list of findings behind a number of errors."""
    from reconciler.core.diagnostics import Severity

    places = [at for at, one in enumerate(found) if one.severity is Severity.ERROR]
    return found if errors is None or len(places) <= errors else found[: places[errors - 1] + 1]
