from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli
from tests.cli.imports import HEAVY, LOADED
from tests.support.places import ROOT
from tools.generate_docs import error_classes


def commands(
    group: click.Group = cli, path: tuple[str, ...] = ("reconciler",)
) -> Iterator[tuple[str, click.Command]]:
    """Every command and group with the words that call it."""
    yield " ".join(path), group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["plan", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    """Whoever asks for help does not wait for libraries that only work needs."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    code, modules = json.loads(done.stderr)
    assert code == 0
    assert HEAVY & {name.partition(".")[0] for name in modules} == set()
    assert done.stdout.startswith(("Usage: reconciler", "reconciler "))


def test_every_command_has_help() -> None:
    """What a command does is said in its own help, in whole sentences."""
    helps = {name: command.help or "" for name, command in commands()}
    assert [name for name, words in helps.items() if not words.rstrip().endswith(".")] == []


def test_every_option_has_help() -> None:
    """No flag has to be guessed."""
    silent = [
        f"{name} {option.opts[-1]}"
        for name, command in commands()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_answers_to_help(name: str) -> None:
    """`-h` and `--help` show the same page, which begins with how to call the command."""
    command = dict(commands())[name]
    first, second = (
        CliRunner().invoke(cli, [*name.split()[1:], flag], prog_name="reconciler")
        for flag in ("-h", "--help")
    )
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    assert first.stdout.startswith(f"Usage: {name} [OPTIONS]")
    assert (command.help or "").split()[0] in first.stdout


def test_an_exit_code_has_one_meaning() -> None:
    """No two errors claim the same code; 2 means changes and 1 what has no code of its own."""
    owners = {
        error.__name__: error.exit_code for error in error_classes() if "exit_code" in vars(error)
    }
    assert owners == {
        "InvalidInputError": 3,
        "LockedError": 6,
        "ReconcilerError": 1,
        "RefusedError": 5,
        "StalePlanError": 7,
        "UnreachableError": 9,
        "UsageError": 64,
    }
    assert len(set(owners.values())) == len(owners)
