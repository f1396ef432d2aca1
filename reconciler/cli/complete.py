"""What a shell offers for an address: read from the state, quickly, and never with a complaint."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

# More than a person can choose from; a shell would ask whether to show them all.
_MOST = 1000


def complete_recorded(
    context: click.Context, _option: click.Parameter, incomplete: str
) -> list[str]:
    """The addresses that the state of the line typed so far records.

    Whatever is wrong, nothing is offered and nothing is said: it would land in the middle of the
    line that somebody is typing.
    """
    with contextlib.suppress(Exception):
        # Only here: this module is loaded by every command, for the options that it completes.
        from reconciler.app.repositories import settings_here
        from reconciler.app.settings import Flags
        from reconciler.core.states.places import FilePlace
        from reconciler.state.summary import summarize_state

        config, state = context.params.get("config"), context.params.get("state")
        flags = Flags(config=Path(config) if config else None, state=state or None)
        settings = settings_here(_folder(context), flags, os.environ)
        if not isinstance(settings.state, FilePlace):
            # A shell waits for this line: no database is asked, however near it is.
            return []
        addresses = summarize_state(settings.state.path).addresses
        return [address for address in addresses if address.startswith(incomplete)][:_MOST]
    return []


def _folder(context: click.Context) -> Path:
    """The folder that the command is about; before an option that has no value yet, it is unread.

    Click stops at such an option, and leaves the arguments as they were typed.
    """
    name = {"directory", "directories"} & {option.name for option in context.command.params}
    if not name:
        return Path()
    unread = [Path(argument) for argument in context.args if Path(argument).is_dir()]
    read = context.params.get(name.pop()) or Path()
    folders = unread or (list(read) if isinstance(read, tuple) else [read])
    return folders[0]
