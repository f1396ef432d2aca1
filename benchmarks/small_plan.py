"""What a plan of ten workloads without changes costs, and other commands that people wait for.

Time of the processor of whole processes, in turns, as a ratio to importing what a usual client of
this kind imports, whether this program does or not: `python -m benchmarks.small_plan`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, Sandbox, measure, sandbox, write_specs

COUNT = 10
CLICK = "import click"
CLIENT = "import httpx, click"
# Each with what it is compared with.
COMMANDS: Mapping[tuple[str, ...], str] = {
    ("--help",): CLICK,
    ("validate", "."): CLICK,
    ("validate", ".", "--no-cache"): CLICK,
    ("state", "list"): CLICK,
    ("plan", ".", "--no-refresh"): CLIENT,
    ("plan", "."): CLIENT,
}


def main() -> None:
    """Measure all in turns, and print a ratio for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name, "specs")
        folder.mkdir()
        write_specs(folder, COUNT)
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        with sandbox("--sync-delay", "0s") as server:
            measure([str(PROGRAM), "apply", ".", "--yes", "--init", "--no-wait"], server, folder)
            compare(server, folder, arguments.rounds)


def compare(server: Sandbox, folder: Path, rounds: int) -> None:
    """Run every command and every import once a round, after one round that is not counted."""
    lines = {script: [sys.executable, "-c", script] for script in (CLICK, CLIENT)}
    lines |= {" ".join(words): [str(PROGRAM), *words] for words in COMMANDS}
    seconds: dict[str, list[float]] = {name: [] for name in lines}
    for number in range(rounds + 1):
        for name, line in lines.items():
            measured = measure(line, server, folder)
            if number:
                seconds[name].append(measured.cpu)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for script in (CLICK, CLIENT):
        print(f"{script:<34}{medians[script] * 1000:6.0f} ms CPU, median of {rounds}")
    for words, script in COMMANDS.items():
        name = " ".join(words)
        ratio = medians[name] / medians[script]
        print(
            f"{'reconciler ' + name:<34}{medians[name] * 1000:6.0f} ms CPU, {ratio:.2f} x {script}"
        )


if __name__ == "__main__":
    main()
