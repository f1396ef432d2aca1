"""A replace whose successor is refused or in doubt: every output says what is gone, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, without_updates, write_specs
from tests.support.sandboxes import Sandbox

WAY_OUT = "fix the spec, then reconciler apply"
WORDS = "injected by a fault rule: 422 on=POST name=a nth=2-"


DOUBT = "500 on=POST name=a nth=2-"


@pytest.fixture(autouse=True)
def _repository(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A repository of one workload that runs, and whose next create is refused, or in doubt."""
    project = new_project()
    rule = getattr(request, "param", "422 on=POST name=a nth=2-")
    with Sandbox.running("--sync-delay", "0s", "--fault", rule) as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        folder = without_updates(write_specs(tmp_path / "w", spec("a", project)))
        assert cli("apply", folder, "--yes", "--init", "-q").code == 0
        path = folder / "a.json"
        document = json.loads(path.read_text())
        document["manifest"]["spec"]["replicas"] = 2
        document["manifest"]["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
        path.write_text(json.dumps(document))
        monkeypatch.chdir(folder)
        yield


def test_every_output_of_the_apply_says_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text, JSON, event stream, Markdown, HTML, GitHub, metrics and the history.

    All that say what refused it name the same way out.
    """
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    [old] = json.loads(cli("status", "-o", "json").out)

    kept = (f"{kind}={tmp_path / kind}" for kind in ("json", "ndjson", "markdown", "html"))
    applied = cli(
        *("apply", "--yes", "--metrics-file", tmp_path / "metrics"),
        *(word for output in ("text", "github", *kept) for word in ("-o", output)),
    )

    deed = f"workload {old['id']} was deleted to be replaced, and nothing of ours runs there now"
    assert applied.code == 4
    assert f"{WORDS}; {deed}" in applied.out
    assert applied.out.splitlines()[-1].startswith(
        "Applied: 0 created, 0 updated, 0 replaced, 1 deleted; 1 failed, 1 down, 0 in doubt ("
    )
    assert f"  next: {WAY_OUT}\n" in applied.out
    [action] = json.loads((tmp_path / "json").read_text())["actions"]
    assert (action["deleted"], action["down"], action["hint"]) == (old["id"], True, WAY_OUT)
    failed = json.loads((tmp_path / "ndjson").read_text().splitlines()[-2])
    assert (failed["event"], failed["hint"]) == ("action_failed", WAY_OUT)
    assert f"%0Ahint: {WAY_OUT}" in applied.err
    finished = json.loads((tmp_path / "ndjson").read_text().splitlines()[-1])
    assert {k: v for k, v in finished["summary"].items() if v} == {
        "deleted": 1,
        "failed": 1,
        "down": 1,
    }
    for page in ("markdown", "html"):
        text = re.sub(r"[\\`]|</?code>", "", (tmp_path / page).read_text("utf-8"))
        assert WAY_OUT in text, page
        assert (deed in text, "1 down" in text) == (True, True), page
    assert "From 1 to 0 GPUs. The plan was 2" in (tmp_path / "html").read_text("utf-8")
    assert f"{WORDS}; {deed}" in applied.err
    outputs = dict(line.split("=", 1) for line in (tmp_path / "outputs").read_text().splitlines())
    assert (outputs["deleted"], outputs["failed"], outputs["down"]) == ("1", "1", "1")
    assert re.search(
        r"^reconciler_down_workloads\{.*\} 1$", (tmp_path / "metrics").read_text(), re.M
    )
    [latest, *_] = json.loads(cli("runs", "list", "-o", "json").out)
    history = cli("runs", "show", latest["id"])
    assert deed in history.out
    assert "1 deleted, 1 failed, 1 down" in history.out


def test_status_and_plan_list_it_until_it_is_there(cli: Cli) -> None:
    """`down` is a word of the status, a reason of the plan, and an exit code of both."""
    assert cli("status", "--exit-status").code == 0
    assert cli("apply", "--yes").code == 4

    looked = cli("status", "--exit-status")
    plain = cli("status")
    planned = cli("plan", "--detailed-exitcode")
    listed = cli("state", "list")

    assert (looked.code, plain.code, planned.code) == (4, 0, 2)
    assert re.search(r"/a +down .*nothing of ours runs there now\n", looked.out)
    assert looked.out.splitlines()[-1].endswith("0 failed, 0 missing, 0 in doubt, 1 down.")
    assert f"down: {WORDS}; workload " in planned.out
    assert f" {WORDS}; workload " in listed.out


@pytest.mark.parametrize("_repository", [DOUBT], indirect=True)
def test_a_successor_in_doubt_is_told_with_what_it_replaced(cli: Cli, tmp_path: Path) -> None:
    """Status, plan and state list, for people and programs: in doubt, and what is gone for it."""
    [old] = json.loads(cli("status", "-o", "json").out)
    assert cli("apply", "--yes").code == 8

    looked = cli("status", "--exit-status")
    [document] = json.loads(cli("status", "-o", "json").out)
    listed = cli("state", "list")
    [record] = json.loads(cli("state", "list", "-o", "json").out)[:1]
    shown = json.loads(cli("state", "show", old["address"]).out)
    removed = cli("state", "rm", old["address"], "--yes")
    planned = cli("plan", "-o", "text", "-o", f"json={tmp_path / 'p.json'}")
    page = re.sub(r"[\\`]", "", cli("plan", "-o", "markdown").out)

    unlisted = (
        "the server's list does not show it, and nothing else is recorded in its project that "
        "would show whether the list is whole"
    )
    words = f"injected by a fault rule: {DOUBT}; {unlisted}"
    ending = f"workload {old['id']} was deleted to be replaced"
    emptied = f"{ending} (image server:1 → nginx:2), and nothing of ours is known to run there now"
    assert (looked.code, planned.code) == (8, 0)
    assert re.search(r"/a +in doubt ", looked.out)
    assert f"{words}; {emptied}\n" in looked.out
    assert looked.out.splitlines()[-1].endswith("0 failed, 0 missing, 1 in doubt, 1 down.")
    assert (document["down"], document["deleted"]) == (True, old["id"])
    assert document["message"] == f"{words}; {emptied}"
    assert f"{words}; {emptied}\n" in listed.out
    assert (shown["own"], shown["former_id"]) == ("UNCONFIRMED", old["id"])
    assert (removed.code, f"{old['address']} is in doubt (unconfirmed): " in removed.err) == (
        5,
        True,
    )
    assert (record["own"], record["former_id"]) == ("LATE_CREATE_POSSIBLE", old["id"])
    [action] = json.loads((tmp_path / "p.json").read_text())["actions"]
    assert f"{ending}, and nothing of ours is known to run there now" in action["detail"]
    assert {"before": "server:1", "after": "nginx:2"} in [
        {side: change[side] for side in ("before", "after")} for change in action["changes"]
    ]
    assert (ending in planned.out, '"server:1" → "nginx:2"' in planned.out) == (True, True)
    assert (ending in page, "server:1" in page, "nginx:2" in page) == (True, True, True)


@pytest.mark.parametrize("_repository", [DOUBT], indirect=True)
def test_a_doubt_that_is_abandoned_is_told_once(cli: Cli) -> None:
    """And what stays down beside it."""
    [old] = json.loads(cli("status", "-o", "json").out)
    assert cli("apply", "--yes").code == 8

    abandoned = cli("state", "resolve", old["address"], "--abandon", "--yes")
    looked = cli("status", "--exit-status")

    assert abandoned.out == (
        f"Abandoned {old['address']} (no id).\n"
        f"{old['address']} is down: workload {old['id']} was deleted to be replaced, and nothing "
        "of ours runs there now.\n"
    )
    assert (looked.code, looked.out.splitlines()[-1].endswith("1 down.")) == (4, True)


def test_a_watch_has_no_exit_status(cli: Cli) -> None:
    """It ends when somebody ends it."""
    assert cli("status", "--watch", "--exit-status").code == 64
