"""`reconciler state`: look at the record, and the surgery on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.complete import complete_recorded
from reconciler.cli.options import output_options, settings_from, state_options
from reconciler.cli.output.console import Console

if TYPE_CHECKING:
    from reconciler.core.model import Recorded


@click.group()
def state() -> None:
    """Look at what is recorded, check it, and change it by hand."""


@state.command("list")
@state_options
@output_options("text", "json")
def list_(**options: Any) -> int:
    """List every workload that the state records."""
    from reconciler.app.state.states import read_state
    from reconciler.report.machine.documents import record_document, to_text

    console = Console.of(options)
    with read_state(settings_from(options).state) as store:
        rows = sorted(store.read(), key=lambda row: row.address)
    console.emit("json", lambda: to_text([record_document(row) for row in rows]))
    console.emit("text", lambda: console.text().records(rows))
    return 0


@state.command()
@click.argument("address", shell_complete=complete_recorded)
@state_options
@output_options("json")
def show(address: str, **options: Any) -> int:
    """Show everything recorded of the workload ADDRESS."""
    from reconciler.app.state.states import find_record, read_state
    from reconciler.core.planning.renewal import renew_row
    from reconciler.core.redact import Redactor
    from reconciler.report.machine.documents import record_document, to_text

    console = Console.of(options, default="json")
    settings = settings_from(options)
    with read_state(settings.state) as store:
        # Earlier rules may have hidden less than today's.
        redactor = Redactor(store.header.lineage, settings.rules)
        row = renew_row(find_record(store.read(), address), redactor)
    console.emit("json", lambda: to_text(record_document(row, whole=True)))
    return 0


dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would be done, and do nothing."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")


_addresses = click.argument(
    "addresses",
    nargs=-1,
    required=True,
    metavar="ADDRESS...",
    shell_complete=complete_recorded,
)


@state.command(short_help="Refuse every delete and replace of workloads.")
@_addresses
@dry_run_option
@yes_option
@state_options
def protect(addresses: tuple[str, ...], **options: Any) -> int:
    """Refuse every delete and replace of ADDRESS... (also globs), also when the specs are gone.

    What a glob matches is shown and asked for.
    """
    return _set_protection(addresses, options, protect=True)


@state.command(short_help="Lift the protection of workloads.")
@_addresses
@dry_run_option
@yes_option
@state_options
def unprotect(addresses: tuple[str, ...], **options: Any) -> int:
    """Lift the protection of ADDRESS... (also globs).

    A spec that protects a workload does so again at the next apply. What a glob matches is shown
    and asked for.
    """
    return _set_protection(addresses, options, protect=False)


def _set_protection(addresses: tuple[str, ...], options: dict[str, Any], *, protect: bool) -> int:
    from reconciler.app.state.state_edits import set_protections
    from reconciler.core.globs import is_glob

    word = "protected" if protect else "unprotected"
    # Who writes an address out means that one; what a glob comes to, somebody should see first.
    confirmed = options["yes"] or not any(map(is_glob, addresses))
    done = set_protections(
        settings_from(options).state,
        addresses,
        protect=protect,
        command=f"reconciler state {word[:-2]} {' '.join(addresses)}",
        confirm=asker(options | {"yes": confirmed}, f"Shall these be {word}?"),
        dry_run=options["dry_run"],
    )
    now = "would be" if options["dry_run"] else "is now"
    for row in done.changed:
        Console().line(f"{row.address} {now} {word}.")
    for row in done.same:
        Console().line(f"{row.address} is already {word}.")
    return finish_edit((*done.changed, *done.same))


@state.command(short_help="Copy the state.")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@dry_run_option
@state_options
def backup(file: Path | None, **options: Any) -> int:
    """Copy the state to FILE, or to a folder beside it where the last five copies are kept.

    FILE must not be there yet, and its folder must be. An apply and every surgery do so by
    themselves before they change anything. A copy is a state like any other: look at it with
    --state, restore it with cp while nothing runs.
    """
    from reconciler.app.state.state_edits import back_up

    made = back_up(settings_from(options).state, file, dry_run=options["dry_run"])
    Console().line(f"{'Would copy' if options['dry_run'] else 'Copied'} the state to {made}.")
    return 0


@state.command(short_help="Look for damage in the state.")
@state_options
@output_options("text", "json")
def check(**options: Any) -> int:
    """Look at all of the state, and say what is wrong with it and the way out.

    Ends with 0 for a state that is sound, with 1 for one that is not. Workloads in doubt are
    counted and are no flaw: the next apply looks for them.
    """
    from reconciler.app.state.states import inspect, list_leftovers
    from reconciler.errors import StateError
    from reconciler.report.machine.documents import inspection_document, to_text
    from reconciler.report.text.history import inspection_text

    console = Console.of(options)
    found = inspect(settings_from(options).state)
    for file in list_leftovers(Path(found.path)):
        console.note(
            f"{file} was left behind by a command that was killed (or is being written at this "
            "moment): it is part of nothing, and can be removed while nothing runs"
        )
    console.emit("json", lambda: to_text(inspection_document(found)))
    console.emit("text", lambda: inspection_text(found))
    if found.flaws:
        raise StateError(f"the state {found.path} is not sound", hint=found.flaws[0].hint)
    return 0


@state.command(short_help="Forget a record; the workload stays.")
@click.argument("address", shell_complete=complete_recorded)
@dry_run_option
@yes_option
@state_options
def rm(address: str, **options: Any) -> int:
    """Forget the record of ADDRESS; the server is not asked, and keeps the workload.

    What is in doubt is not forgotten. If a spec still declares the workload, the next apply takes
    it back by its marker.
    """
    from reconciler.app.state.state_edits import forget

    ask = asker(options, "Forget this record?")
    rows = forget(
        settings_from(options).state,
        address,
        command=f"reconciler state rm {address}",
        confirm=ask,
        dry_run=options["dry_run"],
    )
    for row in rows:
        word = "Would forget" if options["dry_run"] else "Forgot"
        Console().line(f"{word} {row.address} ({row.id}).")
    return finish_edit(rows)


@state.command(short_help="Move records to another state.")
@_addresses
@click.option(
    "--to", required=True, type=click.Path(path_type=Path), metavar="STATE", help="Other state."
)
@click.option("--init", is_flag=True, help="Make the other state if there is none.")
@dry_run_option
@yes_option
@state_options
def move(addresses: tuple[str, ...], **options: Any) -> int:
    """Move the records of ADDRESS... (also globs) to another STATE, to split a repository.

    The other state is new, or got its records by a move from this one, and belongs to the same
    server and stack. Move the specs only afterwards, and before the next apply of either. Killed
    half-way, a move is finished by the same command.
    """
    from reconciler.app.state.moving import move as move_records

    ask = asker(options, f"Move these records to {options['to']}?")
    moved = move_records(
        settings_from(options).state,
        addresses,
        options["to"],
        command=f"reconciler state move {' '.join(addresses)} --to {options['to']}",
        confirm=ask,
        init=options["init"],
        dry_run=options["dry_run"],
    )
    word = "Would move" if options["dry_run"] else "Moved"
    for row in moved.rows:
        known = " (it was there already)" if row in moved.there else ""
        Console().line(f"{word} {row.address} to {options['to']}{known}.")
    return finish_edit(moved.rows)


def asker(options: dict[str, Any], question: str) -> Callable[[Sequence[Recorded]], bool]:
    """How a surgery is confirmed: by a flag, or by somebody at a terminal who sees the records."""
    if options["yes"] or options["dry_run"]:
        return lambda _: True
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; add --yes to go on without asking")

    def ask(rows: Sequence[Recorded]) -> bool:
        console = Console()
        console.warn(console.text(err=True).records(rows))
        return click.confirm(question, err=True)

    return ask


def finish_edit(done: Sequence[object]) -> int:
    """The end of a surgery; one that was declined says so."""
    if not done:
        Console().note("Nothing was changed.")
    return 0
