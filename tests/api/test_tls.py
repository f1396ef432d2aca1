"""Real handshakes with a throw-away authority."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reconciler.core.protocol.api_results import Accepted, ApiResult, NotSent
from reconciler.errors import InvalidInputError
from tests.api.factories import ID, remote, workload
from tests.api.handshakes import ca_file, server_context
from tests.api.sockets import connected


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server that answers every request with the same workload."""
    content = json.dumps({"workload": workload()}).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(content) + content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with server:
        yield server.sockets[0].getsockname()[1]


def read(context: ssl.SSLContext, trusted: Path | None = None) -> ApiResult:
    """One GET of a workload over TLS."""

    async def run() -> ApiResult:
        async with listening(context) as port:
            url = f"https://127.0.0.1:{port}"
            async with connected(url, request_timeout=5.0, ca_file=trusted) as api:
                return await api.read(ID)

    return asyncio.run(run())


def test_a_private_authority_is_trusted_when_named(tmp_path: Path) -> None:
    """--ca-file adds to what the system trusts."""
    assert read(server_context("127.0.0.1"), ca_file(tmp_path)) == Accepted(remote=remote())


def test_no_session_keys_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can set a variable of the environment cannot read along because of it."""
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    assert isinstance(read(server_context("127.0.0.1"), ca_file(tmp_path)), Accepted)
    assert not log.exists()


def test_an_unknown_authority_is_final_and_says_what_to_do() -> None:
    """Nothing was sent, trying again is pointless, and the flag that helps is named."""
    answer = read(server_context("127.0.0.1"))
    assert isinstance(answer, NotSent)
    assert answer.permanent
    assert "certificate cannot be verified" in answer.message
    assert "--ca-file" in answer.message


def test_a_certificate_for_another_name_is_final(tmp_path: Path) -> None:
    """A trusted authority does not make every server the right one."""
    answer = read(server_context("elsewhere.example"), ca_file(tmp_path))
    assert isinstance(answer, NotSent)
    assert answer.permanent


def test_an_old_protocol_is_not_spoken(tmp_path: Path) -> None:
    """Below TLS 1.2 there is no connection, and nothing was sent."""
    context = server_context("127.0.0.1")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert isinstance(read(context, ca_file(tmp_path)), NotSent)


def test_a_file_without_certificates_is_refused_at_once(tmp_path: Path) -> None:
    """Better than a failed handshake later."""
    path = tmp_path / "empty.pem"
    path.write_text("nothing here\n")
    with pytest.raises(InvalidInputError, match="cannot use the CA file"):
        read(server_context("127.0.0.1"), path)
