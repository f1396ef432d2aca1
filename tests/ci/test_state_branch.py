"""The recipe that keeps a state on a branch, against real repositories and the real program."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.ci.conftest import NewRunner
from tests.ci.gitserver import serve_git
from tests.ci.statebranch import (
    EMPTY_TREE,
    SCRIPT,
    apply,
    branch,
    commits,
    first_run,
    git,
    lock_of,
    recorded,
)
from tests.ci.tools import STATE, job_environment


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


def test_a_second_run_waits_for_the_first(machine: NewRunner, remote: Path) -> None:
    """The lock is there from fetch to store; who does not get it in time ends with 6."""
    first_run(machine(), "waits")
    one, other = (
        machine(GITHUB_RUN_ID="7", GITHUB_SERVER_URL="s", GITHUB_REPOSITORY="o/r"),
        machine(),
    )
    assert branch(one, "fetch").returncode == 0
    refused = branch(other, "fetch")
    assert refused.returncode == 6
    assert refused.stderr.splitlines()[-1].startswith(
        "error: the state on the branch reconciler-state is locked by run s/o/r/actions/runs/7, "
    )
    assert not (other.folder / STATE).exists()
    assert branch(one, "store").returncode == 0
    assert branch(other, "fetch").returncode == 0
    assert commits(remote) == 1


def test_a_plan_neither_waits_nor_makes_others_wait(machine: NewRunner, remote: Path) -> None:
    """It reads the newest stored state, with a token that may not write."""
    first_run(machine(), "planned")
    assert branch(machine(), "fetch").returncode == 0
    held = lock_of(remote)
    reader = machine()
    assert branch(reader, "read").returncode == 0
    assert recorded(reader) == ["1/planned"]
    assert held
    assert lock_of(remote) == held


def test_every_end_of_a_run_frees_the_lock(machine: NewRunner, remote: Path) -> None:
    """With a state that changed, with one that did not, without any, and where a fetch failed."""
    runner = machine()
    assert branch(runner, "fetch").returncode == 0
    assert lock_of(remote)
    assert branch(runner, "store").stderr == (
        "there was no state, and there is none: nothing to store\n"
    )
    assert lock_of(remote) == ""
    first_run(runner, "ends")
    assert lock_of(remote) == ""
    assert branch(runner, "fetch").returncode == 0
    assert lock_of(remote)
    assert branch(runner, "store").stderr == "the state did not change: nothing to store\n"
    assert lock_of(remote) == ""
    empty = git(remote, "commit-tree", EMPTY_TREE)
    git(remote, "update-ref", "refs/heads/reconciler-state", empty)
    failed = branch(machine(), "fetch")
    assert failed.returncode == 1
    assert failed.stderr.endswith("the branch reconciler-state holds no state.db\n")
    assert lock_of(remote) == ""


def test_a_lock_that_was_left_behind_is_taken(machine: NewRunner, remote: Path) -> None:
    """A machine that died holds nobody up for ever; should it live, it stores nothing any more."""
    first_run(machine(), "left")
    late, taker = machine(), machine(STATE_LOCK_AGE="-1")
    late.write_spec("left")
    late.write_spec("living")
    assert branch(late, "fetch").returncode == 0
    taken = branch(taker, "fetch")
    assert "taking the lock that was left behind: a run on " in taken.stderr
    assert apply(late) == 0
    refused = branch(late, "store", GITHUB_ACTIONS="true")
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-1].startswith(
        "::error title=reconciler state::another run took the lock meanwhile"
    )
    assert (
        f"  reconciler state recover --project 1 --state {late.folder / STATE}\n" in refused.stderr
    )
    assert branch(taker, "store").returncode == 0
    assert commits(remote) == 1


def test_a_store_that_was_overtaken_is_refused(machine: NewRunner, remote: Path) -> None:
    """Of two runs on one copy the second overwrites nothing: it fails and keeps its state."""
    first_run(machine(), "base")
    one, other = machine(STATE_LOCK_AGE="-1"), machine()
    for runner, name in ((other, "loser"), (one, "winner")):
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
    assert lock_of(remote) == ""
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
    one, other = machine(STATE_LOCK_AGE="-1"), machine()
    for runner, name in ((other, "late"), (one, "early")):
        runner.write_spec(name)
        assert branch(runner, "fetch").returncode == 0
        assert apply(runner, "--init") == 0
    assert branch(one, "store").returncode == 0
    assert branch(other, "store").returncode == 3
    assert (other.folder / f"{STATE}.unstored").exists()
    assert commits(remote) == 1


def test_a_push_whose_answer_was_lost_counts(
    machine: NewRunner, remote: Path, tmp_path: Path
) -> None:
    """Git fails although the repository did it: it is asked, and nothing is done twice."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n{shutil.which("git")} "$@" || exit\n'
        'case " $* " in *" push "*) exit 1 ;; esac\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    runner = machine()
    path = f"{program.parent}{os.pathsep}{job_environment()['PATH']}"
    runner.write_spec("unanswered")
    assert branch(runner, "fetch", PATH=path).returncode == 0
    assert lock_of(remote)
    assert apply(runner, "--init") == 0
    assert branch(runner, "store", PATH=path).returncode == 0
    assert lock_of(remote) == ""
    assert commits(remote) == 1


def test_a_store_that_failed_can_be_repeated(machine: NewRunner, remote: Path) -> None:
    """What follows a job tries once more: the lock that the first try freed is taken again."""
    runner = machine()
    runner.write_spec("repeated")
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 0
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n! grep -q 'heads/reconciler-state$'\n", encoding="utf-8")
    hook.chmod(0o755)
    assert branch(runner, "store").returncode == 1
    assert lock_of(remote) == ""
    hook.unlink()
    assert branch(runner, "store").returncode == 0
    assert commits(remote) == 1


def test_a_disk_without_room_takes_no_lock(
    machine: NewRunner, remote: Path, tmp_path: Path
) -> None:
    """A run that cannot write its lock must neither go on without one nor free that of another."""
    first_run(machine(), "full-disk")
    assert branch(machine(), "fetch").returncode == 0
    held = lock_of(remote)
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase " $* " in *" commit-tree "*) exit 128 ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{job_environment()['PATH']}"
    failed = branch(machine(STATE_LOCK_AGE="-1"), "fetch", PATH=path)
    assert failed.returncode == 1
    assert "error: the lock cannot be written to " in failed.stderr
    assert held
    assert lock_of(remote) == held


def test_a_lock_that_may_not_be_written_is_an_error(machine: NewRunner, remote: Path) -> None:
    """Without it nothing would keep two runs apart; the repository's own words say why."""
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    refused = branch(machine(), "fetch")
    assert refused.returncode == 1
    assert "remote: protected" in refused.stderr
    assert refused.stderr.endswith("must be able to push the branch reconciler-state-lock\n")


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
    assert branch(runner, "store").returncode == 0
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
    assert "the lock of the branch reconciler-state could not be freed" in refused.stderr
    assert (runner.folder / f"{STATE}.unstored").exists()


def test_the_token_reaches_nothing_but_git(
    machine: NewRunner, remote: Path, tmp_path: Path
) -> None:
    """Over HTTP the token is given when it is asked for; no process or file shows it."""
    token = "token-of-this-job"
    trace = tmp_path / "trace"
    # Git's own list of every process that it starts, with its arguments.
    (tmp_path / ".gitconfig").write_text(f"[trace2]\n\tnormalTarget = {trace}\n", encoding="utf-8")
    with serve_git(remote, user="x-access-token", password=token) as address:
        runner = machine(STATE_REMOTE=address, STATE_TOKEN=token, HOME=str(tmp_path))
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
    shown = fetched.stderr + stored.stderr + trace.read_text(encoding="utf-8")
    assert "credential" in shown
    assert token not in shown
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
    assert done.stderr == "error: use: state-branch.sh fetch|read|store STATE\n"


def test_a_run_that_changes_nothing_stores_nothing(machine: NewRunner, remote: Path) -> None:
    """Every half hour one more commit of the same records would bury those that changed."""
    first_run(machine(), "idle")
    runner = machine()
    runner.write_spec("idle")
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner) == 0

    kept = branch(runner, "store")

    assert kept.returncode == 0
    assert kept.stderr.endswith(
        "the run changed nothing that the state records: nothing to store\n"
    )
    assert (commits(remote), lock_of(remote)) == (1, "")
