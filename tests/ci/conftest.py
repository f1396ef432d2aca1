"""A sandbox for the jobs, and machines that forget."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from tests.ci.tools import Runner
from tests.cli.conftest import start_sandbox, stop_sandbox


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Mapping[str, str]]:
    """The variables that lead to a sandbox whose workloads are synced and gone at once."""
    process, variables = start_sandbox("--sync-delay", "0s")
    yield variables
    stop_sandbox(process)


class NewRunner(Protocol):
    """Makes a machine."""

    def __call__(self, **variables: str) -> Runner:
        """Make an empty one with these variables."""
        ...


@pytest.fixture
def new_runner(tmp_path: Path) -> NewRunner:
    """Machines with an empty working directory each."""
    numbers = count(1)

    def make(**variables: str) -> Runner:
        folder = tmp_path / f"runner-{next(numbers)}"
        folder.mkdir()
        return Runner(folder=folder, variables=variables)

    return make


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """The repository that outlives every machine."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


@pytest.fixture
def machine(new_runner: NewRunner, remote: Path, control_plane: Mapping[str, str]) -> NewRunner:
    """Machines that know the repository and the control plane."""

    def make(**variables: str) -> Runner:
        return new_runner(**{"STATE_REMOTE": str(remote), **control_plane, **variables})

    return make
