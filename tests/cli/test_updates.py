"""What a person sees of a changed spec: an update, a replace and why, or what holds it back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.sandboxes import Sandbox

NO_UPDATES = "405 on=PUT"
POD = {"containers": [{"name": "main", "image": "a:1"}], "restartPolicy": "Never"}
JOB = {"template": {"spec": POD}}
JOB_IMAGE = "/manifest/spec/template/spec/containers/0/image"
REFUSED = "cannot be changed: the cluster refuses it"


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, *options: str) -> Iterator[Sandbox]:
    """A server of this test's own that the environment leads to."""
    with Sandbox.running("--sync-delay", "0s", *options) as sandbox:
        for name, value in sandbox.variables.items():
            monkeypatch.setenv(name, value)
        yield sandbox


def one(project: str, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A spec `a` of any kind: `GROUP/VERSION/Kind`."""
    version, _, name = kind.rpartition("/")
    manifest = {"apiVersion": version, "kind": name, "metadata": {"name": "a"}, "spec": body}
    return {"metadata": {"name": "a", "projectId": project}, "manifest": manifest}


def replace_text(path: Path, old: str, new: str) -> None:
    """Edit a spec."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def lasting(text: str) -> str:
    """What a command printed, without what differs between two runs."""
    text = re.sub(r"\(\d+\.\d s\)", "(… s)", text)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)


def live_id(cli: Cli, folder: Path) -> str:
    """The id that the server has for the only workload."""
    state = folder / ".reconciler" / "state.db"
    shown = cli("status", "--state", state, "-o", "json")
    [status] = json.loads(shown.out)
    return str(status["id"])


@pytest.mark.usefixtures("server")
def test_a_deployment_is_changed_in_place(cli: Cli, tmp_path: Path, project: str) -> None:
    """It keeps its id and gives up no GPU; for a while it may ask for maxSurge pods more."""
    folder = write_specs(tmp_path / "w", spec("a", project))
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    before = live_id(cli, folder)
    replace_text(folder / "a.json", '"replicas": 1', '"replicas": 4')
    replace_text(folder / "a.json", "server:1", "server:2")

    applied = cli("apply", folder, "--yes", "--no-wait")

    assert (applied.code, applied.err, live_id(cli, folder)) == (0, "", before)
    assert lasting(applied.out) == (
        f"  ~ update   {project}/a  Deployment  1 → 4 GPUs, up to 5 meanwhile  w/a.json:1\n"
        "             spec-changed: /manifest/spec/replicas and 1 more changed\n"
        "             ~ /manifest/spec/replicas: 1 → 4\n"
        f'             ~ {JOB_IMAGE}: "server:1" → "server:2"\n'
        "\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 1 to update, 0 to replace, 0 to delete; 0 unchanged. "
        "GPUs 1 → 4 (peak 5).\n"
        "\n"
        f"updated   {project}/a  ID\n"
        "Applied: 0 created, 1 updated, 0 replaced, 0 deleted; "
        "0 failed, 0 down, 0 in doubt (… s).\n"
    )


MASTER = {"template": {"spec": {"containers": [{"name": "pytorch", "image": "a:1"}]}}}
FORCING: dict[str, tuple[dict[str, Any], str, str]] = {
    "batch/v1/Job": (JOB, JOB_IMAGE, REFUSED),
    "kubeflow.org/v1/PyTorchJob": (
        {"pytorchReplicaSpecs": {"Master": {"replicas": 1, **MASTER}}},
        "/manifest/spec/pytorchReplicaSpecs/Master/template/spec/containers/0/image",
        "has no effect on what runs: pods keep the template that they were made of",
    ),
}


@pytest.mark.parametrize("kind", FORCING)
@pytest.mark.usefixtures("server")
def test_a_field_that_forces_a_replace_is_named_with_the_reason(
    cli: Cli, tmp_path: Path, project: str, kind: str
) -> None:
    """A cluster refuses the one, and takes the other without any effect on its pods."""
    body, pointer, why = FORCING[kind]
    folder = write_specs(tmp_path / "w", one(project, kind, body))
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    replace_text(folder / "a.json", '"a:1"', '"a:2"')

    planned = cli("plan", folder)

    assert (planned.code, planned.err, planned.out) == (
        0,
        "",
        (
            f"  ± replace  {project}/a  {kind.rpartition('/')[2]}  w/a.json:1\n"
            f"             spec-changed: {pointer} {why}\n"
            f'             ~ {pointer}: "a:1" → "a:2"  ({why})\n'
            "\n"
            f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
            "Plan: 0 to create, 0 to update, 1 to replace, 0 to delete; 0 unchanged. "
            "GPUs 0 → 0 (peak 0).\n"
        ),
    )


def test_an_older_server_gets_a_replace_that_says_so(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 2.23 has no updates and says so itself, so nobody has to declare it."""
    folder = write_specs(tmp_path / "w", spec("a", project))
    with serving(monkeypatch, "--api-version", "2.23"):
        assert cli("apply", folder, "--yes", "--init", "-q").code == 0
        replace_text(folder / "a.json", '"replicas": 1', '"replicas": 2')
        planned = cli("plan", folder)

    why = "/manifest/spec/replicas changed; this server can only delete and create"
    assert (planned.code, planned.err, planned.out) == (
        0,
        "",
        (
            f"  ± replace  {project}/a  Deployment  1 → 2 GPUs  w/a.json:1\n"
            f"             spec-changed: {why}\n"
            "             releases 1 GPU, requested for less than a minute\n"
            "             ~ /manifest/spec/replicas: 1 → 2\n"
            "\n"
            f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
            "Plan: 0 to create, 0 to update, 1 to replace, 0 to delete; 0 unchanged. "
            "GPUs 1 → 2 (peak 2).\n"
        ),
    )


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_refuses_an_approved_update_loses_nothing(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It was declared to have updates, and has none: nothing is deleted, one sentence says it."""
    folder = write_specs(tmp_path / "w", spec("a", project))
    (folder / "reconciler.yaml").write_text('api_version: "3.0"\n')
    with serving(monkeypatch, "--fault", f"{status} on=PUT"):
        assert cli("apply", folder, "--yes", "--init", "-q").code == 0
        before = live_id(cli, folder)
        replace_text(folder / "a.json", '"replicas": 1', '"replicas": 2')
        applied = cli("apply", folder, "--yes")
        assert live_id(cli, folder) == before

    assert (applied.code, applied.err) == (4, "")
    _, _, told = lasting(applied.out).partition("(peak 2).\n\n")
    sentence = next(line for line in told.splitlines() if "error:" in line)
    words = sentence.partition("update failed: ")[2].removesuffix(f" ({project}/a)")
    assert words.startswith("the server does not change workloads in place (HTTP ")
    assert words.endswith("; nothing was changed or deleted")
    hint = (
        "hint: set api_version to the server's in reconciler.yaml, or end it and make it anew: "
        f"--replace {project}/a"
    )
    assert told == (
        f"failed    {project}/a\n"
        "\n"
        "Failed (1):\n"
        f"  w/a.json:1:1: error: update failed: {words} ({project}/a)\n"
        f"    {hint}\n"
        "\n"
        "Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
        "1 failed, 0 down, 0 in doubt (… s).\n"
    )


def test_a_proxy_that_forbids_updates_replaces_nothing(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has once said yes is not believed to have unlearnt it: a person decides."""
    folder = write_specs(tmp_path / "w", spec("a", project))
    data = tmp_path / "server.db"
    with serving(monkeypatch, "--data", str(data)) as sandbox:
        port = sandbox.url.rpartition(":")[2]
        assert cli("apply", folder, "--yes", "--init", "-q").code == 0
        replace_text(folder / "a.json", '"replicas": 1', '"replicas": 2')
        assert cli("apply", folder, "--yes", "--no-wait", "-q").code == 0
        before = live_id(cli, folder)
    replace_text(folder / "a.json", '"replicas": 2', '"replicas": 3')
    with serving(monkeypatch, "--data", str(data), "--port", port, "--fault", NO_UPDATES):
        planned = cli("plan", folder, "--detailed-exitcode")
        applied = cli("apply", folder, "--yes")
        assert live_id(cli, folder) == before
        asked = cli("plan", folder, "--replace", f"{project}/a")
        (folder / "reconciler.yaml").write_text('api_version: "2.23"\n')
        declared = cli("plan", folder)

    why = (
        "/manifest/spec/replicas changed; it is not known whether this server can change it in "
        f"place: set api_version to the server's, or end it with --replace {project}/a"
    )
    plan = (
        f"  ! hold     {project}/a  Deployment  w/a.json:1\n"
        f"             update-unknown: {why}\n"
        "             ~ /manifest/spec/replicas: 2 → 3\n"
        "\n"
        "Nothing to do, but 1 workload held back here will fail the apply.\n"
        "\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged, 1 held. "
        "GPUs 2 → 2 (peak 2).\n"
    )
    warning = (
        "w/a.json:1:1: warning: no clear answer to whether workloads can be changed in place: "
        "injected by a fault rule: 405 on=PUT (update-unknown)\n"
    )
    assert (planned.code, planned.err, planned.out) == (2, warning, plan)
    assert (applied.code, applied.err, lasting(applied.out)) == (
        4,
        warning,
        (
            f"{plan}\n"
            f"failed    {project}/a\n"
            "\n"
            "Failed (1):\n"
            f"  w/a.json:1:1: error: {why} ({project}/a)\n"
            f"  next: reconciler apply {folder}  (what was done stays done)\n"
            "\n"
            "Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
            "1 failed, 0 down, 0 in doubt (… s).\n"
        ),
    )
    for way in (asked, declared):
        assert way.out.startswith(f"  ± replace  {project}/a  Deployment  2 → 3 GPUs  w/a.json:1\n")


def test_a_saved_update_is_refused_where_the_server_has_no_updates_any_more(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name and with 7: what was approved as an update is never done as a replace."""
    folder = write_specs(tmp_path / "w", spec("a", project))
    data = tmp_path / "server.db"
    with serving(monkeypatch, "--data", str(data)) as sandbox:
        port = sandbox.url.rpartition(":")[2]
        assert cli("apply", folder, "--yes", "--init", "-q").code == 0
        replace_text(folder / "a.json", '"replicas": 1', '"replicas": 2')
        before = live_id(cli, folder)
        assert cli("plan", folder, "--save", "p.json", "-q").code == 0
    with serving(monkeypatch, "--data", str(data), "--port", port, "--fault", NO_UPDATES):
        applied = cli("apply", folder, "--plan", "p.json", "--yes")
        assert live_id(cli, folder) == before

    why = "not as it was approved: what the server can do has changed since; plan again"
    assert (applied.code, applied.err, lasting(applied.out)) == (
        7,
        (f"Not as it was approved: 1 workload\n  {project}/a  now replace; approved as update\n"),
        (
            f"  ! hold     {project}/a  w/a.json:1\n"
            f"             spec-changed: {why}\n"
            "\n"
            "Nothing to do, but 1 workload held back here will fail the apply.\n"
            "\n"
            f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
            "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged, 1 held. "
            "GPUs 1 → 1 (peak 1).\n"
            "\n"
            f"failed    {project}/a\n"
            "\n"
            "Not as it was approved (1):\n"
            f"  w/a.json:1:1: error: {why} ({project}/a)\n"
            "  next: plan again, and have the new plan approved\n"
            "\n"
            "Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
            "1 failed, 0 down, 0 in doubt (… s).\n"
        ),
    )


HELD_BY = {
    "--no-update": "/manifest/spec/replicas changed; held by --no-update",
    "onChange: update": f"{JOB_IMAGE} {REFUSED}; held by onChange: update (--replace ADDRESS "
    "replaces it)",
    "--no-delete": f"{JOB_IMAGE} {REFUSED}; held by --no-delete",
    "--no-create": f"{JOB_IMAGE} {REFUSED}; held by --no-create",
}


@pytest.mark.parametrize("held_by", HELD_BY)
@pytest.mark.usefixtures("server")
def test_what_is_due_and_held_is_no_success(
    cli: Cli, tmp_path: Path, project: str, held_by: str
) -> None:
    """Text, Markdown, JSON and exit codes agree: a plan counts it (2), an apply skips it (4)."""
    declared, old, new = one(project, "batch/v1/Job", JOB), '"a:1"', '"a:2"'
    changed = f'{JOB_IMAGE}: "a:1" → "a:2"  ({REFUSED})'
    gpus = "GPUs 0 → 0 (peak 0)."
    if held_by == "--no-update":
        declared, old, new = spec("a", project), '"replicas": 1', '"replicas": 2'
        changed, gpus = "/manifest/spec/replicas: 1 → 2", "GPUs 1 → 1 (peak 1)."
    if held_by == "onChange: update":
        declared["lifecycle"] = {"onChange": "update"}
    flags = [held_by] if held_by.startswith("--") else []
    kind = declared["manifest"]["kind"]
    folder = write_specs(tmp_path / "w", declared)
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    replace_text(folder / "a.json", old, new)
    why = HELD_BY[held_by].replace("ADDRESS", f"{project}/a")

    planned = cli("plan", folder, *flags, "--detailed-exitcode", "-otext", "-ojson=plan.json")
    applied = cli("apply", folder, *flags, "--yes", "-otext", "-ojson=a.json", "-omarkdown=a.md")

    plan = (
        f"  ! hold     {project}/a  {kind}  w/a.json:1\n"
        f"             spec-changed: {why}\n"
        f"             ~ {changed}\n"
        "\n"
        "Nothing to do, but 1 workload held back here will fail the apply.\n"
        "\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged, 1 held. "
        f"{gpus}\n"
    )
    verdict = (
        "Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
        "0 failed, 0 down, 0 in doubt, 1 skipped (… s)."
    )
    assert (planned.code, planned.err, planned.out) == (2, "", plan)
    assert (applied.code, applied.err, lasting(applied.out)) == (
        4,
        "",
        (
            f"{plan}\n"
            "\n"
            "Skipped (1):\n"
            f"  {why}: {project}/a\n"
            "    hint: lift what holds it back, then apply again\n"
            "\n"
            f"{verdict}\n"
        ),
    )
    [action] = json.loads(Path("plan.json").read_text())["actions"]
    assert (action["action"], action["detail"], action["due"]) == ("hold", why, True)
    result = json.loads(Path("a.json").read_text())
    [event] = result["actions"]
    counts = {name: count for name, count in result["run"]["summary"].items() if count}
    assert (event["event"], event["message"], counts) == ("action_skipped", why, {"skipped": 1})
    page = lasting(Path("a.md").read_text())
    assert f"## Incomplete. {verdict}\n" in page
    assert "Applying again" not in page
    # What nobody forbids any more is done.
    lifted = cli("apply", folder, "--yes", "--no-wait", "-q", "--replace", f"{project}/a")
    assert (lifted.code, cli("plan", folder, "--detailed-exitcode").code) == (0, 0)


@pytest.mark.usefixtures("server")
def test_what_its_author_holds_is_a_success(cli: Cli, tmp_path: Path, project: str) -> None:
    """`onChange: hold` is on purpose: no change to a plan, and nothing that an apply has missed."""
    held = spec("a", project) | {"lifecycle": {"onChange": "hold"}}
    folder = write_specs(tmp_path / "w", held)
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    replace_text(folder / "a.json", '"replicas": 1', '"replicas": 2')

    planned = cli("plan", folder, "--detailed-exitcode", "-otext", "-ojson=plan.json")
    applied = cli("apply", folder, "--yes")

    plan = (
        f"  ! hold     {project}/a  Deployment  w/a.json:1\n"
        "             spec-changed: /manifest/spec/replicas changed; held by onChange: hold\n"
        "             ~ /manifest/spec/replicas: 1 → 2\n"
        "\n"
        "Nothing to do.\n"
        "\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged, 1 held. "
        "GPUs 1 → 1 (peak 1).\n"
    )
    assert (planned.code, planned.err, planned.out) == (0, "", plan)
    assert (applied.code, applied.err, lasting(applied.out)) == (
        0,
        "",
        (
            f"{plan}\n"
            "Applied: 0 created, 0 updated, 0 replaced, 0 deleted; "
            "0 failed, 0 down, 0 in doubt (… s).\n"
        ),
    )
    [action] = json.loads(Path("plan.json").read_text())["actions"]
    assert (action["action"], action["due"]) == ("hold", False)
