from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from reconciler.cli.help import EXAMPLES, GROUPS
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


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_fits_a_narrow_terminal(name: str) -> None:
    """80 columns, and no summary that is cut; only an example is longer than a line."""
    page = CliRunner().invoke(
        cli, [*name.split()[1:], "--help"], prog_name="reconciler", terminal_width=80
    )
    head, _, _ = page.stdout.partition("\nExample")
    assert [line for line in head.splitlines() if len(line) > 80] == []
    _, _, listed = head.partition("\nCommands:\n")
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


def test_every_command_has_an_example_that_it_understands() -> None:
    """Each is parsed by the command that it stands under."""
    leaves = {
        name.removeprefix("reconciler "): command
        for name, command in commands()
        if not isinstance(command, click.Group)
    }
    assert EXAMPLES.keys() == leaves.keys()
    for name, examples in EXAMPLES.items():
        for example in examples:
            words = shlex.split(example.partition(">>")[0])
            assert words[: len(name.split()) + 1] == ["reconciler", *name.split()]
            arguments = words[len(name.split()) + 1 :]
            leaves[name].make_context(name, arguments, resilient_parsing=True)


def test_the_options_of_long_helps_are_in_groups() -> None:
    """No table names a parameter that is gone, and what few commands have may stand last."""
    known = {param.name for _, command in commands() for param in command.params}
    assert {name for names in GROUPS.values() for name in names} - known == set()
    apply = dict(commands())["reconciler apply"]
    grouped = {name for names in GROUPS.values() for name in names}
    assert [p.name for p in apply.params if isinstance(p, click.Option)] == [
        p.name for p in apply.params if isinstance(p, click.Option) and p.name in grouped
    ]
