"""The command line in this process, and a sandbox that listens on a port of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from reconciler.cli.main import run
from tests.support.printed_commands import PrintedCommands
from tests.support.sandboxes import Sandbox, start, stop

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


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line as `main` runs it, with what it prints.

    Every command that it prints for its reader is tried, from the folder in which it was printed.
    """
    printed = PrintedCommands(monkeypatch, capsys)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        printed.begin()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        printed.check(captured.err + captured.out)
        return Result(code, captured.out, captured.err)

    return call


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
