"""A transport that tells somebody of every request that goes through it."""

from __future__ import annotations

from collections.abc import Callable

import httpx

OnRequest = Callable[[str, int | None], None]
"""Gets the method and the status of a response, None where no response came."""


class CountingTransport(httpx.AsyncBaseTransport):
    """Another transport, observed."""

    def __init__(self, inner: httpx.AsyncBaseTransport, on_request: OnRequest) -> None:
        self._inner = inner
        self._on_request = on_request

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send by the other transport; a cancelled request counts as one without a response."""
        status: int | None = None
        try:
            response = await self._inner.handle_async_request(request)
            status = response.status_code
            return response
        finally:
            self._on_request(request.method, status)

    async def aclose(self) -> None:
        """Close the other one."""
        await self._inner.aclose()
