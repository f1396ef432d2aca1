"""Servers on real loopback sockets that speak bytes, and clients of theirs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.connection.transport import make_transport
from reconciler.api.login.credentials import Credentials, FixedToken
from reconciler.api.secret import Secret
from reconciler.core.protocol.api_results import ApiResult
from tests.api.factories import BODY, TOKEN

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Call = Callable[[HttpWorkloadApi], Awaitable[Any]]

HEAD = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n"
DEADLINE = 0.2


def connected(
    url: str,
    *,
    credentials: Credentials | None = None,
    request_timeout: float = DEADLINE,
    concurrency: int = 2,
    **way: Any,
) -> HttpWorkloadApi:
    """A client over connections of its own, with a short deadline; `way` is `make_transport`'s."""
    return HttpWorkloadApi(
        ApiSettings(
            url=url,
            credentials=credentials or FixedToken(token=Secret(value=TOKEN)),
            request_timeout=request_timeout,
        ),
        transport=make_transport(url, concurrency=concurrency, **way),
    )


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    """The port of a server that speaks bytes; every connection is gone at the end."""
    serving: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await server(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        serving.append(asyncio.create_task(serve(reader, writer)))

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    # A task that is cancelled before its first turn closes nothing.
    for writer in writers:
        writer.close()


def against(server: Server, call: Call, *, scheme: str = "http", **options: Any) -> Any:
    """What a call comes to against a server that speaks bytes."""

    async def run() -> Any:
        async with (
            listening(server) as port,
            connected(f"{scheme}://127.0.0.1:{port}", **options) as api,
        ):
            return await call(api)

    return asyncio.run(run())


async def post(api: HttpWorkloadApi) -> ApiResult:
    """The call whose fate matters most."""
    return await api.create(BODY)


def says(*parts: bytes, pause: float = 0.0, repeat: bytes = b"") -> Server:
    """A server that reads a request's head, says this, and perhaps goes on for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
        await writer.drain()
        while repeat:
            writer.write(repeat)
            await writer.drain()
            await asyncio.sleep(pause)

    return serve


def body(content: bytes, *headers: bytes) -> bytes:
    """A 202 with this body."""
    fields = b"".join(header + b"\r\n" for header in headers)
    return HEAD + fields + b"content-length: %d\r\n\r\n" % len(content) + content


def refused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
