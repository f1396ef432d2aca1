"""What runs at fleet size: `status` of many workloads beside the bare calls that it needs.

A first apply fills a sandbox and a state. Then the bare calls (a login, each page of the list, one
count) and `status` take turns, each a process of its own, and the ledger of the sandbox counts what
was asked. Run it from the root of the repository: `python -m benchmarks.live`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, Sandbox, measure, sandbox, write_specs

PAGE = 500
# The bound for `status`, as a ratio to the bare calls of the same round.
MOST = 1.3


def bare_calls() -> None:
    """What a script would do: log in, and read every page and the count."""
    import httpx  # noqa: PLC0415 - the parent process measures, and does not need it

    base = os.environ["RUNAI_BASE_URL"]
    login = {
        "grantType": "client_credentials",
        "clientID": os.environ["RUNAI_CLIENT_ID"],
        "clientSecret": os.environ["RUNAI_CLIENT_SECRET"],
    }
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        token = client.post("/api/v1/token", json=login).json()["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        where = {"filterBy": "projectId==1"}
        query = {**where, "limit": str(PAGE), "sortBy": "name", "sortOrder": "asc"}
        rows, offset = 0, 0
        while True:
            page = client.get(
                "/api/v1/workloads", params={**query, "offset": str(offset)}, headers=headers
            ).json()
            rows += len(page["workloads"])
            if "next" not in page:
                break
            offset = page["next"]
        counted = client.get("/api/v1/workloads/count", params=where, headers=headers).json()
    print(rows, counted["count"])


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
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare_calls()
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
            _take_turns(status, server, Path(name), ledger, rounds=arguments.rounds, count=count)


def _take_turns(
    status: list[str], server: Sandbox, folder: Path, ledger: Path, *, rounds: int, count: int
) -> None:
    bare = [sys.executable, "-m", "benchmarks.live", "--bare"]
    here = Path(__file__).parent.parent
    ratios: list[float] = []
    time.sleep(1.0)
    _, end = requests_since(ledger, 0)
    for _ in range(rounds):
        calls = measure(bare, server, here)
        _, end = requests_since(ledger, end)
        ours = measure(status, server, folder)
        asked, end = requests_since(ledger, end)
        if len(json.loads(ours.output)) != count:
            raise SystemExit(f"status has not shown {count} workloads")
        ratios.append(ours.seconds / calls.seconds)
        print(f"bare calls {calls}\nstatus     {ours}\nratio {ratios[-1]:.2f}")
    pages = -(-count // PAGE)
    lists = asked["/api/v1/workloads"]
    print(f"list calls of one status: {lists} for {pages} pages of {PAGE}; all: {dict(asked)}")
    median = statistics.median(ratios)
    print(f"status / bare calls: {median:.2f} (median of {rounds}; at most {MOST})")
    if lists > pages or median > MOST:
        raise SystemExit("a bound is exceeded")


if __name__ == "__main__":
    main()
