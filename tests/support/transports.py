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


class ReadOnlyTransport(httpx.AsyncBaseTransport):
    """The real server, which refuses to change workloads; the loop stands still meanwhile.

    So it may be one on a timeline, which knows nothing of sockets.
    """

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport(verify=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass on what reads and what logs in, and answer 403 to the rest."""
        if request.method != "GET" and not request.url.path.endswith("/token"):
            return httpx.Response(403, json={"code": 403, "message": "read-only"})
        sent = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=await request.aread(),
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 2.0)},
        )
        response = self._inner.handle_request(sent)
        body = b"".join(response.iter_raw())
        return httpx.Response(
            response.status_code, headers=response.headers, stream=httpx.ByteStream(body)
        )

    async def aclose(self) -> None:
        """Close the inner transport."""
        self._inner.close()
