"""Where an apply came from, and a branch that lacks what was applied last."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.sandboxes import Sandbox

COMMIT = "workload-reconciler/commit"


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
    assert (run["commit"], run["clean"], run["link"]) == (
        second,
        True,
        "https://ci.example.com/job/7",
    )

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
    assert (newest["commit"], newest["clean"]) == (first, False)
    shown = cli("-C", "w", "runs", "show", newest["id"]).out
    assert f"commit    {first}, with files that differ from it\n" in shown


def commit_on_server(server: Mapping[str, str], cli: Cli, name: str) -> str | None:
    """The commit that a recorded workload names on the server; None where it names none."""
    (record,) = (
        record
        for record in json.loads(cli("-C", "w", "state", "list", "-o", "json").out)
        if record["address"].endswith(f"/{name}")
    )
    sandbox = Sandbox(pid=0, variables=server)
    answer = sandbox.ask(f"/api/v2/workloads/{record['id']}", token=sandbox.log_in())
    found: str | None = answer["workload"]["rawManifest"]["metadata"]["annotations"].get(COMMIT)
    return found


def test_workloads_name_the_commit_that_made_them(
    cli: Cli, tmp_path: Path, server: Mapping[str, str]
) -> None:
    """What was made without one, or at an earlier commit, is left as it is."""
    project = new_project()
    write_specs(tmp_path / "w", spec("before", project))
    assert cli("apply", "w", "--yes", "--init").code == 0
    assert commit_on_server(server, cli, "before") is None
    git("init", "--quiet", "--initial-branch", "main", ".")
    write_specs(tmp_path / "w", spec("a", project))
    first = commit("first")
    assert cli("apply", "w", "--yes").code == 0
    write_specs(tmp_path / "w", spec("b", project))
    assert cli("plan", "w", "--detailed-exitcode", "-x", f"{project}/b").code == 0
    git("add", ".")
    # Whoever reads the annotation must not look in vain for what was never committed.
    assert cli("apply", "w", "--yes").code == 0
    assert [commit_on_server(server, cli, name) for name in ("before", "a", "b")] == [
        None,
        first,
        f"{first}+",
    ]


def test_a_saved_plan_is_of_the_commit_at_which_it_was_made(
    cli: Cli,
    tmp_path: Path,
    server: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workloads and reports name that one; the history has the one that was checked out."""
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example.com/job/7")
    git("init", "--quiet", "--initial-branch", "main", ".")
    write_specs(tmp_path / "w", spec("a", new_project()))
    (tmp_path / ".gitignore").write_text("*.json\n!w/*.json\n.reconciler/\n")
    planned_at = commit("planned")
    planned = cli("plan", "w", "--save", "plan.json", "-o", "json")
    # There is no state yet.
    again = "reconciler apply w --plan plan.json --init"
    assert planned.err == f"Saved: reconciler show plan.json; {again}\n"
    provenance = {"commit": planned_at, "clean": True, "job": "https://ci.example.com/job/7"}
    assert json.loads(planned.out)["provenance"] == provenance
    (tmp_path / "readme").write_text("later")
    applied_at = commit("later")
    # The digest names what is done, and not from where.
    digest = json.loads(cli("plan", "w", "-o", "json").out)["digest"]
    assert digest == json.loads(planned.out)["digest"]
    monkeypatch.setenv("CI_JOB_URL", "https://ci.example.com/job/8")
    applied = cli("apply", "w", "--plan", "plan.json", "--yes", "--init", "-o", "ndjson")
    assert applied.code == 0
    finished = json.loads(applied.out.splitlines()[-1])
    assert finished["provenance"] == provenance
    assert commit_on_server(server, cli, "a") == planned_at
    (run,) = json.loads(cli("-C", "w", "runs", "list", "-o", "json").out)
    assert (run["commit"], run["link"]) == (applied_at, "https://ci.example.com/job/8")
