"""One ASGI exchange from the server's side: read, respond, delay, or let the connection die."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from reconciler.sandbox.http import Header, Refusal, SandboxResponse

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]
BodyParts = AsyncIterator[bytes]

# Where the socket server leaves the transport of a connection for us (see server.py).
TRANSPORT = "sandbox.transport"
# SO_LINGER on with no seconds: the kernel sends RST instead of FIN, as a crashed peer does.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_BLOCK = b" " * 65_536


class ConnectionLostError(Exception):
    """The connection died on purpose, in process, where there is no socket to close."""


class ClientGoneError(Exception):
    """The client hung up before its request was read."""


class Connection:
    """The connection of one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send

    async def read_body(self, declared: bytes | None, limit: int) -> bytes:
        """Read the request body; raises Refusal (413) beyond `limit`, or ClientGoneError."""
        # The rest of a body that is too large is not read, so the connection cannot be used again.
        too_large = Refusal(
            413, f"request body exceeds {limit} bytes", headers=((b"connection", b"close"),)
        )
        if declared is not None and declared.isdigit() and int(declared) > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise too_large
            if not message.get("more_body", False):
                return b"".join(parts)

    async def send(self, status: int, body: bytes, headers: tuple[Header, ...]) -> None:
        """Send a whole response."""
        await self._start(status, (*headers, (b"content-length", b"%d" % len(body))))
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, status: int, headers: tuple[Header, ...], parts: BodyParts) -> None:
        """Send a response of unannounced length, part by part."""
        # No length is announced, so HTTP/1.1 sends chunks, and a client cannot judge beforehand.
        await self._start(status, headers)
        async for part in parts:
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def cut(self, response: SandboxResponse, size: int) -> None:
        """Announce a whole response, send its first `size` bytes, and close the connection."""
        # One byte short at most: a whole response would not be a broken one.
        part = response.body[: min(size, len(response.body) - 1)]
        length = (b"content-length", b"%d" % len(response.body))
        await self._start(response.status, (*response.headers, length))
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        await self._die(reset=False)

    async def kill(self) -> None:
        """Reset the connection without a word; raises ConnectionLostError where there is none."""
        await self._die(reset=True)

    async def outlasts(self, sleep: Sleep, seconds: float) -> bool:
        """Sleep, and say whether the client is still there afterwards."""
        # ASGI tells of a client that leaves only to whoever is waiting to receive.
        sleeping = asyncio.ensure_future(sleep(seconds))
        leaving = asyncio.ensure_future(self._await_leaving())
        try:
            await asyncio.wait({sleeping, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return sleeping.done()
        finally:
            sleeping.cancel()
            leaving.cancel()

    async def _await_leaving(self) -> None:
        """Wait until the client is gone; ignore what it still sends, such as a body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _start(self, status: int, headers: tuple[Header, ...]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _die(self, *, reset: bool) -> None:
        transport: Any = (self._scope.get("state") or {}).get(TRANSPORT)
        if transport is None:
            raise ConnectionLostError("the sandbox let the connection die")
        if reset:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()
        # The server must have noticed before we return, or it would send a 500 in our place.
        await self._await_leaving()


async def drip(body: bytes, chunk: int, interval: float, sleep: Sleep) -> BodyParts:
    """Yield a body in small chunks with a pause after each."""
    for start in range(0, len(body), chunk):
        yield body[start : start + chunk]
        await sleep(interval)


async def padded(body: bytes, size: int) -> BodyParts:
    """Yield a JSON body followed by spaces up to `size`: valid, and far too long."""
    for part in _padding_blocks(body, size):
        yield part


async def gzip_padded(body: bytes, size: int) -> BodyParts:
    """Yield the gzip form of a padded body: small on the wire, `size` bytes when unpacked."""
    # 16 more window bits ask zlib for the gzip container instead of its own.
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    for part in _padding_blocks(body, size):
        packed = packer.compress(part)
        if packed:
            yield packed
        # Compressing never awaits anything: let other requests in between two blocks.
        await asyncio.sleep(0)
    yield packer.flush()


def _padding_blocks(body: bytes, size: int) -> Iterator[bytes]:
    yield body
    missing = size - len(body)
    while missing > 0:
        yield _BLOCK[:missing]
        missing -= len(_BLOCK)
