"""A TCP connection to whichever of several addresses takes one first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from reconciler.api.connection.resolver import SocketAddress

# Before the next address is tried beside one that has not answered yet (RFC 8305 5).
_HEAD_START_SECONDS = 0.25


async def connect_socket(addresses: Sequence[SocketAddress]) -> socket.socket:
    """Connect to one of the addresses; raises the OSError of the first that failed."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    waiting = list(reversed(addresses))
    running: set[asyncio.Task[socket.socket]] = set()
    first_error: OSError | None = None
    connected: socket.socket | None = None
    try:
        while connected is None:
            if waiting:
                running.add(asyncio.create_task(_connect(waiting.pop())))
            elif not running:
                raise first_error or OSError("no address")
            done, running = await asyncio.wait(
                running,
                timeout=_HEAD_START_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                if isinstance(error := task.exception(), OSError):
                    first_error = first_error or error
                elif connected is None:
                    connected = task.result()
                else:
                    task.result().close()
    finally:
        # One that is cancelled closes its socket itself, unless it has just connected.
        for task in running:
            task.cancel()
            task.add_done_callback(_close_late)
    return connected


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(address: SocketAddress) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM, address.protocol)
    try:
        sock.setblocking(False)
        # A firewall that forgets a quiet connection says nothing. (TCP_NODELAY is set by asyncio.)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(sock, address.address)
    except BaseException:
        sock.close()
        raise
    return sock
