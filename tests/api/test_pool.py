"""Who gets a connection: places, idle connections, and requests that are given up at any moment."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.connection.http1 import HttpConnection
from reconciler.api.connection.opening import ConnectionOpener
from reconciler.api.connection.pool import PooledTransport
from reconciler.api.wire.direct import Outgoing
from reconciler.api.wire.transport_errors import (
    BrokenConnectionError,
    ConnectError,
    ConnectTimeoutError,
    ImpassableError,
    TransportError,
)
from tests.support.timing import Timeline, run

URL = "http://127.0.0.1:8080"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"
KEEP_ALIVE = 4.0


class Wire(asyncio.Transport):
    """A connection's bytes, kept in memory; who answers them is up to the test."""

    def __init__(self, connection: HttpConnection, on_write: Callable[[Wire], None]) -> None:
        super().__init__()
        self.connection = connection
        self.is_open = True
        self.requests = 0
        self._on_write = on_write
        connection.connection_made(self)

    def write(self, data: Any) -> None:
        """Count a request."""
        assert self.is_open
        assert data.endswith(b"\r\n\r\n")
        self.requests += 1
        self._on_write(self)

    def answer(self, data: bytes = OK) -> None:
        """Let bytes come, if they still can."""
        if self.is_open:
            self.connection.data_received(data)

    def hang_up(self, error: Exception | None = None) -> None:
        """The other side closes."""
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, error)

    def abort(self) -> None:
        """Our side closes; the loop says so in its next turn, as asyncio's own do."""
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def is_closing(self) -> bool:
        """Whether one of the two sides has closed."""
        return not self.is_open

    def get_write_buffer_size(self) -> int:
        """Everything is gone at once."""
        return 0


class Opener(ConnectionOpener):
    """Opens wires after so many turns of the loop, and answers after so many more."""

    def __init__(self, *, turns: int = 1, answers: Callable[[Wire], None] | None = None) -> None:
        super().__init__(URL, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self.turns = turns
        self.wires: list[Wire] = []
        self.most_open = 0
        self._answers = answers or self.answer_soon

    @property
    def open_wires(self) -> list[Wire]:
        """Those that nobody has closed."""
        return [wire for wire in self.wires if wire.is_open]

    def answer_soon(self, wire: Wire) -> None:
        """After so many turns of the loop."""
        self._later(wire.answer, self.turns)

    def _later(self, act: Callable[[], None], turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._later, act, turns - 1)
        else:
            act()

    async def open(self, within: float | None) -> HttpConnection:
        """A connection in memory."""
        assert within == 1.0
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.wires.append(Wire(HttpConnection(), self._answers))
        self.most_open = max(self.most_open, len(self.open_wires))
        return self.wires[-1].connection


def get(**options: Any) -> Outgoing:
    """A request that waits at most a second for its place."""
    return Outgoing(method="GET", path="/", patience=1.0, **options)


def pool(opener: Opener, limit: int = 1) -> PooledTransport:
    """A transport over such wires."""
    return PooledTransport(URL, opener, limit=limit, keep_alive=KEEP_ALIVE)


async def all_at_once(transport: PooledTransport, opener: Opener, limit: int) -> None:
    """Prove that each place is free: so many requests are under way at the same time."""
    under_way = 0
    everybody = asyncio.Event()

    async def meet() -> None:
        nonlocal under_way
        under_way += 1
        if under_way == limit:
            everybody.set()
        await everybody.wait()

    responses = await asyncio.gather(*(transport.send(get(before_send=meet)) for _ in range(limit)))
    assert [response.body.finish() for response in responses] == [b"OK"] * limit
    assert opener.most_open <= limit


Client = tuple[int, int, int, bool]
"""Begins after so many turns, is given up after so many more (none: 0), and the turns and the end
of its `before_send`: whether that calls the request off."""
CLIENTS = st.tuples(st.integers(0, 3), st.integers(0, 14), st.integers(0, 2), st.booleans())


@given(st.integers(1, 3), st.integers(0, 3), st.lists(CLIENTS, min_size=1, max_size=8))
def test_no_place_is_lost_wherever_requests_are_given_up(
    limit: int, turns: int, clients: list[Client]
) -> None:
    """While they wait, connect, prepare or listen; and there are never too many connections."""

    async def turn(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def main() -> None:
        opener = Opener(turns=turns)
        transport = pool(opener, limit)

        async def one(begin: int, patience: int, preparing: int, called_off: bool) -> None:
            async def before_send() -> None:
                await turn(preparing)
                if called_off:
                    raise KeyError("called off")

            await turn(begin)
            task = asyncio.create_task(transport.send(get(before_send=before_send)))
            if patience:
                await turn(patience)
                task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, asyncio.CancelledError | KeyError)
            else:
                assert outcome.body.finish() == b"OK"

        await asyncio.gather(*(one(*client) for client in clients))
        await all_at_once(transport, opener, limit)
        await transport.aclose()
        assert opener.open_wires == []

    run(main())


def test_places_are_given_in_the_order_in_which_they_were_asked_for() -> None:
    """Nobody comes first by chance."""
    order: list[int] = []

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)

        async def one(number: int) -> None:
            await transport.send(get())
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(5)))
        assert len(opener.wires) == 1
        await transport.aclose()

    run(main())
    assert order == [0, 1, 2, 3, 4]


def test_a_place_that_does_not_come_in_time_was_not_sent() -> None:
    """And whoever gave up takes none from those who still wait."""

    async def main() -> None:
        opener = Opener(answers=lambda _: None)
        transport = pool(opener)
        first = asyncio.create_task(transport.send(get()))
        await asyncio.sleep(0)
        with pytest.raises(ConnectTimeoutError):
            await transport.send(get())
        opener.answer_soon(opener.wires[0])
        assert (await first).status == 200
        second = asyncio.create_task(transport.send(get()))
        await asyncio.sleep(0.1)
        opener.answer_soon(opener.wires[0])
        assert (await second).status == 200
        assert opener.wires[0].requests == 2
        await transport.aclose()

    run(main())


def test_the_connection_that_was_used_last_is_used_next() -> None:
    """So the others grow old, and are closed."""

    async def main() -> None:
        opener = Opener()
        transport = pool(opener, 3)
        await all_at_once(transport, opener, 3)
        for _ in range(4):
            await asyncio.sleep(1.5)
            await transport.send(get())
        assert [wire.requests for wire in opener.wires if wire.is_open] == [5]
        await asyncio.sleep(KEEP_ALIVE)
        assert opener.open_wires == []
        await transport.aclose()

    run(main())


def test_an_old_connection_is_not_used_although_nobody_has_closed_it_yet() -> None:
    """A process that was stopped for a while has had no time to."""
    timeline = Timeline()

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)
        await transport.send(get())
        timeline.skip(KEEP_ALIVE)
        await transport.send(get())
        assert [wire.requests for wire in opener.wires] == [1, 1]
        await transport.aclose()

    run(main(), timeline)


def test_the_connection_of_a_request_that_is_given_up_is_closed_at_once() -> None:
    """So that its server may stop working on it."""

    async def main() -> None:
        opener = Opener(answers=lambda _: None)
        transport = pool(opener)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await transport.send(get())
        assert len(opener.wires) == 1
        assert opener.open_wires == []
        await transport.aclose()

    run(main())


@pytest.mark.parametrize("spoils", [Wire.hang_up, Wire.answer], ids=["hang-up", "unasked"])
def test_an_idle_connection_that_is_spoilt_is_not_used(spoils: Callable[[Wire], None]) -> None:
    """Its other side has closed it, or has sent what nobody asked for."""

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)
        await transport.send(get())
        spoils(opener.wires[0])
        await transport.send(get())
        assert [wire.requests for wire in opener.wires] == [1, 1]
        assert opener.open_wires == opener.wires[1:]
        await transport.aclose()

    run(main())


def test_a_connection_that_is_lost_while_a_request_is_prepared_has_carried_nothing() -> None:
    """The one moment after it was made in which that is certain."""

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)

        async def lose() -> None:
            opener.wires[-1].hang_up()

        with pytest.raises(ConnectError, match="hung up before the request was sent"):
            await transport.send(get(before_send=lose))
        assert opener.wires[0].requests == 0
        await all_at_once(transport, opener, 1)
        await transport.aclose()

    run(main())


def test_an_alert_about_our_certificate_is_believed_before_the_first_response_only() -> None:
    """A server that has answered has let us in: what it says afterwards may follow a request."""
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

    async def main() -> None:
        opener = Opener(answers=lambda wire: wire.hang_up(alert))
        transport = pool(opener)
        with pytest.raises(ImpassableError, match="asks for a client certificate"):
            await transport.send(get())
        opener = Opener(answers=lambda wire: wire.hang_up(alert) if wire.requests > 1
                        else wire.answer())  # fmt: skip
        transport = pool(opener)
        await transport.send(get())
        with pytest.raises(BrokenConnectionError):
            await transport.send(get())
        await transport.aclose()

    run(main())


def test_an_alert_behind_a_part_of_a_response_proves_nothing() -> None:
    """The server had let us in, and may have carried out the request before it changed its mind."""
    alert = ssl.SSLError(1, "alert")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

    def answer_in_part(wire: Wire) -> None:
        wire.answer(OK[:-1])
        wire.hang_up(alert)

    async def main() -> None:
        transport = pool(Opener(answers=answer_in_part))
        with pytest.raises(BrokenConnectionError, match="ended too early"):
            await transport.send(get())
        await transport.aclose()

    run(main())


@pytest.mark.parametrize("called_off", [False, True])
def test_a_request_that_is_called_off_leaves_its_connection_unused(called_off: bool) -> None:
    """The next one takes it."""

    async def call_off() -> None:
        if called_off:
            raise KeyError("called off")

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)
        await asyncio.gather(transport.send(get(before_send=call_off)), return_exceptions=True)
        await transport.send(get())
        assert [wire.requests for wire in opener.wires] == [1 if called_off else 2]
        await transport.aclose()

    run(main())


def test_closing_ends_what_is_under_way() -> None:
    """As a lost connection does: the server may have had the request."""

    async def main() -> None:
        opener = Opener(answers=lambda _: None)
        transport = pool(opener)
        task = asyncio.create_task(transport.send(get()))
        await asyncio.sleep(0.1)
        await transport.aclose()
        with pytest.raises(BrokenConnectionError):
            await task
        assert opener.open_wires == []

    run(main())


def test_a_request_that_cannot_be_written_takes_no_place() -> None:
    """It is refused before anything else."""

    async def main() -> None:
        opener = Opener()
        transport = pool(opener)
        with pytest.raises(TransportError):
            await transport.send(get(headers=(("X", "a\r\nb"),)))
        assert opener.wires == []
        await all_at_once(transport, opener, 1)
        await transport.aclose()

    run(main())
