"""Five runners at once on one branch, which nothing outside keeps apart."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.ci.conftest import NewRunner
from tests.ci.statebranch import branch, commits, lock_of, recorded
from tests.ci.tools import STATE, Runner

RUNNERS = 5
PROJECT = "race"


def run_pipeline(runner: Runner, *words: str) -> list[int]:
    """Fetch, apply and store as a job does; the exit code of each."""
    fetched = branch(runner, "fetch", STATE_LOCK_WAIT="100", STATE_PAUSE="0.5").returncode
    command = ("reconciler", "apply", ".", "--yes", "--state", STATE, "--stack", PROJECT, *words)
    applied = runner.run(*command).returncode if fetched == 0 else -1
    return [fetched, applied, branch(runner, "store").returncode]


def workloads_of(control_plane: Mapping[str, str]) -> list[str]:
    """The addresses that live on the control plane, as its own list has them."""
    login = {
        "grantType": "client_credentials",
        "clientId": control_plane["RUNAI_CLIENT_ID"],
        "clientSecret": control_plane["RUNAI_CLIENT_SECRET"],
    }
    with httpx.Client(base_url=control_plane["RUNAI_BASE_URL"]) as client:
        token = client.post("/api/v1/token", json=login).json()["accessToken"]
        client.headers["Authorization"] = f"Bearer {token}"
        query = {"filterBy": f"projectId=={PROJECT}", "limit": "500"}
        rows = client.get("/api/v1/workloads", params=query).json()["workloads"]
    return sorted(f"{row['projectId']}/{row['name']}" for row in rows)


@pytest.mark.timeout(180)
def test_runners_that_nothing_keeps_apart_lose_nothing(
    machine: NewRunner, remote: Path, control_plane: Mapping[str, str]
) -> None:
    """Each applies a commit of its own; whatever lives at the end is in the stored state.

    An apply that did not know what another one had created would leave it behind for ever: no spec
    of a later commit names it.
    """
    first = machine()
    first.write_spec("first", project=PROJECT)
    assert run_pipeline(first, "--init") == [0, 0, 0]
    runners = [machine() for _ in range(RUNNERS)]
    for number, runner in enumerate(runners):
        runner.write_spec(f"of-{number}", project=PROJECT)
    with ThreadPoolExecutor(RUNNERS) as pool:
        assert list(pool.map(run_pipeline, runners)) == [[0, 0, 0]] * RUNNERS
    later = machine()
    assert branch(later, "read").returncode == 0
    assert workloads_of(control_plane) == recorded(later)
    assert len(recorded(later)) == 1
    assert commits(remote) == 1 + RUNNERS
    assert lock_of(remote) == ""
