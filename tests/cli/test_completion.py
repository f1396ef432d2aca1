from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.cli.complete import complete_recorded
from tests.cli.conftest import PROGRAM, Cli
from tests.cli.imports import HEAVY, LOADED
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.places import ROOT

# What bash does for a Tab, with the words that are on the line.
PRESS = """
eval "$(reconciler completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_reconciler_completion reconciler
printf '%s\\n' "${COMPREPLY[@]}"
"""


def press(*words: str, **environ: str) -> list[str]:
    """What a real bash offers for the last of these words; it says nothing else."""
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS, "bash", "reconciler", *words],
        capture_output=True,
        check=True,
        env=os.environ | {"PATH": path} | environ,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def ask(shell: str, *words: str) -> str:
    """What the script of a shell gets when it asks the program, by click's protocol."""
    line = {
        "_RECONCILER_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(("reconciler", *words)),
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
    }
    done = subprocess.run(
        [str(PROGRAM)],
        capture_output=True,
        check=True,
        env=os.environ | line,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def project(cli: Cli, tmp_path: Path, server: Mapping[str, str]) -> str:
    """A project with two recorded workloads; the repository is the working directory."""
    del server
    project = new_project()
    write_specs(tmp_path, spec("chat", project), spec("train", project))
    assert cli("apply", "--yes", "--init").code == 0
    return project


def test_bash_completes_commands_and_options() -> None:
    """As the script that is printed for it makes it do."""
    assert press("sta") == ["state", "status"]
    assert press("state", "un") == ["unprotect"]
    assert press("plan", "--detailed") == ["--detailed-exitcode"]
    assert press("plan", "--on-drift", "") == ["report", "update", "replace"]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("state", "show"),
        ("state", "rm"),
        ("state", "protect"),
        ("state", "move", "x"),
        ("state", "resolve"),
        ("plan", "-t"),
        ("apply", ".", "--replace"),
        ("destroy", "--exclude"),
    ],
    ids=" ".join,
)
def test_recorded_addresses_are_completed(project: str, words: tuple[str, ...]) -> None:
    """Wherever one is expected, from the state of this folder."""
    offered = press(*words, f"{project}/")
    assert offered == [f"{project}/chat", f"{project}/train"]


def test_a_state_elsewhere_is_the_one_that_is_named(project: str, tmp_path: Path) -> None:
    """By an option typed before, by the environment, or by the folder of an apply."""
    elsewhere = tmp_path.parent / f"{tmp_path.name}-moved.db"
    (tmp_path / ".reconciler/state.db").rename(elsewhere)
    assert press("status", f"{project}/c") == []
    assert press("status", "--state", str(elsewhere), f"{project}/c") == [f"{project}/chat"]
    named = {"RECONCILER_STATE": str(elsewhere)}
    assert press("status", f"{project}/c", **named) == [f"{project}/chat"]


def test_the_folder_of_a_plan_names_its_state(project: str, tmp_path: Path) -> None:
    """Also when the shell is somewhere else."""
    other = tmp_path.parent
    os.chdir(other)
    assert press("plan", tmp_path.name, "-t", f"{project}/t") == [f"{project}/train"]


@pytest.mark.parametrize("content", [b"", b"not a state", None])
def test_trouble_is_silent(tmp_path: Path, content: bytes | None) -> None:
    """Nothing is offered, nothing is said, nothing is made."""
    (tmp_path / "reconciler.yaml").write_text("stack: [")
    if content is not None:
        (tmp_path / "s.db").write_bytes(content)
    assert press("status", "--state", "s.db", "4501/") == []
    assert press("status", "4501/") == []
    wanted = {"reconciler.yaml"} | ({"s.db"} if content is not None else set())
    assert {path.name for path in tmp_path.iterdir()} == wanted


def test_what_breaks_is_silent() -> None:
    """Whatever it is: a traceback would land in the line that somebody is typing."""
    assert complete_recorded(None, None, "") == []  # type: ignore[arg-type] # broken on purpose


def test_zsh_and_fish_get_their_answers(project: str) -> None:
    """Each in the form that its script reads, whether or not the shell is here."""
    assert ask("zsh", "state", "show", f"{project}/c") == f"plain\n{project}/chat\n_\n"
    assert ask("fish", "state", "show", f"{project}/c") == f"plain,{project}/chat\n"
    assert ask("zsh", "compl").startswith("plain\ncompletion\nPrint the completion script")


@pytest.mark.parametrize(
    ("shell", "mark"),
    [
        ("bash", "complete -o nosort -F _reconciler_completion reconciler"),
        ("zsh", "#compdef reconciler"),
        ("fish", "complete --no-files --command reconciler"),
    ],
)
def test_each_shell_has_a_script(cli: Cli, shell: str, mark: str) -> None:
    """It is all that is printed, and asks the program under its own name."""
    result = cli("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert mark in result.out
    assert f"_RECONCILER_COMPLETE={shell}_complete" in result.out


def test_another_shell_is_wrong_usage(cli: Cli) -> None:
    """Those that there are scripts for are named."""
    result = cli("completion", "tcsh")
    assert result.code == 64
    assert "'bash', 'zsh', 'fish'" in result.err


def test_printing_a_script_loads_nothing_heavy() -> None:
    """A shell does it whenever it begins."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "completion", "zsh"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    )
    code, modules = json.loads(done.stderr)
    assert code == 0
    # Click itself needs asyncio for none of this; its script for bash asks which bash is there.
    assert HEAVY & {name.partition(".")[0] for name in modules} == set()
