"""`reconciler state`: look at the record, and the small surgery on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.console import Console
from reconciler.cli.options import flags_from, output_options, state_options

if TYPE_CHECKING:
    from reconciler.app.settings import Settings


@click.group()
def state() -> None:
    """Look at what is recorded, and protect workloads."""


def _settings(options: dict[str, Any]) -> Settings:
    from reconciler.app.workspace import settings_here

    return settings_here(Path(), flags_from(options), os.environ)


@state.command("list")
@state_options
@output_options("text", "json")
def list_(**options: Any) -> int:
    """List every workload that the state records."""
    from reconciler.app.states import read_state
    from reconciler.report.documents import record_document, to_text

    console = Console.of(options)
    with read_state(_settings(options).state) as store:
        rows = sorted(store.read(), key=lambda row: row.address)
    console.emit("json", lambda: to_text([record_document(row) for row in rows]))
    console.emit("text", lambda: console.text().records(rows))
    return 0


@state.command()
@click.argument("address")
@state_options
@output_options("json")
def show(address: str, **options: Any) -> int:
    """Show everything recorded of the workload ADDRESS."""
    from reconciler.app.states import find_record, read_state
    from reconciler.report.documents import record_document, to_text

    console = Console.of(options, default="json")
    with read_state(_settings(options).state) as store:
        row = find_record(store.read(), address)
    console.emit("json", lambda: to_text(record_document(row, whole=True)))
    return 0


@state.command()
@click.argument("address")
@state_options
def protect(address: str, **options: Any) -> int:
    """Refuse every delete and replace of ADDRESS, also when its spec is gone."""
    return _set_protection(address, options, protect=True)


@state.command()
@click.argument("address")
@state_options
def unprotect(address: str, **options: Any) -> int:
    """Lift the protection of ADDRESS; a spec that protects it does so again at the next apply."""
    return _set_protection(address, options, protect=False)


def _set_protection(address: str, options: dict[str, Any], *, protect: bool) -> int:
    from reconciler.app.states import set_protection

    word = "protected" if protect else "unprotected"
    command = f"reconciler state {word[:-2]}"
    path = _settings(options).state
    changed = set_protection(path, address, protect=protect, command=command)
    Console().line(f"{address} is {'now ' if changed else 'already '}{word}.")
    return 0
