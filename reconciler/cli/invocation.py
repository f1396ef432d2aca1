"""How this run was called, so that every command it prints can be run from the same place."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reconciler.app.settings import Flags
    from reconciler.report.commands import Commands

_KEY = f"{__name__}.commands"
_CHDIR = f"{__name__}.chdir"


def _change_folder(context: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    """Go where `-C` says for as long as the command runs; a second one goes on from there."""
    if folder is None or context.resilient_parsing:
        return
    before = Path.cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        raise click.UsageError(f"-C: {folder}: {error.strerror}") from error
    context.find_root().call_on_close(lambda: os.chdir(before))
    context.meta[_CHDIR] = context.meta.get(_CHDIR, Path()) / folder


def folder_option(*, hidden: bool = False) -> click.Option:
    """`-C DIR`, which is handled before all that is read from there."""
    return click.Option(
        ["-C", "chdir"],
        metavar="DIR",
        type=click.Path(path_type=Path),
        expose_value=False,
        is_eager=True,
        hidden=hidden,
        callback=_change_folder,
        help="Run as if started in DIR; also after the command.",
    )


def add_folder_option(command: click.Command) -> None:
    """Give `-C DIR` to a command and all below it, where their helps do not repeat it."""
    command.params.insert(0, folder_option(hidden=True))
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        add_folder_option(below)


def remember_commands(flags: Flags, paths: Sequence[Path]) -> Commands:
    """Keep for this run how other commands reach the same specs and the same state."""
    from reconciler.report.commands import Commands

    context = click.get_current_context()
    chdir = context.meta.get(_CHDIR)
    state, config, stack = (place_options(flags, name) for name in ("state", "config", "stack"))
    folders = [path for path in paths if path != Path()]
    words = "".join(f" {shlex.quote(str(path))}" for path in folders)
    commands = Commands(
        chdir=f" -C {shlex.quote(str(chdir))}" if chdir else "",
        specs=f"{words}{state}{config}",
        state=f"{state}{config}{_place_of(folders, flags)}",
        stack=stack,
    )
    context.meta[_KEY] = commands
    return commands


def current_commands() -> Commands:
    """What was kept, or commands without any place where nothing was."""
    from reconciler.report.commands import COMMANDS

    context = click.get_current_context(silent=True)
    commands = context.meta.get(_KEY) if context else None
    return commands or COMMANDS


def _place_of(folders: Sequence[Path], flags: Flags) -> str:
    """What a command that takes no folder needs to find the state of the first one."""
    from reconciler.app.settings import DEFAULT_STATE
    from reconciler.specs.config import config_file, find_root

    folder = next((path for path in folders if str(path) != "-"), None)
    if folder is None or flags.config is not None:
        return ""
    root = find_root(folder if folder.is_dir() else folder.parent)
    config, near = config_file(root), config_file(find_root(Path()))
    if config is not None:
        is_near = near is not None and near.samefile(config)
        return "" if is_near else f" --config {_typed(config, like=folder)}"
    if near is not None or flags.state is not None or root.resolve() == Path().resolve():
        return ""
    return f" --state {_typed(root / DEFAULT_STATE, like=folder)}"


def _typed(path: Path, *, like: Path) -> str:
    """An absolute path as one would type it beside another one."""
    return shlex.quote(str(path) if like.is_absolute() else os.path.relpath(path))


def place_options(flags: Flags, *names: str) -> str:
    """The given ones of these options, by which the next command finds the same state.

    What a variable of the environment said holds for the next one too.
    """
    from reconciler.core.states.places import hide_secrets

    state = flags.state and hide_secrets(flags.state)
    given = {"state": state, "config": flags.config, "stack": flags.stack}
    return "".join(
        f" --{name} {shlex.quote(str(given[name]))}"
        for name in names
        if flags.origins.get(name) == f"--{name}"
    )
