"""GETs of the sandbox beside a bare ASGI hello-world, and what many workloads weigh.

Both are served by uvicorn under the same settings, each by one process on one core; the client
has the other core. They take turns, so that a busy machine is busy for both. The reads go to all
workloads in an order without pattern. Run it from the root of the repository:
`python -m benchmarks.sandbox`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.sandboxes import PROGRAM, body

CONNECTIONS = 32
CHECKED = 500
SECRET = "demo-secret-for-the-local-sandbox-only"
Message = MutableMapping[str, Any]


def hello() -> None:
    """Serve the smallest answer there is, under the settings of the sandbox."""
    import uvicorn  # noqa: PLC0415 - the measuring process does not need it

    from reconciler.sandbox.server import configure  # noqa: PLC0415 - it loads uvicorn

    async def app(
        _: Message,
        __: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        print(f"listening on http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
        uvicorn.Server(configure(app)).run(sockets=[bound])


@contextmanager
def serving(*command: str) -> Iterator[tuple[int, int]]:
    """A server on the first core; yields its process id and its port."""
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    try:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", (process.stdout or sys.stdin).readline())
        if found is None:
            raise SystemExit(f"{command} did not start")
        pin(process.pid, 0)
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.wait()


def pin(pid: int, core: int) -> None:
    """Keep a process on one of the cores that this benchmark may use."""
    cores = sorted(os.sched_getaffinity(os.getppid()))
    os.sched_setaffinity(pid, {cores[core]})


def write(method: str, path: str, token: str = "", value: Any = None) -> bytes:
    """One request as it goes over the wire."""
    content = b"" if value is None else json.dumps(value).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    if content:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return f"{head}\r\n".encode() + content


class Connection:
    """A connection that asks one thing after another and reads the answers."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> Connection:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, request: bytes, expected: int = 200) -> tuple[int, Any]:
        """Send a request; returns how long the whole answer was, and its document."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if int(head[9:12]) != expected:
            raise SystemExit(f"the server answered {head.decode()}")
        size = int(re.findall(rb"content-length: (\d+)", head)[0])
        return len(head) + size, json.loads(await self._reader.readexactly(size))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Hammer(asyncio.Protocol):
    """Asks the next thing as soon as the last one is answered, until an instant.

    An HTTP library would cost more than the server it measures. All answers of one server are of
    the same length here, so counting bytes counts answers.
    """

    def __init__(self, requests: Iterator[bytes], size: int, until: float) -> None:
        self._requests, self._size, self._until = requests, size, until
        self._missing = size
        self.count = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Go on when an answer is whole."""
        self._missing -= len(data)
        if self._missing > 0:
            return
        if self._missing < 0:
            self._transport.abort()
            return
        self._missing = self._size
        self.count += 1
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """The end, ours or the server's."""
        self.done.set_result(time.perf_counter())


async def hammer(port: int, requests: list[bytes], seconds: float) -> float:
    """Answers per second, the requests asked in turn on many connections at once."""
    connection = await Connection(port).open()
    size, _ = await connection.ask(requests[0])
    connection.close()
    began, loop, endless = time.perf_counter(), asyncio.get_running_loop(), cycle(requests)
    made = [
        await loop.create_connection(
            lambda: Hammer(endless, size, began + seconds), "127.0.0.1", port
        )
        for _ in range(CONNECTIONS)
    ]
    ended: float = max([await one.done for _, one in made])
    if ended < began + seconds:
        raise SystemExit("the server hung up, or gave an answer of another length")
    return sum(one.count for _, one in made) / (ended - began)


async def log_in(connection: Connection) -> str:
    """A token of the demo client."""
    login = {"grantType": "client_credentials", "clientID": "demo", "clientSecret": SECRET}
    _, answer = await connection.ask(write("POST", "/api/v1/token", value=login))
    token: str = answer["accessToken"]
    return token


async def create(port: int, count: int) -> tuple[str, list[str]]:
    """Create so many workloads over the wire; returns a token and their ids."""
    connections = [await Connection(port).open() for _ in range(CONNECTIONS)]
    token = await log_in(connections[0])
    indexes = iter(range(count))
    ids: list[str] = []

    async def work(connection: Connection) -> None:
        for index in indexes:
            request = write("POST", "/api/v2/workloads", token, body(index))
            _, created = await connection.ask(request, 202)
            ids.append(created["metadata"]["id"])
        connection.close()

    await asyncio.gather(*(work(connection) for connection in connections))
    return token, ids


async def read(port: int, token: str, ids: list[str]) -> list[bytes]:
    """The requests that read these workloads; a sample is read to see that each is itself."""
    requests = [write("GET", f"/api/v2/workloads/{one}", token) for one in ids]
    connection = await Connection(port).open()
    for one, request in list(zip(ids, requests, strict=True))[:CHECKED]:
        _, found = await connection.ask(request)
        if found["workload"]["metadata"]["id"] != one:
            raise SystemExit(f"the server answered another workload than {one}")
    connection.close()
    return requests


def memory(pid: int) -> float:
    """The memory that a process holds at present, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(count: int, rounds: int, seconds: float) -> None:
    """Create the workloads, then let both servers take turns."""
    command = (str(PROGRAM), "sandbox", "--port", "0", "--quiet", "--sync-delay", "0s")
    peer = (sys.executable, "-m", "benchmarks.sandbox", "--hello")
    with serving(*command) as (pid, port), serving(*peer) as (_, hello_port):
        pin(os.getpid(), -1)
        empty, began = memory(pid), time.perf_counter()
        token, ids = asyncio.run(create(port, count))
        rate = count / (time.perf_counter() - began)
        print(f"empty             {empty:8.0f} MB")
        print(f"{count} workloads {memory(pid):9.0f} MB   limit 400 MB for 50000")
        print(f"creates           {rate:8.0f} /s  with a client that parses every answer")
        random.Random(1).shuffle(ids)
        ours, theirs = asyncio.run(read(port, token, ids)), [write("GET", "/")]
        rates: list[tuple[float, float]] = []
        for _ in range(rounds):
            bare = asyncio.run(hammer(hello_port, theirs, seconds))
            rates.append((bare, asyncio.run(hammer(port, ours, seconds))))
            print(f"hello-world {rates[-1][0]:6.0f} GETs/s   sandbox {rates[-1][1]:6.0f} GETs/s")
        bare, sandbox = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"median      {bare:6.0f} GETs/s   sandbox {sandbox:6.0f} GETs/s   at least 3000")
        print(f"ratio       {bare / sandbox:6.2f}                               at most 2.50")
        print(f"after all   {memory(pid):6.0f} MB")


def main() -> None:
    """Measure, or be the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per server and round")
    parser.add_argument("--hello", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.hello:
        hello()
    else:
        measure(arguments.workloads, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
