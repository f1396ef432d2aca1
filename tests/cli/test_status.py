from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli
from tests.cli.repositories import new_project, spec, write_specs

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def project(cli: Cli, tmp_path: Path) -> str:
    """A project with two workloads; the repository is the working directory."""
    project = new_project()
    write_specs(tmp_path, spec("chat", project), spec("train", project))
    assert cli("apply", "--yes", "--init").code == 0
    return project


def test_the_table(cli: Cli, project: str) -> None:
    """A line for each workload and the total; how they are is no exit code."""
    result = cli("status")
    assert (result.code, result.err) == (0, "")
    head, chat, train, projects, total = result.out.splitlines()
    assert head.split() == ["ADDRESS", "PHASE", "SYNC", "AGE", "GPUS", "MESSAGE"]
    assert chat.split()[:3] == [f"{project}/chat", "Running", "Synced"]
    assert train.split()[:3] == [f"{project}/train", "Running", "Synced"]
    assert chat.split()[3].endswith("s")
    assert projects == f"Project {project} is project-{project}."
    assert total == "2 workloads, 2 GPUs requested; 0 failed, 0 missing, 0 in doubt."


def test_globs_choose(cli: Cli, project: str) -> None:
    """As everywhere, on the address; one that matches nothing is wrong usage."""
    shown = json.loads(cli("status", f"{project}/c*", "-o", "json").out)
    assert [one["address"] for one in shown] == [f"{project}/chat"]
    assert shown[0]["age_seconds"] in range(60)
    nothing = cli("status", "nobody/*")
    assert nothing.code == 64
    assert "no recorded workload matches nobody/*" in nothing.err


def test_an_explanation_is_a_document(cli: Cli, project: str) -> None:
    """What the table shows of the workload, and what explains it."""
    (explained,) = json.loads(cli("status", f"{project}/chat", "--explain", "-o", "json").out)
    assert (explained["phase"], explained["pending"], explained["unknown"]) == ("Running", [], [])
    assert {one["phase"] for one in explained["history"]} >= {"Creating", "Running"}
    assert explained["events"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--explain"], "--explain needs an ADDRESS"),
        (["--watch", "soon"], "'soon' is not a duration"),
        (["--watch", "0s"], "an interval such as 5s"),
        (["--watch=5s", "-o", "json=f.json"], "cannot go to a file"),
    ],
    ids=["nothing", "word", "zero", "file"],
)
def test_a_watch_that_cannot_be(cli: Cli, words: list[str], said: str) -> None:
    """It is wrong usage, and says so before it asks the server."""
    result = cli("status", *words)
    assert result.code == 64
    assert said in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_watch_without_a_terminal(
    cli: Cli, project: str, number: signal.Signals, form: str
) -> None:
    """A line for everything and one for every change, each with its time; a signal ends it."""
    address = f"{project}/chat"
    # An address after the flag is no interval.
    words = ["status", "--watch", address] if form == "text" else ["status", "--watch=100ms"]
    words = [*words, "-o", form]
    process = subprocess.Popen(
        [str(PROGRAM), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    if form == "json":
        assert process.stdout.readline()
        cli("state", "rm", address, "--yes")
        assert json.loads(process.stdout.readline()) | {"at": ""} == {
            "at": "",
            "address": address,
            "status": None,
        }
        assert json.loads(first)["address"] == address
    else:
        assert first.split()[1:] == [address, "Running", "Synced"]
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (128 + number, "", "")


def test_a_watch_that_nobody_reads_ends(cli: Cli, project: str) -> None:
    """At the next change, and in order: `| head` is no error."""
    process = subprocess.Popen(
        [str(PROGRAM), "status", "--watch=100ms"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    cli("state", "rm", f"{project}/chat", "--yes")
    assert process.wait(timeout=20) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def on_terminal(words: list[str], environ: Mapping[str, str], *, until: str) -> tuple[int, str]:
    """The exit code and all that a terminal of 80 by 12 gets; Ctrl-C once it shows a text."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 80, 0, 0))
    process = subprocess.Popen(
        [str(PROGRAM), *words],
        stdin=other,
        stdout=other,
        stderr=other,
        env=dict(environ),
        start_new_session=True,
    )
    os.close(other)
    seen, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            ready = select.select([main], [], [], 0.1)[0]
            chunk = os.read(main, 65536) if ready else b"-"
        except OSError:
            break
        seen += chunk if ready else b""
        if until.encode() in seen:
            process.send_signal(signal.SIGINT)
            until = "\0"
    os.close(main)
    return process.wait(timeout=10), seen.decode()


def test_a_watch_on_a_terminal(project: str) -> None:
    """It has a screen of its own, draws what fits on it, and leaves the terminal as it was."""
    environ = {**os.environ, "TERM": "xterm-256color"}
    environ.pop("COLUMNS", None)
    code, seen = on_terminal(["status", "--watch=1s"], environ, until="Ctrl-C ends")
    assert code == 130
    before, screen = seen.split("\x1b[?1049h")
    assert before == ""
    drawn, after = screen.split("\x1b[?1049l")
    assert f"{project}/chat" in drawn
    assert "\x1b[32mSynced" in drawn
    assert "2 workloads, 2 GPUs requested" in drawn
    assert after.strip() == ""
    assert drawn.rfind("\x1b[?25h") > drawn.rfind("\x1b[?25l")


def test_a_look_on_a_terminal_fits_it(project: str) -> None:
    """No line is broken by the terminal."""
    environ = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    environ.pop("COLUMNS", None)
    code, seen = on_terminal(["status"], environ, until="\0")
    assert code == 0
    assert f"{project}/chat" in seen
    assert max(map(len, seen.splitlines())) <= 80


def test_an_error_at_the_first_look_stays_on_the_screen(project: str) -> None:
    """The screen of the table is not opened for nothing."""
    del project
    environ = {**os.environ, "TERM": "xterm-256color", "RUNAI_CLIENT_SECRET": "wrong"}
    code, seen = on_terminal(["status", "--watch=1s"], environ, until="\0")
    assert code == 9
    assert "does not accept the credentials" in seen
    assert "\x1b[?1049h" not in seen
