"""A hostile server on a real loopback socket: bounded time and memory, a clear answer."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.connection.transport import make_transport
from reconciler.core.protocol.api_results import Accepted, Ambiguous, ApiResult, NotSent, Refused
from reconciler.errors import InvalidInputError
from tests.api.factories import BODY, ID, remote, workload
from tests.api.sockets import (
    DEADLINE,
    HEAD,
    Server,
    against,
    body,
    connected,
    listening,
    post,
    refused_port,
    says,
)


def test_an_honest_server_is_understood() -> None:
    """Compressed or not, over one connection after the other."""
    plain = json.dumps(workload()).encode()
    packed = body(gzip.compress(plain), b"content-encoding: gzip")
    assert against(says(body(plain)), post) == Accepted(remote=remote())
    assert against(says(packed), post) == Accepted(remote=remote())


def test_a_create_can_be_put_right_until_its_first_byte_leaves() -> None:
    """Tokens and connections take their time: what is written down is compared after them."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    asked: list[int] = []

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(1))

    async def call_off() -> None:
        asked.append(len(asked))
        if len(asked) == 2:
            raise KeyError("called off")

    async def main() -> bytes:
        async with listening(listen) as port:
            async with connected(f"http://127.0.0.1:{port}") as api:
                with pytest.raises(KeyError):
                    await api.create(BODY, call_off)
            return await heard.get()

    assert asyncio.run(asyncio.wait_for(main(), 10.0)) == b""
    assert asked == [0, 1]


@pytest.mark.parametrize(
    "server",
    [
        says(HEAD + b"content-length: 9999\r\n\r\n", repeat=b" ", pause=0.01),
        says(HEAD + b"transfer-encoding: chunked\r\n\r\n", repeat=b"1\r\n \r\n", pause=0.01),
        says(b"HTTP/1.1 202 Accepted\r\n", repeat=b"x: y\r\n", pause=0.01),
        says(b"", repeat=b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
    ],
    ids=["body", "chunks", "headers", "continue"],
)
def test_a_server_that_drips_meets_the_total_deadline(server: Server) -> None:
    """A time-out per read would wait for ever."""
    begun = time.monotonic()
    answer = against(server, post)
    assert answer == Ambiguous(message="no complete answer within 0.2 s")
    assert time.monotonic() - begun < 10 * DEADLINE


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (says(), "the server hung up without an answer"),
        (says(b"SMTP ready\r\n\r\n"), "not an HTTP answer: Bad status line"),
        (says(b"HTTP/1.1 2"), "the server hung up without an answer"),
        (says(body(b"{}" * 50)[:-3]), "the answer ended too early"),
        (says(HEAD, repeat=b"x: " + b"y" * 4096 + b"\r\n"), "not an HTTP answer: "),
    ],
    ids=["silent", "garbage", "half-status", "half-body", "endless-headers"],
)
def test_a_broken_answer_to_a_post_is_ambiguous(server: Server, words: str) -> None:
    """The server had the request; nobody knows what it did with it."""
    answer = against(server, post, request_timeout=5.0)
    assert isinstance(answer, Ambiguous)
    assert answer.message.startswith(f"the connection broke: {words}")


def test_a_connection_that_is_reset_is_ambiguous() -> None:
    """RST after the request is no proof that it was not carried out."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    answer = against(serve, post, request_timeout=5.0)
    assert isinstance(answer, Ambiguous)


def test_a_half_closed_connection_still_delivers_its_answer() -> None:
    """A server may say all it has and stop writing before the request is fully read."""
    plain = json.dumps(workload()).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(body(plain))
        writer.write_eof()
        await reader.read()

    assert against(serve, post) == Accepted(remote=remote())


def test_a_server_that_hangs_up_between_requests_costs_nothing() -> None:
    """A connection that has been closed while idle is not used again."""
    plain = json.dumps({"workload": workload()}).encode()

    async def twice(api: HttpWorkloadApi) -> list[ApiResult]:
        first = await api.read(ID)
        await asyncio.sleep(0.02)
        return [first, await api.read(ID)]

    assert against(says(body(plain)), twice) == [Accepted(remote=remote())] * 2


def test_nothing_is_sent_twice_behind_our_back() -> None:
    """A kept connection that dies under a GET is reported; repeating it is for us to decide."""
    plain = json.dumps({"workload": workload()}).encode()
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(body(plain))
        await writer.drain()
        heard.append(await reader.readuntil(b"\r\n\r\n"))

    async def twice(api: HttpWorkloadApi) -> list[ApiResult]:
        return [await api.read(ID), await api.read(ID)]

    assert against(serve, twice) == [
        Accepted(remote=remote()),
        Ambiguous(message="the connection broke: the server hung up without an answer"),
    ]
    assert len(heard) == 2


def test_a_redirect_is_answered_by_nobody_else() -> None:
    """The other place never hears of us."""
    heard: list[bytes] = []

    async def other(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))

    async def run() -> ApiResult:
        async with listening(other) as port:
            location = b"location: http://127.0.0.1:%d/x\r\ncontent-length: 0\r\n\r\n" % port
            moved = says(b"HTTP/1.1 302 Found\r\n" + location)
            async with listening(moved) as here:
                return await alone(here)

    answer = asyncio.run(run())
    assert isinstance(answer, Refused)
    assert (answer.status, heard) == (302, [])


async def alone(port: int) -> ApiResult:
    """A POST to that port."""
    async with connected(f"http://127.0.0.1:{port}") as api:
        return await api.create(BODY)


def test_a_refused_connection_was_not_sent() -> None:
    """Worth another try, and nothing is in doubt."""
    port = refused_port()
    answer = asyncio.run(alone(port))
    assert answer == NotSent(
        message=f"cannot connect to http://127.0.0.1:{port}: Connection refused"
    )


def test_a_name_that_does_not_resolve_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS may be back in a moment."""

    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def run() -> ApiResult:
        async with connected("https://cp.example", request_timeout=5.0) as api:
            return await api.create(BODY)

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    answer = asyncio.run(run())
    assert isinstance(answer, NotSent)
    assert not answer.permanent
    assert answer.message.endswith("Name or service not known")


def test_a_handshake_that_fails_was_not_sent() -> None:
    """A server without TLS behind an https URL never sees the request."""

    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    answer = against(plain, post, scheme="https", request_timeout=5.0)
    assert isinstance(answer, NotSent)
    assert not answer.permanent


def test_a_handshake_that_hangs_was_not_sent() -> None:
    """Connecting has its own share of the deadline, so that its end is certain."""

    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    answer = against(mute, post, scheme="https")
    assert isinstance(answer, NotSent)
    assert answer.message.startswith("no connection to https://127.0.0.1:")


def test_more_calls_than_connections_wait_their_turn() -> None:
    """The ceiling is on connections; a turn that comes too late was not sent."""
    plain = json.dumps({"workload": workload()}).encode()
    server = says(body(plain))

    async def many(api: HttpWorkloadApi) -> list[ApiResult]:
        return await asyncio.gather(*(api.read(ID) for _ in range(20)))

    answers = against(server, many, concurrency=2, request_timeout=5.0)
    assert answers == [Accepted(remote=remote())] * 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"not a certificate", "it has no certificate in PEM form"),
    ],
)
def test_a_ca_file_that_cannot_be_used_is_invalid_input(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """Found when the transport is made, before anything is sent."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        make_transport("https://127.0.0.1:1", concurrency=1, ca_file=path)
    assert caught.value.message == f"cannot use the CA file {path}: {reason}"
