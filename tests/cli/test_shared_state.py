"""Whole processes that share a state in PostgreSQL: raced, stopped, and cut off from it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.repositories import new_project
from tests.support.brief import TIMINGS
from tests.support.postgres import PostgresServer
from tests.support.sandboxes import Sandbox
from tests.support.workloads import spec, write_specs

LINK = "https://gitlab.example.com/o/r/-/jobs/881"
# So short that a stopped process can be replaced within a test.
BRIEF = {"lease": 1.0, "renewal": 0.2, "silence": 2.0, "connect": 2.0}


@dataclass(kw_only=True)
class Shared:
    """One state, one server, and folders of specs, each of somebody with their own checkout."""

    server: Sandbox
    timings: Mapping[str, float] = field(default_factory=lambda: BRIEF)
    database: PostgresServer
    schema: str
    folder: Path
    project: str = field(default_factory=new_project)

    @property
    def url(self) -> str:
        """Where the state is."""
        return self.database.url(self.schema)

    def checkout(self, name: str, count: int) -> Path:
        """A folder with so many specs."""
        folder = self.folder / name
        write_specs(folder, [spec(f"w{number:02}", self.project) for number in range(count)])
        return folder

    def begin(
        self, folder: Path, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.brief", *arguments, "--state", self.url],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                TIMINGS: json.dumps(self.timings),
                **self.server.variables,
                **(variables or {}),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        """A command to its end."""
        process = self.begin(folder, *arguments)
        out, _ = process.communicate(timeout=50)
        return process.returncode, out

    def creates(self) -> Sequence[Mapping[str, Any]]:
        """What the server's ledger says of POSTs for this project."""
        entries = self.server.ask("/sandbox/ledger?since=0")["entries"]
        posts = (entry for entry in entries if entry["method"] == "POST")
        return [entry for entry in posts if entry["project_id"] == self.project]

    def created(self) -> Mapping[str, int]:
        """How often each name was created."""
        return Counter(e["name"] for e in self.creates() if e["effect"] == "created")

    def ask(self, columns: str) -> tuple[Any, ...]:
        """Columns of the state's row."""
        (row,) = self.database.query(f"SELECT {columns} FROM {self.schema}.states")
        return row

    def await_creates(self, count: int) -> None:
        """Wait until so many creates have arrived."""
        end = time.monotonic() + 20
        while len(self.creates()) < count:
            assert time.monotonic() < end, "nothing was created"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def control_server() -> Iterator[Sandbox]:
    """A sandbox that can be told to be slow."""
    with Sandbox.running("--control", "--sync-delay", "0s") as server:
        yield server


@pytest.fixture
def shared(
    control_server: Sandbox, postgres: PostgresServer, schema: str, tmp_path: Path
) -> Iterator[Shared]:
    """A new state."""
    yield Shared(server=control_server, database=postgres, schema=schema, folder=tmp_path)
    control_server.ask("/sandbox/faults", {"faults": []}, method="PUT")


def test_of_two_applies_at_once_one_is_told_who_is_at_work(shared: Shared) -> None:
    """By name, CI job, and in how many seconds the lock were free if that one were dead.

    A plan waits for nobody, and names it as well.
    """
    folder = shared.checkout("a", 2)
    # On a busy machine a short lease may run out.
    shared.timings = {**BRIEF, "lease": 60.0}
    shared.server.ask("/sandbox/faults", {"faults": ["latency=3s on=POST nth=1"]}, method="PUT")
    holder = shared.begin(folder, "apply", ".", "--yes", "--init", variables={"CI_JOB_URL": LINK})
    shared.await_creates(1)
    # However long the others take to start on a busy machine, it is at work meanwhile.
    holder.send_signal(signal.SIGSTOP)
    code, out = shared.run(shared.checkout("b", 2), "apply", ".", "--yes")
    assert code == 6
    assert re.search(
        r"error: the state of stack \S+ \(127\.0\.0\.1:\d+/postgres, schema \w+\) is in use by "
        r"\S+@\S+ \(reconciler apply\), " + re.escape(LINK) + r", since \S+\n"
        r"  hint: wait for it with --lock-timeout 10m; if it is dead, the lock is free in \d\d s",
        out,
    )
    code, out = shared.run(shared.folder / "b", "plan", ".")
    holder.send_signal(signal.SIGCONT)
    assert code == 0
    assert re.search(
        r"\nAt work on this state: \S+@\S+ \(reconciler apply\), "
        + re.escape(LINK)
        + r", since \S+\. What that run has begun is shown as under way",
        out,
    )
    assert holder.communicate(timeout=50)[0].count("created   ") == 2
    assert holder.returncode == 0
    code, out = shared.run(shared.folder / "b", "runs", "list")
    assert (code, out.count("2 created")) == (0, 1)


def test_a_run_that_was_replaced_while_it_stood_still_changes_nothing(shared: Shared) -> None:
    """Stopped for longer than its lease, it commits nothing, makes nothing, and ends with 6."""
    folder = shared.checkout("a", 12)
    shared.server.ask("/sandbox/faults", {"faults": ["latency=500ms on=POST"]}, method="PUT")
    stopped = shared.begin(folder, "apply", ".", "--yes", "--init", "--concurrency", "2")
    shared.await_creates(4)
    stopped.send_signal(signal.SIGSTOP)
    code, out = shared.run(shared.checkout("b", 12), "apply", ".", "--yes", "--lock-timeout", "20s")
    assert code == 0, out
    before, sent = shared.ask("epoch, writes, serial, token"), len(shared.creates())
    stopped.send_signal(signal.SIGCONT)
    out, _ = stopped.communicate(timeout=50)
    assert stopped.returncode == 6, out
    assert "was taken over by" in out
    assert shared.ask("epoch, writes, serial, token") == before
    # Whoever is stopped between the last look at the clock and the write to the socket sends that
    # one request, which nobody can prevent: at most one of each place, and its name is taken.
    late = [create["effect"] for create in shared.creates()[sent:]]
    assert late in ([], [None], [None, None])
    assert shared.created() == {f"w{number:02}": 1 for number in range(12)}
    code, out = shared.run(shared.folder / "b", "plan", ".", "--detailed-exitcode")
    assert code == 0, out


def test_a_server_that_is_restarted_disturbs_no_apply(shared: Shared) -> None:
    """Every workload is made once, whatever the database was doing at that moment."""
    folder = shared.checkout("a", 40)
    shared.server.ask("/sandbox/faults", {"faults": ["latency=100ms on=POST"]}, method="PUT")
    process = shared.begin(folder, "apply", ".", "--yes", "--init", "--concurrency", "4")
    for count, how in ((4, signal.SIGINT), (14, signal.SIGQUIT), (24, signal.SIGINT)):
        shared.await_creates(count)
        shared.database.restart(how)
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 0, out
    assert shared.created() == {f"w{number:02}": 1 for number in range(40)}
    assert len(shared.creates()) == 40
    code, out = shared.run(folder, "plan", ".", "--detailed-exitcode")
    assert code == 0, out
