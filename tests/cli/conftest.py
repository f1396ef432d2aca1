"""The command line in this process, and a sandbox that listens on a port of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from reconciler.app.session import Connector
from reconciler.app.target import ConfirmServer
from reconciler.cli.main import run
from tests.support.printed_commands import PrintedCommands, copied_folder
from tests.support.sandboxes import Sandbox, start, stop
from tests.support.timing import Timeline, VirtualClock
from tests.support.timing import run as run_virtually
from tests.support.transports import ReadOnlyTransport

PROGRAM = Path(sys.executable).parent / "reconciler"


@dataclass(frozen=True, slots=True)
class Result:
    """How one command ended."""

    code: int
    out: str
    err: str


class Cli(Protocol):
    """Runs one command line in this process."""

    def __call__(self, *arguments: object) -> Result:
        """Run it and return how it ended."""
        ...


@pytest.fixture(scope="module")
def tried_forms() -> set[tuple[str, ...]]:
    """The forms of printed commands that were carried out for this module."""
    return set()


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tried_forms: set[tuple[str, ...]],
) -> Cli:
    """The command line as `main` runs it, with what it prints.

    Every command that it prints for its reader is tried, from the folder in which it was printed.
    """

    def rehearse(words: Sequence[str]) -> tuple[int, str]:
        copies = tmp_path.with_name(f"{tmp_path.name}-printed")
        timeline = Timeline()
        with (
            monkeypatch.context() as patch,
            copied_folder(tmp_path, copies, monkeypatch) as there,
        ):
            patch.setattr(Connector, "system", partial(_read_only, timeline))
            patch.setattr(asyncio, "run", lambda main: run_virtually(main, timeline))
            code = run([there(word) for word in words])
        said = capsys.readouterr()
        return code, said.err + said.out

    printed = PrintedCommands(monkeypatch, capsys, rehearse, tried_forms)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        printed.begin()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        printed.check(captured.err + captured.out)
        return Result(code, captured.out, captured.err)

    return call


def _read_only(
    timeline: Timeline, environ: Mapping[str, str], confirm: ConfirmServer | None = None
) -> Connector:
    """The way to the server of a test for a command that must not change what is there."""
    return Connector(
        environ=environ,
        clock=VirtualClock(timeline),
        confirm=confirm,
        transport=ReadOnlyTransport,
    )


def start_sandbox(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A sandbox process that is ready, and the variables that lead to it."""
    return start(*arguments)


def stop_sandbox(process: subprocess.Popen[str]) -> None:
    """End a sandbox in order."""
    assert stop(process) == 0


@pytest.fixture(scope="session")
def fast_server() -> Iterator[Mapping[str, str]]:
    """A sandbox whose workloads are synced and gone at once."""
    with Sandbox.running("--sync-delay", "0s") as server:
        yield server.variables


@pytest.fixture
def server(fast_server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The environment of this test points to the fast sandbox."""
    for name, value in fast_server.items():
        monkeypatch.setenv(name, value)
    return fast_server


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
