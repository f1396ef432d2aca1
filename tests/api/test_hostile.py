"""Servers that mean harm, over real sockets: bounded time and memory, and no false certainty."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib

import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.connection.transport import make_transport
from reconciler.api.login.credentials import ClientCredentials
from reconciler.api.secret import Secret
from reconciler.api.wire.body import BodyError, BodyReader
from reconciler.api.wire.direct import Outgoing
from reconciler.api.wire.transport_errors import TransportError
from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    NotSent,
    Refused,
)
from tests.api.factories import ID, TOKEN, remote, workload
from tests.api.sockets import HEAD, Server, against, body, listening, post, says

PATIENCE = 5.0
MIB = 1024 * 1024
PAIR = ClientCredentials(client_id="robot", client_secret=Secret(value="hunter2"))
BROKE = "the connection broke: "
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


async def early(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Hang up on whoever calls."""


async def half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say nothing and never will, but go on listening."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write_eof()
    await reader.read()


GARBAGE = {
    "hangs-up": early,
    "half-closes": half_closed,
    "another-protocol": says(b"SSH-2.0-OpenSSH_9.7\r\n\r\n"),
    "tls-alert": says(b"\x15\x03\x03\x00\x02\x02\x28"),
    "http2": says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
    "http-0.9": says(b"<html>welcome</html>"),
    "no-status": says(b"HTTP/1.1 \r\n\r\n"),
    "wordy-status": says(b"HTTP/1.1 OK 202\r\n\r\n"),
    "huge-status": says(b"HTTP/1.1 20200 X\r\n\r\n"),
    "negative-status": says(b"HTTP/1.1 -202 X\r\n\r\n"),
    "nul-in-header": says(HEAD + b"x: a\0b\r\n\r\n"),
    "space-in-name": says(HEAD + b"content length: 2\r\n\r\n{}"),
    "two-lengths": says(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "negative-length": says(HEAD + b"content-length: -1\r\n\r\n{}"),
    "length-and-chunks": says(HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}"),
    "bad-chunk": says(CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "no-last-chunk": says(CHUNKED + b"2\r\n{}\r\n"),
    "huge-length": says(HEAD + b"content-length: 99999999999999999999\r\n\r\n{}"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_answer_is_no_certainty(name: str) -> None:
    """A create may have been carried out; the login before it certainly created nothing."""
    began = time.monotonic()
    answer = against(GARBAGE[name], post, request_timeout=PATIENCE)
    assert isinstance(answer, Ambiguous)
    assert answer.message.startswith((BROKE, "HTTP 202"))
    assert answer.message.isprintable()
    login = against(GARBAGE[name], post, request_timeout=PATIENCE, credentials=PAIR)
    assert isinstance(login, NotSent)
    assert login.message.startswith("no token: ")
    assert time.monotonic() - began < PATIENCE


ENDLESS = {
    "status-line": says(b"HTTP/1.1 202 ", repeat=b"A" * 65_536),
    "header-line": says(HEAD + b"x: ", repeat=b"A" * 65_536),
    "headers": says(HEAD, repeat=b"x: y\r\n" * 8_192),
    "names": says(HEAD, repeat=b"".join(b"x-%d: y\r\n" % n for n in range(8_192))),
    "body": says(HEAD + b"content-length: 999999999999\r\n\r\n", repeat=b" " * 65_536),
    "chunks": says(CHUNKED, repeat=b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "chunk-size": says(CHUNKED, repeat=b"0" * 65_536),
    "chunk-extension": says(CHUNKED + b"1;", repeat=b"a" * 65_536),
    "trailers": says(CHUNKED + b"2\r\n{}\r\n0\r\n", repeat=b"x: y\r\n" * 8_192),
    "until-closed": says(HEAD + b"\r\n", repeat=b" " * 65_536),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_cut_off(name: str) -> None:
    """At 8 MiB of body, long before that in a head, or in time; nothing is kept of what came."""
    began = time.monotonic()
    tracemalloc.start()
    answer = against(ENDLESS[name], post, request_timeout=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(answer, Ambiguous)
    assert len(answer.message) < 2_100
    assert peak < 32 * MIB
    assert time.monotonic() - began < PATIENCE


def _squeeze(content: bytes) -> bytes:
    return gzip.compress(content, 9)


def _slow_bomb() -> Server:
    """A bomb whose fuse is long: a mebibyte of zeros in every kibibyte, without an end."""
    press = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    begin = press.compress(b"\0" * MIB) + press.flush(zlib.Z_FULL_FLUSH)
    more = press.compress(b"\0" * MIB) + press.flush(zlib.Z_FULL_FLUSH)
    head = HEAD + b"content-encoding: gzip\r\n\r\n"
    return says(head + begin, repeat=more)


BOMBS = {
    "once": says(body(_squeeze(b"\0" * 64 * MIB), b"content-encoding: gzip")),
    "without-end": _slow_bomb(),
    "in-json": says(
        body(_squeeze(b'{"message": "' + b"a" * 64 * MIB + b'"}'), b"content-encoding: gzip")
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_goes_off_in_a_box_of_eight_mebibytes(name: str) -> None:
    """However it is packed, and for the login as well."""
    for credentials, kind in ((None, Ambiguous), (PAIR, NotSent)):
        tracemalloc.start()
        answer = against(BOMBS[name], post, request_timeout=PATIENCE, credentials=credentials)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert isinstance(answer, kind)
        assert answer.message.endswith("HTTP 202: a body of more than 8 MiB")
        assert peak < 32 * MIB


DAMAGED = {
    "a-bomb-in-a-bomb": (_squeeze(_squeeze(b"\0" * MIB)), b"gzip", "JSON that cannot be read"),
    "two-codings": (_squeeze(b"{}"), b"gzip, gzip", "a body coded as gzip, gzip, which was not"),
    "not-asked-for": (b"{}", b"br", "a body coded as br, which was not asked for"),
    "not-gzip": (b"{}", b"gzip", "a body whose compression is damaged"),
    "cut": (_squeeze(b"{}")[:-4], b"gzip", "a compressed body that ends too early"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_body_that_is_packed_wrongly_is_ambiguous(name: str) -> None:
    """The status alone is not believed."""
    content, coding, words = DAMAGED[name]
    answer = against(says(body(content, b"content-encoding: " + coding)), post)
    assert isinstance(answer, Ambiguous)
    assert answer.message.startswith(f"HTTP 202: {words}")


@pytest.mark.parametrize("length", range(1, len(_squeeze(b"{}"))))
def test_a_compressed_body_that_was_cut_off_is_not_empty(length: int) -> None:
    """Wherever that is, also where nothing of it could be decoded yet."""
    reader = BodyReader("gzip")
    assert reader.feed(_squeeze(b"{}")[:length])
    with pytest.raises(BodyError, match=r"^a compressed body that ends too early$"):
        reader.finish()


def test_a_body_of_which_nothing_came_is_empty() -> None:
    """Whatever it says of its coding; and so is nothing, compressed."""
    for pieces in ([], [b""], [_squeeze(b"")]):
        reader = BodyReader("gzip")
        assert all(map(reader.feed, pieces))
        assert reader.finish() == b""


def test_a_delete_whose_answer_was_cut_off_is_in_doubt() -> None:
    """Its answer may be empty, but must not have become so on the way."""
    fields = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    answers = [
        against(says(fields + b"content-length: %d\r\n\r\n" % len(sent) + sent), delete)
        for sent in (b"", _squeeze(b"{}")[:5])
    ]
    assert answers == [
        Acknowledged(),
        Ambiguous(status=200, message="HTTP 200: a compressed body that ends too early"),
    ]


async def delete(api: HttpWorkloadApi) -> ApiResult:
    """A call whose answer need not say anything."""
    return await api.delete(ID)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_a_redirect_that_leads_in_circles_is_met_once(status: int) -> None:
    """It is not followed, not even to where it came from, and the answer is definite."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            heard.append(head)
            path = head.split()[1]
            writer.write(
                b"HTTP/1.1 %d X\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, path)
            )
            await writer.drain()

    answer = against(serve, post, request_timeout=PATIENCE)
    assert isinstance(answer, Refused)
    assert answer.status == status
    assert "redirects are not followed" in answer.message
    assert len(heard) == 1


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next() -> None:
    """A second answer behind the first would otherwise speak for another request."""
    found = json.dumps({"workload": workload()}).encode()
    forged = body(json.dumps({"workload": workload(name="forged")}).encode())
    heard = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await reader.readuntil(b"\r\n\r\n")
        heard += 1
        writer.write(body(found) + forged)
        await writer.drain()
        await reader.read()

    async def twice(api: HttpWorkloadApi) -> list[ApiResult]:
        return [await api.read(ID), await api.read(ID)]

    answers = against(serve, twice, request_timeout=PATIENCE)
    assert answers == [Accepted(remote=remote())] * 2
    assert heard == 2


def test_a_connection_that_was_given_up_is_not_used_again() -> None:
    """Its answer may still come, and would be taken for another one's."""
    found = json.dumps({"workload": workload()}).encode()
    after: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if not after:
            after.append(await reader.read())
        else:
            writer.write(body(found))
            await writer.drain()
            await reader.read()

    async def twice(api: HttpWorkloadApi) -> list[ApiResult]:
        return [await api.read(ID), await api.read(ID)]

    first, second = against(serve, twice)
    assert first == Ambiguous(message="no complete answer within 0.2 s")
    assert second == Accepted(remote=remote())
    assert after == [b""]


def _shown(error: BaseException | None) -> str:
    """Everything that a debugger would print of an exception and of what led to it."""
    seen: list[str] = []
    while error is not None:
        seen.append(f"{error!r} {error.args!r} {vars(error)!r}")
        error = error.__cause__ or error.__context__
    return " ".join(seen)


@pytest.mark.parametrize("name", GARBAGE)
def test_no_exception_repeats_what_was_sent(name: str) -> None:
    """Not even those below ours, which a debugger would show."""

    async def run() -> str:
        async with listening(GARBAGE[name]) as port:
            url = f"http://127.0.0.1:{port}"
            way = make_transport(url, concurrency=1)
            headers = (("Authorization", f"Bearer {TOKEN}"),)
            try:
                await way.send(Outgoing(method="GET", path="/", headers=headers))
            except TransportError as error:
                return _shown(error)
            finally:
                await way.aclose()
            return ""

    assert TOKEN not in asyncio.run(run())
