"""Connections to one server: its address, TCP, the tunnel of a proxy, TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from reconciler.api.connection.client_certificate import ClientCertificate
from reconciler.api.connection.failures import (
    proxy_status_error,
    proxy_unreachable_error,
    to_connect_error,
)
from reconciler.api.connection.http1 import HttpConnection
from reconciler.api.connection.proxies import Proxy
from reconciler.api.connection.request_head import write_connect
from reconciler.api.connection.resolver import SocketAddress, UnattendedResolver
from reconciler.api.connection.tcp import connect_socket
from reconciler.api.urls import DEFAULT_PORTS
from reconciler.api.wire.direct import Outgoing
from reconciler.api.wire.transport_errors import (
    BrokenConnectionError,
    ConnectError,
    ConnectTimeoutError,
    UnsentError,
)


class ConnectionOpener:
    """Opens connections to the server of a normalised base URL.

    `identity` is the certificate in `context`, for messages that name its file.
    """

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        *,
        proxy: Proxy | None = None,
        identity: ClientCertificate | None = None,
    ) -> None:
        server = urlsplit(url)
        self._host = server.hostname or ""
        self._port = server.port or DEFAULT_PORTS[server.scheme]
        self._context = context
        self._has_tls = server.scheme == "https"
        self._proxy = proxy
        self.identity = identity
        first = urlsplit(proxy.address if proxy else url)
        self._resolver = UnattendedResolver(
            first.hostname or "", first.port or DEFAULT_PORTS[first.scheme]
        )

    async def open(self, within: float | None) -> HttpConnection:
        """Open one in so many seconds; raises UnsentError, for nothing has been sent yet."""
        try:
            async with asyncio.timeout(within):
                if self._proxy is None:
                    connection = await _connect(await self._resolver.resolve())
                else:
                    connection = await self._open_tunnel(self._proxy)
                return await self._start_tls(connection) if self._has_tls else connection
        except OSError as error:
            # The system gives up by an exception of the same class, which has a number.
            if isinstance(error, TimeoutError) and error.errno is None:
                raise self.timeout_error() from None
            raise to_connect_error(error, self.identity) from error

    def timeout_error(self) -> UnsentError:
        """The exception where there was no connection in time."""
        if self._proxy is None:
            return ConnectTimeoutError()
        return ConnectError(f"no connection through the proxy {self._proxy.address} in time")

    async def _start_tls(self, below: HttpConnection) -> HttpConnection:
        # Not `create_connection` with TLS: given up in the turn in which the handshake ends, that
        # stays open to say goodbye, and its socket can only be taken away under it.
        if not below.is_idle:
            # Who is told of the loss is `below`: the handshake would wait for it in vain.
            raise ConnectionResetError
        connection = HttpConnection()
        # The other side may speak or hang up along with the last message of the handshake.
        connection.connection_made(below.transport)
        transport = await asyncio.get_running_loop().start_tls(
            below.transport, connection, self._context, server_hostname=self._host
        )
        if transport is None:
            raise ConnectionResetError
        connection.transport = transport
        return connection

    async def _open_tunnel(self, proxy: Proxy) -> HttpConnection:
        try:
            tunnel = await _connect(await self._resolver.resolve())
        except OSError as error:
            raise proxy_unreachable_error(error, proxy) from error
        host = f"[{self._host}]" if ":" in self._host else self._host
        authority = f"{host}:{self._port}"
        try:
            request = Outgoing(method="CONNECT", path=authority)
            response = await tunnel.send(request, write_connect(authority, proxy.login))
        except BrokenConnectionError:
            raise proxy_status_error(None, proxy) from None
        except BaseException:
            tunnel.abort()
            raise
        if not tunnel.is_idle:
            is_open = 200 <= response.status < 300
            raise proxy_status_error(None if is_open else response.status, proxy)
        return tunnel


async def _connect(addresses: Sequence[SocketAddress]) -> HttpConnection:
    sock = await connect_socket(addresses)
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            HttpConnection, sock=sock
        )
    except BaseException:
        sock.close()
        raise
    return connection
