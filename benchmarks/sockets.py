"""The whole program over real sockets: how near it comes to what the latency alone allows.

Each command starts a sandbox as a process of its own and measures whole processes against it. The
two share this machine's cores, so the server's processor time is printed beside the client's.
Run it from the root of the repository: `python -m benchmarks.sockets creates`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.sandboxes import PROGRAM, Sandbox, body, login, measure, sandbox, write_specs

Settings = argparse.Namespace
Headers = tuple[tuple[str, str], ...]
Reply = tuple[int, bytes]
Send = Callable[[str, str, Headers, bytes | None], Awaitable[Reply]]


@contextmanager
def world(settings: Settings, *options: str) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox with this latency, and a folder of as many specs as asked for."""
    latency = f"{settings.latency}ms"
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name,
        sandbox("--latency", latency, "--control", *options) as server,
    ):
        # As bodies of requests, which curl is given the same files for.
        write_specs(Path(name), settings.count, as_json=True)
        yield server, Path(name)


def program(settings: Settings, command: str, *options: str) -> list[str]:
    """The command line to measure."""
    return [str(PROGRAM), command, ".", "--concurrency", str(settings.concurrency), *options]


def requests(server: Sandbox, method: str) -> list[dict[str, Any]]:
    """What the server's own book says of the workload requests of one method."""
    entries: list[dict[str, Any]] = server.ask("/sandbox/ledger")["entries"]
    return [
        entry
        for entry in entries
        if entry["method"] == method and entry["path"].startswith("/api/v2/workloads")
    ]


def span(entries: Iterable[dict[str, Any]]) -> float:
    """Seconds from the first request's arrival to the last one's answer, by the server's clock."""
    found = list(entries)
    return float(max(e["decided"] for e in found) - min(e["arrived"] for e in found))


def ideal(settings: Settings) -> float:
    """Seconds that so many requests take if all places are always filled."""
    return float(settings.count * settings.latency / 1000 / settings.concurrency)


def compare(name: str, seconds: float, best: float, goal: float) -> None:
    """One line: a time, the ideal one, their ratio; 0 where there is no ideal or no goal."""
    ratio = f"{seconds / best:5.2f} x ideal" if best else ""
    print(f"{name:<28}{seconds:7.2f} s   {ratio}{f' (goal {goal})' if goal else ''}")


def creates(settings: Settings) -> None:
    """A first apply: the phase that sends, and the whole process."""
    with world(settings, "--sync-delay", "0s") as (server, folder):
        best = ideal(settings)
        done = measure(program(settings, "apply", "--yes", "--init", "--no-wait"), server, folder)
        live = len(server.live_ids())
        phase = span(requests(server, "POST"))
    with world(settings, "--sync-delay", "0s") as (server, folder):
        loop = measure(_bare(settings, "creates"), server, folder)
    print(f"apply of {settings.count}: {done}; {live} on the server")
    print(f"bare loop: {loop}")
    compare("ideal", best, 0.0, 0.0)
    compare("bare loop, same transport", float(loop.output), best, 0.0)
    compare("first to last request", phase, best, 1.25)
    compare("apply as it says itself", _took(done.output), best, 1.25)
    compare("whole process", done.seconds, best, 1.25)


def updates(settings: Settings) -> None:
    """An apply that changes every workload in place; the ideal is a GET and a PUT for each."""
    with world(settings, "--sync-delay", "0s") as (server, folder):
        (folder / "reconciler.yaml").write_text('api_version: "3.0"\n')
        best = 2 * ideal(settings)
        made = measure(program(settings, "apply", "--yes", "--init", "--no-wait"), server, folder)
        before, live = len(requests(server, "GET")), server.live_ids()
        write_specs(folder, settings.count, replicas=3, as_json=True)
        done = measure(program(settings, "apply", "--yes", "--no-wait"), server, folder)
        puts, gets = requests(server, "PUT"), requests(server, "GET")[before:]
        kept = "the same ids" if sorted(server.live_ids()) == sorted(live) else "OTHER IDS"
    print(
        f"update of {settings.count}: {done}; {kept} on the server\n{made.output.splitlines()[-1]}"
    )
    print(done.output.splitlines()[-1])
    print(f"requests per workload: {len(puts) / settings.count:.2f} PUT, ", end="")
    print(f"{len(gets) / settings.count:.2f} GET (one for the plan, one before, one to prove it)")
    compare("ideal: a GET and a PUT", best, 0.0, 0.0)
    compare("first to last PUT", span(puts), best, 0.0)
    compare("apply as it says itself", _took(done.output), best, 0.0)
    compare("whole process", done.seconds, best, 0.0)


def _took(output: str) -> float:
    found = re.search(r"\(([\d.]+) s\)\.$", output.splitlines()[-1])
    return float(found[1]) if found else 0.0


def plan(settings: Settings) -> None:
    """A plan that reads everything back and finds nothing to do."""
    with world(settings, "--sync-delay", "0s") as (server, folder):
        best = ideal(settings)
        measure(program(settings, "apply", "--yes", "--init", "--no-wait"), server, folder)
        done = measure(program(settings, "plan"), server, folder)
        phase = span(requests(server, "GET"))
        blind = measure(program(settings, "plan", "--no-refresh"), server, folder)
        (folder / "ids").write_text("\n".join(server.live_ids()))
        loop = measure(_bare(settings, "reads"), server, folder)
    print(f"plan of {settings.count}: {done}\n{done.output.splitlines()[-1]}")
    print(f"without its requests: {blind}")
    print(f"bare loop: {loop}")
    compare("ideal", best, 0.0, 0.0)
    compare("bare loop, same transport", float(loop.output), best, 0.0)
    compare("first to last request", phase, best, 1.15)
    compare("whole process", done.seconds, best, 1.15)


def refused(settings: Settings) -> None:
    """An apply while the server refuses at random."""
    fault = f"503 p={settings.share}% on=POST"
    with world(settings, "--sync-delay", "0s", "--fault", fault) as (server, folder):
        done = measure(program(settings, "apply", "--yes", "--init", "--no-wait"), server, folder)
        posts, live = requests(server, "POST"), len(server.live_ids())
    print(f"apply of {settings.count} at {settings.share} % of 503: {done}")
    print(done.output.splitlines()[-1])
    print(f"{live} on the server, {settings.count - live} failed")
    print(f"requests per create {len(posts) / settings.count:.3f} (goal 1.5)")
    print(f"peak {done.peak:.0f} MB (goal 200)")


def wait(settings: Settings) -> None:
    """An apply that waits until the cluster has taken every workload."""
    with world(settings, "--sync-delay", f"{settings.sync_delay}s") as (server, folder):
        done = measure(program(settings, "apply", "--yes", "--init"), server, folder)
        posts, gets = requests(server, "POST"), requests(server, "GET")
    accepted = max(post["decided"] for post in posts)
    first = min(post["arrived"] for post in posts)
    late = max(get["decided"] for get in gets) - accepted - settings.sync_delay
    busiest = max(_per_second(gets, first).values())
    print(f"apply of {settings.count}, Synced {settings.sync_delay} s after a create: {done}")
    print(done.output.splitlines()[-1])
    print(f"creates took               {accepted - first:7.1f} s")
    print(f"last look after last Synced{late:7.1f} s")
    print(f"looks per workload         {len(gets) / settings.count:7.2f}")
    print(f"looks in the busiest second{busiest:7d}")


def _per_second(entries: Iterable[dict[str, Any]], since: float) -> dict[int, int]:
    seconds: dict[int, int] = {}
    for entry in entries:
        second = int(entry["arrived"] - since)
        seconds[second] = seconds.get(second, 0) + 1
    return seconds


def bare(settings: Settings) -> None:
    """The program beside a bare loop over its transport, one over aiohttp, and curl under xargs."""
    count = settings.count
    with world(settings, "--sync-delay", "0s") as (server, folder):
        apply = measure(program(settings, "apply", "--yes", "--init", "--no-wait"), server, folder)
        refresh = measure(program(settings, "plan"), server, folder)
        blind = measure(program(settings, "plan", "--no-refresh"), server, folder)
        (folder / "ids").write_text("\n".join(server.live_ids()))
        reads = measure(_bare(settings, "reads"), server, folder)
        peer_reads = measure(_bare(settings, "reads", "aiohttp"), server, folder)
        curl_reads = measure(_curl(settings, server, folder, "ids"), server, folder)
    with world(settings, "--sync-delay", "0s") as (server, folder):
        posts = measure(_bare(settings, "creates"), server, folder)
    with world(settings, "--sync-delay", "0s") as (server, folder):
        peer_posts = measure(_bare(settings, "creates", "aiohttp"), server, folder)
    with world(settings, "--sync-delay", "0s") as (server, folder):
        (folder / "files").write_text("\n".join(f"bench-{i:05d}.json" for i in range(count)))
        curl_posts = measure(_curl(settings, server, folder, "files"), server, folder)
    took, loop = _took(apply.output), float(posts.output)
    read_loop, refresh_took = float(reads.output), refresh.seconds - blind.seconds
    tabulate(
        "creates",
        count,
        ("bare loop, same transport", loop, loop),
        ("bare loop over aiohttp", float(peer_posts.output), loop),
        ("reconciler apply, its sending phase", took, loop),
        ("bare loop, whole process", posts.seconds, posts.seconds),
        ("reconciler apply, whole process", apply.seconds, posts.seconds),
        (f"curl under xargs -P {settings.concurrency}", curl_posts.seconds, posts.seconds),
    )
    tabulate(
        "reads",
        count,
        ("bare loop, same transport", read_loop, read_loop),
        ("bare loop over aiohttp", float(peer_reads.output), read_loop),
        ("reconciler plan, less --no-refresh", refresh_took, read_loop),
        ("bare loop, whole process", reads.seconds, reads.seconds),
        ("reconciler plan, whole process", refresh.seconds, reads.seconds),
        (f"curl under xargs -P {settings.concurrency}", curl_reads.seconds, reads.seconds),
    )
    for name, done in (
        ("apply", apply),
        ("plan", refresh),
        ("bare creates", posts),
        ("aiohttp creates", peer_posts),
        ("bare reads", reads),
        ("aiohttp reads", peer_reads),
    ):
        print(f"{name:<16} {done}")


def tabulate(title: str, count: int, *rows: tuple[str, float, float]) -> None:
    """A table of times, each beside the one that it is compared with."""
    print(f"{title:<40} {'seconds':>8} {'per second':>11} {'ratio':>7}")
    for name, seconds, reference in rows:
        print(f"{name:<40} {seconds:8.2f} {count / seconds:11.0f} {seconds / reference:7.2f}")


def _bare(settings: Settings, what: str, over: str = "ours") -> list[str]:
    """A bare loop as a process of its own; it prints the seconds that its requests took."""
    sizes = ["--count", str(settings.count), "--concurrency", str(settings.concurrency)]
    return [sys.executable, "-m", "benchmarks.sockets", f"bare-{what}", "--over", over, *sizes]


def _curl(settings: Settings, server: Sandbox, folder: Path, names: str) -> list[str]:
    """One curl per request, so many at once; the answers are thrown away."""
    (folder / "curlrc").write_text(
        f'header = "Authorization: Bearer {server.log_in()}"\nsilent\nfail\noutput = /dev/null\n'
    )
    url = f"{server.url}/api/v2/workloads"
    if names == "ids":
        one = f"curl -K curlrc {shlex.quote(url)}/@"
    else:
        one = (
            f"curl -K curlrc -H 'Content-Type: application/json' "
            f"--data-binary '@@' {shlex.quote(url)}"
        )
        one = one.replace("@@", "@{}")
    place = "@" if names == "ids" else "{}"
    return ["sh", "-c", f"xargs -P {settings.concurrency} -I {place} {one} < {names}"]


def bare_creates(settings: Settings) -> None:
    """What a script would do: the POSTs, a fixed number at a time, nothing remembered."""
    contents = [json.dumps(body(index)).encode() for index in range(settings.count)]
    print(asyncio.run(_loop(settings, "POST", [("", content) for content in contents])))


def bare_reads(settings: Settings) -> None:
    """The GETs of every id in a file."""
    ids = Path("ids").read_text().split()
    print(asyncio.run(_loop(settings, "GET", [(f"/{id_}", None) for id_ in ids])))


@asynccontextmanager
async def _over_our_transport(base: str, concurrency: int) -> AsyncIterator[Send]:
    from reconciler.api.connection.transport import make_transport  # noqa: PLC0415 - for loops only
    from reconciler.api.wire.direct import Outgoing  # noqa: PLC0415 - for loops only, not for who measures

    transport = make_transport(base, concurrency=concurrency)

    async def send(method: str, path: str, headers: Headers, content: bytes | None) -> Reply:
        request = Outgoing(method=method, path=path, headers=headers, content=content)
        response = await transport.send(request)
        return response.status, response.body.finish()

    yield send
    await transport.aclose()


@asynccontextmanager
async def _over_aiohttp(base: str, concurrency: int) -> AsyncIterator[Send]:
    import aiohttp  # noqa: PLC0415 - only the loop needs it, not who measures

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(method: str, path: str, headers: Headers, content: bytes | None) -> Reply:
            url = base + path
            async with session.request(method, url, data=content, headers=headers) as response:
                return response.status, await response.read()

        yield send


async def _loop(
    settings: Settings, method: str, calls: Sequence[tuple[str, bytes | None]]
) -> float:
    """Seconds that the calls take, parsing included."""
    over = _over_aiohttp if settings.over == "aiohttp" else _over_our_transport
    queue = iter(calls)
    async with over(os.environ["RUNAI_BASE_URL"], settings.concurrency) as send:
        json_body = ("Content-Type", "application/json")
        _, granted = await send("POST", "/api/v1/token", (json_body,), json.dumps(login()).encode())
        token = json.loads(granted)["accessToken"]
        headers = (("Authorization", f"Bearer {token}"), json_body)

        async def work() -> None:
            for path, content in queue:
                status, response = await send(method, f"/api/v2/workloads{path}", headers, content)
                json.loads(response)
                if status >= 300:
                    raise SystemExit(f"the server answered {status}")

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(settings.concurrency)))
        return time.perf_counter() - began


COMMANDS: dict[str, Callable[[Settings], None]] = {
    "creates": creates,
    "plan": plan,
    "updates": updates,
    "refused": refused,
    "wait": wait,
    "bare": bare,
    "bare-creates": bare_creates,
    "bare-reads": bare_reads,
}
# As many as it takes for the beginning and the end not to matter, in some seconds.
COUNTS = {
    "creates": 5000,
    "plan": 5000,
    "updates": 5000,
    "refused": 10_000,
    "wait": 10_000,
    "bare": 2000,
}
LATENCIES = {"creates": 50.0, "plan": 50.0, "updates": 50.0, "wait": 50.0}


def main() -> None:
    """Run one of the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "command", choices=COMMANDS, metavar="creates|plan|updates|refused|wait|bare"
    )
    parser.add_argument("--count", type=int, help="workloads")
    parser.add_argument("--latency", type=float, help="milliseconds before every answer")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--over", choices=("ours", "aiohttp"), help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, default=30, help="percent of 503 for 'refused'")
    parser.add_argument("--sync-delay", type=float, default=10, help="seconds, for 'wait'")
    settings = parser.parse_args()
    settings.count = settings.count or COUNTS.get(settings.command, 1)
    if settings.latency is None:
        settings.latency = LATENCIES.get(settings.command, 0.0)
    # Whatever a shell allows, the sandbox and its clients have a socket for each other.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    if not settings.command.startswith("bare-"):
        print(f"load of this machine before: {load} on {os.cpu_count()} cores")
    COMMANDS[settings.command](settings)


if __name__ == "__main__":
    main()
