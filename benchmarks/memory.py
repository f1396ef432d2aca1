"""The most memory of whole commands over many workloads, each beside its bound.

A plan that changes nothing also stands beside as many GETs over aiohttp alone, in processor time.
Run it from the root of the repository: `python -m benchmarks.memory`, or with `--count 50000`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.floors import bare
from benchmarks.sandboxes import PROGRAM, Measured, measure, sandbox, write_specs

# Megabytes, for ten and for fifty thousand workloads; between them and beyond, in proportion.
SMALL, LARGE = 10_000, 50_000
BOUNDS: Mapping[str, tuple[float, float]] = {
    "plan, nothing changed": (200.0, 600.0),
    "state list": (80.0, 80.0),
    "status": (300.0, 300.0),
    "validate": (300.0, 300.0),
}


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
        beside = folder / ".floor"
        beside.mkdir()
        (beside / "ids").write_text("\n".join(server.live_ids()))
        floor = bare("reads", count, server, beside)
        plan = measured["plan, nothing changed"]
        print(f"{'GETs over aiohttp':<24}{floor}")
        print(f"\nplan / GETs, processor time: {plan.cpu / floor.cpu:.2f} (at most 3.0)")


if __name__ == "__main__":
    main()
