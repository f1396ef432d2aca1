from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner

from reconciler.cli.commands.sandbox import sandbox as sandbox_command
from reconciler.cli.main import cli
from reconciler.resources import install_command
from reconciler.sandbox import Settings
from reconciler.sandbox.versions import API_VERSIONS, NEWEST
from tests.sandbox.rigs import WORKLOADS, request
from tests.support.sandboxes import Sandbox as Server

PROGRAM = "from reconciler.cli.commands.sandbox import sandbox; sandbox()"


def complaint(*arguments: str) -> str:
    """What the command says when it refuses to start."""
    result = CliRunner().invoke(cli, ["sandbox", *arguments, "--port", "0"])
    assert result.exit_code == 2
    return result.output


def test_it_says_where_it_listens_and_how_to_get_there(tmp_path: Path) -> None:
    """The first line is the address, the next are to be copied; requests go to standard error."""
    secret = tmp_path / "the secret"
    secret.write_text("hunter2\n")
    further = tmp_path / "clients.json"
    further.write_text('[{"client_id": "b", "client_secret": "c", "projects": ["1"]}]')
    rules = tmp_path / "rules"
    rules.write_text("# the login is slow\nlatency=1ms at=token\n\n503 on=POST nth=1\n")
    arguments = ["--client-id", "me", "--client-secret-file", str(secret), "--seed", "7"]
    arguments += ["--fault", f"@{rules}", "--credentials", str(further), "--project", "1=team-a"]
    arguments += ["--port", "0", "--control", "--scenario", "lag"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        url = first.removeprefix("sandbox listening on ").strip()
        with httpx.Client(base_url=url) as client:
            body = {"grantType": "client_credentials", "clientID": "b", "clientSecret": "c"}
            token = client.post("/api/v1/token", json=body).json()["accessToken"]
            headers = {"authorization": f"Bearer {token}"}
            for _ in range(2):
                client.post(WORKLOADS, json=request(project="1"), headers=headers)
            faults = client.get("/sandbox/faults").json()["faults"]
        process.send_signal(signal.SIGTERM)
        output, log = process.stdout.read(), process.stderr.read()
    assert (process.returncode, first) == (0, f"sandbox listening on {url}\n")
    assert output.splitlines() == [
        f"export RUNAI_BASE_URL={url}",
        "export RUNAI_CLIENT_ID=me",
        f"export RUNAI_CLIENT_SECRET=\"$(cat '{secret}')\"",
        "seed 7: --seed 7 repeats its chance",
    ]
    assert faults == ["lag=3s", "list-lag=10s", "latency=1ms at=token", "503 on=POST nth=1"]
    assert [line.split(" ", 1)[1] for line in log.splitlines()] == [
        "POST /api/v1/token -> 200 [latency=1ms at=token]",
        "POST 1/a -> 503 [lag=3s; list-lag=10s; 503 on=POST nth=1]",
        "POST 1/a -> 202 created [lag=3s; list-lag=10s]",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "listens on loopback only"),  # noqa: S104 - refused
        (["--sync-delay", "soon"], "'soon' is not a duration such as 250ms, 30s, 5m or 1h"),
        (["--fault", "explode"], "'explode' is no fault"),
        (["--fault", "@/nowhere"], "cannot read /nowhere"),
        (["--scenario", "sunshine"], "no scenario is called 'sunshine'"),
        (["--project", "4501"], "--project 4501: write ID=NAME, such as 4501=team-a"),
        (["--credentials", os.devnull], "is not a JSON list of objects"),
        (["--client-secret-file", os.devnull], "holds no secret"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], message: str) -> None:
    """Nothing starts on a misunderstanding."""
    assert message in complaint(*arguments)


def test_scenarios_are_described() -> None:
    """Each with its story and the rules it stands for."""
    result = CliRunner().invoke(cli, ["sandbox", "--list-scenarios"])
    assert result.exit_code == 0
    assert "storm: three requests in ten answer 503" in result.output
    assert "    --fault 'lost p=10% on=POST,DELETE'" in result.output


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optional dependencies are named by the extra that brings them."""
    monkeypatch.setattr("reconciler.cli.commands.sandbox.find_spec", lambda _: None)
    result = CliRunner().invoke(cli, ["sandbox"])
    assert result.exit_code == 1
    assert f"uvicorn and PyJWT: {install_command('sandbox')}\n" in result.output


def test_the_command_module_imports_only_click() -> None:
    """`--help` stays fast."""
    program = (
        "import sys, types, json\n"
        "import reconciler\n"
        # The package's own __init__ pulls in every command; here only this one is measured.
        "shell = types.ModuleType('reconciler.cli')\n"
        "shell.__path__ = [reconciler.__path__[0] + '/cli']\n"
        "sys.modules['reconciler.cli'] = shell\n"
        "import reconciler.cli.commands.sandbox\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('reconciler')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert sorted(json.loads(done.stdout)) == [
        "reconciler",
        "reconciler.cli",
        "reconciler.cli.commands",
        "reconciler.cli.commands.sandbox",
        "reconciler.cli.help",
    ]


def test_the_command_offers_every_version_and_begins_with_the_newest() -> None:
    """The command spells them out, so that its help does not load the sandbox."""
    (option,) = (p for p in sandbox_command.params if p.name == "api_version")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == API_VERSIONS
    assert (option.default, Settings().api_version) == (NEWEST, NEWEST)


def test_the_command_serves_the_version_asked_for() -> None:
    """Over a socket, with a way to log in that is gone and one that is left."""
    with Server.running("--api-version", "2.24", "--no-v1-token") as server:
        url = server.variables["RUNAI_BASE_URL"]
        form = {
            "grant_type": "client_credentials",
            "client_id": server.variables["RUNAI_CLIENT_ID"],
            "client_secret": server.variables["RUNAI_CLIENT_SECRET"],
        }
        with httpx.Client(base_url=url) as client:
            gone = client.post("/api/v1/token", json={})
            token = client.post("/api/v2/token", data=form).json()["access_token"]
            headers = {"authorization": f"Bearer {token}"}
            clusters = client.get("/api/v1/clusters/minimal", headers=headers).json()
    assert (gone.status_code, clusters[0]["version"]) == (404, "2.24.0")
