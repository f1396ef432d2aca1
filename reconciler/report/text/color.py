"""Colours: the one place that knows about escape sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.report.text.escape import escape_terminal

if TYPE_CHECKING:
    # A validation colours as well, and starts without what compares documents.
    from reconciler.core.model import Address
    from reconciler.report.changes import ChangeLine

COLOURS = {
    "create": "green",
    "replace": "yellow",
    "update": "blue",
    "delete": "red",
    "adopt": "cyan",
    "forget": "magenta",
    "resolve": "cyan",
    "record": "blue",
    "hold": "bright_black",
}
SIGN_COLOURS = {"+": "green", "-": "red", "~": "yellow", "@": "cyan", " ": ""}


class ColorWriter:
    """Colours text, or leaves it alone; nothing else decides about escape sequences."""

    def __init__(self, *, colour: bool = False) -> None:
        self._colour = colour

    def __call__(self, text: str, colour: str) -> str:
        """The text in a colour; without a name of one as it is."""
        return click.style(text, fg=colour or None) if self._colour and colour else text

    def bold(self, text: str) -> str:
        """The text where it should be seen first."""
        return click.style(text, bold=True) if self._colour else text

    def dim(self, text: str) -> str:
        """The text where it should be seen last."""
        return click.style(text, dim=True) if self._colour and text else text

    def line(self, line: ChangeLine) -> str:
        """A line of a difference in the colour of its sign."""
        margin = "  " if line.inner else ""
        text = f"{margin}{line.sign} {escape_terminal(line.text)}".rstrip()
        return self(text, SIGN_COLOURS[line.sign])


def with_hint(text: str, hint: str) -> str:
    """A way out on a line below what it is for."""
    return f"{text}\n  hint: {escape_terminal(hint)}" if hint else text


def name_of(address: Address) -> str:
    """An address, made harmless."""
    # A server or an edited state may have names that no spec may have.
    return escape_terminal(str(address))
