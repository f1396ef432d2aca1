from __future__ import annotations

import dataclasses
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from reconciler.state.sqlite import open_state
from tests.cli.conftest import PROGRAM, Cli, start_sandbox, stop_sandbox
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.places import ROOT
from tests.support.promql import evaluate

CONTAINER = {"name": "main", "image": "registry.example.com/train:1"}
NOWHERE = "http://127.0.0.1:1"

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """Two workloads in a project of their own."""
    project = new_project()
    return write_specs(tmp_path / "w", spec("one", project), spec("two", project))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the metrics go."""
    return tmp_path / "m" / "runs.prom"


@pytest.fixture(autouse=True)
def _folder(file: Path) -> None:
    file.parent.mkdir()


def read(file: Path) -> dict[tuple[str, ...], float]:
    """Every sample of a file by its name and the values of its own labels."""
    return {
        (sample.name, *(v for k, v in sample.labels.items() if k not in ("command", "stack"))): (
            sample.value
        )
        for family in text_string_to_metric_families(file.read_text("utf-8"))
        for sample in family.samples
    }


def ending(file: Path) -> tuple[float, float | None]:
    """The exit code and the time of the last success."""
    found = read(file)
    return (
        found["reconciler_last_run_exit_code",],
        found.get(("reconciler_last_success_timestamp_seconds",)),
    )


def test_an_apply_that_succeeded(cli: Cli, specs: Path, file: Path) -> None:
    """What was planned, sent, done and recorded; readable by all, and nothing beside it."""
    before = time.time()
    assert cli("apply", specs, "--yes", "--init", "--metrics-file", file).code == 0
    found = read(file)
    expected = {
        ("reconciler_last_run_exit_code",): 0,
        ("reconciler_planned_changes", "create"): 2,
        ("reconciler_operations", "create", "succeeded"): 2,
        ("reconciler_operations", "create", "failed"): 0,
        ("reconciler_recorded_workloads", "accepted"): 2,
        ("reconciler_in_doubt_workloads",): 0,
        ("reconciler_requests", "POST", "202"): 2,
        ("reconciler_requests", "POST", "200"): 1,
        ("reconciler_throttle_pauses",): 0,
    }
    assert {key: found[key] for key in expected} == expected
    assert before - 1 < found["reconciler_last_success_timestamp_seconds",] < time.time() + 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("kind", ["refused", "locked", "unreachable", "unauthorised", "invalid"])
def test_a_run_that_did_not_begin(
    cli: Cli, specs: Path, file: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code is left behind, and the last success is still the one before it."""
    to_file = ("--metrics-file", file)
    assert cli("apply", specs, "--yes", "--init", *to_file).code == 0
    _, success = ending(file)
    held = open_state(specs / ".reconciler/state.db")
    code, arguments = {
        "refused": (5, ["--stack", "default"]),
        "locked": (6, []),
        "unreachable": (9, ["--url", NOWHERE, "--deadline", "1s"]),
        "unauthorised": (9, []),
        "invalid": (3, []),
    }[kind]
    if kind == "refused":
        for path in specs.glob("*.json"):
            path.unlink()
    if kind == "locked":
        held.hold("reconciler apply")
    if kind == "unreachable":
        # Of another server a state would not even be used.
        held.hold("test")
        held.pin(dataclasses.replace(held.header.target, url=NOWHERE))
        held.release()
    if kind == "unauthorised":
        monkeypatch.setenv("RUNAI_CLIENT_SECRET", "wrong")
    if kind == "invalid":
        (specs / "broken.yaml").write_text("metadata: [")
    try:
        assert cli("apply", specs, "--yes", *arguments, *to_file).code == code
    finally:
        held.close()
    assert ending(file) == (code, success)
    assert read(file)["reconciler_recorded_workloads", "accepted"] == 2


def test_a_plan_that_found_changes(
    cli: Cli, specs: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did its work; the file may also be named by the environment."""
    monkeypatch.setenv("RECONCILER_METRICS_FILE", str(file))
    assert cli("plan", specs, "--detailed-exitcode").code == 2
    code, success = ending(file)
    assert code == 2
    assert success is not None
    assert read(file)["reconciler_planned_changes", "create"] == 2
    assert not [name for name, *_ in read(file) if name == "reconciler_operations"]


def test_a_wrong_option_is_left_behind(cli: Cli, specs: Path, file: Path) -> None:
    """Also a cron job that was edited badly ends with a code that somebody is told of."""
    assert cli("plan", specs, "--max-rps", "many", "--metrics-file", file).code == 64
    assert ending(file) == (64, None)


def test_a_folder_that_is_gone(cli: Cli, specs: Path, file: Path) -> None:
    """The stack is that of the file before, so that its last success is not lost."""
    (specs / "reconciler.yaml").write_text("stack: blue\n")
    assert cli("plan", specs, "--metrics-file", file).code == 0
    _, success = ending(file)
    assert cli("plan", "nowhere", "--metrics-file", file).code == 3
    assert ending(file) == (3, success)
    assert 'stack="blue"' in file.read_text()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00 no metrics", b"x" * 100_000])
def test_an_earlier_file_that_cannot_be_read(
    cli: Cli, specs: Path, file: Path, content: bytes
) -> None:
    """It is replaced."""
    file.write_bytes(content)
    assert cli("plan", specs, "--metrics-file", file).code == 0
    assert ending(file)[0] == 0


def test_a_file_that_cannot_be_written(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """A warning; what was done is done, and the code says how that went."""
    file = tmp_path / "absent" / "runs.prom"
    result = cli("apply", specs, "--yes", "--init", "--metrics-file", file)
    assert result.code == 0
    assert "2 created" in result.out
    assert result.err == (
        f"warning: the metrics file {file} cannot be written: No such file or directory\n"
    )


def test_a_pipe_is_not_replaced(cli: Cli, specs: Path, tmp_path: Path) -> None:
    """Nor is a device: run by root, a rename would take it away from everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = cli("plan", specs, "--metrics-file", pipe)
    assert result.code == 0
    assert result.err.endswith("cannot be written: it is not a regular file\n")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_is_followed(cli: Cli, specs: Path, file: Path, tmp_path: Path) -> None:
    """What it leads to is replaced, and the link stays."""
    link = tmp_path / "link.prom"
    link.symlink_to(file)
    assert cli("plan", specs, "--metrics-file", link).code == 0
    assert link.is_symlink()
    assert ending(file)[0] == 0


def test_nothing_is_written_unasked(cli: Cli, specs: Path, file: Path) -> None:
    """Nor by a look at the help."""
    assert cli("plan", specs).code == 0
    assert cli("plan", "--metrics-file", file, "--help").code == 0
    assert list(file.parent.iterdir()) == []


@pytest.fixture(scope="module")
def silent_server() -> Iterator[Mapping[str, str]]:
    """A sandbox that takes half a minute for every answer."""
    process, variables = start_sandbox("--latency", "30s")
    yield variables
    stop_sandbox(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_while_it_plans(
    specs: Path, file: Path, silent_server: Mapping[str, str], number: signal.Signals
) -> None:
    """Nothing was begun, and the code of the signal is left behind all the same."""
    state = specs / ".reconciler/state.db.lock"
    process = subprocess.Popen(
        [str(PROGRAM), "apply", str(specs), "--yes", "--init", "--metrics-file", str(file)],
        env=os.environ | dict(silent_server),
        stderr=subprocess.DEVNULL,
    )
    for _ in range(400):
        if state.exists():
            break
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=20) == 128 + number
    assert ending(file) == (128 + number, None)


@pytest.fixture(scope="module")
def failing_server() -> Iterator[Mapping[str, str]]:
    """A sandbox in which every Job fails in its container a second after its sync."""
    process, variables = start_sandbox("--fault", "fails=1s kind=Job message=OOMKilled")
    yield variables
    stop_sandbox(process)


def test_a_job_that_fails_in_its_container_is_seen_everywhere(
    cli: Cli,
    file: Path,
    tmp_path: Path,
    failing_server: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The apply that waits for it ends with 4, so does a status, and the shipped alert fires."""
    for name, value in failing_server.items():
        monkeypatch.setenv(name, value)
    job = spec("train", new_project())
    job["manifest"] = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [CONTAINER]}}},
    }
    write_specs(tmp_path, job)

    applied = cli("apply", "--yes", "--init", "--wait-for", "completed")
    status = cli("status", "--exit-status", "--metrics-file", file)

    assert applied.code == 4
    assert "it failed in the cluster: OOMKilled" in applied.out
    assert status.code == 4
    assert status.out.splitlines()[1].split()[1:3] == ["Failed", "Synced"]
    rules = yaml.safe_load((ROOT / "examples/monitoring/alerts.yaml").read_text("utf-8"))
    fired = {
        rule["alert"]
        for group in rules["groups"]
        for rule in group["rules"]
        if evaluate(rule["expr"], file.read_text("utf-8"), now=time.time())
    }
    # Of an apply there is no file here.
    assert fired == {
        "ReconcilerMetricsMissing",
        "ReconcilerRunFailed",
        "ReconcilerWorkloadFailed",
    }


def test_a_wait_without_the_list_is_refused(cli: Cli, specs: Path) -> None:
    """Before anything is sent: nobody could tell when it is over."""
    (specs / "reconciler.yaml").write_text("discovery: off\n")
    result = cli("apply", specs, "--yes", "--init", "--wait-for", "running")
    assert (result.code, result.out) == (64, "")
    assert "--wait-for running needs the server's list, and discovery is off" in result.err
    assert not (specs / ".reconciler/state.db").exists()


def test_a_watch_leaves_no_metrics(cli: Cli, file: Path) -> None:
    """It has no end to write them at."""
    result = cli("status", "--watch", "--metrics-file", file)
    assert result.code == 64
    assert "--watch has no end to write --metrics-file at" in result.err
    assert not file.exists()
