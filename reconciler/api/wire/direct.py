"""One request and the head of its response, by the shortest way that a transport has."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import httpx

from reconciler.ports import BeforeSend
from reconciler.values import dataclass


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A request as it goes over the wire; `url` is quoted.

    `phases` are the timeouts of httpx (`connect`, `pool`, `read`, `write`), in seconds.
    `before_send` is awaited once there is a connection, right before bytes leave.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    content: bytes | None
    phases: Mapping[str, float | None]
    before_send: BeforeSend | None = None


@dataclass(slots=True, kw_only=True)
class Incoming:
    """The head of a response; the names of `headers` are in lower case, `body` is not read yet."""

    status: int
    headers: Mapping[str, str]
    body: httpx.AsyncByteStream


class DirectTransport(httpx.AsyncBaseTransport):
    """A transport that needs no request and response of httpx, which cost as much as sending."""

    @abstractmethod
    async def send(self, request: Outgoing) -> Incoming:
        """Send a request; raises the exceptions of httpx."""


async def send_by(transport: httpx.AsyncBaseTransport, request: Outgoing) -> Incoming:
    """Send a request by any transport of httpx; raises its exceptions."""
    if isinstance(transport, DirectTransport):
        return await transport.send(request)
    response = await transport.handle_async_request(
        httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            extensions={"timeout": request.phases, "before_send": request.before_send},
        )
    )
    # The raw stream, not httpx's decoded one: the bound on its size must hold while decoding.
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport answered with a synchronous stream")
    headers = dict(response.headers.items())
    return Incoming(status=response.status_code, headers=headers, body=response.stream)
