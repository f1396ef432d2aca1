"""Proxies of the environment: only when asked for, only for TLS, never for this machine."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.api.connection.proxies import Proxy, proxy_for
from reconciler.api.secret import Secret
from reconciler.app.session import Connector
from reconciler.core.history.events import Event
from reconciler.core.protocol.api_results import Accepted, ApiResult, NotFound, NotSent
from reconciler.engine.requests.clock import SystemClock
from reconciler.errors import UnreachableError
from tests.api.factories import BODY, ID, TOKEN, error, remote
from tests.api.handshakes import ca_file, send, server_context, serving
from tests.api.sockets import connected, listening, refused_port
from tests.api.tunnels import Tunnels
from tests.support.worlds import World

HOST = "cp.example"
PASSWORD = "pa:ss w%rd"
LOGIN = Secret(value="Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode())


@asynccontextmanager
async def proxying(tunnels: Tunnels, login: Secret | None = None) -> AsyncIterator[Proxy]:
    """A proxy on a port of its own."""
    async with listening(tunnels) as port:
        yield Proxy(address=f"http://127.0.0.1:{port}", variable="HTTPS_PROXY", login=login)


def through(
    tunnels: Tunnels, trust: Path, *, login: Secret | None = None, **options: Any
) -> tuple[ApiResult, str]:
    """What a POST through a proxy to a real TLS server comes to, and the proxy's address."""

    async def run(port: int) -> tuple[ApiResult, str]:
        async with proxying(tunnels, login) as proxy:
            answer = await send(f"https://{HOST}:{port}", trust, proxy=proxy, **options)
            return answer, proxy.address

    with serving(server_context(HOST)) as port:
        return asyncio.run(run(port))


def test_https_goes_through_a_tunnel(tmp_path: Path) -> None:
    """The proxy learns the host, and neither the token nor the request."""
    tunnels = Tunnels()
    answer, _ = through(tunnels, ca_file(tmp_path), login=LOGIN)
    assert answer == Accepted(remote=remote())
    (head,) = tunnels.heard
    assert head.startswith(b"CONNECT cp.example:")
    assert f"Proxy-Authorization: {LOGIN.reveal()}\r\n".encode() in head
    assert TOKEN.encode() not in head
    assert b"/api/v2" not in head


def test_a_tunnel_is_kept_for_the_next_request(tmp_path: Path) -> None:
    """As a connection without a proxy is."""
    tunnels = Tunnels()

    async def run(port: int) -> list[ApiResult]:
        url = f"https://{HOST}:{port}"
        async with proxying(tunnels) as proxy:
            trust = ca_file(tmp_path)
            async with connected(url, request_timeout=5.0, ca_file=trust, proxy=proxy) as api:
                return [await api.create(BODY) for _ in range(3)]

    with serving(server_context(HOST)) as port:
        assert asyncio.run(run(port)) == [Accepted(remote=remote())] * 3
    assert len(tunnels.heard) == 1


def test_the_server_behind_a_tunnel_is_verified(tmp_path: Path) -> None:
    """A proxy that speaks TLS itself, as inspecting ones do, needs its authority to be named."""

    async def run(port: int) -> ApiResult:
        async with proxying(Tunnels()) as proxy:
            return await send(f"https://{HOST}:{port}", ca_file(tmp_path), proxy=proxy)

    with serving(server_context("elsewhere.example")) as port:
        answer = asyncio.run(run(port))
    assert isinstance(answer, NotSent)
    assert answer.permanent
    assert answer.message.startswith("the server's certificate cannot be verified")


WANTED = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n"
ADVICE = "HTTPS_PROXY, as USER:PASSWORD@ before its name"


@pytest.mark.parametrize(
    ("login", "words"),
    [
        (None, f"asks for credentials (HTTP 407); write them into {ADVICE}"),
        (
            LOGIN,
            f"does not accept the credentials it is given (HTTP 407); correct them in {ADVICE}",
        ),
    ],
)
def test_a_proxy_that_wants_other_credentials_is_final(
    login: Secret | None, words: str, tmp_path: Path
) -> None:
    """Nothing was sent, and nothing will be until they are put right."""
    answer, name = through(Tunnels(WANTED), ca_file(tmp_path), login=login)
    assert answer == NotSent(message=f"the proxy {name} {words}", permanent=True)


def test_a_proxy_that_forbids_the_server_is_final(tmp_path: Path) -> None:
    """Its own words are not repeated: whoever writes them need not be a friend."""
    tunnels = Tunnels(b"HTTP/1.1 403 \x1b[31mgo away\r\ncontent-length: 0\r\n\r\n")
    answer, name = through(tunnels, ca_file(tmp_path))
    assert answer == NotSent(
        message=f"the proxy {name} opens no tunnel (HTTP 403); "
        "ask its administrators, or except the server with NO_PROXY",
        permanent=True,
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 503 busy\r\ncontent-length: 0\r\n\r\n", "opens no tunnel (HTTP 503)"),
        (b"HTTP/1.1 504 slow\r\ncontent-length: 0\r\n\r\n", "opens no tunnel (HTTP 504)"),
        (b"HTTP/1.1 429 slowly\r\ncontent-length: 0\r\n\r\n", "opens no tunnel (HTTP 429)"),
        (b"SMTP ready\r\n\r\n", "hung up before it had opened a tunnel"),
        (b"HTTP/1.1 2", "hung up before it had opened a tunnel"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 65_536, "hung up before it had opened a tunnel"),
        (b"HTTP/1.1 200 OK\r\n\r\nfirst", "hung up before it had opened a tunnel"),
    ],
    ids=["503", "504", "429", "garbage", "half", "endless", "surplus"],
)
def test_a_proxy_in_trouble_leaves_nothing_in_doubt(
    answer: bytes, words: str, tmp_path: Path
) -> None:
    """A POST that never got a tunnel was not sent; it is worth another try."""
    got, name = through(Tunnels(answer), ca_file(tmp_path))
    assert isinstance(got, NotSent)
    assert not got.permanent
    assert got.message.endswith(f": the proxy {name} {words}")


def test_a_proxy_that_says_nothing_was_not_sent_either(tmp_path: Path) -> None:
    """Opening the tunnel has its own share of the deadline, so that its end is certain."""
    tunnels = Tunnels()
    tunnels.mute = True
    answer, name = through(tunnels, ca_file(tmp_path), request_timeout=0.4)
    assert isinstance(answer, NotSent)
    assert answer.message.endswith(f": no connection through the proxy {name} in time")


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Otherwise the server would be blamed."""
    proxy = Proxy(address=f"http://127.0.0.1:{refused_port()}", variable="HTTPS_PROXY")
    answer = asyncio.run(send(f"https://{HOST}", ca_file(tmp_path), proxy=proxy))
    assert answer == NotSent(
        message=f"cannot connect to https://{HOST}: the proxy {proxy.address}: Connection refused"
    )


def test_the_credentials_of_a_proxy_show_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in an answer, nor in what is printed of the proxy, nor in a log at full volume."""
    caplog.set_level(logging.DEBUG)
    proxy = proxy_for(f"https://{HOST}", {"HTTPS_PROXY": "http://robot:pa%3Ass%20w%25rd@p:1"})
    assert proxy == Proxy(address="http://p:1", variable="HTTPS_PROXY", login=LOGIN)
    answers = [
        through(Tunnels(answer), ca_file(tmp_path), login=LOGIN)
        for answer in (WANTED, b"HTTP/1.1 503 busy\r\n\r\n", b"")
    ]
    shown = f"{answers!r} {proxy!r} {caplog.text}"
    assert PASSWORD not in shown
    assert "pa%3Ass" not in shown
    assert LOGIN.reveal().partition(" ")[2] not in shown


class Hasty(SystemClock):
    """A clock on which nobody waits between two tries."""

    async def sleep(self, seconds: float) -> None:
        """Let the others go first."""
        await super().sleep(min(seconds, 0.0))


def _nowhere(*_: Any, **__: Any) -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("asked", [False, True])
def test_the_environment_counts_only_when_asked_for(
    asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --use-env-proxy the proxy never hears of us, though every variable names it."""
    monkeypatch.setattr(socket, "getaddrinfo", _nowhere)
    tunnels = Tunnels()

    async def run(port: int) -> ApiResult:
        async with proxying(tunnels) as proxy:
            environ = dict.fromkeys(
                ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"), proxy.address
            )
            for name, value in environ.items():
                monkeypatch.setenv(name, value)
            wanted = replace(
                World().settings,
                url=f"https://{HOST}:{port}",
                ca_file=ca_file(tmp_path),
                use_env_proxy=asked,
            )
            connector = Connector(environ=environ | {"RUNAI_TOKEN": TOKEN}, clock=Hasty(), seed=1)
            events: list[Event] = []
            async with connector.open_session(wanted, None, events.append) as session:
                return await session.api.read(ID)

    absent = error(404)
    with serving(server_context(HOST), status=404, content=absent) as port:
        if asked:
            assert asyncio.run(run(port)) == NotFound(message="no", trusted=True)
        else:
            with pytest.raises(UnreachableError, match="Name or service not known"):
                asyncio.run(run(port))
    assert bool(tunnels.heard) == asked
