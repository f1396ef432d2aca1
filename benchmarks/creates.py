"""A first apply of many workloads beside a bare httpx loop that issues the same POSTs.

Both meet a sandbox of their own, over loopback, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, body, measure, sandbox, write_specs

CONCURRENCY = 32


def bare_loop(count: int) -> None:
    """What a script would do: the POSTs, a fixed number at a time, nothing remembered."""
    import httpx  # noqa: PLC0415 - the parent process measures, and does not need it

    async def post_all() -> None:
        base = os.environ["RUNAI_BASE_URL"]
        login = {
            "grantType": "client_credentials",
            "clientID": os.environ["RUNAI_CLIENT_ID"],
            "clientSecret": os.environ["RUNAI_CLIENT_SECRET"],
        }
        turns = asyncio.Semaphore(CONCURRENCY)
        async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as client:
            token = (await client.post("/api/v1/token", json=login)).json()["accessToken"]
            headers = {"Authorization": f"Bearer {token}"}

            async def post(index: int) -> None:
                async with turns:
                    answer = await client.post(
                        "/api/v2/workloads", json=body(index), headers=headers
                    )
                    answer.raise_for_status()

            await asyncio.gather(*(post(index) for index in range(count)))

    asyncio.run(post_all())


def main() -> None:
    """Measure both and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    count: int = arguments.count
    if arguments.bare:
        bare_loop(count)
        return
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        write_specs(folder, count)
        with sandbox("--sync-delay", "0s") as server:
            command = [sys.executable, __file__, "--bare", "--count", str(count)]
            bare, bare_live = measure(command, server, folder), len(server.live_ids())
        with sandbox("--sync-delay", "0s") as server:
            command = [str(PROGRAM), "apply", ".", "--yes", "--init", "--no-wait"]
            ours, our_live = measure(command, server, folder), len(server.live_ids())
    for label, one, live in (
        ("bare httpx loop", bare, bare_live),
        ("reconciler apply", ours, our_live),
    ):
        print(
            f"{label:<17} {one.seconds:6.2f} s  {count / one.seconds:6.0f} creates/s  "
            f"{one.peak:5.0f} MB peak  {live} of {count} on the server"
        )
    print(f"ratio of times    {ours.seconds / bare.seconds:6.2f}")
    print(f"ratio of memory   {ours.peak / bare.peak:6.2f}")


if __name__ == "__main__":
    main()
