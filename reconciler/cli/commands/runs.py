"""`reconciler runs`: the history of applies and of edits of the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpGroup
from reconciler.cli.options import OutputOptions, output_options, settings_from, state_options

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


@click.group(cls=HelpGroup)
def runs() -> None:
    """Look at what earlier runs did; they are remembered for 90 days."""


@runs.command("list")
@state_options
@output_options("text", "json")
def list_(*, flags: Flags, output: OutputOptions) -> int:
    """List every run that the state remembers, the newest first."""
    from reconciler.app.state.states import read_state
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import run_document, to_text
    from reconciler.report.text.history import runs_text

    console = Console(output)
    with read_state(settings_from(flags).state) as store:
        entries, at_work = store.runs(), store.writer()
    console.emit("json", lambda: to_text([run_document(entry) for entry in entries]))
    console.emit("text", lambda: runs_text(entries, at_work, width=console.width()))
    return 0


@runs.command()
@click.argument("run")
@state_options
@output_options("text", "json")
def show(run: str, *, flags: Flags, output: OutputOptions) -> int:
    """Show what RUN did to each workload; the beginning of its id is enough."""
    from reconciler.app.applying.runlog import GROUP
    from reconciler.app.state.states import find_run, read_state
    from reconciler.cli.output.console import Console
    from reconciler.report.machine.documents import run_document, to_text
    from reconciler.report.text.history import find_running, run_text

    console = Console(output)
    with read_state(settings_from(flags).state) as store:
        entries = store.runs()
        entry = find_run(entries, run)
        actions = store.actions(entry.id)
        is_running = find_running(entries, store.writer()) is entry
    console.emit("json", lambda: to_text(run_document(entry, actions)))
    console.emit("text", lambda: run_text(entry, actions, is_running=is_running))
    if entry.finished is None:
        # A run writes its history in groups, so the last one of a killed run is lost.
        console.note(
            "This run has not ended, or was killed. Its last actions may be missing here (up to "
            f"{GROUP - 1}); 'reconciler state list' shows every workload."
        )
    return 0
