"""Several addresses of one server: the first that takes a connection, and no socket left open."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest

from reconciler.api.connection import tcp
from reconciler.api.connection.resolver import SocketAddress
from tests.api.sockets import refused_port
from tests.support.timing import Timeline, run


def at(name: str, port: int = 1) -> SocketAddress:
    """An address."""
    return SocketAddress(family=socket.AF_INET, protocol=0, address=(name, port))


class Network:
    """Connects after so many seconds, or fails then; None never answers."""

    def __init__(self, hosts: Mapping[str, float | OSError | None]) -> None:
        self.hosts = hosts
        self.tried: list[tuple[float, str]] = []
        self.sockets: list[socket.socket] = []

    async def connect(self, address: SocketAddress) -> socket.socket:
        """In place of the real connection."""
        name = address.address[0]
        self.tried.append((asyncio.get_running_loop().time(), name))
        outcome = self.hosts[name]
        if isinstance(outcome, OSError):
            raise outcome
        await (asyncio.get_running_loop().create_future() if outcome is None
               else asyncio.sleep(outcome))  # fmt: skip
        self.sockets.append(socket.socket())
        return self.sockets[-1]


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
UNREACHABLE = OSError(errno.ENETUNREACH, "unreachable")


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Network, float]]:
    """Connect to the hosts of a network in their order, in no time."""

    def connect(**hosts: float | OSError | None) -> tuple[Network, float]:
        network, timeline = Network(hosts), Timeline()
        monkeypatch.setattr(tcp, "_connect", network.connect)

        async def main() -> None:
            sock = await tcp.connect_socket([at(name) for name in hosts])
            # What was begun beside it ends in the next turns.
            for _ in range(3):
                await asyncio.sleep(0)
            assert [one for one in network.sockets if one.fileno() != -1] == [sock]
            sock.close()

        run(main(), timeline)
        return network, timeline.now

    return connect


def test_the_next_address_is_tried_at_once_where_one_refuses(
    through: Callable[..., tuple[Network, float]],
) -> None:
    """A refusal is an answer."""
    network, took = through(a=REFUSED, b=UNREACHABLE, c=0.0)
    assert [name for _, name in network.tried] == ["a", "b", "c"]
    assert took < 0.01


def test_the_next_address_is_tried_beside_one_that_is_silent(
    through: Callable[..., tuple[Network, float]],
) -> None:
    """A family of addresses that leads nowhere costs a quarter of a second."""
    network, took = through(a=None, b=None, c=0.1)
    assert [name for _, name in network.tried] == ["a", "b", "c"]
    assert took == pytest.approx(0.6, abs=0.01)


def test_a_slow_address_wins_where_it_is_first(
    through: Callable[..., tuple[Network, float]],
) -> None:
    """And the socket of the one that comes late is closed."""
    network, took = through(a=0.3, b=0.05)
    assert took == pytest.approx(0.3, abs=0.01)
    assert len(network.sockets) == 2


def test_where_all_fail_the_first_failure_is_told(
    through: Callable[..., tuple[Network, float]],
) -> None:
    """The one of the address that is preferred."""
    with pytest.raises(ConnectionRefusedError):
        through(a=REFUSED, b=UNREACHABLE)


def test_whoever_gives_up_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those that would have come later."""
    network = Network({"a": 1.0, "b": 1.0})
    monkeypatch.setattr(tcp, "_connect", network.connect)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await tcp.connect_socket([at("a"), at("b")])
        await asyncio.sleep(5.0)
        assert network.sockets == []

    run(main())


def test_a_connection_that_is_made_in_the_moment_of_giving_up_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody would know of it."""
    sockets: list[socket.socket] = []

    async def main() -> None:
        async def connect(_: SocketAddress) -> socket.socket:
            sockets.append(socket.socket())
            task.cancel()
            return sockets[-1]

        monkeypatch.setattr(tcp, "_connect", connect)
        task = asyncio.create_task(tcp.connect_socket([at("a"), at("b")]))
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert [one.fileno() for one in sockets] == [-1]

    run(main())


def test_a_real_address_that_refuses_gives_way_to_one_that_does_not() -> None:
    """Over the loopback, with what the socket is set to."""

    async def main() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            addresses = [at("127.0.0.1", refused_port()), at("127.0.0.1", port)]
            with closing(await tcp.connect_socket(addresses)) as sock:
                assert sock.getpeername() == ("127.0.0.1", port)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert not sock.getblocking()

    asyncio.run(main())
