"""Whole applies and plans beside the least that anybody has to do for them, as ratios.

The floor is a bare aiohttp loop in a process of its own: the same POSTs, each with a durable SQLite
row of its own before it is sent, or the same GETs, or what an update needs: two GETs, a PUT after a
durable row, a GET; nothing is read, checked, compared or told. All are measured by the processor
time of their process, since the sandbox takes the other core. With a latency in front of the server
the floor is the latency alone: N x latency / requests in flight.
Run it from the root of the repository: `python -m benchmarks.floors`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.sandboxes import (
    PROGRAM,
    Measured,
    Sandbox,
    body,
    login,
    manifest,
    measure,
    sandbox,
    write_specs,
)

CONCURRENCY = 64
ROOT = Path(__file__).parent.parent
APPLY = (str(PROGRAM), "apply", ".", "--yes", "--no-wait", "--concurrency", str(CONCURRENCY))
Call = tuple[str, str, bytes | None]
# The bounds that a release keeps, by what is measured.
MOST = {
    "apply": 3.0,
    "plan": 3.0,
    "update": 3.0,
    "apply at latency": 1.3,
    "update at latency": 1.3,
}


async def bare_loop(works: Iterable[Sequence[Call]]) -> None:
    """Send each work's calls in order, a fixed number at a time, and parse what comes back.

    What has a body is sent after that is durable.
    """
    import aiohttp  # noqa: PLC0415 - the parent process measures, and does not need it

    base = os.environ["RUNAI_BASE_URL"]
    connection = sqlite3.connect("floor.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS operations (body TEXT)")
    queue = iter(works)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.post(f"{base}/api/v1/token", json=login()) as answer:
            token = (await answer.json())["accessToken"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        async def work() -> None:
            for method, path, content in chain.from_iterable(queue):
                if content is not None:
                    connection.execute("INSERT INTO operations VALUES (?)", (content,))
                url = f"{base}/api/v2/workloads{path}"
                async with session.request(method, url, data=content, headers=headers) as answer:
                    json.loads(await answer.read())
                    answer.raise_for_status()

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


def bare_creates(count: int) -> None:
    """The POSTs of so many workloads."""
    asyncio.run(
        bare_loop([("POST", "", json.dumps(body(index)).encode())] for index in range(count))
    )


def bare_reads() -> None:
    """The GETs of every id in a file."""
    asyncio.run(bare_loop([("GET", f"/{id_}", None)] for id_ in Path("ids").read_text().split()))


def bare_updates() -> None:
    """What an update of every id in a file needs: it is read for a plan, before, and afterwards."""

    def update(id_: str, name: str) -> Sequence[Call]:
        read = ("GET", f"/{id_}", None)
        content = json.dumps({"metadata": {}, "manifest": manifest(name, replicas=4)}).encode()
        return read, read, ("PUT", f"/{id_}", content), read

    named = json.loads(Path("names").read_text())
    asyncio.run(bare_loop(update(id_, name) for id_, name in named))


def bare(what: str, count: int, server: Sandbox, cwd: Path) -> Measured:
    """One of the loops above as a process of its own."""
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from benchmarks.floors import main"
    command = [sys.executable, "-c", f"{program}; main()", str(ROOT)]
    return measure([*command, "--bare", what, "--count", str(count)], server, cwd)


def at_once(count: int, *, as_json: bool) -> dict[str, float]:
    """CPU of an apply, of the plan after it and of updates, each as a ratio to its loop."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder, beside = Path(name, "specs"), Path(name, "bare")
        folder.mkdir()
        beside.mkdir()
        (folder / "reconciler.yaml").write_text('api_version: "3.0"\n')
        write_specs(folder, count, as_json=as_json)
        with sandbox("--sync-delay", "0s") as server:
            posts = bare("creates", count, server, beside)
        with sandbox("--sync-delay", "0s") as server:
            apply = measure([*APPLY, "--init"], server, folder)
            ids = server.live_ids()
            plan = measure([str(PROGRAM), "plan", "."], server, folder)
            (beside / "ids").write_text("\n".join(ids))
            gets = bare("reads", count, server, beside)
            write_specs(folder, count, replicas=3, as_json=as_json)
            update = measure(APPLY, server, folder)
            with sqlite3.connect(folder / ".reconciler" / "state.db") as state:
                named = state.execute("SELECT id, name FROM operations").fetchall()
            (beside / "names").write_text(json.dumps(named))
            puts = bare("updates", count, server, beside)
    if len(ids) != count or "Nothing to do." not in plan.output:
        raise SystemExit(f"{len(ids)} of {count} on the server:\n{plan.output[-2000:]}")
    if f"{count} updated" not in update.output:
        raise SystemExit(f"not all were updated:\n{update.output[-2000:]}")
    for label, one in (
        ("POSTs", posts),
        ("apply", apply),
        ("GETs", gets),
        ("plan", plan),
        ("PUTs", puts),
        ("update", update),
    ):
        print(f"{label:<6} {one}")
    print(f"an update takes {update.cpu / count * 1000:.2f} ms of processor time")
    return {
        "apply": apply.cpu / posts.cpu,
        "plan": plan.cpu / gets.cpu,
        "update": update.cpu / puts.cpu,
    }


def at_latency(count: int, milliseconds: float, *, as_json: bool) -> dict[str, float]:
    """Wall time of an apply and of an update of all, each as a ratio to what the latency allows.

    An update is a GET before it, a PUT, and a GET that proves it; the plan's GETs come first.
    """
    ideal = count * milliseconds / 1000 / CONCURRENCY
    options = ("--sync-delay", "0s", "--latency", f"{milliseconds}ms")
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name,
        sandbox(*options) as server,
    ):
        folder = Path(name)
        (folder / "reconciler.yaml").write_text('api_version: "3.0"\n')
        write_specs(folder, count, as_json=as_json)
        apply = measure([*APPLY, "--init"], server, folder)
        write_specs(folder, count, replicas=3, as_json=as_json)
        update = measure(APPLY, server, folder)
    for label, one in (("apply", apply), ("update", update)):
        print(f"{label:<6} {one} at {milliseconds:g} ms; {ideal:.2f} s for a request each")
    return {
        "apply at latency": apply.seconds / ideal,
        "update at latency": update.seconds / (4 * ideal),
    }


def main() -> None:
    """Measure in rounds, and print the median of each ratio with its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=50.0, help="milliseconds; 0 leaves it out")
    parser.add_argument("--json", action="store_true", help="specs in JSON instead of YAML")
    loops: dict[str, Callable[[], None]] = {
        "creates": lambda: bare_creates(arguments.count),
        "reads": bare_reads,
        "updates": bare_updates,
    }
    parser.add_argument("--bare", choices=loops, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        loops[arguments.bare]()
        return
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        ratios = at_once(arguments.count, as_json=arguments.json)
        if arguments.latency:
            ratios |= at_latency(arguments.count, arguments.latency, as_json=arguments.json)
        rounds.append(ratios)
    for name in rounds[0]:
        ratio = statistics.median(one[name] for one in rounds)
        print(f"{name:<18} {ratio:5.2f} x its floor, at most {MOST[name]:.1f}")


if __name__ == "__main__":
    main()
