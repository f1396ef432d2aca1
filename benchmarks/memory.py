"""The most memory of whole commands over many workloads, each beside its bound.

A plan that changes nothing also stands beside as many GETs over aiohttp alone, in processor time.
Run it from the root of the repository: `python -m benchmarks.memory`, or with `--count 50000`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, Measured, Sandbox, measure, sandbox, write_specs

# Megabytes, for ten and for fifty thousand workloads; between them and beyond, in proportion.
SMALL, LARGE = 10_000, 50_000
BOUNDS: Mapping[str, tuple[float, float]] = {
    "plan, nothing changed": (200.0, 600.0),
    "state list": (80.0, 80.0),
    "status": (300.0, 300.0),
    "validate": (300.0, 300.0),
}
IN_FLIGHT = 64

# The floor: a login, and every workload once, as the text of an answer that is parsed.
GETS = f"""
import asyncio, json, os, sys
import aiohttp

async def main():
    base = os.environ["RUNAI_BASE_URL"]
    login = {{"grantType": "client_credentials", "clientID": os.environ["RUNAI_CLIENT_ID"],
             "clientSecret": os.environ["RUNAI_CLIENT_SECRET"]}}
    connector = aiohttp.TCPConnector(limit={IN_FLIGHT})
    async with aiohttp.ClientSession(base, connector=connector) as session:
        async with session.post("/api/v1/token", json=login) as answer:
            token = (await answer.json())["accessToken"]
        ids = iter(open(sys.argv[1]).read().split())
        async def read_on():
            for id_ in ids:
                headers = {{"Authorization": "Bearer " + token}}
                path = "/api/v2/workloads/" + id_
                async with session.get(path, headers=headers) as answer:
                    assert answer.status == 200, answer.status
                    json.loads(await answer.read())
        await asyncio.gather(*(read_on() for _ in range({IN_FLIGHT})))

asyncio.run(main())
"""


def bound(name: str, count: int) -> float:
    """The most megabytes that a command may take over so many workloads."""
    small, large = BOUNDS[name]
    return small + (large - small) * max(0, count - SMALL) / (LARGE - SMALL)


def tell(name: str, measured: Measured, count: int) -> None:
    """A line of the table."""
    allowed = bound(name, count)
    verdict = "within" if measured.peak <= allowed else "ABOVE"
    print(f"{name:<24}{measured}, {verdict} {allowed:.0f} MB", flush=True)


def main() -> None:
    """Make the workloads, then measure one command after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=SMALL)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name, sandbox() as server:
        folder = Path(name)
        write_specs(folder, count)
        (folder / "reconciler.yaml").write_text("stack: bench\n")

        def run(*arguments: str) -> Measured:
            return measure([str(PROGRAM), *arguments], server, folder)

        run("apply", ".", "--yes", "--init", "--deadline", "2h", "-o", "ndjson=events.ndjson")
        print(f"{count} workloads, files of about a kilobyte\n")
        commands: dict[str, Callable[[], Measured]] = {
            "plan, nothing changed": lambda: run("plan", ".", "--detailed-exitcode"),
            "state list": lambda: run("state", "list"),
            "status": lambda: run("status"),
            "validate": lambda: run("validate", "."),
        }
        measured = {}
        for name_of, command in commands.items():
            measured[name_of] = command()
            tell(name_of, measured[name_of], count)
        floor = _read_bare(server, folder)
        plan = measured["plan, nothing changed"]
        print(f"{'GETs over aiohttp':<24}{floor}")
        print(f"\nplan / GETs, processor time: {plan.cpu / floor.cpu:.2f} (at most 3.0)")


def _read_bare(server: Sandbox, folder: Path) -> Measured:
    ids = folder / "ids.txt"
    ids.write_text("\n".join(server.live_ids()))
    return measure([sys.executable, "-c", GETS, str(ids)], server, folder)


if __name__ == "__main__":
    main()
