"""Looking up names: what is found, what is not, and what never comes back."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.connection.resolver import UnattendedResolver
from reconciler.api.login.credentials import FixedToken
from reconciler.api.secret import Secret
from reconciler.core.protocol.api_results import ApiResult, NotSent
from tests.api.factories import BODY, TOKEN
from tests.cli.conftest import PROGRAM

# Long enough for a process that waits for it to be noticed.
HANG = 60.0
HANGING = f"""
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep({HANG})
"""


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A resolver that answers nobody before the test is over."""
    over = Event()

    def hang(*_: Any, **__: Any) -> Any:
        over.wait(HANG)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    over.set()


async def post_to_a_name() -> ApiResult:
    """A POST to a server that has to be looked up first."""
    wanted = ApiSettings(
        url="https://cp.example",
        credentials=FixedToken(token=Secret(value=TOKEN)),
        request_timeout=0.2,
    )
    async with HttpWorkloadApi(wanted) as api:
        return await api.create(BODY)


@pytest.mark.usefixtures("silent")
def test_a_resolver_that_is_silent_holds_nobody() -> None:
    """The call ends in its own time, certainly unsent, and the event loop ends with it."""
    begun = time.monotonic()
    answer = asyncio.run(post_to_a_name())
    assert answer == NotSent(message="no connection to https://cp.example in time")
    assert time.monotonic() - begun < HANG / 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["plan", "--deadline", "3s", "--request-timeout", "400ms"],
            "no connection to https://cp.example in time",
        ),
        (
            ["apply", "--yes", "--init", "--deadline", "3s", "--request-timeout", "400ms"],
            "no connection to https://cp.example in time",
        ),
        (["doctor", "--deadline", "500ms"], "no answer within the --deadline"),
    ],
    ids=["plan", "apply", "doctor"],
)
def test_a_process_ends_although_its_resolver_is_silent(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    """A run ends with its deadline and its own words; no thread is waited for."""
    (tmp_path / "sitecustomize.py").write_text(HANGING)
    (tmp_path / "a.json").write_text(
        '{"metadata": {"name": "a", "projectId": "1"},'
        ' "manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}'
    )
    begun = time.monotonic()
    ended = subprocess.run(
        [str(PROGRAM), *arguments],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(tmp_path), "RUNAI_BASE_URL": "https://cp.example", "RUNAI_TOKEN": "t"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert time.monotonic() - begun < HANG / 3
    assert ended.returncode == 9
    assert words in ended.stdout + ended.stderr


def test_a_name_leads_to_its_addresses() -> None:
    """As the operating system knows them, ready to be connected to."""
    found = asyncio.run(UnattendedResolver().resolve("localhost", 443, socket.AF_INET))
    assert [(one["hostname"], one["host"], one["port"], one["family"]) for one in found] == [
        ("localhost", "127.0.0.1", 443, socket.AF_INET)
    ]


def test_an_address_of_one_link_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nobody could connect there."""
    index = socket.if_nameindex()[0][0]
    infos = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, index))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    found = asyncio.run(UnattendedResolver().resolve("cp.example", 443, socket.AF_UNSPEC))
    assert [one["host"] for one in found] == [f"fe80::1%{socket.if_nameindex()[0][1]}"]
