"""How a command reaches servers, and whom it can ask about one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reconciler.app.session import Connector


def connector_for(options: Mapping[str, Any]) -> Connector:
    """The way to the network; a person at a terminal is asked about a server unless --yes is given.

    Where the question could not be seen, because standard error leads elsewhere, nobody is asked.
    """
    from reconciler.app.session import Connector

    can_ask = sys.stdin.isatty() and sys.stderr.isatty() and not options.get("yes")
    return Connector.system(os.environ, confirm=_ServerQuestion() if can_ask else None)


class _ServerQuestion:
    """Asks about each server once, however often this process connects to it."""

    def __init__(self) -> None:
        self._confirmed: set[str] = set()

    def __call__(self, url: str, source: str) -> bool:
        """Whether the server at this address is meant."""
        from reconciler.report.text.escape import escape_terminal

        if url not in self._confirmed:
            place = escape_terminal(source or "the configuration")
            click.echo(f"{place} names the server {url}, and nothing else confirms it.", err=True)
            if not click.confirm("Send your credentials there?", err=True):
                return False
            self._confirmed.add(url)
        return True
