"""A TLS server on a real socket, and the certificates of throw-away authorities."""

from __future__ import annotations

import asyncio
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trustme

from reconciler.api.connection.client_certificate import ClientCertificate
from reconciler.api.connection.proxies import Proxy
from reconciler.core.protocol.api_results import ApiResult
from tests.api.factories import BODY, workload
from tests.api.sockets import connected

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


def server_context(*names: str) -> ssl.SSLContext:
    """A server with a certificate of our authority for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def ca_file(folder: Path) -> Path:
    """The authority's certificate, as an administrator hands it out."""
    path = folder / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


def write_pem(path: Path, *parts: bytes) -> Path:
    """A file that nobody else may read."""
    path.write_bytes(b"".join(parts))
    path.chmod(0o600)
    return path


def identity_of(leaf: trustme.LeafCert, folder: Path) -> ClientCertificate:
    """A certificate and its key in two files."""
    chain = (blob.bytes() for blob in leaf.cert_chain_pems)
    return ClientCertificate(
        certificate=write_pem(folder / "client.pem", *chain),
        key=write_pem(folder / "client.key", leaf.private_key_pem.bytes()),
    )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = True
    context: ssl.SSLContext
    answer: bytes


class _Handler(socketserver.BaseRequestHandler):
    """Answers every request of a connection with the same bytes.

    A thread, because asyncio's servers keep the alert of a failed handshake to themselves.
    """

    server: _Server

    def handle(self) -> None:
        raw: socket.socket = self.request
        raw.settimeout(5.0)
        with self.server.context.wrap_socket(
            raw, server_side=True, do_handshake_on_connect=False
        ) as stream:
            try:
                stream.do_handshake()
                while stream.recv(65_536):
                    stream.sendall(self.server.answer)
            except OSError:
                # Closing with the request unread would reset the connection under the alert.
                with suppress(OSError):
                    while socket.socket.recv(stream, 65_536):
                        pass


@contextmanager
def serving(
    context: ssl.SSLContext, *, status: int = 202, content: Mapping[str, Any] | None = None
) -> Iterator[int]:
    """The port of a server that answers alike whatever gets through its handshake."""
    body = json.dumps(workload() if content is None else content).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.context = context
        server.answer = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


async def send(
    url: str,
    trust: Path,
    *,
    identity: ClientCertificate | None = None,
    proxy: Proxy | None = None,
    request_timeout: float = 5.0,
) -> ApiResult:
    """One POST of a workload by a client of its own."""
    async with connected(
        url, request_timeout=request_timeout, ca_file=trust, identity=identity, proxy=proxy
    ) as api:
        return await api.create(BODY)


def create(url: str, trust: Path, *, identity: ClientCertificate | None = None) -> ApiResult:
    """The same, in a loop of its own."""
    return asyncio.run(send(url, trust, identity=identity))
