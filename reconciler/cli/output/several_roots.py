"""One report of a command that was given several folders, each a repository of its own."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.invocation import current_commands, remember_commands
from reconciler.cli.options import OutputOptions
from reconciler.cli.output.console import ESCAPES, Console, explain
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


class CombiningConsole(Console):
    """A console that keeps the results of each folder, and shows those of all as one."""

    def __init__(self, options: OutputOptions, *, beside: Collection[str]) -> None:
        super().__init__(options, beside=beside)
        if self.wants("html"):
            raise click.UsageError("-o html is for one DIR")
        self._kept: defaultdict[str, list[tuple[Path, str]]] = defaultdict(list)
        self.folder = Path()
        """The folder whose results come next."""

    def emit(self, name: str, render: Callable[[], str]) -> None:
        """Keep a finished result, if anybody wants it."""
        if self.wants(name):
            # Now, while it is known which folder its commands are about.
            result = current_commands().completed(render(), ESCAPES.get(name, str))
            self._kept[name].append((self.folder, result))

    def show_all(self) -> None:
        """Give the results of all folders to every output of their format."""
        for name, results in self._kept.items():
            super().emit(name, partial(_combine, name, results))


def for_each_root(
    console: CombiningConsole,
    folders: Sequence[Path],
    flags: Flags,
    run: Callable[[Path], int],
) -> int:
    """Run a command for each folder, show one report, and return the highest exit code.

    What ends the command for one folder does not end it for the others. Raises click's usage
    error for what only one repository can have.
    """
    for name in ("state", "config", "stack"):
        if getattr(flags, name) is not None:
            raise click.UsageError(f"{flags.origins[name]} is for one DIR, and several are given")
    codes = []
    for folder in folders:
        console.folder = folder
        remember_commands(flags, [folder])
        try:
            codes.append(run(folder))
        except ReconcilerError as error:
            error.complete_commands(current_commands().completed)
            console.warn(f"{folder}:")
            explain(error)
            codes.append(error.exit_code)
    # The commands in the results are complete.
    remember_commands(flags, ())
    console.show_all()
    return max(codes)


def _combine(name: str, results: Sequence[tuple[Path, str]]) -> str:
    """The results of one format as one: documents in a list, lists joined, numbers added up."""
    match name:
        case "json":
            return _to_text([json.loads(text) for _, text in results])
        case "gitlab":
            return _to_text([item for _, text in results for item in json.loads(text)])
        case "gitlab-plan":
            total: Counter[str] = Counter()
            for _, text in results:
                total.update(json.loads(text))
            return _to_text(dict(total))
        case "text":
            return "\n\n".join(f"{folder}:\n{text}" for folder, text in results)
        case _:
            return "\n\n".join(text for _, text in results)


def _to_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
