"""TLS while it is begun: given up at any moment, and ended along with its last message."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.api.connection.proxies import Proxy
from reconciler.api.connection.transport import make_transport
from reconciler.api.wire.direct import Outgoing
from reconciler.core.protocol.api_results import NotSent
from tests.api.handshakes import ca_file, send, server_context
from tests.api.sockets import listening
from tests.api.tunnels import Tunnels

TURNS = 40
RESPONSE = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


def test_a_handshake_may_be_given_up_in_any_turn_of_the_loop(tmp_path: Path) -> None:
    """Its socket is closed, and whoever gets the number of that socket next is not disturbed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(RESPONSE)
        writer.close()

    async def main() -> int:
        # In the same loop, so that each step of a handshake has its turn.
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context("127.0.0.1"))
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        transport = make_transport(url, concurrency=1, ca_file=ca_file(tmp_path))
        given_up = 0
        async with server:
            for turn in range(TURNS):
                task = asyncio.create_task(transport.send(get()))
                for _ in range(turn):
                    await asyncio.sleep(0)
                given_up += task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                async with asyncio.timeout(5.0):
                    assert (await transport.send(get())).status == 202
                await transport.aclose()
        return given_up

    assert 5 < asyncio.run(main()) < TURNS


def get() -> Outgoing:
    """A request without timeouts."""
    return Outgoing(method="GET", path="/")


class Hasty:
    """A server whose last message of the handshake comes in one packet with what it does next."""

    def __init__(self, *, says: bytes) -> None:
        self._context = server_context("127.0.0.1")
        # In TLS 1.3 the last message of the handshake is the client's.
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._says = says
        self.heard = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Shake hands; then say something, or else goodbye."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65_536))
        if self._says:
            tls.write(self._says)
        else:
            with pytest.raises(ssl.SSLWantReadError):
                tls.unwrap()
        writer.write(outgoing.read())
        incoming.write(await reader.read())
        try:
            self.heard = tls.read()
        except ssl.SSLError:
            self.heard = b""


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxied"])
@pytest.mark.parametrize("says", [RESPONSE, b""], ids=["speaks", "hangs-up"])
def test_a_server_that_does_not_wait_for_the_request_gets_none(
    says: bytes, proxied: bool, tmp_path: Path
) -> None:
    """What it says first is no response, and it is certain that nothing was sent."""
    hasty = Hasty(says=says)
    failures: list[dict[str, Any]] = []

    async def main() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: failures.append(one))
        async with listening(hasty) as port, listening(Tunnels()) as tunnels:
            proxy = Proxy(address=f"http://127.0.0.1:{tunnels}", variable="HTTPS_PROXY")
            url = f"https://127.0.0.1:{port}"
            result = await send(url, ca_file(tmp_path), proxy=proxy if proxied else None)
            return result, url

    result, url = asyncio.run(main())
    assert result == NotSent(
        message=f"cannot connect to {url}: the server hung up before the request was sent"
    )
    assert hasty.heard == b""
    assert failures == []
