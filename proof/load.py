"""Many workloads over real sockets while three requests in ten answer 503.

Run it as `python -m proof.load --count 10000`; `--seed` repeats the weather.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from proof.commands import Ended, run
from proof.referee import Wanted, check_converged
from proof.rounds import STATE
from proof.sandboxes import Sandbox, sandbox
from tests.support.workloads import spec, write_specs

PROJECT = "1"
REQUESTS_EACH = 1.5
MEGABYTES = 200.0
# Runs the command line as its only child, and says how much memory that took at most.
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
told = {"code": done.returncode, "out": done.stdout, "err": done.stderr, "peak": peak}
json.dump(told, sys.stdout)
"""
APPLY = ("apply", ".", "--yes", "--init", "--no-wait", "-o", "json")


def measure(server: Sandbox, folder: Path) -> tuple[Ended, float]:
    """One apply: how it ended, and its peak memory in megabytes."""
    program = [sys.executable, "-c", MEASURED, sys.executable, "-m", "reconciler"]
    done = run(APPLY, server.variables, folder, timeout=1800.0, program=program)
    measured: dict[str, Any] = json.loads(done.out)
    ended = Ended(code=measured["code"], out=measured["out"], err=measured["err"], took=done.took)
    return ended, measured["peak"]


def load(server: Sandbox, count: int) -> list[str]:
    """Apply that many workloads once; returns what was not as promised."""
    names = [f"load-{number:05d}" for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as name:
        folder = Path(name) / "w"
        write_specs(folder, [spec(name, PROJECT) for name in names])
        ended, peak = measure(server, folder)
        entries = [entry for entry in server.entries() if entry.path.startswith("/api/v2/")]
        wanted = Wanted(project=PROJECT, creates=dict.fromkeys(names, 1))
        found = check_converged(folder / STATE, entries, server.residents(), wanted)
        planned = run(["plan", ".", "--detailed-exitcode"], server.variables, folder)
    each = len(entries) / count
    statuses = Counter(str(entry.status) for entry in entries)
    print(
        f"{count} workloads: exit code {ended.code} after {ended.took:.1f} s, "
        f"{each:.2f} requests each ({', '.join(f'{n} {s}' for s, n in statuses.most_common())}), "
        f"{peak:.0f} MB at most"
    )
    if ended.code:
        found.append(f"exit code {ended.code}: {ended.out[-2000:]} {ended.err[-2000:]}")
    if planned.code:
        found.append(f"the plan is not empty: {planned.out[-2000:]} {planned.err[-2000:]}")
    if each > REQUESTS_EACH:
        found.append(f"{each:.2f} requests each, more than {REQUESTS_EACH}")
    if peak > MEGABYTES:
        found.append(f"{peak:.0f} MB, more than {MEGABYTES:.0f}")
    return found


def main() -> int:
    """Load a sandbox in bad weather; 1 on a broken promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="workloads")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    weather = ["--sync-delay", "0s", "--fault", "503 p=30%", "--seed", str(arguments.seed)]
    with sandbox(*weather) as server:
        found = load(server, arguments.count)
    for line in found[:20]:
        print(line)
    print(f"{len(found)} broken promises (load average {os.getloadavg()[0]:.1f})")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
