"""Responses on one real connection: where they end, and what must not be taken for the next."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from reconciler.api.connection.http1 import MAX_HEAD
from reconciler.api.connection.transport import make_transport
from reconciler.api.wire.direct import Incoming, Outgoing
from reconciler.api.wire.transport_errors import BrokenConnectionError
from tests.api.sockets import Server, listening

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"content-length: 2\r\n\r\nOK"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


class Script:
    """A server that has these bytes for each request in turn; it counts its connections.

    After its last bytes it closes where `closes` says so.
    """

    def __init__(self, *responses: bytes, closes: bool = False) -> None:
        self._responses = list(reversed(responses))
        self._closes = closes
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._responses.pop())
            await writer.drain()
            if self._closes:
                return


def ask(server: Server, *methods: str, content: bytes | None = None) -> list[Any]:
    """The responses to requests one after the other over at most one connection, or the errors."""

    async def run() -> list[Any]:
        async with listening(server) as port:
            transport = make_transport(f"http://127.0.0.1:{port}", concurrency=1)
            outcomes: list[Any] = []
            for method in methods:
                request = Outgoing(method=method, path="/", content=content)
                async with asyncio.timeout(5.0):
                    (outcome,) = await asyncio.gather(
                        transport.send(request), return_exceptions=True
                    )
                outcomes.append(outcome)
            await transport.aclose()
            return outcomes

    return asyncio.run(run())


def shown(outcomes: Sequence[Any]) -> list[tuple[int, bytes]]:
    """Status and body of each."""
    assert all(isinstance(one, Incoming) for one in outcomes), outcomes
    return [(one.status, one.body.finish()) for one in outcomes]


KEPT = {
    "length": (TWO, "GET", 200, b"OK"),
    "chunks": (CHUNKED + b"1\r\nO\r\n1\r\nK\r\n0\r\n\r\n", "GET", 200, b"OK"),
    "extensions": (CHUNKED + b"2;a=b\r\nOK\r\n0\r\nX: y\r\n\r\n", "GET", 200, b"OK"),
    "no-content": (b"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", 204, b""),
    "not-modified": (b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n", "GET", 304, b""),
    "empty": (b"HTTP/1.1 202\r\ncontent-length: 0\r\n\r\n", "DELETE", 202, b""),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\na: b\r\n\r\n" + TWO, "POST", 200,
                b"OK"),
    "http-1.0": (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nOK",
                 "GET", 200, b"OK"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEPT)
def test_after_a_response_with_a_certain_end_its_connection_is_used_again(name: str) -> None:
    """And its headers are its own: neither an interim response's nor a trailer's."""
    response, method, status, body = KEPT[name]
    script = Script(response, TWO)
    first, second = ask(script, method, "GET")
    assert shown([first, second]) == [(status, body), (200, b"OK")]
    assert script.connections == 1
    assert not {"a", "x"} & first.headers.keys()


CLOSED = {
    "says-so": (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nOK", b"OK"),
    "http-1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nOK", b"OK"),
    "two-at-once": (TWO + TWO, b"OK"),
    "garbage-behind": (TWO + b"garbage", b"OK"),
    "chunks-behind": (CHUNKED + b"2\r\nOK\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", b"OK"),
    "body-after-none": (b"HTTP/1.1 204 X\r\n\r\nHTTP", b""),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_connection_with_anything_odd_behind_a_response_is_not_used_again(name: str) -> None:
    """What is behind the end is never taken for the next response."""
    response, body = CLOSED[name]
    script = Script(response, OK + b"content-length: 4\r\n\r\nNEXT")
    first, second = ask(script, "GET", "GET")
    assert (first.body.finish(), second.body.finish()) == (body, b"NEXT")
    assert script.connections == 2


def test_bytes_that_come_later_end_a_connection_as_well() -> None:
    """A second response in a packet of its own, while nobody waits for one."""
    go_on, written = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TWO)
        await go_on.wait()
        writer.write(OK + b"content-length: 6\r\n\r\nforged")
        written.set()
        await reader.read()

    async def main() -> list[Incoming]:
        async with listening(serve) as port:
            transport = make_transport(f"http://127.0.0.1:{port}", concurrency=1)
            first = await transport.send(Outgoing(method="GET", path="/"))
            go_on.set()
            await written.wait()
            # On this machine's own wire they are there at once, and read in the next turns.
            for _ in range(3):
                await asyncio.sleep(0)
            second = await transport.send(Outgoing(method="GET", path="/"))
            await transport.aclose()
            return [first, second]

    assert shown(asyncio.run(main())) == [(200, b"OK")] * 2


@pytest.mark.parametrize("surplus", [OK + b"content-length: 6\r\n\r\nforged", b""],
                         ids=["unasked", "hang-up"])  # fmt: skip
def test_what_has_come_while_the_loop_was_busy_is_noticed_as_well(surplus: bytes) -> None:
    """Neither is it the next response, nor does a hang-up leave the next request in doubt."""
    go_on, done = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        first, _ = listener.accept()
        first.recv(65_536)
        first.sendall(TWO)
        go_on.wait(5.0)
        if surplus:
            first.sendall(surplus)
        else:
            first.shutdown(socket.SHUT_WR)
        done.set()
        second, _ = listener.accept()
        with first, second:
            second.recv(65_536)
            second.sendall(TWO)

    async def main(port: int) -> list[Incoming]:
        transport = make_transport(f"http://127.0.0.1:{port}", concurrency=1)
        first = await transport.send(Outgoing(method="GET", path="/"))
        go_on.set()
        # Blocks the loop, so that it reads nothing before the next request is sent.
        assert done.wait(5.0)
        async with asyncio.timeout(5.0):
            second = await transport.send(Outgoing(method="GET", path="/"))
        await transport.aclose()
        return [first, second]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,), daemon=True)
        server.start()
        assert shown(asyncio.run(main(listener.getsockname()[1]))) == [(200, b"OK")] * 2
        server.join(5.0)


def test_a_body_may_end_with_its_connection() -> None:
    """The one that says nothing of its length."""
    script = Script(OK + b"\r\nOK", TWO, closes=True)
    assert shown(ask(script, "GET", "GET")) == [(200, b"OK")] * 2
    assert script.connections == 2


@pytest.mark.parametrize(
    "response",
    [
        OK + b"content-length: 3\r\n\r\nOK",
        CHUNKED + b"2\r\nOK\r\n",
        CHUNKED + b"2\r\nOK\r\n0\r\n",
        OK + b"transfer-encoding: gzip\r\n\r\nOK",
    ],
    ids=["length", "chunks", "trailers", "coding"],
)
def test_a_body_that_is_cut_off_is_none(response: bytes) -> None:
    """Its end is known, and has not come."""
    (outcome,) = ask(Script(response, closes=True), "GET")
    assert isinstance(outcome, BrokenConnectionError)
    assert str(outcome) == "the answer ended too early"


REFUSED = {
    "bare-lf": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nOK",
    "bare-lf-in-headers": OK + b"content-length: 2\n\r\nOK",
    "space-before-colon": OK + b"content-length : 2\r\n\r\nOK",
    "signed-length": OK + b"content-length: +2\r\n\r\nOK",
    "hexadecimal-length": OK + b"content-length: 0x2\r\n\r\nOK",
    "two-lengths": OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nOK",
    "list-of-lengths": OK + b"content-length: 2, 3\r\n\r\nOK",
    "huge-length": OK + b"content-length: 18446744073709551618\r\n\r\nOK",
    "length-and-chunks": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks-and-length": OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "huge-chunk": CHUNKED + b"10000000000000002\r\nOK\r\n0\r\n\r\n",
    "signed-chunk": CHUNKED + b"+2\r\nOK\r\n0\r\n\r\n",
    "bare-lf-in-chunks": CHUNKED + b"2\nOK\n0\n\n",
    "long-chunk": CHUNKED + b"2\r\nOKOK\r\n0\r\n\r\n",
    "nul": OK + b"a: b\0c\r\ncontent-length: 2\r\n\r\nOK",
    "cr-in-value": OK + b"a: b\rc\r\ncontent-length: 2\r\n\r\nOK",
    "other-protocol": b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + TWO,
    "interim-101": b"HTTP/1.1 101 X\r\n\r\n" + TWO,
    "status-of-0": b"HTTP/1.1 000 X\r\n\r\n" + TWO,
    "status-of-four-digits": b"HTTP/1.1 2000 X\r\n\r\n",
    "interim-with-body": b"HTTP/1.1 110 X\r\ncontent-length: 2\r\n\r\nOK" + TWO,
    "version": b"HTTP/7.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_two_readers_could_understand_differently_is_refused(name: str) -> None:
    """One of the two would take a part of it for another response."""
    (outcome,) = ask(Script(REFUSED[name]), "GET")
    assert isinstance(outcome, BrokenConnectionError), outcome
    assert str(outcome).startswith("not an HTTP answer: ")
    assert str(outcome).isprintable()


@pytest.mark.parametrize("status", [b"000", b"099", b"101"])
def test_an_interim_response_that_cannot_be_one_is_refused_at_once(status: bytes) -> None:
    """Nothing has to follow it for that."""
    (outcome,) = ask(Script(b"HTTP/1.1 %b X\r\n\r\n" % status), "GET")
    assert isinstance(outcome, BrokenConnectionError)
    assert str(outcome) == f"not an HTTP answer: status {int(status)}"


@pytest.mark.parametrize(
    ("response", "part"),
    [
        (OK + b"a: b\r\n" * MAX_HEAD, "head"),
        (OK + b"a: " + b"b" * 2 * MAX_HEAD, "head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 8192, "head"),
        (CHUNKED + b"2\r\nOK\r\n0\r\n" + b"a: b\r\n" * 2 * MAX_HEAD, "chunk"),
        (CHUNKED + b"2;" + b"a" * 2 * MAX_HEAD, "chunk"),
    ],
    ids=["headers", "header", "interim", "trailers", "extension"],
)
def test_what_is_not_the_body_is_bounded(response: bytes, part: str) -> None:
    """The bound is met before the deadline is."""
    (outcome,) = ask(Script(response), "GET")
    assert isinstance(outcome, BrokenConnectionError)
    assert str(outcome) == f"not an HTTP answer: a {part} of more than 64 KiB"


def test_a_big_head_within_the_bound_is_read() -> None:
    """In however many pieces it comes."""
    head = OK + b"".join(b"x-%d: y\r\n" % n for n in range(4000)) + b"content-length: 2\r\n\r\n"
    assert len(head) < MAX_HEAD
    assert shown(ask(Script(head + b"OK"), "GET")) == [(200, b"OK")]


def test_a_response_in_single_bytes_is_one() -> None:
    """Where it is cut makes no difference."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in CHUNKED + b"2;a=b\r\nOK\r\n0\r\nx: y\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    assert shown(ask(serve, "GET")) == [(200, b"OK")]


def test_a_response_before_the_end_of_its_request_counts_and_ends_the_connection() -> None:
    """A server that refuses need not read on; what it has not read would begin the next request."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")
        await asyncio.sleep(5.0)

    # More than the buffers of two sockets hold.
    outcomes = ask(serve, "POST", "POST", content=b" " * 32 * 1024 * 1024)
    assert shown(outcomes) == [(413, b"")] * 2
    assert connections == 2


def test_headers_of_one_name_are_one_list() -> None:
    """In any case, without blanks around them, and in whatever coding."""
    head = OK + b"A:  one \t\r\na: tw\xc3\xb6\r\nB: \xff\r\ncontent-length: 0\r\n\r\n"
    (response,) = ask(Script(head), "GET")
    assert response.headers == {"a": "one, twö", "b": "ÿ", "content-length": "0"}
