"""`reconciler import`: specs for what runs already, and the records of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.options import (
    EditFlags,
    OutputOptions,
    edit_options,
    environment_options,
    output_options,
)
from reconciler.cli.params import PROJECT
from reconciler.errors import InvalidInputError

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.command(
    "import", cls=HelpCommand, short_help="Write specs for workloads that run, and record them."
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for the new specs; it is made if there is none.",
)
@click.option(
    "--project",
    "projects",
    type=PROJECT,
    multiple=True,
    metavar="ID",
    help="Look in this project; repeatable.  [default: those that the specs and the state name]",
)
@click.option(
    "--match",
    "patterns",
    multiple=True,
    metavar="GLOB",
    help="Only workloads whose name matches (with a slash: the address); repeatable.",
)
@click.option("--init", is_flag=True, help="Create the state if there is none.")
@edit_options
@environment_options
@output_options("text", "json")
def import_command(
    *,
    into: Path,
    projects: tuple[str, ...],
    patterns: tuple[str, ...],
    init: bool,
    edit: EditFlags,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Write a spec into DIR for each live workload that is not recorded, and record it.

    A spec says what was submitted, without what the server and Kubernetes add. It is written only
    if the plan leaves the workload as it is. No existing file is changed, and no secret is written.

    Until an apply has seen the new specs, the workloads are held: an apply without these files
    deletes none of them. Run it again after an interruption.
    """
    from reconciler.app.importing.importing import (
        ImportRequest,
        import_workloads,
        spec_folder,
    )
    from reconciler.app.planning.workspace import Workspace, open_workspace
    from reconciler.app.repositories import find_repository
    from reconciler.app.state.adopting import AdoptOptions
    from reconciler.app.status.unmanaged import ProjectSearch
    from reconciler.cli.connecting import connector_for
    from reconciler.cli.live.heartbeat import run_with_heartbeat
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import adoption_asker, asker, finish_edit, show_imported

    # A question that nobody can answer is a mistake before anything is read.
    asker(edit, "")
    console = Console(output)

    def read(drafts: Mapping[str, str]) -> Workspace:
        return open_workspace([into], flags, os.environ, drafts=drafts)

    # Nothing is left of a new folder into which nothing was written.
    new = [path for path in (into, *into.parents) if not path.exists()]
    click.get_current_context().call_on_close(lambda: _remove_empty(new))
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {into} cannot be made: {error.strerror}"
        raise InvalidInputError(message, hint="name another one with --into") from error
    root, _ = find_repository([into], flags.config)
    folder = spec_folder(into, root)
    workspace = read({})
    workspace.need_valid()
    files: dict[str, str] = {}
    request = ImportRequest(
        search=ProjectSearch(projects=projects),
        root=root,
        folder=folder,
        read=read,
        patterns=patterns,
        on_files=files.update,
    )
    command = [f"reconciler import --into {folder}"]
    command += [f"--project {project}" for project in projects]
    command += [f"--match {pattern}" for pattern in patterns]
    options = AdoptOptions(
        command=" ".join(command),
        agree=adoption_asker(console, edit, workspace.prefix, marks=False),
        init=init,
        dry_run=edit.dry_run,
    )
    connector = connector_for(yes=edit.yes)
    proposal = run_with_heartbeat(
        console,
        "reading the server",
        lambda say: import_workloads(workspace, options, request, connector=connector, say=say),
    )
    if proposal is None:
        return finish_edit(())
    show_imported(console, proposal, files, workspace.prefix, dry_run=edit.dry_run)
    return 0


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove these folders, the innermost first, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
