"""The pipelines that we run and that we show: pinned, with least rights, and safe to cancel."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.ci.action import load_action
from tests.ci.tools import PROGRAMS, ROOT
from tests.ci.workflows import OURS, SHOWN, jobs, load

GITLAB = ROOT / "examples" / "ci" / "gitlab" / "reconciler.gitlab-ci.yml"
TEMPLATES = ROOT / "reconciler" / "app" / "templates"
_LOCAL = {"./", "./.reconciler-tool"}
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_USES = re.compile(r"uses: (\S+)(?: # (v\d+\.\d+\.\d+)$)?", re.MULTILINE)


def uses_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a job that use our action."""
    return [step for step in job["steps"] if step.get("uses") == "./.reconciler-tool"]


def test_the_linter_of_workflows_has_nothing_to_say() -> None:
    """No injection, no kept credentials, no unpinned action, no right too many."""
    files = [ROOT / "action.yml", *OURS, *SHOWN]
    done = subprocess.run(
        [PROGRAMS / "zizmor", "--quiet", "--offline", "--no-progress", "--no-config", *files],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [ROOT / "action.yml", *OURS, *SHOWN], ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    """A tag can be moved to other code; the version stands beside the commit for people."""
    for uses, version in _USES.findall(path.read_text(encoding="utf-8")):
        assert uses in _LOCAL or (_PINNED.fullmatch(uses) and version)


def test_one_action_has_one_version() -> None:
    """What is updated is updated everywhere, also in what `init` writes."""
    files = (ROOT / "action.yml", *OURS, *SHOWN, TEMPLATES / "github.yml")
    found = {use[0] for path in files for use in _USES.findall(path.read_text(encoding="utf-8"))}
    pinned = found - _LOCAL
    assert len({use.partition("@")[0] for use in pinned}) == len(pinned)


@pytest.mark.parametrize("path", [*OURS, *SHOWN], ids=lambda path: path.name)
def test_every_job_ends_and_has_its_own_rights(path: Path) -> None:
    """No job runs for ever, and no right is given by default but that to read."""
    workflow = load(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert all(0 < job["timeout-minutes"] <= 240 for job in workflow["jobs"].values())


def test_an_apply_is_never_cancelled_by_another() -> None:
    """All workflows that write the state wait for each other."""
    applying = [
        path
        for path in SHOWN
        for job in jobs(path).values()
        for step in uses_of(job)
        if step["with"]["command"] == "apply"
    ]
    assert [path.name for path in applying] == [
        *("apply-bucket.yml", "apply-postgresql.yml", "apply.yml", "cron.yml")
    ]
    for path in applying:
        (job,) = jobs(path).values()
        assert job["concurrency"] == {
            "group": "reconciler-state-${{ matrix.stack }}",
            "cancel-in-progress": False,
            # Of several that wait, GitHub would otherwise cancel all but the newest.
            "queue": "max",
        }


def lock_age() -> int:
    """The seconds after which a lock on the state's branch may be taken."""
    script = (ROOT / "ci" / "state-branch.sh").read_text(encoding="utf-8")
    (age,) = set(re.findall(r"STATE_LOCK_AGE:-(\d+)", script))
    return int(age)


def test_the_state_is_where_no_commit_reaches() -> None:
    """Outside of the checkout, as the tool that GitLab's jobs install there."""
    assert load_action()["inputs"]["state"]["default"].startswith("${{ runner.temp }}/")
    variables = load(GITLAB)[".reconciler"]["variables"]
    for name in ("STATE", "TOOL"):
        assert variables[name].startswith("${CI_PROJECT_DIR}.reconciler/")


def test_only_an_apply_takes_the_lock() -> None:
    """A plan would keep it: nothing stores after it."""
    plan, apply = (load(GITLAB)[f"reconciler:{name}"]["script"][0] for name in ("plan", "apply"))
    assert plan == 'bash "$TOOL/ci/state-branch.sh" read "$STATE"'
    assert apply == 'bash "$TOOL/ci/state-branch.sh" fetch "$STATE"'


def test_an_apply_has_time_to_end_and_to_store() -> None:
    """The job's limit is beyond the program's own deadline and its wait for both locks."""
    for path in SHOWN:
        for job in jobs(path).values():
            if any(step["with"]["command"] == "apply" for step in uses_of(job)):
                assert job["timeout-minutes"] >= 30 + 10 + 10 + 5
                assert job["timeout-minutes"] * 60 < lock_age()


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_an_example_uses_inputs_that_the_action_has(path: Path) -> None:
    """A misspelt input would be ignored."""
    known = set(load_action()["inputs"])
    for job in jobs(path).values():
        for step in uses_of(job):
            assert set(step["with"]) <= known


def test_credentials_do_not_go_where_a_pull_request_says() -> None:
    """Whoever has credentials is given the server's address beside them, and not by the specs."""
    for path in SHOWN:
        for job in jobs(path).values():
            for step in uses_of(job):
                assert ("env" in step) == ("url" in step["with"])
                assert "env" not in step or job["environment"] in {"plan", "production"}


def test_only_the_workflow_that_comments_may() -> None:
    """Each job asks for what it does."""
    found = {
        f"{path.stem}/{name}": job["permissions"]
        for path in SHOWN
        for name, job in jobs(path).items()
    }
    assert found == {
        "apply-bucket/apply": {"contents": "read", "id-token": "write", "pull-requests": "read"},
        "apply-postgresql/apply": {"contents": "read", "pull-requests": "read"},
        "apply/apply": {"contents": "write", "pull-requests": "read"},
        "cron/apply": {"contents": "write"},
        "plan/plan": {"contents": "read"},
        "pull-request/plan": {"contents": "read", "pull-requests": "write"},
        "pull-request/validate": {"contents": "read"},
    }


def test_gitlab_applies_one_at_a_time_what_was_approved() -> None:
    """The job waits for its turn, is not interrupted, and is for the plan before it."""
    template = load(GITLAB)
    apply = template["reconciler:apply"]
    assert apply["resource_group"] == "reconciler-state-$STACK"
    assert apply["interruptible"] is False
    assert apply["needs"] == ["reconciler:plan"]
    assert apply["rules"][0]["when"] == "manual"
    (command,) = [line for line in apply["script"] if line.startswith("reconciler apply")]
    assert '--expect-digest "${!approved:?this stack has no plan}"' in command
    assert command.endswith("|| code=$?")
    store = 'bash "$TOOL/ci/state-branch.sh" store "$STATE"'
    assert apply["script"][-2:] == [store, 'exit "$code"']
    assert apply["after_script"][-1] == store


def test_gitlab_leaves_time_to_store() -> None:
    """The limits of script and after_script together stay below the job's."""
    apply = load(GITLAB)["reconciler:apply"]
    script, after = (
        int(apply["variables"][name].removesuffix("m"))
        for name in ("RUNNER_SCRIPT_TIMEOUT", "RUNNER_AFTER_SCRIPT_TIMEOUT")
    )
    assert apply["timeout"] == "1h"
    assert script + after < 60
    assert lock_age() > 60 * 60
    assert script > 30 + 10 + 10


def test_gitlab_shows_its_widgets() -> None:
    """Findings as code quality, the plan's counts as the widget for plans."""
    template = load(GITLAB)
    validate, plan = template["reconciler:validate"], template["reconciler:plan"]
    (command,) = [line for line in validate["script"] if line.startswith("reconciler validate")]
    assert f"gitlab={validate['artifacts']['reports']['codequality']}" in command
    (command,) = [line for line in plan["script"] if line.startswith("reconciler plan")]
    assert f"gitlab-plan={plan['artifacts']['reports']['terraform']}" in command
