"""The scripts of the GitLab template, run as its runner runs them, against the sandbox."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from tests.ci.conftest import NewRunner
from tests.ci.tools import ROOT, Runner
from tests.support.object_server import ObjectServer

TEMPLATE = ROOT / "examples" / "ci" / "gitlab" / "reconciler.gitlab-ci.yml"
IN_BUCKET = TEMPLATE.with_name("reconciler-bucket.gitlab-ci.yml")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended: its script's exit code, and what all of it printed."""

    code: int
    log: str


@pytest.fixture
def project(tmp_path: Path) -> Mapping[str, str]:
    """The variables that GitLab gives, of a project that exists here."""
    remote = tmp_path / "project.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    return {"CI_PROJECT_URL": str(tmp_path / "project"), "CI_JOB_TOKEN": "job", "CI_JOB_ID": "7"}


def load_jobs(*others: Path) -> dict[str, Any]:
    """The jobs of the template, and what files that are included after it change of them."""
    jobs: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    for other in others:
        for name, job in yaml.safe_load(other.read_text(encoding="utf-8")).items():
            variables = {**jobs[name].get("variables", {}), **job.get("variables", {})}
            jobs[name] = {**jobs[name], **job, "variables": variables}
    return jobs


def run(name: str, runner: Runner, given: Mapping[str, str], *others: Path) -> Ended:
    """Run script and after_script of a job, each in a shell of its own.

    What before_script installs is the checkout that these tests belong to.
    """
    template = load_jobs(*others)
    job = template[name]
    (stack,) = template[".reconciler"]["parallel"]["matrix"]
    declared = {**template[".reconciler"]["variables"], **job.get("variables", {})}
    known = {**given, **stack, "CI_PROJECT_DIR": str(runner.folder)}
    variables = {key: Template(value).safe_substitute(known) for key, value in declared.items()}
    variables |= {**known, "TOOL": str(ROOT), "DIRECTORY": "."}
    for folder in (f"{runner.folder}/.reconciler", f"{runner.folder}.reconciler"):
        Path(folder).mkdir(exist_ok=True)
    ended = [
        runner.run("bash", "-eo", "pipefail", "-c", "\n".join(job.get(part, [])), **variables)
        for part in ("script", "after_script")
    ]
    return Ended(ended[0].returncode, "".join(done.stdout + done.stderr for done in ended))


def test_what_was_planned_is_applied_and_stored(
    new_runner: NewRunner, control_plane: Mapping[str, str], project: Mapping[str, str]
) -> None:
    """Plan on the default branch, press play, and the next pipeline has nothing to do."""
    given = {**control_plane, **project}
    runner = new_runner()
    runner.write_spec("pressed")
    assert run("reconciler:validate", runner, project).code == 0
    reports = runner.folder / ".reconciler"
    assert (reports / "code-quality.json").read_text("utf-8").strip() == "[]"

    planned = run("reconciler:plan", runner, given)
    assert planned.code == 0, planned.log
    counts = yaml.safe_load((reports / "counts.json").read_text("utf-8"))
    assert counts == {"create": 1, "update": 0, "delete": 0}
    (line,) = (reports / "plan.env").read_text("utf-8").splitlines()
    approved = dict([line.split("=", 1)])

    elsewhere = new_runner()
    elsewhere.write_spec("pressed")
    first = {**given, **approved, "INIT_STATE": "true"}
    applied = run("reconciler:apply", elsewhere, first)
    assert applied.code == 0, applied.log
    assert "stored the state as commit" in applied.log
    assert applied.log.rstrip().endswith("the state did not change: nothing to store")

    later = new_runner()
    later.write_spec("pressed")
    again = run("reconciler:plan", later, given)
    assert "Nothing to do" in (later.folder / ".reconciler" / "plan.md").read_text("utf-8"), (
        again.log
    )


def test_a_refused_apply_fails_the_job_after_it_stored(
    new_runner: NewRunner, control_plane: Mapping[str, str], project: Mapping[str, str]
) -> None:
    """The exit code is the apply's, not that of the step after it."""
    runner = new_runner()
    runner.write_spec("refused")
    digest = f"sha256:{'0' * 64}"
    first = {"PLAN_DIGEST_workloads": digest, "INIT_STATE": "true"}
    ended = run("reconciler:apply", runner, {**control_plane, **project, **first})
    assert ended.code == 7, ended.log


def test_jobs_keep_their_state_in_a_bucket(
    new_runner: NewRunner,
    control_plane: Mapping[str, str],
    project: Mapping[str, str],
    objects: ObjectServer,
) -> None:
    """A later pipeline finds what an earlier one has recorded, and the branch is not needed.

    Nobody here exchanges the forge's token for a key, which the cloud does over TLS alone; it lies
    where the cloud's tools look for it, and no other user can read it.
    """
    cloud = {**objects.environment(), "STATE_TOKEN_OF_AWS": "who I am"}
    given = {**control_plane, **project, **cloud, "STATE": objects.url("reconciler")}
    runner = new_runner()
    runner.write_spec("shared")
    planned = run("reconciler:plan", runner, given, IN_BUCKET)
    assert planned.code == 0, planned.log
    token = Path(f"{runner.folder}.reconciler/token")
    assert (token.read_text("utf-8"), token.stat().st_mode & 0o777) == ("who I am", 0o600)
    (line,) = (runner.folder / ".reconciler" / "plan.env").read_text("utf-8").splitlines()
    first = {**given, **dict([line.split("=", 1)]), "INIT_STATE": "true"}
    applied = run("reconciler:apply", runner, first, IN_BUCKET)
    assert applied.code == 0, applied.log
    assert any("/log/" in key for key in objects.keys("reconciler/"))

    later = new_runner()
    later.write_spec("shared")
    again = run("reconciler:plan", later, given, IN_BUCKET)
    plan = (later.folder / ".reconciler" / "plan.md").read_text("utf-8")
    assert "Nothing to do" in plan, again.log
