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

TEMPLATE = ROOT / "examples" / "ci" / "gitlab" / "reconciler.gitlab-ci.yml"


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


def run(name: str, runner: Runner, given: Mapping[str, str]) -> Ended:
    """Run script and after_script of a job, each in a shell of its own.

    What before_script installs is the checkout that these tests belong to.
    """
    template: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    job = template[name]
    declared = {**template[".reconciler"]["variables"], **job.get("variables", {})}
    known = {**given, "CI_PROJECT_DIR": str(runner.folder)}
    variables = {key: Template(value).safe_substitute(known) for key, value in declared.items()}
    variables |= {**known, "TOOL": str(ROOT), "DIRECTORY": "."}
    (runner.folder / ".reconciler").mkdir(exist_ok=True)
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
    first = {"PLAN_DIGEST": digest, "INIT_STATE": "true"}
    ended = run("reconciler:apply", runner, {**control_plane, **project, **first})
    assert ended.code == 7, ended.log
