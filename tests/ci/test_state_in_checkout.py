"""What a commit brings can neither be the state of a run nor run with the run's credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ci.conftest import NewRunner
from tests.ci.statebranch import (
    EMPTY_TREE,
    apply,
    branch,
    commits,
    first_run,
    git,
    recorded,
)
from tests.ci.tools import ROOT, STATE, Runner, job_environment


def check_out(runner: Runner, *paths: str) -> None:
    """Let a machine's folder be a checkout in which these paths are committed."""
    git(runner.folder, "init", "--quiet")
    git(runner.folder, "add", "--force", *paths)
    git(runner.folder, "commit", "--quiet", "--message", "theirs")


@pytest.fixture
def forged(machine: NewRunner, remote: Path) -> Runner:
    """A checkout with a state and a git directory, whose hook leaves its environment behind."""
    runner = machine()
    state = runner.folder / STATE
    state.parent.mkdir()
    shutil.copy(ROOT / "tests" / "state" / "fixtures" / "format-3" / "state.db", state)
    git(remote, "update-ref", "refs/heads/reconciler-state", git(remote, "commit-tree", EMPTY_TREE))
    clone = runner.folder / f"{STATE}.branch"
    subprocess.run(["git", "clone", "--quiet", "--bare", remote, clone], check=True)
    git(clone, "update-ref", "refs/heads/fetched", "refs/heads/reconciler-state")
    hook = clone / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nenv > {remote.with_name('caught')}\n", encoding="utf-8")
    hook.chmod(0o755)
    return runner


@pytest.mark.parametrize("verb", ["fetch", "read", "store"])
@pytest.mark.parametrize(
    "committed", [STATE, f"{STATE}-journal", f"{STATE}-wal", f"{STATE}.branch", ".reconciler"]
)
def test_a_committed_state_is_refused(
    forged: Runner, remote: Path, verb: str, committed: str
) -> None:
    """Neither is a plan made of it, nor is it stored, nor does its repository run a hook."""
    path = forged.folder / committed
    if not path.exists():
        path.touch()
    before = sorted(forged.folder.rglob("*"))
    check_out(forged, committed)
    refused = branch(forged, verb)
    assert refused.returncode == 1
    assert "error: the path of the state is committed in this repository" in refused.stderr
    assert [
        path for path in sorted(forged.folder.rglob("*")) if ".git/" not in f"{path}/"
    ] == before
    assert commits(remote) == 1
    assert not remote.with_name("caught").exists()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (".reconciler", "elsewhere"),
        (STATE, "../elsewhere/state.db"),
        (f"{STATE}.branch", "../elsewhere"),
    ],
)
def test_a_link_in_the_checkout_is_refused(machine: NewRunner, link: str, target: str) -> None:
    """It would lead to a file under another name that is committed."""
    runner = machine()
    (runner.folder / "elsewhere").mkdir()
    (runner.folder / link).parent.mkdir(exist_ok=True)
    (runner.folder / link).symlink_to(target)
    check_out(runner, link)
    refused = branch(runner, "fetch")
    assert refused.returncode == 1
    assert "link" in refused.stderr
    assert list((runner.folder / "elsewhere").iterdir()) == []


def test_a_link_for_the_kept_state_is_refused(machine: NewRunner) -> None:
    """What cannot be stored would overwrite what it leads to."""
    runner = machine(STATE_KEEP="kept.db")
    (runner.folder / "kept.db").symlink_to("/tmp/somewhere")  # noqa: S108 - never written
    refused = branch(runner, "fetch")
    assert refused.returncode == 1
    assert refused.stderr.endswith("kept.db is a link: keep the state outside of the checkout\n")


def test_a_journal_without_its_state_is_removed(machine: NewRunner) -> None:
    """SQLite would roll it back into the state that is fetched."""
    first_run(machine(), "sound")
    runner = machine()
    folder = (runner.folder / STATE).parent
    folder.mkdir()
    for suffix in ("-journal", "-wal", "-shm"):
        (folder / f"state.db{suffix}").write_bytes(b"forged")
    assert branch(runner, "read").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["state.db", "state.db.branch"]


def test_a_state_of_another_lineage_is_not_stored(machine: NewRunner, remote: Path) -> None:
    """It was not made from the one that was fetched; the next apply would know nothing of that."""
    first_run(machine(), "ours")
    other = machine()
    other.write_spec("theirs")
    assert apply(other, "--init") == 0
    runner = machine()
    assert branch(runner, "fetch").returncode == 0
    shutil.copy(other.folder / STATE, runner.folder / STATE)
    refused = branch(runner, "store")
    assert refused.returncode == 1
    assert "error: this state has another lineage" in refused.stderr
    assert commits(remote) == 1
    later = machine()
    assert branch(later, "read").returncode == 0
    assert recorded(later) == ["1/ours"]


def test_a_folder_that_looks_like_a_repository_is_none(machine: NewRunner, remote: Path) -> None:
    """The working directory may hold the files of one, whose configuration names a program."""
    runner = machine()
    subprocess.run(["git", "init", "--quiet", "--bare", runner.folder], check=True)
    caught = remote.with_name("caught")
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "credential.helper",
        "core.alternateRefsCommand",
    ):
        git(runner.folder, "config", key, f"!env > {caught}")
    git(runner.folder, "config", "remote.origin.url", "/nonexistent")
    runner.write_spec("inside")
    assert branch(runner, "fetch").returncode == 0
    assert apply(runner, "--init") == 0
    assert branch(runner, "store").returncode == 0
    assert commits(remote) == 1
    lost = branch(runner, "fetch", STATE_REMOTE="")
    assert lost.stderr == (
        "error: there is no repository to keep the branch in: set STATE_REMOTE\n"
    )
    assert not caught.exists()


def test_a_configuration_beside_the_job_is_not_read(machine: NewRunner, remote: Path) -> None:
    """A broken one in the working directory would keep the state from being stored."""
    runner = machine()
    (runner.folder / "specs").mkdir()
    Runner(folder=runner.folder / "specs").write_spec("stored")
    assert branch(runner, "fetch").returncode == 0
    words = ("apply", "specs", "--yes", "--init", "--state", STATE, "--stack", "ci")
    assert runner.run("reconciler", *words).returncode == 0
    (runner.folder / "reconciler.yaml").write_text("stack: [", encoding="utf-8")
    stored = branch(runner, "store")
    assert stored.returncode == 0, stored.stderr
    assert commits(remote) == 1


def test_no_child_is_given_the_credentials(machine: NewRunner, tmp_path: Path) -> None:
    """Git and the program that copies the state see what they need and no more."""
    seen = tmp_path / "seen"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "reconciler"):
        real = shutil.which(name, path=job_environment()["PATH"])
        program = programs / name
        program.write_text(
            f'#!/bin/sh\necho "called {name} $*" >> {seen}\nenv >> {seen}\nexec {real} "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
    runner = machine()
    runner.write_spec("private")
    names = (
        *("RUNAI_CLIENT_SECRET", "RUNAI_TOKEN", "RECONCILER_TOKEN_FILE", "GITHUB_TOKEN"),
        *("CI_JOB_TOKEN", "GIT_CONFIG_PARAMETERS", "GIT_EXEC_PATH", "GIT_TEMPLATE_DIR"),
    )
    hidden = dict.fromkeys(names, "canary")
    hidden["PATH"] = f"{programs}{os.pathsep}{job_environment()['PATH']}"
    assert branch(runner, "fetch", STATE_TOKEN="canary", **hidden).returncode == 0
    assert apply(runner, "--init") == 0
    assert branch(runner, "store", STATE_TOKEN="canary", **hidden).returncode == 0
    calls: dict[str, list[str]] = {}
    for line in seen.read_text(encoding="utf-8").splitlines():
        if line.startswith("called "):
            call = f"{len(calls)} {line}"
            calls[call] = []
        elif "canary" in line:
            calls[call].append(line)
    fixed = "called git -c safe.bareRepository=explicit -c core.hooksPath=/dev/null "
    assert [call for call in calls if "called git" in call and fixed not in call] == []
    assert any("called reconciler state backup" in call for call in calls)
    # Only git that speaks to the repository needs the password.
    shown = {
        (" push " in call or " fetch " in call or "ls-remote" in call): lines
        for call, lines in calls.items()
        if lines
    }
    assert shown == {True: ["STATE_TOKEN=canary"]}


def test_the_branch_is_found_by_its_whole_name(machine: NewRunner, remote: Path) -> None:
    """Git lists every branch whose name ends like the one that is asked for."""
    first_run(machine(), "named")
    other = "refs/heads/a/refs/heads/reconciler-state"
    git(remote, "update-ref", other, git(remote, "commit-tree", "reconciler-state^{tree}"))
    runner = machine()
    assert branch(runner, "fetch").returncode == 0
    again = branch(runner, "fetch")
    assert again.stderr == "the state that was fetched before is still the newest\n"
