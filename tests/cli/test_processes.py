"""Whole processes that are stopped, killed, raced, or cut off from their reader."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli, start_sandbox, stop_sandbox
from tests.cli.repositories import new_project, spec, write_specs


@pytest.fixture(scope="module")
def slow_server() -> Iterator[Mapping[str, str]]:
    """A sandbox that accepts at once and never gets around to syncing."""
    process, variables = start_sandbox("--sync-delay", "1h")
    yield variables
    stop_sandbox(process)


def begin_apply(specs: Path, server: Mapping[str, str]) -> subprocess.Popen[str]:
    """An apply in a process of its own."""
    return subprocess.Popen(
        [str(PROGRAM), "apply", str(specs), "--yes", "--init", "-v"],
        env=os.environ | dict(server),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_until_accepted(specs: Path, cli: Cli, count: int) -> None:
    """Wait until the state knows the ids; the processes under test are real."""
    state = specs / ".reconciler/state.db"
    for _ in range(200):
        if state.exists() and cli("state", "list", "--state", state).out.count("accepted") == count:
            return
        time.sleep(0.05)
    raise AssertionError("nothing was accepted in ten seconds")


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    """Two workloads in a project of their own."""
    project = new_project()
    return write_specs(tmp_path / "w", spec("one", project), spec("two", project))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_apply_in_order(
    specs: Path, slow_server: Mapping[str, str], cli: Cli, number: signal.Signals, code: int
) -> None:
    """The first signal cuts the waits; everything known is recorded, and the code tells which."""
    process = begin_apply(specs, slow_server)
    wait_until_accepted(specs, cli, 2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == code
    assert f"stopped by {number.name}; everything known is recorded" in out
    assert "Applied: 2 created" in out
    assert "Traceback" not in out


def test_two_applies_at_once(
    specs: Path,
    slow_server: Mapping[str, str],
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second is told who holds the state; when the holder is killed, nobody is held up."""
    for name, value in slow_server.items():
        monkeypatch.setenv(name, value)
    process = begin_apply(specs, slow_server)
    wait_until_accepted(specs, cli, 2)
    second = cli("apply", specs, "--yes")
    assert second.code == 6
    assert f"process {process.pid}," in second.err
    assert "(reconciler apply)" in second.err
    process.kill()
    process.communicate()
    third = cli("apply", specs, "--yes", "--no-wait")
    assert third.code == 0
    assert "2 unchanged" in third.out


@pytest.mark.parametrize("sink", ["/dev/full", "closed pipe"])
def test_a_lost_reader_never_stops_an_apply(
    specs: Path, fast_server: Mapping[str, str], cli: Cli, sink: str
) -> None:
    """What cannot be shown is done all the same, and recorded; a full disk is worth a word."""
    if sink == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(sink, os.O_WRONLY)
    process = subprocess.run(
        [str(PROGRAM), "apply", str(specs), "--yes", "--init"],
        env=os.environ | dict(fast_server),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    os.close(writer)
    assert process.returncode == 0
    words = "warning: not all of the result could be written: standard output cannot be written: "
    assert process.stderr.startswith(words if sink == "/dev/full" else "")
    assert bool(process.stderr) is (sink == "/dev/full")
    assert (
        cli("state", "list", "--state", specs / ".reconciler/state.db").out.count("accepted") == 2
    )


def test_ctrl_c_at_the_question_ends_the_program(
    specs: Path, fast_server: Mapping[str, str], cli: Cli
) -> None:
    """Nothing is sent, and the state is free for the next one."""
    terminal, stdin = pty.openpty()
    process = subprocess.Popen(
        [str(PROGRAM), "apply", str(specs), "--init"],
        env=os.environ | dict(fast_server),
        text=True,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    url = fast_server["RUNAI_BASE_URL"]
    question = (
        f"Stack default on {url}, state {specs.name}/.reconciler/state.db. Apply this plan? [y/N]"
    )
    assert process.stderr.read(len(question)) == question
    # Between the question and the read that waits for its answer no signal is noticed.
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    os.close(terminal)
    os.close(stdin)
    assert process.returncode == 130
    assert "2 to create" in out
    assert "stopped" in err
    state = specs / ".reconciler/state.db"
    assert cli("state", "list", "--state", state).out == "The state records no workloads.\n"


@pytest.mark.parametrize(
    ("redirect", "code", "words"),
    [(">&-", 0, ""), (">/dev/full", 1, "error: standard output cannot be written: No space left")],
)
def test_a_result_that_nobody_can_read(specs: Path, redirect: str, code: int, words: str) -> None:
    """No stream is nobody's loss; a full one is an error, never a traceback."""
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM} validate {specs} {redirect}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == code
    assert done.stderr.startswith(words)
    assert "Traceback" not in done.stderr
