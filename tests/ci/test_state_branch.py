"""The recipe that keeps a state on a branch, against real repositories and the real program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ci.conftest import NewRunner
from tests.ci.gitserver import serve_git
from tests.ci.tools import ROOT, STATE, Runner

SCRIPT = ROOT / "ci" / "state-branch.sh"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """The repository that outlives every machine."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


@pytest.fixture
def machine(new_runner: NewRunner, remote: Path, control_plane: Mapping[str, str]) -> NewRunner:
    """Machines that know the repository and the control plane."""

    def make(**variables: str) -> Runner:
        return new_runner(**{"STATE_REMOTE": str(remote), **control_plane, **variables})

    return make


def branch(runner: Runner, verb: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a step does."""
    return runner.run("bash", SCRIPT, verb, STATE, **variables)


def apply(runner: Runner, *words: str) -> int:
    """Apply what the runner has, and tell how that ended."""
    words = ("apply", ".", "--yes", "--state", STATE, "--stack", "ci", *words)
    return runner.run("reconciler", *words).returncode


def recorded(runner: Runner) -> list[str]:
    """The addresses that a runner's state knows."""
    done = runner.run("reconciler", "state", "list", "--state", STATE, "-o", "json")
    assert done.returncode == 0, done.stderr
    return sorted(row["address"] for row in json.loads(done.stdout))


def commits(remote: Path) -> int:
    """How often a state was stored."""
    done = subprocess.run(
        ["git", f"--git-dir={remote}", "rev-list", "--count", "reconciler-state"],
        capture_output=True,
        check=False,
        text=True,
    )
    return int(done.stdout) if done.returncode == 0 else 0


def first_run(runner: Runner, name: str) -> None:
    """The very first apply, which makes the state and stores it."""
    runner.write_spec(name)
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 0
    assert branch(runner, "store").returncode == 0


def test_a_first_run_finds_no_branch_and_stores_one(machine: NewRunner, remote: Path) -> None:
    """Where there is no branch there is no state, and the first store makes the branch."""
    runner = machine()
    fetched = branch(runner, "fetch")
    assert fetched.returncode == 0
    assert "no branch reconciler-state yet" in fetched.stderr
    assert not (runner.folder / STATE).exists()
    runner.write_spec("first")
    assert apply(runner) == 1, "without --init a missing state may be a lost one"
    assert branch(runner, "store").stderr.strip().endswith("nothing to store")
    assert apply(runner, "--init") == 0
    assert branch(runner, "store").returncode == 0
    assert commits(remote) == 1


def test_the_next_machine_goes_on_where_the_last_one_ended(
    machine: NewRunner, remote: Path
) -> None:
    """What one machine stored is what the next one fetches, and nothing is created twice."""
    first_run(machine(), "goes-on")
    second = machine()
    second.write_spec("goes-on")
    second.write_spec("and-another")
    assert branch(second, "fetch").returncode == 0
    assert recorded(second) == ["1/goes-on"]
    assert apply(second) == 0
    assert branch(second, "store").returncode == 0
    third = machine()
    assert branch(third, "fetch").returncode == 0
    assert recorded(third) == ["1/and-another", "1/goes-on"]
    assert commits(remote) == 2


def test_a_failed_apply_is_stored_as_well(machine: NewRunner, remote: Path) -> None:
    """What a run did before it failed is known to the next one."""
    runner = machine()
    runner.write_spec("succeeds")
    runner.write_spec("fails")
    spec = runner.folder / "fails.yaml"
    refused = spec.read_text(encoding="utf-8").replace("kind: Job", "kind: Jobs")
    spec.write_text(refused.replace("batch/v1", "example.com/v1"), encoding="utf-8")
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 4
    assert branch(runner, "store").returncode == 0
    later = machine()
    assert branch(later, "fetch").returncode == 0
    assert "1/succeeds" in recorded(later)
    assert commits(remote) == 1


def test_a_store_that_was_overtaken_is_refused(machine: NewRunner, remote: Path) -> None:
    """Of two runs on one copy the second overwrites nothing: it fails and keeps its state."""
    first_run(machine(), "base")
    one, other = machine(), machine()
    for runner, name in ((one, "winner"), (other, "loser")):
        runner.write_spec("base")
        runner.write_spec(name)
        assert branch(runner, "fetch").returncode == 0
        assert apply(runner) == 0
    assert branch(one, "store").returncode == 0
    kept = other.folder / "kept.db"
    lost = branch(other, "store", STATE_KEEP=str(kept), GITHUB_ACTIONS="true")
    assert lost.returncode == 3
    assert lost.stderr.splitlines()[-1].startswith(
        "::error title=reconciler state::another run stored its state meanwhile"
    )
    shown = other.run("reconciler", "state", "list", "--state", kept, "-o", "json")
    assert {row["address"] for row in json.loads(shown.stdout)} == {
        "1/base",
        "1/loser",
    }
    later = machine()
    assert branch(later, "fetch").returncode == 0
    assert recorded(later) == ["1/base", "1/winner"]
    later.write_spec("base")
    later.write_spec("winner")
    later.write_spec("loser")
    assert apply(later) == 0, "the loser's workload is recognised by its mark"
    assert recorded(later) == ["1/base", "1/loser", "1/winner"]
    assert commits(remote) == 2


def test_two_first_runs_make_one_branch(machine: NewRunner, remote: Path) -> None:
    """A branch that appeared since the fetch is not overwritten either."""
    one, other = machine(), machine()
    for runner, name in ((one, "early"), (other, "late")):
        runner.write_spec(name)
        assert branch(runner, "fetch").returncode == 0
        assert apply(runner, "--init") == 0
    assert branch(one, "store").returncode == 0
    assert branch(other, "store").returncode == 3
    assert (other.folder / f"{STATE}.unstored").exists()
    assert commits(remote) == 1


def test_storing_twice_stores_once(machine: NewRunner, remote: Path) -> None:
    """A job may store at its end and once more when it is torn down."""
    runner = machine()
    first_run(runner, "twice")
    again = branch(runner, "store")
    assert again.returncode == 0
    assert again.stderr.strip() == "the state did not change: nothing to store"
    assert commits(remote) == 1


def test_a_repository_that_cannot_be_read_has_no_empty_state(machine: NewRunner) -> None:
    """No answer is an error; taken for 'no branch', it would begin a second state."""
    runner = machine(STATE_REMOTE="/nonexistent/repository.git")
    fetched = branch(runner, "fetch")
    assert fetched.returncode == 1
    assert fetched.stderr.splitlines()[-1].startswith("error: the repository of the branch")


def test_a_second_fetch_keeps_what_is_there(machine: NewRunner, remote: Path) -> None:
    """A job may plan and then apply; what it has is given up only by a person."""
    runner = machine()
    first_run(runner, "stays")
    again = branch(runner, "fetch")
    assert again.returncode == 0
    assert again.stderr == "the state that was fetched before is still the newest\n"
    assert recorded(runner) == ["1/stays"]
    other = machine()
    assert branch(other, "fetch").returncode == 0
    other.write_spec("stays")
    other.write_spec("newer")
    assert apply(other) == 0
    assert branch(other, "store").returncode == 0
    moved = branch(runner, "fetch")
    assert moved.returncode == 1
    assert "moved on since the state" in moved.stderr
    assert recorded(runner) == ["1/stays"]
    assert commits(remote) == 2


def test_a_state_from_elsewhere_is_not_overwritten(machine: NewRunner) -> None:
    """On a machine that keeps its files, the state there may be the only one."""
    runner = machine()
    runner.write_spec("kept")
    assert apply(runner, "--init") == 0
    fetched = branch(runner, "fetch")
    assert fetched.returncode == 1
    assert "there is already a state" in fetched.stderr
    assert recorded(runner) == ["1/kept"]


def test_a_repository_that_refuses_the_push_keeps_the_state(
    machine: NewRunner, remote: Path
) -> None:
    """After three refusals the job fails, and its state is kept for whoever looks."""
    runner = machine()
    runner.write_spec("refused")
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 0
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    refused = branch(runner, "store")
    assert refused.returncode == 1
    assert refused.stderr.count("remote: protected") == 3
    assert (runner.folder / f"{STATE}.unstored").exists()


def test_the_token_reaches_nothing_but_git(machine: NewRunner, remote: Path) -> None:
    """Over HTTP the token is given when it is asked for; no process or file shows it."""
    token = "token-of-this-job"
    with serve_git(remote, user="x-access-token", password=token) as address:
        runner = machine(STATE_REMOTE=address, STATE_TOKEN=token, GIT_TRACE="1")
        runner.write_spec("over-http")
        fetched = branch(runner, "fetch")
        assert fetched.returncode == 0, fetched.stderr
        assert apply(runner, "--init") == 0
        stored = branch(runner, "store")
        assert stored.returncode == 0, stored.stderr
        wrong = branch(machine(STATE_REMOTE=address, STATE_TOKEN="another"), "fetch")
    assert wrong.returncode == 1
    assert "cannot be read" in wrong.stderr
    assert commits(remote) == 1
    # The trace names every process with its arguments.
    assert token not in fetched.stderr + stored.stderr
    files = [path for path in runner.folder.rglob("*") if path.is_file()]
    assert [path for path in files if token.encode() in path.read_bytes()] == []


def test_every_stack_has_a_branch_of_its_own(machine: NewRunner, remote: Path) -> None:
    """The variable names the branch, so one repository can hold the states of several."""
    for stack in ("dev", "production"):
        runner = machine(STATE_BRANCH=f"reconciler-state/{stack}")
        first_run(runner, f"in-{stack}")
    later = machine(STATE_BRANCH="reconciler-state/production")
    assert branch(later, "fetch").returncode == 0
    assert recorded(later) == ["1/in-production"]
    assert commits(remote) == 0


@pytest.mark.parametrize("words", [[], ["fetch"], ["push", STATE]], ids=" ".join)
def test_a_wrong_call_is_refused(machine: NewRunner, words: list[str]) -> None:
    """Both words are needed."""
    done = machine().run("bash", SCRIPT, *words)
    assert done.returncode == 64
    assert done.stderr == "error: use: state-branch.sh fetch|store STATE\n"
