"""An httpx transport over aiohttp's connections, which stay cheap when many are in flight."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from yarl import URL


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends each request once, over at most `limit` connections to one server.

    Failures are sorted by what they prove, which is why this is not left to an adapter from
    elsewhere: ConnectError and ConnectTimeout mean that nothing was sent, everything else that it
    may have been. No redirects, cookies, proxies or decoding; the environment is not read.
    """

    def __init__(self, *, context: ssl.SSLContext, limit: int, keep_alive: float) -> None:
        self._context = context
        self._limit = limit
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request whose body is in memory; the answer's body is still to be read."""
        timeouts = request.extensions.get("timeout", {})
        with _translated(request):
            answer = await self._open_session().request(
                request.method,
                # The target goes out as httpx wrote it: quoting it again would change it.
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=timeouts.get("pool"),
                    sock_connect=timeouts.get("connect"),
                    sock_read=timeouts.get("read"),
                ),
            )
        return httpx.Response(
            answer.status,
            headers=answer.raw_headers,
            stream=_Body(answer, request),
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open_session(self) -> aiohttp.ClientSession:
        # A session belongs to the event loop that is running when it is made.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._limit, keepalive_timeout=self._keep_alive, ssl=self._context
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
            # aiohttp would repeat a GET or DELETE by itself when a kept connection turns out to be
            # closed; what is sent again is decided and counted by the dispatcher. There is no
            # public switch: a test with such a server proves that this one still works.
            self._session._retry_connection = False
        return self._session


class _Body(httpx.AsyncByteStream):
    """The body of an answer as it comes off the wire."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(self._request):
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        # Gives the connection back after a whole body, and closes it after a part of one.
        self._answer.release()


@contextmanager
def _translated(request: httpx.Request) -> Iterator[None]:
    """Raise httpx's exceptions for aiohttp's."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error), request=request) from error
    except aiohttp.ClientConnectorCertificateError as error:
        cause = error.certificate_error
        raise httpx.ConnectError(str(cause), request=request) from cause
    except aiohttp.ClientConnectorSSLError as error:
        raise httpx.ConnectError(str(error.os_error), request=request) from error
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(_why_unconnected(error.os_error), request=request) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx.UnsupportedProtocol(str(error), request=request) from error
    except aiohttp.ServerDisconnectedError as error:
        words = "the server hung up without an answer"
        raise httpx.RemoteProtocolError(words, request=request) from error
    except aiohttp.ClientPayloadError as error:
        words = "the answer ended too early"
        raise httpx.RemoteProtocolError(words, request=request) from error
    except aiohttp.ClientResponseError as error:
        words = f"not an HTTP answer: {(error.message.splitlines() or [''])[0].rstrip(':')}"
        raise httpx.RemoteProtocolError(words, request=request) from error
    except aiohttp.ClientError as error:
        raise httpx.ReadError(str(error) or type(error).__name__, request=request) from error


def _why_unconnected(error: OSError) -> str:
    """The system's words for it; aiohttp's own repeat the address, which our message has."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
