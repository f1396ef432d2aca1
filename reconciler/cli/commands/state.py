"""`reconciler state`: look at the record, and edit it by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.commands.claims import adopt, recover, resolve
from reconciler.cli.complete import complete_recorded
from reconciler.cli.help import HelpGroup
from reconciler.cli.option_tables import DRY_RUN
from reconciler.cli.options import (
    EditFlags,
    OutputOptions,
    edit_options,
    output_options,
    settings_from,
    state_options,
)
from reconciler.errors import StateError

if TYPE_CHECKING:
    from reconciler.app.settings import Flags, Settings
    from reconciler.core.states.places import StatePlace


@click.group(cls=HelpGroup)
def state() -> None:
    """Look at what is recorded, check it, and change it by hand."""


@state.command("list")
@state_options
@output_options("text", "json")
def list_(*, flags: Flags, output: OutputOptions) -> int:
    """List every workload that the state records."""
    from reconciler.app.state.states import project_ids, read_state
    from reconciler.cli.output.console import Console
    from reconciler.core.projects.addresses import names_of_projects

    console, settings = Console(output), settings_from(flags)
    with read_state(settings.state) as store:
        rows = store.read_by_address
        names = names_of_projects(project_ids(store, settings.projects))

        def document() -> str:
            from reconciler.report.machine.documents import record_document, to_list_text

            return to_list_text(record_document(row) for row in rows())

        console.emit("json", document)
        console.emit("text", lambda: console.text().records(rows(), names))
    return 0


@state.command()
@click.argument("address", shell_complete=complete_recorded)
@state_options
@output_options("json")
def show(address: str, *, flags: Flags, output: OutputOptions) -> int:
    """Show everything recorded of the workload ADDRESS."""
    from reconciler.app.state.states import find_records, project_ids, read_state
    from reconciler.cli.output.console import Console
    from reconciler.core.redact import Redactor
    from reconciler.core.renewal import renew_row
    from reconciler.core.states.address_records import find_replaced
    from reconciler.report.machine.documents import record_document, to_text

    console = Console(output, default="json")
    settings = settings_from(flags)
    with read_state(settings.state) as store:
        # Earlier rules may have hidden less than today's.
        redactor = Redactor(store.header.lineage, settings.rules)
        rows = find_records(store.read(), address, project_ids(store, settings.projects))
        row, replaced = renew_row(rows[-1], redactor), find_replaced(rows)
    console.emit("json", lambda: to_text(record_document(row, whole=True, replaced=replaced)))
    return 0


_addresses = click.argument(
    "addresses",
    nargs=-1,
    required=True,
    metavar="ADDRESS...",
    shell_complete=complete_recorded,
)


@state.command(short_help="Refuse every delete and replace of workloads.")
@_addresses
@edit_options
@state_options
def protect(addresses: tuple[str, ...], *, edit: EditFlags, flags: Flags) -> int:
    """Refuse every delete and replace of ADDRESS... (also globs), also when the specs are gone.

    What a glob matches is shown and asked for.
    """
    return _set_protection(addresses, edit, flags, protect=True)


@state.command(short_help="Lift the protection of workloads.")
@_addresses
@edit_options
@state_options
def unprotect(addresses: tuple[str, ...], *, edit: EditFlags, flags: Flags) -> int:
    """Lift the protection of ADDRESS... (also globs).

    A spec that protects a workload does so again at the next apply. What a glob matches is shown
    and asked for.
    """
    return _set_protection(addresses, edit, flags, protect=False)


def _set_protection(
    addresses: tuple[str, ...], edit: EditFlags, flags: Flags, *, protect: bool
) -> int:
    from reconciler.app.state.state_edits import set_protections
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit
    from reconciler.core.globs import is_glob

    verb, participle = ("protect", "protected") if protect else ("unprotect", "unprotected")
    # Who writes an address out means that one; what a glob matches, somebody should see first.
    asks = not edit.yes and any(map(is_glob, addresses))
    settings = settings_from(flags)
    done = set_protections(
        settings.state,
        addresses,
        aliases=settings.projects,
        protect=protect,
        command=f"reconciler state {verb} {' '.join(addresses)}",
        confirm=asker(edit, f"Shall these be {participle}?", asks=asks),
        dry_run=edit.dry_run,
    )
    console = Console()
    tense = "would be" if edit.dry_run else "is now"
    for row in done.changed:
        console.line(f"{row.address} {tense} {participle}.")
    for row in done.same:
        console.line(f"{row.address} is already {participle}.")
    return finish_edit((*done.changed, *done.same))


@state.command(short_help="Copy the state.")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@DRY_RUN
@state_options
def backup(file: Path | None, *, dry_run: bool, flags: Flags) -> int:
    """Copy the state to FILE, or to where it keeps its last five copies.

    FILE becomes an SQLite file; it must not be there yet, and its folder must be. An apply and
    every edit do so by themselves before they change anything. A copy is a state like any other:
    look at it with --state, take it back with 'state restore'.
    """
    from reconciler.app.state.state_edits import back_up
    from reconciler.cli.output.console import Console

    copy = back_up(settings_from(flags).state, file, dry_run=dry_run)
    Console().line(f"{'Would copy' if dry_run else 'Copied'} the state to {copy}.")
    return 0


@state.command(short_help="Take a copy of the state back.")
@click.argument("copy", required=False, metavar="[FILE|TIME]")
@edit_options
@state_options
def restore(copy: str | None, *, edit: EditFlags, flags: Flags) -> int:
    """Replace all records by those of a copy: a FILE, or one of the copies that the state keeps.

    Without an argument, the copies that the state keeps are listed; the beginning of a TIME chooses
    one. The server is not asked, and today's records are copied first. The next apply finds the
    workloads that the copy lacks by their markers.
    """
    from reconciler.app.state import restoring
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit
    from reconciler.report.text.formatting import number_of

    console, settings = Console(), settings_from(flags)
    if copy is None:
        copies = restoring.read_copies(settings.state)
        for state_copy in copies:
            console.line(f"{state_copy.taken_at}  serial {state_copy.serial}")
        if not copies:
            console.note("The state keeps no copies yet; an apply and every edit make one.")
        return 0
    restored = restoring.restore(
        settings.state,
        copy,
        rules=settings.rules,
        command=f"reconciler state restore {copy}",
        confirm=asker(edit, "Replace what is recorded by these records?"),
        dry_run=edit.dry_run,
    )
    if restored is None:
        return finish_edit([])
    verb = "Would restore" if edit.dry_run else "Restored"
    console.line(f"{verb} {number_of(len(restored.rows), 'record')} from {restored.copy}.")
    for row in restored.dropped:
        console.line(f"{row.address} is not in the copy ({row.id or 'no id'}).")
    return 0


@state.command(short_help="Print the SQL for a state in PostgreSQL.")
@click.option(
    "--upgrade", is_flag=True, help="Bring the tables of an older version to the present format."
)
@state_options
def sql(*, upgrade: bool, flags: Flags) -> int:
    """Print the tables, roles and grants of a state in PostgreSQL, for the owner of the database.

    Pipe it into psql, once for each schema. Connects to no database.
    """
    from reconciler.app.state.states import sql_of
    from reconciler.cli.output.console import Console

    Console().line(sql_of(settings_from(flags).state, upgrade=upgrade).rstrip("\n"))
    return 0


@state.command(short_help="Look for damage in the state.")
@state_options
@output_options("text", "json")
def check(*, flags: Flags, output: OutputOptions) -> int:
    """Check all of the state, and report each problem with a way out.

    Ends with 0 for a sound state, and with 1 for a damaged one. Workloads in doubt are counted and
    are no problem: the next apply looks for them.
    """
    from reconciler.app.state.states import content_digest, inspect, list_leftovers
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import inspection_document, to_text
    from reconciler.report.text.history import inspection_text

    console = Console(output)
    place = settings_from(flags).state
    inspection = inspect(place)
    for file in list_leftovers(place):
        console.note(
            f"{file} was left behind by a command that was killed, or is being written now. It is "
            "part of nothing; remove it while nothing runs."
        )
    # A state that is not sound may not be readable at all.
    content = "" if inspection.flaws else content_digest(place)
    console.emit("json", lambda: to_text(inspection_document(inspection) | {"content": content}))
    console.emit("text", lambda: inspection_text(inspection))
    # After the report, so that a script learns by the code what a person has read.
    if inspection.flaws:
        raise StateError(f"the state {place.title} is not sound", hint=inspection.flaws[0].hint)
    return 0


@state.command(short_help="Forget a record; the workload stays.")
@click.argument("address", shell_complete=complete_recorded)
@edit_options
@state_options
def rm(address: str, *, edit: EditFlags, flags: Flags) -> int:
    """Forget the record of ADDRESS; the server is not asked, and keeps the workload.

    What is in doubt is not forgotten. If a spec still declares the workload, the next apply takes
    it back by its marker.
    """
    from reconciler.app.state.state_edits import forget
    from reconciler.cli.output.edits import asker, finish_edit, list_edited

    settings = settings_from(flags)
    rows = forget(
        settings.state,
        address,
        aliases=settings.projects,
        command=f"reconciler state rm {address}",
        confirm=asker(edit, "Forget this record?"),
        dry_run=edit.dry_run,
    )
    list_edited(rows, "Would forget" if edit.dry_run else "Forgot")
    return finish_edit(rows)


@state.command(short_help="Move records, or all of the state, to another one.")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS...]", shell_complete=complete_recorded)
@click.option("--all", "everything", is_flag=True, help="Move the whole state, with its history.")
@click.option(
    "--to", required=True, metavar="STATE", help="Other state: a file, postgresql://… or s3://…."
)
@click.option("--init", is_flag=True, help="Create the other state if there is none.")
@edit_options
@state_options
def move(
    addresses: tuple[str, ...],
    *,
    everything: bool,
    to: str,
    init: bool,
    edit: EditFlags,
    flags: Flags,
) -> int:
    """Move the records of ADDRESS... (also globs) to another STATE, to split a repository.

    The other state must be new, or come from an earlier move, and have the same server and stack.
    Move the specs afterwards, and before the next apply of either.

    With --all the whole state moves between files and databases: all records, also those in doubt,
    and the history. From then on the old place refuses every command, and names the new one. If a
    move is killed half-way, the same command finishes it.
    """
    if bool(addresses) is everything:
        raise click.UsageError("give the addresses of the records to move, or --all")
    from reconciler.app.settings import place_from
    from reconciler.app.state.moving import move as move_records
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit

    settings = settings_from(flags)
    receiver = place_from(to, stack=settings.stack, origin="--to")
    if everything:
        return _relocate(settings, receiver, edit, init=init)
    moved = move_records(
        settings.state,
        addresses,
        receiver,
        aliases=settings.projects,
        command=f"reconciler state move {' '.join(addresses)} --to {receiver}",
        confirm=asker(edit, f"Move these records to {receiver}?"),
        init=init,
        dry_run=edit.dry_run,
    )
    verb = "Would move" if edit.dry_run else "Moved"
    for row in moved.rows:
        already = " (it was there already)" if row in moved.present else ""
        Console().line(f"{verb} {row.address} to {receiver}{already}.")
    return finish_edit(moved.rows)


def _relocate(settings: Settings, to: StatePlace, edit: EditFlags, *, init: bool) -> int:
    from reconciler.app.state.relocating import relocate
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.edits import asker, finish_edit
    from reconciler.report.text.formatting import number_of

    moved = relocate(
        settings.state,
        to,
        command=f"reconciler state move --all --to {to}",
        confirm=asker(edit, f"Move the whole state to {to}?"),
        init=init,
        dry_run=edit.dry_run,
    )
    if moved is None:
        return finish_edit([])
    verb = "Would move" if edit.dry_run else "Moved"
    if moved.finished:
        verb = "Would finish a move of" if edit.dry_run else "Finished a move of"
    counts = f"{number_of(len(moved.rows), 'record')} and {number_of(moved.runs, 'run')}"
    Console().line(f"{verb} {counts} to {to}.")
    if not edit.dry_run:
        Console().note(
            f"{settings.state} is not used any more: give the new address in reconciler.yaml and "
            "in every pipeline, and remove copies of it from caches."
        )
    return 0


for edit_with_server in (adopt, resolve, recover):
    state.add_command(edit_with_server)
