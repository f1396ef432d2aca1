"""`reconciler runs`: the history of applies and of surgery on the state."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.options import output_options, settings_from, state_options
from reconciler.cli.output.console import Console


@click.group()
def runs() -> None:
    """Look at what earlier runs did; they are remembered for 90 days."""


@runs.command("list")
@state_options
@output_options("text", "json")
def list_(**options: Any) -> int:
    """List every run that the state remembers, the newest first."""
    from reconciler.app.state.states import read_state
    from reconciler.report.machine.documents import run_document, to_text
    from reconciler.report.text.history import runs_text

    console = Console.of(options)
    with read_state(settings_from(options).state) as store:
        found = store.runs()
    console.emit("json", lambda: to_text([run_document(run) for run in found]))
    console.emit("text", lambda: runs_text(found))
    return 0


@runs.command()
@click.argument("run")
@state_options
@output_options("text", "json")
def show(run: str, **options: Any) -> int:
    """Show what RUN did to each workload; the beginning of its id is enough."""
    from reconciler.app.applying.runlog import GROUP
    from reconciler.app.state.states import find_run, read_state
    from reconciler.report.machine.documents import run_document, to_text
    from reconciler.report.text.history import run_text

    console = Console.of(options)
    with read_state(settings_from(options).state) as store:
        found = find_run(store.runs(), run)
        actions = store.actions(found.id)
    console.emit("json", lambda: to_text(run_document(found, actions)))
    console.emit("text", lambda: run_text(found, actions))
    if found.finished is None:
        console.note(
            "It did not end, or has not ended yet. What it did last may be missing here (up to "
            f"{GROUP - 1} actions); 'reconciler state list' has every workload."
        )
    return 0
