"""Where an apply came from, and a branch that lacks what was applied last."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs


def git(*words: str) -> str:
    """Run git in the working directory."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    done = subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(name: str) -> str:
    """Commit everything; returns the hash."""
    git("add", ".")
    git("commit", "--quiet", "--message", name)
    return git("rev-parse", "HEAD")


@pytest.mark.usefixtures("server")
def test_a_branch_behind_the_last_apply_is_told(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan would undo what others have merged; once it is up to date, nothing is said."""
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example.com/job/7")
    project = new_project()
    git("init", "--quiet", "--initial-branch", "main", ".")
    write_specs(tmp_path / "w", spec("a", project))
    first = commit("first")
    git("branch", "late")
    write_specs(tmp_path / "w", spec("b", project))
    second = commit("second")
    assert cli("apply", "w", "--yes", "--init").code == 0
    (run,) = json.loads(cli("-C", "w", "runs", "list", "-o", "json").out)
    assert (run["commit"], run["link"]) == (second, "https://ci.example.com/job/7")

    git("switch", "--quiet", "late")
    behind = cli("plan", "w")
    assert behind.code == 0
    assert (
        f"warning: this checkout lacks the commit {second[:12]}, which was applied last: "
        "what came with it would be undone (behind)"
    ) in behind.err
    git("merge", "--quiet", "main")
    assert "(behind)" not in cli("plan", "w").err

    git("checkout", "--quiet", first)
    edited = tmp_path / "w" / "a.json"
    edited.write_text(f"{edited.read_text()}\n")
    assert cli("apply", "w", "--yes").code == 0
    newest = json.loads(cli("-C", "w", "runs", "list", "-o", "json").out)[0]
    assert newest["commit"] == f"{first}+"
