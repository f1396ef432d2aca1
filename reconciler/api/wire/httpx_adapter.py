"""Transports of httpx: those that are handed in, such as ASGI applications and mocks."""

from __future__ import annotations

import httpx

from reconciler.api.wire.body import BodyReader
from reconciler.api.wire.direct import DirectTransport, Incoming, Outgoing
from reconciler.api.wire.transport_errors import (
    BrokenConnectionError,
    ConnectError,
    ConnectTimeoutError,
    ImpassableError,
    first_message,
)

# The first that fits counts; after any other exception the server may have the request.
_ERRORS: tuple[tuple[type[httpx.HTTPError], type[Exception]], ...] = (
    (httpx.ConnectTimeout, ConnectTimeoutError),
    (httpx.PoolTimeout, ConnectTimeoutError),
    (httpx.TimeoutException, TimeoutError),
    (httpx.ConnectError, ConnectError),
    (httpx.UnsupportedProtocol, ImpassableError),
    (httpx.HTTPError, BrokenConnectionError),
)


class HttpxTransport(DirectTransport):
    """Sends through a transport of httpx, to the server with this base URL."""

    def __init__(self, transport: httpx.AsyncBaseTransport, url: str) -> None:
        self._transport = transport
        self._url = url

    async def send(self, request: Outgoing) -> Incoming:
        """Send a request; such a transport need not know `before_send`."""
        timeout = {"connect": request.patience, "pool": request.patience}
        try:
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    self._url + request.path,
                    headers=request.headers,
                    content=request.content,
                    extensions={"timeout": timeout, "before_send": request.before_send},
                )
            )
            request.status = response.status_code
            body = await _read(response)
        except httpx.HTTPError as error:
            kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
            raise kind(first_message(error)) from error
        headers = dict(response.headers.items())
        return Incoming(status=response.status_code, headers=headers, body=body)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


async def _read(response: httpx.Response) -> BodyReader:
    body = BodyReader(response.headers.get("content-encoding", ""))
    # The raw stream, not httpx's decoded one: the bound on its size must hold while decoding.
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport answered with a synchronous stream")
    try:
        async for chunk in stream:
            if not body.feed(chunk):
                break
    finally:
        await stream.aclose()
    return body
