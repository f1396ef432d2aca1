"""The composite action, step by step, against real repositories and the sandbox."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.ci.action import Job, load_action
from tests.ci.conftest import NewRunner
from tests.ci.forge import TOKEN, Forge, serve
from tests.ci.tools import ROOT, STATE, Runner, job_environment
from tests.cli.conftest import start_sandbox, stop_sandbox

MERGED = "c0ffee"
PLAN = {"command": "plan", "comment": "true"}
FIRST = {"command": "apply", "expect_digest": "pull-request", "init": "true"}


@pytest.fixture
def forge() -> Forge:
    """A pull request that was merged as one commit."""
    return Forge(pulls=[{"number": 5, "merged_at": "now", "merge_commit_sha": MERGED}])


@pytest.fixture
def github(forge: Forge, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """The variables of a job in the repository of that pull request."""
    remote = tmp_path / "org" / "specs.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5}}), encoding="utf-8")
    with serve(forge) as address:
        yield {
            "api_url": address,
            "event_path": str(event),
            "graphql_url": f"{address}/graphql",
            "repository": "org/specs",
            "run_attempt": "1",
            "run_id": "77",
            "server_url": str(tmp_path),
            "sha": MERGED,
            "token": TOKEN,
        }


class Checkout(Protocol):
    """Makes machines."""

    def __call__(self, specs: Runner) -> Runner:
        """Make an empty one with a checkout of the same specs."""
        ...


@pytest.fixture
def checkout(new_runner: NewRunner, control_plane: Mapping[str, str]) -> Checkout:
    """Machines that know the control plane and have somebody's specs."""

    def make(specs: Runner) -> Runner:
        runner = new_runner(**control_plane)
        for path in specs.folder.glob("*.yaml"):
            (runner.folder / path.name).write_bytes(path.read_bytes())
        return runner

    return make


def use(runner: Runner, github: Mapping[str, str], **inputs: str) -> tuple[Job, dict[str, str]]:
    """Use the action once in a job of its own."""
    named = {name.replace("_", "-"): value for name, value in inputs.items()}
    job = Job(runner=runner, inputs=named, github=github)
    return job, job.run()


def test_a_pull_request_is_validated_planned_merged_and_applied(
    new_runner: NewRunner, checkout: Checkout, github: Mapping[str, str], forge: Forge
) -> None:
    """What was approved is what is applied; the next change goes on from the stored state."""
    runner = new_runner()
    runner.write_spec("story")
    job, outputs = use(runner, github, command="validate")
    assert not job.failed, job.log
    assert outputs == {}

    job, outputs = use(checkout(runner), github, **PLAN)
    assert not job.failed, job.log
    assert (outputs["has_changes"], outputs["create"]) == ("true", "1")
    assert (
        "## Plan: 1 to create, 0 to update, 0 to replace, 0 to delete" in forge.comments[0]["body"]
    )
    assert outputs["digest"] in forge.comments[0]["body"].splitlines()[0].replace("\\u002d", "-")

    job, outputs = use(checkout(runner), github, **FIRST)
    assert not job.failed, job.log
    assert (outputs["outcome"], outputs["created"]) == ("applied", "1")

    job, outputs = use(checkout(runner), github, **PLAN)
    assert outputs["outcome"] == "nothing", job.log
    assert len(forge.comments) == 1
    assert "## Nothing to do." in forge.comments[0]["body"]


def test_what_nobody_approved_is_not_applied(
    new_runner: NewRunner, checkout: Checkout, github: Mapping[str, str]
) -> None:
    """A spec that differs from the planned one ends the apply with 7, before any request."""
    runner = new_runner()
    runner.write_spec("approved")
    use(checkout(runner), github, **PLAN)
    runner.write_spec("unseen")
    job, outputs = use(checkout(runner), github, **FIRST)
    assert job.outcomes["run"] == "failure"
    assert outputs["exit_code"] == "7"
    assert job.outcomes["store"] == "success", "what there is of a state is stored all the same"


def test_an_apply_without_an_approval_is_none(
    new_runner: NewRunner, control_plane: Mapping[str, str], github: Mapping[str, str]
) -> None:
    """Where the digest cannot be read nothing is run: no digest must not mean any digest."""
    runner = new_runner(**control_plane)
    runner.write_spec("unplanned")
    job, _ = use(runner, github, **FIRST)
    assert job.outcomes["approved"] == "failure"
    assert job.outcomes["run"] == "skipped"
    assert "pull request #5 has no plan of reconciler-state:." in job.log


def test_a_broken_spec_is_commented(
    new_runner: NewRunner, checkout: Checkout, github: Mapping[str, str], forge: Forge
) -> None:
    """The comment says why there is no plan, and takes the digest of the last one away."""
    runner = new_runner()
    runner.write_spec("breaks")
    use(checkout(runner), github, **PLAN)
    (runner.folder / "breaks.yaml").write_text("metadata: [", encoding="utf-8")
    job, outputs = use(checkout(runner), github, **PLAN)
    assert job.outcomes["run"] == "failure"
    assert outputs["exit_code"] == "3"
    note, _, page = forge.comments[0]["body"].partition("\n")
    assert '"digest": ""' in note
    assert "## No plan: the specs are not valid" in page


def test_arguments_are_words_and_nothing_more(
    new_runner: NewRunner, control_plane: Mapping[str, str], github: Mapping[str, str]
) -> None:
    """No shell reads what an input says."""
    runner = new_runner(**control_plane)
    runner.write_spec("words")
    hostile = "$(touch owned)`touch owned`;touch owned"
    job, _ = use(runner, github, command="plan", directory=hostile, args=f"-t\n{hostile}")
    assert job.outcomes["run"] == "failure"
    job, _ = use(new_runner(), github, command=f"plan {hostile}")
    assert "the command is validate, plan or apply" in job.log
    assert not list(runner.folder.rglob("owned"))


def test_a_cancelled_step_signals_the_program(new_runner: NewRunner) -> None:
    """GitHub signals the process that it started and no other: the script has become the program.

    As a child of the script it would go on unseen while the state is stored.
    """
    sandbox, variables = start_sandbox("--sync-delay", "1h")
    runner = new_runner()
    runner.write_spec("cancelled")
    given = {
        "COMMAND": "apply",
        "DIRECTORY": ".",
        "STATE": STATE,
        "URL": "",
        "INIT": "true",
        "EXPECT_DIGEST": "",
        "EXTRA": "",
        "PLAN_FILE": "",
    }
    with subprocess.Popen(
        ["bash", str(ROOT / "ci" / "run.sh")],
        cwd=runner.folder,
        env={**job_environment(), **variables, **given},
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as step:
        assert step.stdout is not None
        seen = next((line for line in step.stdout if "1/cancelled" in line), "")
        step.send_signal(signal.SIGINT)
        rest = step.communicate(timeout=30)[0]
    stop_sandbox(sandbox)
    assert step.returncode == 130, seen + rest


def test_every_input_is_used_and_every_output_exists() -> None:
    """The action promises nothing that no step does."""
    action = load_action()
    text = json.dumps(action["runs"])
    assert [name for name in action["inputs"] if f"inputs.{name}" not in text] == []
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def test_no_expression_is_filled_into_a_script() -> None:
    """Whatever an input says reaches a script as a variable, which no shell reads as code."""
    steps = load_action()["runs"]["steps"]
    assert [step["name"] for step in steps if "${{" in step.get("run", "")] == []


def test_a_state_is_stored_after_every_apply() -> None:
    """Also when the step failed, and when the job was cancelled."""
    steps = {step.get("id"): step for step in load_action()["runs"]["steps"]}
    assert re.match(r"\$\{\{ always\(\) && ", steps["store"]["if"])
