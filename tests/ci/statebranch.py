"""What the tests of the state's branch do on their machines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.ci.tools import ROOT, STATE, Runner, job_environment
from tests.support.in_process import run_here

SCRIPT = ROOT / "ci" / "state-branch.sh"
# Git knows it without being told.
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def branch(runner: Runner, verb: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a step does."""
    return runner.run("bash", SCRIPT, verb, STATE, **variables)


def apply(runner: Runner, *words: str) -> int:
    """Apply what the runner has, and tell how that ended."""
    words = ("apply", ".", "--yes", "--state", STATE, "--stack", "ci", *words)
    return _run_product(runner, *words)[0]


def recorded(runner: Runner) -> list[str]:
    """The addresses that a runner's state knows."""
    code, printed = _run_product(runner, "state", "list", "--state", STATE, "-o", "json")
    assert code == 0, printed
    return sorted(row["address"] for row in json.loads(printed))


def _run_product(runner: Runner, *words: str) -> tuple[int, str]:
    """The script starts processes of the product; what is done between its calls need not."""
    variables = {**job_environment(), **runner.variables}
    return run_here(words, folder=runner.folder, variables=variables)


def git(folder: Path, *words: str) -> str:
    """What git prints in a folder; nothing where it fails."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *who, *words]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def commits(remote: Path) -> int:
    """How often a state was stored."""
    return int(git(remote, "rev-list", "--count", "reconciler-state") or 0)


def lock_of(remote: Path) -> str:
    """The commit of the lock, or nothing where nobody holds it."""
    return git(remote, "rev-parse", "--verify", "--quiet", "refs/heads/reconciler-state-lock")


def first_run(runner: Runner, name: str) -> None:
    """The very first apply, which makes the state and stores it."""
    runner.write_spec(name)
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 0
    assert branch(runner, "store").returncode == 0
