"""Look-ups of server names that do not keep the process from ending."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Any

from reconciler.values import dataclass

# As many connections begin at once as requests do: they share a look-up.
_KEPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAddress:
    """Where to connect to; `address` is as the family of sockets has it."""

    family: int
    protocol: int
    address: tuple[Any, ...]


class UnattendedResolver:
    """Asks the operating system for one server, in a thread of its own for each look-up."""

    # `getaddrinfo` cannot be interrupted and may take minutes. The end of a process waits for the
    # threads of the event loop, but not for daemons, which these are.

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._lookup: Future[Sequence[SocketAddress]] | None = None
        self._expires = 0.0

    async def resolve(self) -> Sequence[SocketAddress]:
        """The addresses, of which at least one; raises OSError for a host without any."""
        if (numeric := _numeric_address(self._host, self._port)) is not None:
            return [numeric]
        now = asyncio.get_running_loop().time()
        lookup = self._lookup
        if lookup is None or now >= self._expires or (lookup.done() and lookup.exception()):
            lookup = self._lookup = self._begin()
            self._expires = now + _KEPT_SECONDS
        return await asyncio.wrap_future(lookup)

    def _begin(self) -> Future[Sequence[SocketAddress]]:
        lookup: Future[Sequence[SocketAddress]] = Future()
        # From here on it cannot be cancelled: who gives up ignores its result, and others want it.
        lookup.set_running_or_notify_cancel()

        def work() -> None:
            try:
                lookup.set_result(_look_up(self._host, self._port))
            except Exception as error:
                lookup.set_exception(error)

        try:
            threading.Thread(target=work, name=f"resolver {self._host}", daemon=True).start()
        except RuntimeError:
            # The system has no thread to spare, as under a limit of processes: that may pass.
            lookup.set_exception(OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
        return lookup


def _numeric_address(host: str, port: int) -> SocketAddress | None:
    try:
        is_ipv6 = ip_address(host).version == 6
    except ValueError:
        return None
    if is_ipv6:
        return SocketAddress(family=socket.AF_INET6, protocol=0, address=(host, port, 0, 0))
    return SocketAddress(family=socket.AF_INET, protocol=0, address=(host, port))


def _look_up(host: str, port: int) -> Sequence[SocketAddress]:
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    families: dict[int, list[SocketAddress]] = {}
    for family, _, protocol, _, address in infos:
        # A Python without IPv6 gives addresses that it cannot connect to.
        if family == socket.AF_INET or len(address) > 2:
            families.setdefault(family, []).append(
                SocketAddress(family=family, protocol=protocol, address=address)
            )
    if not families:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    # By turns (RFC 8305 4): where one family leads nowhere, the other is not far behind.
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None]
