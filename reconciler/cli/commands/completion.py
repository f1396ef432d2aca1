"""`reconciler completion`: the script by which a shell asks this program what may come next."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reconciler.cli.help import HelpCommand

PROGRAM = "reconciler"
# What click derives from the program's name, and looks for when the program is called.
VARIABLE = "_RECONCILER_COMPLETE"


@click.command(cls=HelpCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL; commands, options and recorded addresses are offered.

    bash 4.4 or newer: put eval "$(reconciler completion bash)" into ~/.bashrc, or what this prints
    into ~/.bash_completion, which is quicker.

    zsh: put what this prints into a file _reconciler in a folder of fpath, before compinit runs.

    fish: put what this prints into ~/.config/fish/completions/reconciler.fish, and begin a new
    session.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
    return 0
