"""Commands that are imported when they are called, so that nobody waits for all the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

import click

from reconciler.cli.invocation import add_folder_option


class LazyCommands(MutableMapping[str, click.Command]):
    """The commands of a group by their names; `places` says `module.attribute` for each.

    Listing the names imports nothing.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._commands: dict[str, str | click.Command] = dict(places)

    def __getitem__(self, name: str) -> click.Command:
        place = self._commands[name]
        if isinstance(place, click.Command):
            return place
        module, _, attribute = place.partition(".")
        command: click.Command = getattr(
            import_module(f"reconciler.cli.commands.{module}"), attribute
        )
        add_folder_option(command)
        self._commands[name] = command
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)

    def __contains__(self, name: object) -> bool:
        # The inherited one would import the command.
        return name in self._commands
