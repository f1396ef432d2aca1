"""A wire to a server that can be slow, silent, or cut at a statement of one's choice."""

from __future__ import annotations

import contextlib
import heapq
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_CHUNK = 65536
# What only a commit of the state says, and what only the statement that takes its lock.
COMMIT = b"fence AS ("
TAKE_OVER = b"SET epoch = epoch + 1"


@dataclass
class Cut:
    """Where a connection is cut: at the statement of that number, before it is heard or after it.

    `times` connections are cut like that, one after the other.
    """

    statement: bytes
    number: int
    is_heard: bool
    times: int


@dataclass
class _Line:
    """One direction of a connection: what was read, and when it may be passed on."""

    source: socket.socket
    sink: socket.socket
    waiting: list[tuple[float, int, bytes]] = field(default_factory=list)


class Wire:
    """Passes bytes on, each way `delay` seconds late; `is_silent` passes nothing on meanwhile.

    `commits` counts those that went to the server.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.delay = 0.0
        self.is_silent = False
        self.commits = 0
        self._cut: Cut | None = None
        self._ended = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(
        self, number: int, *, is_heard: bool, times: int = 1, statement: bytes = COMMIT
    ) -> None:
        """Cut the connection that sends such a statement; 1 is the next one."""
        self._cut = Cut(statement=statement, number=number, is_heard=is_heard, times=times)

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return sum(client.fileno() >= 0 for client, _ in self._pairs)

    def cut_all(self) -> None:
        """Cut every connection that there is."""
        for pair in self._pairs:
            _close(*pair)
        self._pairs.clear()

    def close(self) -> None:
        """End it."""
        self._ended = True
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server), timeout=5)
            except OSError:
                # The server is away, or this is over.
                with contextlib.suppress(OSError, UnboundLocalError):
                    client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((client, server))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        lines = {client: _Line(client, server), server: _Line(server, client)}
        number = 0
        is_muted = False
        try:
            while True:
                due = [line.waiting[0][0] for line in lines.values() if line.waiting]
                wait = max(0.0, min(due) - time.monotonic()) if due else 0.05
                for ready in select.select([client, server], [], [], min(wait, 0.05))[0]:
                    data = ready.recv(_CHUNK)
                    if not data:
                        return
                    if ready is client:
                        self.commits += COMMIT in data
                        if (cut := self._cut_by(data)) is not None:
                            is_muted = True
                            if not cut.is_heard:
                                return
                    if is_muted and ready is server:
                        # The server has carried it out, and its answer is lost.
                        return
                    number += 1
                    item = (time.monotonic() + self.delay, number, data)
                    heapq.heappush(lines[ready].waiting, item)
                self._flush(lines)
        except (OSError, ValueError):
            # Cut from the other side, or by us: a socket that is closed has no number any more.
            return
        finally:
            _close(client, server)

    def _flush(self, lines: dict[socket.socket, _Line]) -> None:
        for line in lines.values():
            while line.waiting and line.waiting[0][0] <= time.monotonic() and not self.is_silent:
                line.sink.sendall(heapq.heappop(line.waiting)[2])

    def _cut_by(self, data: bytes) -> Cut | None:
        """The cut that is due with these bytes."""
        cut = self._cut
        if cut is None or cut.times == 0 or cut.statement not in data:
            return None
        cut.number -= 1
        if cut.number > 0:
            return None
        cut.times -= 1
        cut.number = 1
        return cut


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """A wire to a port of this machine, for a block."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()


def main() -> None:
    """A slow wire as a process of its own: `PORT SECONDS`; it tells its port, and ends with us."""
    wire = Wire(int(sys.argv[1]))
    wire.delay = float(sys.argv[2])
    sys.stdout.write(f"{wire.port}\n")
    sys.stdout.flush()
    # Whoever has started it closes this when done.
    sys.stdin.read()
    wire.close()


if __name__ == "__main__":
    main()
