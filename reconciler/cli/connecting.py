"""How a command reaches servers, and whom it can ask about one."""

from __future__ import annotations

import os
import sys

import click

from reconciler.app.session import Connector
from reconciler.report.text.escape import escape_terminal


def connector_for(*, yes: bool) -> Connector:
    """The way to the network; a person at a terminal is asked about a server unless --yes is given.

    Where the question could not be seen, because standard error leads elsewhere, nobody is asked.
    """
    can_ask = sys.stdin.isatty() and sys.stderr.isatty() and not yes
    return Connector.system(os.environ, confirm=_ServerQuestion() if can_ask else None)


class _ServerQuestion:
    """Asks about each server once, however often this process connects to it."""

    def __init__(self) -> None:
        self._confirmed: set[str] = set()

    def __call__(self, url: str, source: str) -> bool:
        """Whether the server at this address is meant."""
        if url not in self._confirmed:
            # Both come from a file that a pull request may change.
            place = escape_terminal(source or "the configuration")
            click.echo(f"{place} names the server {url}, and nothing else confirms it.", err=True)
            if not click.confirm("Send your credentials there?", err=True):
                return False
            self._confirmed.add(url)
        return True
