"""What runs at fleet size: `status` of many workloads beside the bare calls that it needs.

A first apply fills a sandbox and a state. Then a bare loop and `status` take turns, each a process
of its own, and the ledger of the sandbox counts what was asked: a login, each page of the list, one
count, and each workload by its id, as many at a time for the one as for the other.

`status --quick` leaves out the last, so it is also measured against a loop that does nothing but
read the pages. That ratio is told and has no bound: opening the state and printing weigh more than
so few requests.
Run it from the root of the repository: `python -m benchmarks.live`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.sandboxes import PROGRAM, Sandbox, login, measure, sandbox, write_specs

PAGE = 500
CONCURRENCY = 32
# The bound for `status`, as a ratio to the bare calls of the same round.
MOST = 1.3


async def bare_calls(*, by_id: bool) -> None:
    """What a script would do: log in, read every page and the count, and each workload or none."""
    import aiohttp  # noqa: PLC0415 - the parent process measures, and does not need it

    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    async with aiohttp.ClientSession(os.environ["RUNAI_BASE_URL"], connector=connector) as session:
        async with session.post("/api/v1/token", json=login()) as answer:
            token = (await answer.json())["accessToken"]
        session.headers["Authorization"] = f"Bearer {token}"

        async def get(path: str, **params: str) -> Any:
            async with session.get(path, params=params) as answer:
                answer.raise_for_status()
                return json.loads(await answer.read())

        where = {"filterBy": "projectId==1"}
        order = {"limit": str(PAGE), "sortBy": "name", "sortOrder": "asc"}
        ids: list[str] = []
        offset: int | None = 0
        while offset is not None:
            page = await get("/api/v1/workloads", **where, **order, offset=str(offset))
            ids += (row["id"] for row in page["workloads"])
            offset = page.get("next")
        await get("/api/v1/workloads/count", **where)
        queue = iter(ids if by_id else ())

        async def work() -> None:
            for workload_id in queue:
                await get(f"/api/v2/workloads/{workload_id}")

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


def requests_since(ledger: Path, start: int) -> tuple[Counter[str], int]:
    """How often each call was asked for since a place in the ledger, and where it ends now."""
    with ledger.open("rb") as file:
        file.seek(start)
        lines = file.read().splitlines()
        end = file.tell()
    paths = (json.loads(line)["path"].partition("?")[0] for line in lines)
    kinds = ("GET by id" if path.startswith("/api/v2/workloads/") else path for path in paths)
    return Counter(kinds), end


def main() -> None:
    """Measure both in turns, and print the requests and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", default="50ms", help="of the API, once the state is filled")
    parser.add_argument("--bare", choices=["list", "ids"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        asyncio.run(bare_calls(by_id=arguments.bare == "ids"))
        return
    count: int = arguments.count
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        specs, ledger = Path(name, "specs"), Path(name, "ledger.jsonl")
        specs.mkdir()
        write_specs(specs, count)
        data = ("--data", str(Path(name, "sandbox.jsonl")), "--ledger", str(ledger))
        with sandbox("--sync-delay", "0s", *data) as server:
            port = server.url.rpartition(":")[2]
            apply = [str(PROGRAM), "apply", ".", "--yes", "--init", "-q"]
            print(f"apply of {count}: {measure(apply, server, specs)}")
        state = str(specs / ".reconciler" / "state.db")
        # Not in the folder of the specs: reading those is measured elsewhere.
        status = [str(PROGRAM), "status", "--state", state, "-o", "json"]
        # The same server, at the same address, as far away as one in another place.
        with sandbox("--port", port, "--latency", arguments.latency, *data) as server:
            turns = Turns(server, Path(name), ledger, rounds=arguments.rounds, count=count)
            ratio = turns.take(status, "ids")
            turns.take([*status, "--quick"], "list")
    if ratio > MOST:
        raise SystemExit(f"status takes more than {MOST} times as long as the bare calls")


class Turns:
    """A command and its bare calls in turns, before one server."""

    def __init__(
        self, server: Sandbox, folder: Path, ledger: Path, *, rounds: int, count: int
    ) -> None:
        self._server = server
        self._folder = folder
        self._ledger = ledger
        self._rounds = rounds
        self._count = count

    def take(self, status: list[str], bare: str) -> float:
        """The median ratio of the times; ends the benchmark where a page is asked for twice."""
        calls = [sys.executable, "-m", "benchmarks.live", "--bare", bare]
        here = Path(__file__).parent.parent
        ratios: list[float] = []
        asked: Counter[str] = Counter()
        for _ in range(self._rounds):
            alone = measure(calls, self._server, here)
            _, end = requests_since(self._ledger, 0)
            ours = measure(status, self._server, self._folder)
            asked, _ = requests_since(self._ledger, end)
            if len(json.loads(ours.output)) != self._count:
                raise SystemExit(f"status has not shown {self._count} workloads")
            ratios.append(ours.seconds / alone.seconds)
            print(f"bare calls {alone}\nstatus     {ours}\nratio {ratios[-1]:.2f}")
        pages, lists = -(-self._count // PAGE), asked["/api/v1/workloads"]
        median = statistics.median(ratios)
        name = " ".join(word for word in status if word in ("status", "--quick"))
        print(f"{name}: {lists} list calls for {pages} pages of {PAGE}; all: {dict(asked)}")
        print(f"{name} / bare calls: {median:.2f} (median of {self._rounds})")
        if lists > pages:
            raise SystemExit("a page was asked for twice")
        return median


if __name__ == "__main__":
    main()
