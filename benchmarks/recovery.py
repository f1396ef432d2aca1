"""What it costs to finish a killed apply, in requests, beside one that nobody killed.

Run it from the root of the repository: `python -m benchmarks.recovery`.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, Sandbox, as_installed, sandbox, write_specs

APPLY = ("apply", ".", "--init", "--yes", "--no-wait", "--quiet", "--concurrency", "32")


def requests(server: Sandbox) -> int:
    """How many requests about workloads the server has seen so far."""
    entries = server.ask("/sandbox/ledger")["entries"]
    return sum("/workloads" in entry["path"] for entry in entries)


def apply(server: Sandbox, folder: Path) -> subprocess.Popen[bytes]:
    """An apply of the folder, with its state beside it."""
    command = [str(PROGRAM), *APPLY, "--state", str(folder.with_suffix(".db"))]
    environ = {**as_installed(), **server.variables}
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL)


def kill_half_way(process: subprocess.Popen[bytes], server: Sandbox, count: int) -> int:
    """End it without a warning when half of the workloads are there; returns how many are."""
    while len(server.live_ids()) < count // 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return len(server.live_ids())


def main() -> int:
    """Print the ratio; 1 if a workload is missing or there twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name, "specs")
        folder.mkdir()
        write_specs(folder, count)
        with sandbox("--control", "--latency", "20ms") as server:
            apply(server, folder).wait()
            whole = requests(server)
        folder.with_suffix(".db").unlink()
        with sandbox("--control", "--latency", "20ms") as server:
            there = kill_half_way(apply(server, folder), server, count)
            before = requests(server)
            apply(server, folder).wait()
            second = requests(server) - before
            live = len(server.live_ids())
    print(f"uninterrupted apply of {count}: {whole} requests")
    print(f"killed with {there} there; the second apply: {second} requests")
    print(f"ratio {second / whole:.3f} (target 1.1); {live} of {count} there")
    return 0 if live == count else 1


if __name__ == "__main__":
    raise SystemExit(main())
