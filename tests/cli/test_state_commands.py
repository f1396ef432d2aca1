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
from tests.cli.repositories import new_project, spec, write_specs
from tools.sandboxes import Sandbox

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
    folder = write_specs(tmp_path / "w", *[spec(f"w{i}", project) for i in range(30)])
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


def test_a_check_ends_with_its_verdict(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """0 for a sound state; 1 for another, with every flaw and the way out."""
    assert specs.exists()
    cli("state", "backup")
    sound = cli("state", "check")
    assert (sound.code, sound.err) == (0, "")
    assert sound.out.endswith("sound; 2 records (0 in doubt), 1 run, 1 backup, format 3.\n")

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
