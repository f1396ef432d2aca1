"""The sandbox on a loopback socket, served by uvicorn until a signal stops it."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconciler.sandbox.connection import TRANSPORT
from reconciler.sandbox.ledger import Entry
from reconciler.sandbox.sandbox import Sandbox
from reconciler.sandbox.settings import SandboxError, Settings

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 2048
# Requests that a fault holds back must not hold back the stop.
_GRACE_SECONDS = 1
_IDLE_SECONDS = 75


def serve(
    settings: Settings,
    host: str,
    port: int,
    announce: Callable[[str], None],
    listener: Callable[[Entry], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the base URL once connections are accepted.

    Port 0 takes a free one. Raises SandboxError for a host beyond loopback or a port in use.
    """
    bound = _bind(host, port)
    try:
        sandbox = Sandbox(settings)
        if listener is not None:
            sandbox.ledger.listen(listener)
        try:
            url_host, url_port = bound.getsockname()[:2]
            url = f"http://{f'[{url_host}]' if ':' in url_host else url_host}:{url_port}"
            server = _build_server(configure(sandbox.app), lambda: announce(url))
            with _stopping_quietly(server):
                asyncio.run(server.serve(sockets=[bound]))
        finally:
            sandbox.close()
    finally:
        bound.close()


def configure(app: Any) -> uvicorn.Config:
    """Build the settings under which uvicorn serves the sandbox, or what is compared with it."""
    import uvicorn

    return uvicorn.Config(
        app,
        http=_protocol(),
        # Whatever uvicorn could add of its own to an answer is off: the answers are the sandbox's.
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _build_server(config: uvicorn.Config, started: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        """Says when it has started: only then does a connection reach the application."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    return Server(config)


def _protocol() -> type[asyncio.Protocol]:
    """Give the application the transport of its connection, so that it can let it die.

    ASGI has no word for that; `state` is the place where a server may leave things for an
    application. Both protocols of uvicorn copy it into every request.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    base: Any = AutoHTTPProtocol

    class Protocol(base):  # type: ignore[misc]  # one of two, by what is installed
        app_state: dict[str, Any]

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.app_state = {**self.app_state, TRANSPORT: transport}

    return Protocol


@contextmanager
def _stopping_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Make a signal end in a normal return.

    uvicorn raises a caught signal again once it has shut down, for whoever had a handler before;
    these handlers swallow it. They also stop a server that has not yet installed its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SandboxError(
            f"the sandbox listens on loopback only, not on '{host}': its secrets are public; "
            "use 127.0.0.1 or ::1"
        )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio switches Nagle's delay off only where the protocol is named; socket.create_server
    # leaves it unnamed, and every second answer would wait 40 ms for an acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(_BACKLOG)
    except (OSError, OverflowError) as exc:
        bound.close()
        reason = getattr(exc, "strerror", None) or str(exc)
        raise SandboxError(
            f"cannot listen on {host} port {port}: {reason}; --port 0 takes a free port"
        ) from None
    return bound
