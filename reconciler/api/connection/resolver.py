"""Look-ups of server names that do not keep the process from ending."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future

from aiohttp.abc import AbstractResolver, ResolveResult

_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class UnattendedResolver(AbstractResolver):
    """Asks the operating system, in a thread of its own for each look-up."""

    # `getaddrinfo` cannot be interrupted and may take minutes. The end of a process waits for the
    # threads of the event loop, but not for daemons, which these are.

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raises OSError for a host without any."""
        lookup: Future[list[ResolveResult]] = Future()

        def work() -> None:
            # From here on it cannot be cancelled: a caller that has given up ignores the result.
            lookup.set_running_or_notify_cancel()
            try:
                lookup.set_result(_look_up(host, port, family))
            except Exception as error:
                lookup.set_exception(error)

        threading.Thread(target=work, name=f"resolver {host}", daemon=True).start()
        return await asyncio.wrap_future(lookup)

    async def close(self) -> None:
        """Nothing is kept open; a lookup under way is left to itself."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    infos = socket.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [
        ResolveResult(
            hostname=host,
            # A link-local address is of no use without its interface, which only this adds.
            host=socket.getnameinfo(address, _NUMERIC)[0],
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in infos
        # A Python without IPv6 gives addresses that it cannot connect to.
        if kind == socket.AF_INET or len(address) > 2
    ]
