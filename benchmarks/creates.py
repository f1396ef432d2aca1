"""A first apply of many workloads beside a bare httpx loop that issues the same POSTs.

Both meet a sandbox of their own, over loopback, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).parent / "reconciler"
CONCURRENCY = 32


def manifest(name: str) -> dict[str, Any]:
    """A Deployment of about a kilobyte, as people write them."""
    labels = {"app": name, "team": "benchmark"}
    container = {
        "name": "main",
        "image": "registry.example.com/team/server:1.4.2",
        "args": ["--port", "8080", "--workers", "4", "--model", "/models/base"],
        "env": [{"name": f"SETTING_{i}", "value": f"value {i}"} for i in range(8)],
        "ports": [{"containerPort": 8080}],
        "resources": {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def body(index: int) -> dict[str, Any]:
    """One create request."""
    name = f"bench-{index:05d}"
    return {"metadata": {"name": name, "projectId": "1"}, "manifest": manifest(name)}


@contextmanager
def sandbox() -> Iterator[dict[str, str]]:
    """A sandbox on a free port; yields the variables that point a client at it."""
    process = subprocess.Popen(
        [str(PROGRAM), "sandbox", "--port", "0", "--quiet", "--sync-delay", "0s"],
        text=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, str] = {}
    try:
        for line in process.stdout or ():
            if match := re.fullmatch(r"export (\w+)=(\S+)\s*", line):
                found[match[1]] = match[2]
            if len(found) == 3:
                break
        yield found
    finally:
        process.terminate()
        process.wait()


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


def count_live(exports: dict[str, str]) -> int:
    """How many workloads the server itself lists."""
    base, offset, seen = exports["RUNAI_BASE_URL"], 0, 0
    login = {
        "grantType": "client_credentials",
        "clientID": exports["RUNAI_CLIENT_ID"],
        "clientSecret": exports["RUNAI_CLIENT_SECRET"],
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
        f"{base}/api/v1/token",
        data=json.dumps(login).encode(),
        headers={"Content-Type": "application/json"},
    )
    token = json.load(opener.open(request))["accessToken"]
    while True:
        url = f"{base}/api/v1/workloads?limit=500&offset={offset}"
        page = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310
        answer = json.load(opener.open(page))
        seen += len(answer["workloads"])
        if not answer.get("next"):
            return seen
        offset = answer["next"]


def measure(command: list[str], exports: dict[str, str], cwd: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one whole process."""
    script = (
        "import resource, subprocess, sys; "
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024); sys.exit(code)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=cwd,
        env=os.environ | exports,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return time.perf_counter() - began, float(done.stdout)


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
        for index in range(count):
            (folder / f"bench-{index:05d}.json").write_text(json.dumps(body(index)))
        with sandbox() as exports:
            bare = [sys.executable, __file__, "--bare", "--count", str(count)]
            bare_seconds, bare_peak = measure(bare, exports, folder)
            bare_live = count_live(exports)
        with sandbox() as exports:
            apply = [str(PROGRAM), "apply", ".", "--yes", "--init", "--no-wait"]
            our_seconds, our_peak = measure(apply, exports, folder)
            our_live = count_live(exports)
    for label, seconds, peak, live in (
        ("bare httpx loop", bare_seconds, bare_peak, bare_live),
        ("reconciler apply", our_seconds, our_peak, our_live),
    ):
        print(
            f"{label:<17} {seconds:6.2f} s  {count / seconds:6.0f} creates/s  "
            f"{peak:5.0f} MB peak  {live} of {count} on the server"
        )
    print(f"ratio of times    {our_seconds / bare_seconds:6.2f}")
    print(f"ratio of memory   {our_peak / bare_peak:6.2f}")


if __name__ == "__main__":
    main()
