"""How long `reconciler --help` takes, as a ratio to importing click in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "reconciler"
HEAVY = ("httpx", "deepdiff", "sqlite_utils", "jsonschema", "yaml", "rich")
ROUNDS = 25


def measure(command: list[str]) -> float:
    """Seconds of one whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def heavy_modules() -> list[str]:
    """Which of the heavy libraries a `--help` loads; it should be none."""
    probe = (
        "import sys; from reconciler.cli.main import run; run(['--help']); "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    return done.stderr.split()


def main() -> None:
    """Take turns, so that a slow moment of the machine hits both."""
    click: list[float] = []
    help_: list[float] = []
    for _ in range(ROUNDS):
        click.append(measure([sys.executable, "-c", "import click"]))
        help_.append(measure([str(PROGRAM), "--help"]))
    base, ours = statistics.median(click), statistics.median(help_)
    print(f"import click       {base * 1000:7.1f} ms  (median of {ROUNDS})")
    print(f"reconciler --help  {ours * 1000:7.1f} ms")
    print(f"ratio              {ours / base:7.2f}")
    print(f"heavy modules      {heavy_modules() or 'none'}")


if __name__ == "__main__":
    main()
