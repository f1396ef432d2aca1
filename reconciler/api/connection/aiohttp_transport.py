"""An httpx transport over aiohttp's connections, which stay cheap when many are in flight."""

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
from reconciler.api.connection.failures import UnconnectedError, break_of, failure_of
from reconciler.api.connection.proxies import Proxy
from reconciler.api.connection.resolver import UnattendedResolver
from reconciler.ports import BeforeSend

# What the request of this task wants to be done once it has its connection: aiohttp hands nothing
# of ours on to a connector.
_BEFORE_SEND: ContextVar[BeforeSend | None] = ContextVar("before_send", default=None)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends each request once, over at most `limit` connections to one server.

    Failures are sorted by what they prove, which is why this is not left to an adapter from
    elsewhere: see `failure_of`. No redirects, cookies or decoding; the environment is not read.
    `identity` is what `context` shows to the server, for messages that name it.
    """

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
        """Send a request whose body is in memory; the answer's body is still to be read."""
        try:
            answer = await self._send(request)
        except aiohttp.ClientError as error:
            failure = failure_of(error, request, proxy=self._proxy, identity=self._identity)
        else:
            return httpx.Response(
                answer.status,
                headers=answer.raw_headers,
                stream=_Body(answer, request),
                request=request,
            )
        # Not where it was caught: aiohttp's exception holds the request's headers.
        raise failure

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, request: httpx.Request) -> aiohttp.ClientResponse:
        timeouts = request.extensions.get("timeout", {})
        _BEFORE_SEND.set(request.extensions.get("before_send"))
        return await self._open_session().request(
            request.method,
            # The target goes out as httpx wrote it: quoting it again would change it.
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
            proxy=self._proxy.address if self._proxy else None,
            proxy_headers=_login(self._proxy),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=timeouts.get("pool"),
                sock_connect=timeouts.get("connect"),
                sock_read=timeouts.get("read"),
            ),
        )

    def _open_session(self) -> aiohttp.ClientSession:
        # A session belongs to the event loop that is running when it is made.
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
                # It would also take logins from ~/.netrc; proxies are chosen by `proxy_for`.
                trust_env=False,
            )
            # aiohttp would repeat a GET or DELETE by itself when a kept connection turns out to be
            # closed; what is sent again is decided and counted by the dispatcher. There is no
            # public switch: a test with such a server proves that this one still works.
            self._session._retry_connection = False
        return self._session


class _Connector(aiohttp.TCPConnector):
    """Tells a proxy's failures from the server's, which aiohttp raises as the same exceptions.

    It is the last to hear of a request before its bytes leave.
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
            return await _settle(connection)
        raise UnconnectedError(status)


async def _settle(connection: Connection) -> Connection:
    """Do what a request wants to be done last; where that fails, its connection is given back."""
    before_send = _BEFORE_SEND.get()
    try:
        if before_send is not None:
            await before_send()
    except BaseException:
        connection.release()
        raise
    return connection


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it comes off the wire."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise break_of(error, self._request) from error

    async def aclose(self) -> None:
        # Gives the connection back after a whole body, and closes it after a part of one.
        self._answer.release()


def _login(proxy: Proxy | None) -> dict[str, str] | None:
    if proxy is None or proxy.login is None:
        return None
    return {"Proxy-Authorization": proxy.login.reveal()}
