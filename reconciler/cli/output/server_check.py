"""What `validate --server` adds to a validation: the server's objections, and whom it looked at."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

from reconciler.app.planning.server_check import check_on_server
from reconciler.app.settings import Flags, resolve_settings
from reconciler.cli.connecting import connector_for
from reconciler.cli.live.heartbeat import Heartbeat
from reconciler.cli.output.console import Console
from reconciler.core.diagnostics import has_errors, sort_diagnostics
from reconciler.report.text.formatting import number_of
from reconciler.specs.config import Config
from reconciler.specs.loaded import Loaded

_MOST_NAMED = 5


def check_by_server(
    console: Console, loaded: Loaded, flags: Flags, *, root: Path, config: Config
) -> Loaded:
    """What was loaded, with what the server says of it; unchanged where it has errors already.

    Raises a ReconcilerError where the server cannot be asked, or must not be. Does not return after
    a signal.
    """
    if has_errors(loaded.diagnostics):
        console.note("The server was not asked: the specs have errors.")
        return loaded
    settings = resolve_settings(flags, config, root=root, environ=os.environ)
    with Heartbeat(console, "asking the server") as heartbeat:
        result = asyncio.run(
            check_on_server(loaded, settings, connector=connector_for(yes=False), say=heartbeat.say)
        )
    if result.removed:
        listed = ", ".join(map(str, result.removed))
        console.warn(f"deleted what a dry run has created: {listed}")
    if result.stopped_by is not None:
        # The search is over, so it does what it does to every other command.
        signal.raise_signal(result.stopped_by)
    if result.unlisted:
        console.note(f"Not looked for what earlier dry runs may have created: {result.unlisted}")
    if has_errors(result.loaded.diagnostics):
        console.note("The server was asked for projects only: the specs have errors.")
        return result.loaded
    console.note(f"The server has checked {number_of(result.checked, 'new workload')}.")
    if result.named:
        first = ", ".join(map(str, result.named[:_MOST_NAMED]))
        others = len(result.named) - _MOST_NAMED
        more = f" and {others} more" if others > 0 else ""
        console.note(f"Only the name was checked of those that exist: {first}{more}.")
    diagnostics = sort_diagnostics((*result.loaded.diagnostics, *result.diagnostics))
    return replace(result.loaded, diagnostics=diagnostics)
