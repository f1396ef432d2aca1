"""An httpx transport over aiohttp's connections, which cost little when many are in flight."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar

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
from reconciler.ports import BeforeSend

# What to await once the request of this task has its connection: aiohttp passes nothing of ours
# on to a connector.
_BEFORE_SEND: ContextVar[BeforeSend | None] = ContextVar("before_send", default=None)


class AiohttpTransport(httpx.AsyncBaseTransport):
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
        try:
            response = await self._send(request)
        except aiohttp.ClientError as error:
            failure = to_httpx_error(error, request, proxy=self._proxy, identity=self._identity)
        else:
            return httpx.Response(
                response.status,
                headers=response.raw_headers,
                stream=_Body(response, request),
                request=request,
            )
        # Outside of the except block: as its context, aiohttp's exception would show the headers
        # of the request.
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, request: httpx.Request) -> aiohttp.ClientResponse:
        timeouts = request.extensions.get("timeout", {})
        login = self._proxy.login if self._proxy else None
        proxy_headers = {"Proxy-Authorization": login.reveal()} if login else None
        _BEFORE_SEND.set(request.extensions.get("before_send"))
        return await self._open_session().request(
            request.method,
            # As httpx has quoted it; quoted again, `%20` would become `%2520`.
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
            proxy=self._proxy.address if self._proxy else None,
            proxy_headers=proxy_headers,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=timeouts.get("pool"),
                sock_connect=timeouts.get("connect"),
                sock_read=timeouts.get("read"),
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

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise broken_connection_error(error, self._request) from error

    async def aclose(self) -> None:
        # After a whole body this gives the connection back, after a part of one it closes it.
        self._response.release()
