"""What every test has: an environment without the caller's settings, and known randomness."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.object_server import ObjectServer
    from tests.support.postgres import PostgresServer

settings.register_profile("dev", deadline=None, max_examples=25)
# CI repeats itself: a failure there is the change's, not the day's. `thorough` looks for more.
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

# Tests start hundreds of processes of the product: no one of them shall compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there is private
_ENOUGH_BYTES = 2 << 30


def _is_fit(folder: Path) -> bool:
    """Whether temporary files can be there, programs among them."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    runs_programs = not os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0)
    return runs_programs and shutil.disk_usage(folder).free > _ENOUGH_BYTES


# A disk makes a test wait for each commit of a state. No test cuts the power, and the death of a
# process loses as little in memory: the calls, their order and the locks are the same.
if "TMPDIR" not in os.environ and _is_fit(_MEMORY):
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None

_FOREIGN = (
    *("RUNAI_", "RECONCILER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("GITHUB_RUN_ID", "CI_JOB_URL", "PG", "AWS_", "GOOGLE_", "AZURE_", "CLOUDSDK_"),
)
_LOOKS = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's control plane, databases, CI jobs, proxies and colours out of the tests."""
    for name in list(os.environ):
        if name.upper().startswith(_FOREIGN) or name in _LOOKS:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this process of pytest, started by the first test that asks for it."""
    # Most runs of single tests need no server, and no driver of one.
    from tests.support.postgres import running_server

    with running_server() as server:
        yield server


@pytest.fixture
def schema(postgres: PostgresServer) -> Iterator[str]:
    """The name of a schema that no other test uses; what is in it goes with the test."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield name
    postgres.query(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """An empty server of objects, which the environment names as the cloud's."""
    from tests.support.object_server import running_objects

    with running_objects() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def pytest_report_header() -> str:
    """Name the versions that a failure may depend on."""
    return f"python {platform.python_version()}, sqlite {sqlite3.sqlite_version}"
