"""The main job through the command line: what is declared is there, and nothing else happens."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reconciler.resources import load_schema
from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, without_updates, write_specs

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@pytest.fixture
def specs(tmp_path: Path, project: str) -> Path:
    """Two workloads."""
    specs = [spec(name, project) for name in ("one", "two")]
    return without_updates(write_specs(tmp_path / "w", *specs))


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Edit one spec."""
    path = folder / f"{name}.json"
    path.write_text(path.read_text().replace(old, new))


def test_create_keep_replace_delete_destroy(cli: Cli, specs: Path, project: str) -> None:
    """The whole life of a repository, each step seen in the plan's verdict."""
    created = cli("apply", specs, "--yes", "--init")
    assert created.code == 0
    assert created.out.splitlines()[-1].startswith(
        "Applied: 2 created, 0 updated, 0 replaced, 0 deleted; 0 failed, 0 down, 0 in doubt ("
    )

    kept = cli("plan", specs, "--detailed-exitcode")
    assert (kept.code, kept.err) == (0, "")
    assert kept.out == (
        "Nothing to do.\n\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; "
        "2 unchanged. GPUs 2 → 2 (peak 2).\n"
    )

    change(specs, "one", '"replicas": 1', '"replicas": 3')
    changed = cli("plan", specs, "--detailed-exitcode")
    assert changed.code == 2
    assert changed.out == (
        f"  ± replace  {project}/one  Deployment  1 → 3 GPUs  w/one.json:1\n"
        "             spec-changed: /manifest/spec/replicas changed; "
        "API 2.23 can only delete and create\n"
        "             releases 1 GPU, requested for less than a minute\n"
        "             ~ /manifest/spec/replicas: 1 → 3\n\n"
        f"Stack default on {os.environ['RUNAI_BASE_URL']}, state w/.reconciler/state.db.\n"
        "Plan: 0 to create, 0 to update, 1 to replace, 0 to delete; "
        "1 unchanged. GPUs 2 → 4 (peak 4).\n"
    )
    assert cli("apply", specs, "--yes").code == 0

    (specs / "two.json").unlink()
    removed = cli("apply", specs, "--yes")
    assert removed.code == 0
    assert "0 created, 0 updated, 0 replaced, 1 deleted" in removed.out

    assert "1 deleted" in cli("destroy", specs, "--yes").out
    assert cli("state", "list", "--state", specs / ".reconciler/state.db").out == (
        "The state records no workloads.\n"
    )


def test_the_json_plan_is_the_published_document(cli: Cli, specs: Path) -> None:
    """`-o json` is pure on standard output, valid, and the same for the same inputs."""
    documents = []
    for _ in range(2):
        result = cli("plan", specs, "-o", "json")
        assert (result.code, result.err) == (0, "")
        document = json.loads(result.out)
        Draft202012Validator(load_schema("plan")).validate(document)
        document.pop("created_at")
        documents.append(document)
    assert documents[0] == documents[1]


def test_the_event_stream_is_the_published_one(cli: Cli, specs: Path) -> None:
    """`-o ndjson` begins with run_started, ends with run_finished, and every line is valid."""
    result = cli("apply", specs, "--yes", "--init", "-o", "ndjson")
    events = [json.loads(line) for line in result.out.splitlines()]
    validator = Draft202012Validator(load_schema("event"))
    for event in events:
        validator.validate(event)
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_finished"
    assert events[-1]["summary"]["created"] == 2


def test_an_approved_digest_binds_the_apply(cli: Cli, specs: Path) -> None:
    """An apply goes on with the plan that was approved and with no other."""
    digest = json.loads(cli("plan", specs, "-o", "json").out)["digest"]
    change(specs, "one", '"replicas": 1', '"replicas": 2')
    other = cli("apply", specs, "--yes", "--init", "--expect-digest", digest)
    assert other.code == 7
    digest_now = json.loads(cli("plan", specs, "-o", "json").out)["digest"]
    assert f"no longer the one that was approved: its digest is {digest_now}\n" in other.err
    assert "  + create   " in other.out
    assert "Plan: 2 to create, " in other.out
    change(specs, "one", '"replicas": 2', '"replicas": 1')
    assert cli("apply", specs, "--yes", "--expect-digest", digest).code == 0


def test_protection_outlives_the_spec(cli: Cli, specs: Path, project: str) -> None:
    """A protected workload is not deleted when its spec is gone, until the state says so."""
    write_specs(specs, spec("two", project, lifecycle={"protect": True}))
    assert cli("apply", specs, "--yes", "--init").code == 0
    (specs / "two.json").unlink()
    refused = cli("apply", specs, "--yes")
    assert refused.code == 5
    assert refused.err == (
        f"refused: 1 of the planned changes would end a protected workload: delete {project}/two\n"
        f"  hint: leave it out with -x {project}/two, or lift the protection: reconciler state "
        f"unprotect --config {specs}/reconciler.yaml {project}/two "
        "(and lifecycle.protect: false in its spec)\n"
    )
    state = ("--state", specs / ".reconciler/state.db")
    assert cli("state", "unprotect", f"{project}/two", *state).code == 0
    assert cli("apply", specs, "--yes").code == 0


def test_an_empty_directory_deletes_nothing(cli: Cli, specs: Path) -> None:
    """A checkout that lost its files does not take the fleet with it."""
    assert cli("apply", specs, "--yes", "--init").code == 0
    for path in specs.glob("*.json"):
        path.unlink()
    refused = cli("apply", specs, "--yes")
    assert refused.code == 5
    assert "no specs were found, but 2 workloads are recorded: all would be deleted" in refused.err
    assert "--allow-empty" in refused.err
    assert cli("apply", specs, "--yes", "--allow-empty").code == 0


def test_another_server_is_noticed(cli: Cli, specs: Path) -> None:
    """A state that belongs to one server or owner is not used with another."""
    assert cli("apply", specs, "--yes", "--init").code == 0
    refused = cli("plan", specs, "--stack", "somebody-else")
    assert refused.code == 5
    assert refused.err.startswith(
        "refused: this state belongs to stack default, and this run is for somebody-else\n"
    )


def test_a_folder_is_a_target(cli: Cli, tmp_path: Path, project: str) -> None:
    """A folder below the root is all that a run is about; the rest is neither made nor deleted."""
    root = tmp_path / "w"
    root.mkdir()
    (root / "reconciler.yaml").write_text("stack: default\n")
    for team in ("a", "b"):
        write_specs(root / team, spec(f"{team}-one", project), spec(f"{team}-two", project))
    first = cli("apply", root / "a", "--yes", "--init")
    assert "2 created" in first.out
    assert "2 to create" in cli("plan", root).out
    assert cli("apply", root, "--yes").code == 0
    (root / "a/a-one.json").unlink()
    (root / "b/b-one.json").unlink()
    assert "1 to delete" in cli("plan", root / "b").out
    assert "2 to delete" in cli("plan", root).out


def test_render_shows_what_is_sent(cli: Cli, tmp_path: Path, project: str) -> None:
    """Defaults, aliases and files are in place in what render prints."""
    root = write_specs(tmp_path / "w", spec("one", project))
    (root / "_defaults.yaml").write_text("metadata: {priority: high}\n")
    result = cli("render", root, "-o", "json")
    assert result.code == 0
    assert json.loads(result.out)[0]["metadata"] == {
        "name": "one",
        "projectId": project,
        "priority": "high",
    }


def test_a_secret_is_nowhere(cli: Cli, tmp_path: Path, project: str) -> None:
    """A secret in a spec is sent, and is in no output, state or file of ours; its change shows."""
    one = spec("one", project)
    container = one["manifest"]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "HF_TOKEN", "value": "canary-aaaa"}]
    container["args"] = ["--api-key=canary-aaaa", "--token", "canary-aaaa"]
    root = without_updates(write_specs(tmp_path / "w", one))
    shown = [cli("apply", root, "--yes", "--init", "-v", "-o", "ndjson")]
    change(root, "one", "canary-aaaa", "canary-bbbb")
    shown += [cli("plan", root), cli("plan", root, "-o", "json"), cli("status")]
    state = root / ".reconciler/state.db"
    shown.append(cli("state", "show", f"{project}/one", "--state", state))
    assert "1 to replace" in shown[1].out
    assert "(sensitive, changed)" in shown[1].out
    assert not [result for result in shown if "canary" in result.out + result.err]
    assert b"canary" not in state.read_bytes()


def test_init_makes_a_repository_that_works(cli: Cli, tmp_path: Path) -> None:
    """What init writes is valid, can be applied, and is not overwritten by a second init."""
    assert cli("init", "w").code == 0
    assert cli("validate", "w").out == "1 workload in 1 file: valid.\n"
    (tmp_path / "w/hello.yaml").write_text(
        (tmp_path / "w/hello.yaml").read_text().replace("hello", "mine")
    )
    again = cli("init", "w")
    assert again.out.count("kept") == 2
    assert "mine" in (tmp_path / "w/hello.yaml").read_text()


def test_status_says_what_the_server_says(cli: Cli, specs: Path, project: str) -> None:
    """Status lists every recorded workload with the server's word and its GPUs."""
    cli("apply", specs, "--yes", "--init")
    state = ("--state", specs / ".reconciler/state.db")
    listed = json.loads(cli("status", "-o", "json", *state).out)
    assert [(one["address"], one["status"], one["gpus"]) for one in listed] == [
        (f"{project}/one", "Synced", 1.0),
        (f"{project}/two", "Synced", 1.0),
    ]


def test_destroy_twice_is_done_twice(cli: Cli, specs: Path) -> None:
    """A clean-up that runs again finds nothing to do, with or without specs."""
    assert cli("apply", specs, "--yes", "--init").code == 0
    assert cli("destroy", specs, "--yes").code == 0
    assert cli("destroy", specs, "--yes").code == 0
    for path in specs.glob("*.json"):
        path.unlink()
    again = cli("destroy", specs, "--yes")
    assert (again.code, again.err) == (0, "")


def test_a_person_protects_a_workload(cli: Cli, specs: Path, project: str) -> None:
    """It is neither replaced nor deleted, whatever its spec says, until a person lifts that."""
    cli("apply", specs, "--yes", "--init")
    state = ("--state", specs / ".reconciler/state.db")
    assert cli("state", "protect", f"{project}/one", *state).out == (
        f"{project}/one is now protected.\n"
    )
    assert cli("apply", specs, "--yes").code == 0
    change(specs, "one", '"replicas": 1', '"replicas": 3')
    assert cli("apply", specs, "--yes").code == 5
    (specs / "one.json").unlink()
    assert cli("apply", specs, "--yes").code == 5
    cli("state", "unprotect", f"{project}/one", *state)
    assert "1 deleted" in cli("apply", specs, "--yes").out


def test_a_token_is_tried_before_anything_is_planned(
    cli: Cli, specs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong token or server shows in the first plan, also when there is nothing to read."""
    monkeypatch.delenv("RUNAI_CLIENT_ID")
    monkeypatch.delenv("RUNAI_CLIENT_SECRET")
    monkeypatch.setenv("RUNAI_TOKEN", "not-a-token")
    refused = cli("plan", specs)
    assert (refused.code, refused.out) == (9, "")
    assert "does not accept the credentials" in refused.err


def test_every_form_of_an_apply_can_go_to_a_file(cli: Cli, specs: Path) -> None:
    """What grows while the work goes on as well; standard output holds what was left for it."""
    first = ("text=a.txt", "ndjson=a.ndjson", "json=a.json", "markdown=a.md", "html=a.html")
    done = cli(
        "apply", specs, "--yes", "--init", *(word for form in first for word in ("-o", form))
    )

    events = [json.loads(line)["event"] for line in Path("a.ndjson").read_text().splitlines()]
    text = Path("a.txt").read_text().splitlines()
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (events[0], events[-1], events.count("action_succeeded")) == (
        "run_started",
        "run_finished",
        2,
    )
    assert text[0].startswith("  + create  ")
    assert text[-1].startswith("Applied: 2 created")
    assert json.loads(Path("a.json").read_text())["run"]["summary"]["created"] == 2


def test_a_file_that_cannot_be_written_is_noticed_before_anything_is_done(
    cli: Cli, specs: Path
) -> None:
    """An hour of applying would be a bad time to find out."""
    refused = cli("apply", specs, "--yes", "--init", "-o", "html=no/such/folder/a.html")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: no/such/folder/a.html cannot be written: ")
    assert not (specs / ".reconciler").exists()
