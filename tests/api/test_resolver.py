"""Looking up names: what is found, what is not, and what never comes back."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from reconciler.api.connection import resolver
from reconciler.api.connection.resolver import UnattendedResolver
from reconciler.core.protocol.api_results import ApiResult, NotSent
from tests.api.factories import BODY
from tests.api.sockets import connected
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
    async with connected("https://cp.example") as api:
        return await api.create(BODY)


@pytest.mark.usefixtures("silent")
def test_a_resolver_that_is_silent_holds_nobody() -> None:
    """The call ends in its own time, certainly unsent, and the event loop ends with it."""
    begun = time.monotonic()
    answer = asyncio.run(post_to_a_name())
    assert answer == NotSent(message="no connection to https://cp.example in time")
    assert time.monotonic() - begun < HANG / 10


def test_without_a_thread_to_spare_a_look_up_fails_and_is_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit of processes is met for a moment: nothing was sent, and the next try may succeed."""

    def refuse(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        looking = UnattendedResolver("cp.example", 443)
        with monkeypatch.context() as patch:
            patch.setattr(Thread, "start", refuse)
            with pytest.raises(BlockingIOError):
                await looking.resolve()
            assert await post_to_a_name() == NotSent(
                message="cannot connect to https://cp.example: Resource temporarily unavailable"
            )
        assert len(await looking.resolve()) == 1

    infos = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    asyncio.run(main())


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


def test_a_name_leads_to_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the operating system knows them, ready to be connected to, families by turns."""
    infos = [
        *((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (f"::{n}", 443, 0, 0)) for n in (1, 2, 3)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    found = asyncio.run(UnattendedResolver("cp.example", 443).resolve())
    assert [(one.family, one.address[0]) for one in found] == [
        (socket.AF_INET6, "::1"),
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::2"),
        (socket.AF_INET6, "::3"),
    ]


def test_an_address_of_one_link_keeps_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nobody could connect there."""
    infos = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, 7))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos)
    (found,) = asyncio.run(UnattendedResolver("cp.example", 443).resolve())
    assert found.address == ("fe80::1", 443, 0, 7)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_not_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread for what is known."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    (found,) = asyncio.run(UnattendedResolver(host, 80).resolve())
    assert found.address[:2] == (host, 80)


def test_connections_that_begin_together_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one gives up; a look-up that failed is not kept."""
    asked: list[str] = []
    failing, given_up = True, Event()

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        given_up.wait(HANG)
        if failing:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    async def main() -> None:
        nonlocal failing
        looking = UnattendedResolver("cp.example", 443)
        tasks = [asyncio.create_task(looking.resolve()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        given_up.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        kinds = [type(one) for one in outcomes]
        assert kinds == [asyncio.CancelledError, socket.gaierror, socket.gaierror]
        assert len(asked) == 1
        failing = False
        assert len(await looking.resolve()) == 1
        assert len(await looking.resolve()) == 1
        assert len(asked) == 2

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asyncio.run(main())


def test_a_look_up_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no longer: servers move."""
    asked: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]

    async def main() -> None:
        looking = UnattendedResolver("cp.example", 443)
        await looking.resolve()
        await looking.resolve()

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    asyncio.run(main())
    assert len(asked) == 1
    monkeypatch.setattr(resolver, "_KEPT_SECONDS", 0.0)
    asyncio.run(main())
    assert len(asked) == 3
