"""The connections to one server: who gets one, and how long an idle one is kept."""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import urlsplit

from reconciler.api.connection.client_certificate import rejection_message
from reconciler.api.connection.http1 import HttpConnection
from reconciler.api.connection.opening import ConnectionOpener
from reconciler.api.connection.request_head import HeadWriter
from reconciler.api.wire.direct import DirectTransport, Incoming, Outgoing
from reconciler.api.wire.transport_errors import (
    BrokenConnectionError,
    ConnectError,
    ImpassableError,
)


class PooledTransport(DirectTransport):
    """Sends each request once, over at most `limit` connections to one server.

    No redirects, cookies or decoding; the environment is not read. A connection that is idle for
    `keep_alive` seconds is closed.
    """

    def __init__(
        self, url: str, opener: ConnectionOpener, *, limit: int, keep_alive: float
    ) -> None:
        server = urlsplit(url)
        self._head = HeadWriter(host=server.netloc, prefix=server.path)
        self._opener = opener
        self._keep_alive = keep_alive
        # A place is the right to have a request under way. Who has one finds an idle connection or
        # opens one, so that there are never more connections than places.
        self._free = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        # In the order in which they became idle; the last one is taken first.
        self._idle: list[HttpConnection] = []
        self._open: set[HttpConnection] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, request: Outgoing) -> Incoming:
        """Send a request; raises the errors of a transport by what they prove."""
        content = self._head.write(request)
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_place(request.patience)
        connection: HttpConnection | None = None
        try:
            connection = self._take_idle()
            if connection is None:
                connection = await self._opener.open(request.patience)
                self._open.add(connection)
            if request.before_send is not None:
                await request.before_send()
            # Nothing is awaited between this check and the bytes: a connection that is lost from
            # now on may have carried them.
            if not connection.can_send:
                raise self._explain(connection) or ConnectError(
                    "the server hung up before the request was sent"
                )
            return await connection.send(request, content)
        except BrokenConnectionError:
            if connection is not None and (failure := self._explain(connection)) is not None:
                raise failure from None
            raise
        finally:
            if connection is not None:
                self._put_back(connection)
            self._pass_on_place()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._idle.clear()
        for connection in self._open:
            connection.abort()
        self._open.clear()
        # The loop closes their sockets in its next turn.
        await asyncio.sleep(0)

    async def _wait_for_place(self, seconds: float | None) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                # It came in the moment in which nobody wanted it any more.
                self._pass_on_place()
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise self._opener.timeout_error() from None
            raise

    def _pass_on_place(self) -> None:
        # To who has waited longest, and not to who comes first by chance.
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _take_idle(self) -> HttpConnection | None:
        oldest = asyncio.get_running_loop().time() - self._keep_alive
        while self._idle:
            connection = self._idle.pop()
            if connection.can_send and connection.idle_since > oldest:
                return connection
            self._discard(connection)
        return None

    def _put_back(self, connection: HttpConnection) -> None:
        # One whose request was given up is not idle: its response may still come.
        if not connection.is_idle:
            self._discard(connection)
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._keep_alive, self._close_old)

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._keep_alive
        old = [one for one in self._idle if one.idle_since <= oldest]
        for connection in old:
            self._discard(connection)
        # They stand in the order of their age.
        del self._idle[: len(old)]
        self._timer = None
        if self._idle:
            self._timer = loop.call_at(self._idle[0].idle_since + self._keep_alive, self._close_old)

    def _discard(self, connection: HttpConnection) -> None:
        connection.abort()
        self._open.discard(connection)

    def _explain(self, connection: HttpConnection) -> ImpassableError | None:
        """The error for a TLS alert about our certificate, which proves that nothing was read.

        In TLS 1.3 it comes after our half of the handshake, but never after a response.
        """
        if connection.answered or connection.lost_by is None:
            return None
        message = rejection_message(connection.lost_by, self._opener.identity)
        return ImpassableError(message) if message else None
