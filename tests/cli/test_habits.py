"""Who types what another tool has is told the command of this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.habits import COMMANDS, OPTIONS, find_habit
from reconciler.cli.main import cli as group
from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plan -out plan.json", "plan has no -out: to save a plan: reconciler plan --save FILE"),
        (
            "apply -target=4501/chat",
            "apply has no -target: to choose workloads: -t PATTERN, a glob on <projectId>/<name>",
        ),
        ("apply -auto-approve", "apply has no -auto-approve: to apply without a question: --yes"),
        ("-C w apply -y", "apply has no -y: to apply without a question: --yes"),
        ("apply w -y", "apply has no -y: to apply without a question: --yes"),
        (
            "apply --dry-run",
            "apply has no --dry-run: to see what an apply would do: reconciler plan",
        ),
        ("plan -detailed-exitcode", "plan has no -detailed-exitcode: write --detailed-exitcode"),
        ("apply -replace=4501/chat", "apply has no -replace: write --replace"),
        (
            "taint 4501/chat",
            (
                "there is no command 'taint': to make a workload anew: "
                "reconciler apply --replace ADDRESS"
            ),
        ),
        (
            "diff",
            "there is no command 'diff': to see what an apply would change: reconciler plan",
        ),
        (
            "fmt",
            (
                "there is no command 'fmt': files stay as they are written; "
                "to see effective specs: reconciler render"
            ),
        ),
        (
            "import 4501/chat ID",
            (
                "import has no --into: add it, with the folder for the specs of what runs; "
                "to record one workload by its id: reconciler state adopt ADDRESS --id ID"
            ),
        ),
    ],
)
def test_a_habit_gets_one_sentence(cli: Cli, line: str, said: str) -> None:
    """Wrong usage, and nothing else is printed."""
    result = cli(*line.split())
    assert (result.code, result.out, result.err) == (64, "", f"error: {said}\n")


@pytest.mark.parametrize(
    "line",
    [
        "plan -ojson",
        "plan -qv",
        "apply -t 4501/* --yes",
        "apply -- -y",
        "state rm 1/a --dry-run",
        "import --into w",
        "import --help",
        "nonsense",
        "",
    ],
)
def test_what_this_program_has_is_no_habit(line: str) -> None:
    """Its own options, values that are put to them, and what follows the end of options."""
    assert find_habit(line.split(), group) == ""


def test_no_habit_is_a_command_or_an_option_of_ours() -> None:
    """A command that arrives takes its sentence out of the table."""
    assert COMMANDS.keys() & group.commands.keys() == set()
    apply = {text for param in group.commands["apply"].params for text in param.opts}
    assert OPTIONS.keys() & apply == set()


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_saved_plan_is_no_folder(cli: Cli, tmp_path: Path, command: str) -> None:
    """It is recognised by how it begins, and the right option is named."""
    file = tmp_path / "my plan.json"
    file.write_text('{\n  "format_version": "1.1"\n}\n')
    result = cli(command, file, *(["--yes"] if command == "apply" else []))
    assert result.code == 64
    assert result.err == (
        f"error: {file} is a saved plan, not a folder of specs\n"
        f"  hint: reconciler apply --plan '{file}'\n"
    )
