"""In-process transports: the sandbox behind httpx without a socket."""

from __future__ import annotations

import httpx

from reconciler.sandbox import ConnectionLostError, Sandbox


class SandboxTransport(httpx.AsyncBaseTransport):
    """An ASGI transport on which a connection that the sandbox kills is an `httpx.ReadError`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = httpx.ASGITransport(app=sandbox.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on; raises ReadError as a socket would."""
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionLostError as exc:
            raise httpx.ReadError(str(exc), request=request) from exc

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()
