"""The state by the command line: its runs, its backups, its check, and surgery on it."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli
from tests.cli.repositories import new_project, spec, without_updates, write_specs
from tests.support.sandboxes import Sandbox

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@pytest.fixture
def specs(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch, server: object
) -> Path:
    """Two workloads, applied, and their state where every command finds it."""
    assert server
    folder = write_specs(tmp_path / "w", spec("one", project), spec("two", project))
    monkeypatch.setenv("RECONCILER_STATE", str(tmp_path / "state.db"))
    assert cli("apply", folder, "--yes", "--init").code == 0
    return folder


def test_the_history_of_applies(cli: Cli, specs: Path, project: str) -> None:
    """Listed and shown, for people and for programs; the beginning of an id is enough."""
    cli("apply", specs, "--yes")
    listed = cli("runs", "list")
    assert (listed.code, listed.err) == (0, "")
    head, idle, first = listed.out.splitlines()
    assert head.split() == ["RUN", "STARTED", "BY", "COMMAND", "TOOK", "RESULT"]
    assert idle.endswith("nothing to do")
    assert first.endswith("2 created")

    documents = json.loads(cli("runs", "list", "-o", "json").out)
    assert [document["counts"] for document in documents] == [{}, {"created": 2}]
    whole = json.loads(cli("runs", "show", first.split()[0], "-o", "json").out)
    assert [action["address"] for action in whole["actions"]] == [
        f"{project}/one",
        f"{project}/two",
    ]

    shown = cli("runs", "show", documents[1]["id"])
    assert shown.code == 0
    assert f"run       {documents[1]['id']}" in shown.out
    assert re.search(rf"{project}/one +create +done +\d+\.\d s +{ID.pattern} +new", shown.out)


def test_a_run_that_is_none(cli: Cli, specs: Path) -> None:
    """And one of which too little is said."""
    cli("apply", specs, "--yes")
    none, many = cli("runs", "show", "zz"), cli("runs", "show", "")
    assert (none.code, none.err) == (
        1,
        "error: the state remembers no run zz\n  hint: 'reconciler runs list' shows them\n",
    )
    assert (many.code, many.err.splitlines()[0]) == (1, "error: 2 runs begin with ")


def test_a_killed_apply_stays_in_the_history(tmp_path: Path, project: str) -> None:
    """SIGKILL in the middle: it began, never ended, and the next one carries on."""
    folder = write_specs(tmp_path / "w", *[spec(f"w{i}", project) for i in range(12)])
    command = [str(PROGRAM), "apply", str(folder), "--yes", "--init", "-o", "ndjson"]
    with Sandbox.running("--sync-delay", "0s", "--latency", "300ms") as slow:
        environ = {**os.environ, **slow.variables, "RECONCILER_STATE": str(tmp_path / "state.db")}
        apply = subprocess.Popen(
            [*command, "--concurrency", "2"], env=environ, text=True, stdout=subprocess.PIPE
        )
        assert apply.stdout is not None
        for line in apply.stdout:
            if "action_succeeded" in line:
                break
        apply.send_signal(signal.SIGKILL)
        apply.stdout.close()
        assert apply.wait() == -signal.SIGKILL
        subprocess.run(command, env=environ, check=True, capture_output=True)
    listed = [str(PROGRAM), "runs", "list"]
    done = subprocess.run(listed, env=environ, text=True, capture_output=True, check=True)
    second, first = done.stdout.splitlines()[1:]
    assert first.endswith("never finished")
    assert re.search(r"\d+ created", second)
    show = [str(PROGRAM), "runs", "show", first.split()[0]]
    shown = subprocess.run(show, env=environ, text=True, capture_output=True, check=True)
    assert shown.stderr == (
        "This run has not ended, or was killed. Its last actions may be missing here (up to 255); "
        "'reconciler state list' shows every workload.\n"
    )


def test_a_check_ends_with_its_verdict(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """0 for a sound state; 1 for another, with every flaw and the way out."""
    assert specs.exists()
    cli("state", "backup")
    sound = cli("state", "check")
    assert (sound.code, sound.err) == (0, "")
    assert sound.out.endswith("sound; 2 records (0 in doubt), 1 run, 1 backup, format 6.\n")

    with sqlite3.connect(tmp_path / "state.db") as conn:
        conn.execute("UPDATE operations SET attempts = 7")
    conn.close()
    flawed = cli("state", "check")
    assert flawed.code == 1
    assert flawed.out.count("flaw: the record of ") == 2
    assert flawed.out.splitlines()[-1].startswith(f"{tmp_path / 'state.db'}: 2 flaws; ")
    assert flawed.err.startswith(f"error: the state {tmp_path / 'state.db'} is not sound\n  hint: ")
    assert "cp '" in flawed.err
    document = json.loads(cli("state", "check", "-o", "json").out)
    assert (document["sound"], len(document["flaws"])) == (False, 2)


def test_backups(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """By hand, to a file, and by an apply that changes something."""
    folder = tmp_path / "state.db.backups"
    assert cli("state", "backup", "--dry-run").out.startswith("Would copy the state to ")
    assert not folder.exists()
    assert cli("state", "backup").out.startswith(f"Copied the state to {folder}/")
    assert cli("state", "backup", "x.db").out == "Copied the state to x.db.\n"
    again = cli("state", "backup", "x.db")
    assert (again.code, again.err.splitlines()[0]) == (1, "error: there is already a file at x.db")
    assert cli("state", "list", "--state", "x.db").out == cli("state", "list").out
    (specs / "two.json").unlink()
    cli("apply", specs, "--yes")
    assert len([*folder.iterdir()]) == 2


def test_a_backup_needs_a_folder(cli: Cli, specs: Path) -> None:
    """One made of a misspelt path would hold a backup that nobody finds again."""
    assert specs.exists()
    absent = cli("state", "backup", "nowhere/x.db")
    assert (absent.code, absent.err) == (
        1,
        "error: there is no folder nowhere for the backup\n  hint: make it first, or check FILE\n",
    )
    assert not Path("nowhere").exists()


def test_what_a_killed_command_left_behind_is_named(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """It is no flaw of the state, and a person may remove it."""
    assert specs.exists()
    left = tmp_path / f".state.db.{'0' * 32}"
    left.touch()
    found = cli("state", "check")
    assert found.code == 0
    assert found.err.startswith(f"{left} was left behind by a command that was killed")
    left.unlink()
    assert cli("state", "check").err == ""


def test_a_record_is_forgotten(cli: Cli, specs: Path, project: str) -> None:
    """Only when that is confirmed, and the next apply takes a declared workload back."""
    address = f"{project}/one"
    would = cli("state", "rm", address, "--dry-run")
    assert would.code == 0
    assert re.fullmatch(rf"Would forget {address} \({ID.pattern}\)\.\n", would.out)
    unasked = cli("state", "rm", address)
    assert unasked.code == 64
    assert "add --yes" in unasked.err
    assert cli("state", "rm", address, "--yes").out == would.out.replace("Would forget", "Forgot")
    gone = cli("state", "rm", address, "--yes")
    assert (gone.code, gone.err.splitlines()[0]) == (1, f"error: the state has no {address}")
    assert "adopted by its marker" in cli("apply", specs, "--yes").out
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    assert f"state rm {address}" in cli("runs", "list").out


def test_a_repository_is_split(cli: Cli, specs: Path, tmp_path: Path, project: str) -> None:
    """Records first, then specs: neither half has anything to do."""
    other = write_specs(tmp_path / "v", spec("two", project))
    move = ("state", "move", f"{project}/t*", "--to", tmp_path / "other.db")
    absent = cli(*move, "--yes")
    assert (absent.code, "--init makes a state there" in absent.err) == (1, True)
    assert cli(*move, "--init", "--dry-run").out == (
        f"Would move {project}/two to {tmp_path / 'other.db'}.\n"
    )
    moved = cli(*move, "--init", "--yes")
    assert (moved.code, moved.err) == (0, "")
    assert moved.out == f"Moved {project}/two to {tmp_path / 'other.db'}.\n"
    (specs / "two.json").unlink()
    assert cli("plan", specs, "--detailed-exitcode").code == 0
    split = ("--state", tmp_path / "other.db")
    assert cli("plan", other, "--detailed-exitcode", *split).code == 0
    assert "1 moved" in cli("runs", "list", *split).out


def test_a_protection_can_be_tried(cli: Cli, specs: Path, project: str) -> None:
    """A dry run says what would be, and does not do it."""
    assert specs.exists()
    address = f"{project}/one"
    said = [
        cli("state", "protect", address, *more).out
        for more in (("--dry-run",), (), (), ("--dry-run",))
    ]
    assert said == [
        f"{address} would be protected.\n",
        f"{address} is now protected.\n",
        f"{address} is already protected.\n",
        f"{address} is already protected.\n",
    ]


def test_a_glob_protects_what_it_matches(cli: Cli, specs: Path, project: str) -> None:
    """Addresses are taken at their word; what a glob comes to has to be agreed to."""
    assert specs.exists()
    unasked = cli("state", "protect", f"{project}/*")
    assert (unasked.code, "add --yes" in unasked.err) == (64, True)
    assert cli("state", "protect", f"{project}/one", f"{project}/two").out == (
        f"{project}/one is now protected.\n{project}/two is now protected.\n"
    )
    lifted = cli("state", "unprotect", f"{project}/t*", "--yes")
    assert lifted.out == f"{project}/two is now unprotected.\n"
    assert cli("state", "protect", f"{project}/*", "--dry-run").out == (
        f"{project}/two would be protected.\n{project}/one is already protected.\n"
    )
    nothing = cli("state", "unprotect", f"{project}/x*", "--yes")
    assert (nothing.code, nothing.err.splitlines()[0]) == (
        1,
        f"error: the state has no {project}/x*",
    )


def test_patterns_of_a_recovery_have_to_match(cli: Cli, specs: Path, project: str) -> None:
    """Nothing found is not success."""
    assert specs.exists()
    found = cli("state", "recover", "9/*", "--project", project, "--yes")
    assert (found.code, found.err.splitlines()[0]) == (
        64,
        "error: no workload of this state matches 9/* on the server",
    )


@pytest.fixture
def former(
    cli: Cli, tmp_path: Path, project: str, monkeypatch: pytest.MonkeyPatch, server: object
) -> Path:
    """Workloads of another stack, and an empty state beside the specs of a new owner."""
    assert server
    folder = write_specs(tmp_path / "green", *(spec(name, project) for name in ("a", "b", "c")))
    green = ("--stack", "green", "--state", tmp_path / "green.db")
    assert cli("apply", folder, "--yes", "--init", *green).code == 0
    changed = spec("b", project)
    changed["manifest"]["spec"]["replicas"] = 2
    mine = without_updates(write_specs(tmp_path / "blue", spec("a", project), changed))
    monkeypatch.chdir(mine)
    monkeypatch.setenv("RECONCILER_STACK", "blue")
    monkeypatch.setenv("RECONCILER_STATE", str(tmp_path / "blue.db"))
    return mine


def test_a_project_is_adopted_as_a_plan(cli: Cli, former: Path, project: str) -> None:
    """Whose each workload is, which line declares it, and what the next plan does about it."""
    left = cli("state", "adopt", "--project", project, "--init", "--dry-run")
    assert (left.code, left.err) == (0, "")
    lines = left.out.splitlines()
    assert lines[0] == "Left alone:"
    assert re.fullmatch(
        rf"  {project}/a: workload {ID.pattern} belongs to stack 'green' \(state {ID.pattern}\)",
        lines[1],
    )
    assert lines[-2:] == [
        "Nothing to adopt.",
        "Adopt: 0 workloads, GPUs 0; left: 3 of another owner.",
    ]

    would = cli("state", "adopt", "--project", project, "--take-over", "--init", "--dry-run")
    told = re.sub(ID.pattern, "ID", would.out).splitlines()
    changed = "/manifest/spec/replicas changed"
    taken = (
        "taken over from stack 'green' (state ID): its ownership annotation names that stack "
        "until it is replaced"
    )
    assert told == [
        f"  > adopt  {project}/a  Deployment  1 GPU  a.json:1  id ID",
        f"           {taken}",
        "           next plan: unchanged",
        f"  > adopt  {project}/b  Deployment  1 GPU  b.json:1  id ID",
        f"           {taken}",
        f"           next plan: replace: {changed}; API 2.23 can only delete and create",
        "           ~ /manifest/spec/replicas: 1 → 2",
        "Left alone:",
        f"  no spec declares {project}/c: once recorded, it would be deleted by the next apply",
        "  hint: declare it first; or --undeclared, and a spec before the next apply",
        "Adopt: 2 workloads, GPUs 2; next plan: 1 to replace, 1 unchanged; left: 1 not declared.",
        "Would adopt 2 workloads.",
    ]
    assert not (former.parent / "blue.db").exists()
    without = cli("state", "adopt", "--project", project, "--dry-run")
    assert (without.code, "there is no state" in without.err) == (1, True)


def test_an_adoption_for_programs(cli: Cli, former: Path, project: str) -> None:
    """The same as a document; `done` says whether it was written."""
    assert former.exists()
    adopt = ("state", "adopt", "--project", project, "--take-over", "--init", "-o", "json")
    tried = json.loads(cli(*adopt, "--dry-run").out)
    done = json.loads(cli(*adopt, "--yes").out)
    again = json.loads(cli(*adopt, "--yes").out)
    assert [document["done"] for document in (tried, done, again)] == [False, True, False]
    assert {**tried, "done": True} == done
    assert done["summary"] == {"adopted": 2, "taken_over": 2, "skipped": 1}
    (first, second), (skipped,) = done["adoptions"], done["skipped"]
    assert (first["address"], first["source"], first["next"]["action"]) == (
        f"{project}/a",
        {"file": "a.json", "line": 1},
        "keep",
    )
    assert first["owner"]["stack"] == "green"
    assert [change["pointer"] for change in second["next"]["changes"]] == [
        "/manifest/spec/replicas"
    ]
    assert (skipped["address"], skipped["why"]) == (f"{project}/c", "undeclared")
    assert [one["why"] for one in again["skipped"]] == ["recorded", "recorded", "undeclared"]
    assert "state adopt --project" in cli("runs", "list").out


def test_one_workload_is_adopted_by_its_id(cli: Cli, former: Path, project: str) -> None:
    """A foreign one only with the flag that says so."""
    assert former.exists()
    listed = json.loads(
        cli("state", "adopt", "--project", project, "--init", "--dry-run", "-o", "json").out
    )
    (workload_id,) = (x["id"] for x in listed["skipped"] if x["address"] == f"{project}/a")
    adopt = ("state", "adopt", f"{project}/a", "--id", workload_id, "--init", "--yes")
    refused = cli(*adopt)
    assert (refused.code, "belongs to stack 'green'" in refused.err) == (5, True)
    assert cli(*adopt, "--take-over").out.splitlines()[-1] == "Adopted 1 workload."
    assert cli("plan", "-t", f"{project}/a", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("1/a",),
        ("--id", "x"),
        ("1/a", "--project", "1"),
        ("1/a", "--id", "x", "--match", "*"),
        ("1/a", "--id", "x", "--undeclared"),
    ],
)
def test_an_adoption_is_of_one_or_of_a_project(cli: Cli, arguments: tuple[str, ...]) -> None:
    """What belongs to the other way is wrong usage."""
    assert cli("state", "adopt", *arguments, "--yes").code == 64


def test_a_project_is_not_adopted_beside_specs_with_errors(
    cli: Cli, former: Path, project: str
) -> None:
    """A spec that cannot be read would look like a workload that none declares."""
    (former / "broken.yaml").write_text("metadata: [")
    refused = cli("state", "adopt", "--project", project, "--take-over", "--yes")
    assert (refused.code, "broken.yaml:1" in refused.err) == (3, True)
