from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from reconciler.sandbox import DEMO, SandboxError, Settings, serve
from tests.sandbox.rigs import WORKLOADS, login, request

PROGRAM = """
import sys
from reconciler.sandbox import Settings, serve
if sys.argv[1] == "h11":
    sys.modules["httptools"] = None
serve(Settings(faults=tuple(sys.argv[2:])), "127.0.0.1", 0, lambda url: print(url, flush=True))
"""


@contextmanager
def serving(*faults: str, protocol: str = "auto") -> Iterator[tuple[Any, httpx.Client]]:
    """A sandbox in a process of its own, and a client that has logged in."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, protocol, *faults], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with httpx.Client(base_url=url) as client:
                token = client.post("/api/v1/token", json=login(DEMO)).json()["accessToken"]
                client.headers["authorization"] = f"Bearer {token}"
                yield process, client
        finally:
            process.terminate()


@pytest.mark.parametrize("protocol", ["auto", "h11"])
def test_a_lost_answer_is_a_reset_connection(protocol: str) -> None:
    """On a real socket the connection dies, and the next request finds the work done."""
    with serving("lost on=POST try=1", protocol=protocol) as (_, client):
        with pytest.raises(httpx.ReadError):
            client.post(WORKLOADS, json=request())
        assert client.post(WORKLOADS, json=request()).status_code == 409


@pytest.mark.parametrize("protocol", ["auto", "h11"])
def test_a_truncated_answer_ends_early(protocol: str) -> None:
    """The headers promise more than the connection delivers."""
    with serving("truncate=10", protocol=protocol) as (_, client):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message"):
            client.post(WORKLOADS, json=request())
        with client.stream("POST", WORKLOADS, json=request("b")) as answer:
            assert (answer.status_code, int(answer.headers["content-length"]) > 10) == (202, True)


@pytest.mark.parametrize("protocol", ["auto", "h11"])
@pytest.mark.parametrize("fault", ["slow=10ms on=GET,DELETE", "late=10ms on=GET,DELETE"])
def test_a_read_that_has_to_wait_is_answered(protocol: str, fault: str) -> None:
    """Servers hand over an empty body first; the client that sent it is still there."""
    with serving(fault, protocol=protocol) as (_, client):
        workload_id = client.post(WORKLOADS, json=request()).json()["metadata"]["id"]
        path = f"{WORKLOADS}/{workload_id}"
        assert (client.get(path).status_code, client.delete(path).status_code) == (200, 202)


def test_a_late_request_needs_nobody_to_remind_the_server() -> None:
    """It is carried out when its time has come, though its connection died and no other came."""
    with serving("late=100ms hangup on=POST", "latency=500ms at=list") as (_, client):
        with pytest.raises(httpx.ReadError):
            client.post(WORKLOADS, json=request())
        # This one arrives before the other is due, and looks when the other must be done.
        listed = client.get("/api/v1/workloads").json()["workloads"]
    assert [item["name"] for item in listed] == ["a"]


def test_a_bomb_is_small_on_the_wire() -> None:
    """64 MiB arrive as a few kilobytes of gzip, and other requests are served meanwhile."""
    with (
        serving("bomb=64MiB on=POST") as (_, client),
        client.stream("POST", WORKLOADS, json=request()) as answer,
    ):
        wire = sum(len(part) for part in answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert wire < 100_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_clean_stop(number: signal.Signals) -> None:
    """The exit code is 0, with an idle connection open."""
    with serving() as (process, client):
        assert client.get("/").status_code == 404
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_a_request_held_back_does_not_hold_back_the_stop() -> None:
    """A late request is dropped when the server stops."""
    with serving("slow=1h on=POST") as (process, client):
        with pytest.raises(httpx.ReadTimeout):
            client.post(WORKLOADS, json=request(), timeout=0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused
def test_only_loopback_is_listened_on(host: str) -> None:
    """The secrets are public: another machine must not reach it."""
    with pytest.raises(SandboxError, match="listens on loopback only"):
        serve(Settings(), host, 0, announce=print)


def test_a_port_in_use_is_named_with_a_way_out() -> None:
    """The message says which port, and how to get a free one."""
    with serving() as (_, client):
        port = client.base_url.port or 0
        with pytest.raises(SandboxError, match=rf"port {port}: .*; --port 0 takes a free port"):
            serve(Settings(), "localhost", port, announce=print)


def test_the_sandbox_knows_nothing_of_the_client() -> None:
    """Importing it loads no other room of the package, nor what only a server needs."""
    program = "import json, sys, reconciler.sandbox; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        ).stdout
    )
    rooms = {name for name in loaded if name.startswith("reconciler.")}
    assert {name for name in rooms if not name.startswith("reconciler.sandbox")} == set()
    assert {"uvicorn", "jwt", "yaml", "httpx", "click"}.isdisjoint(loaded)
