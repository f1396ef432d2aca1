"""An httpx transport over aiohttp's connections, which cost little when many are in flight."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Self

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from reconciler.api.connection.client_certificate import ClientCertificate
from reconciler.api.connection.failures import (
    UnconnectedError,
    broken_connection_error,
    to_httpx_error,
)
from reconciler.api.connection.proxies import Proxy
from reconciler.api.connection.resolver import UnattendedResolver
from reconciler.api.wire.direct import DirectTransport, Incoming, Outgoing
from reconciler.ports import BeforeSend

# What to await once the request of this task has its connection: aiohttp passes nothing of ours
# on to a connector.
_BEFORE_SEND: ContextVar[BeforeSend | None] = ContextVar("before_send", default=None)


class AiohttpTransport(DirectTransport):
    """Sends each request once, over at most `limit` connections to one server.

    No redirects, cookies or decoding; the environment is not read. `identity` is the certificate in
    `context`, for messages that name its file.
    """

    # Ready-made adapters between httpx and aiohttp lose what a failure proves about the request:
    # see `to_httpx_error`.

    def __init__(
        self,
        *,
        context: ssl.SSLContext,
        limit: int,
        keep_alive: float,
        proxy: Proxy | None = None,
        identity: ClientCertificate | None = None,
    ) -> None:
        self._context = context
        self._limit = limit
        self._keep_alive = keep_alive
        self._proxy = proxy
        self._identity = identity
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; the body of the response is not read yet."""
        response = await self.send(
            Outgoing(
                method=request.method,
                url=str(request.url),
                headers=request.headers.multi_items(),
                content=request.content or None,
                phases=request.extensions.get("timeout", {}),
                before_send=request.extensions.get("before_send"),
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=response.body, request=request
        )

    async def send(self, request: Outgoing) -> Incoming:
        """Send a request; raises the exceptions of httpx, by what they prove about it."""
        try:
            response = await self._request(request)
        except aiohttp.ClientError as error:
            failure = to_httpx_error(error, proxy=self._proxy, identity=self._identity)
        else:
            headers = _read_headers(response.raw_headers)
            return Incoming(status=response.status, headers=headers, body=_Body(response))
        # Outside of the except block: as its context, aiohttp's exception would show the headers
        # of the request.
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(self, request: Outgoing) -> aiohttp.ClientResponse:
        phases = request.phases
        login = self._proxy.login if self._proxy else None
        proxy_headers = {"Proxy-Authorization": login.reveal()} if login else None
        _BEFORE_SEND.set(request.before_send)
        return await self._open_session().request(
            request.method,
            # As it was quoted; quoted again, `%20` would become `%2520`.
            URL(request.url, encoded=True),
            headers=request.headers,
            data=request.content,
            allow_redirects=False,
            proxy=self._proxy.address if self._proxy else None,
            proxy_headers=proxy_headers,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=phases.get("pool"),
                sock_connect=phases.get("connect"),
                sock_read=phases.get("read"),
            ),
        )

    def _open_session(self) -> aiohttp.ClientSession:
        # Made with the first request: a session belongs to the event loop that runs by then.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(
                    limit=self._limit,
                    keepalive_timeout=self._keep_alive,
                    ssl=self._context,
                    resolver=UnattendedResolver(),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                # Else it would take logins from ~/.netrc; `proxy_for` chooses the proxy.
                trust_env=False,
            )
            # aiohttp would repeat a GET or DELETE by itself on a kept connection that turns out to
            # be closed; the dispatcher decides and counts what is sent again. There is no public
            # switch: a test with such a server proves that this one still works.
            self._session._retry_connection = False
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Separates failures of a proxy from the server's, which aiohttp raises as the same exceptions.

    It also awaits `before_send`: once it has returned a connection, bytes leave.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        """Get a connection; raises UnconnectedError where a proxy gives none."""
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientConnectorError, TimeoutError):
            raise
        except aiohttp.ClientHttpProxyError as error:
            status: int | None = error.status
        except (aiohttp.ClientError, OSError):
            status = None
        else:
            before_send = _BEFORE_SEND.get()
            try:
                if before_send is not None:
                    await before_send()
            except BaseException:
                # Nothing was sent on it: another request can use it.
                connection.release()
                raise
            return connection
        # Outside of the except block, for the same reason as above.
        raise UnconnectedError(status)


class _Body(httpx.AsyncByteStream):
    """The body of a response as it comes off the wire."""

    # No generator: the event loop would keep account of each of them.

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise broken_connection_error(error) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        # After a whole body this gives the connection back, after a part of one it closes it.
        self._response.release()


def _read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names in lower case; of one name, the values in one list (RFC 9110 5.3)."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), _decode(value)
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
