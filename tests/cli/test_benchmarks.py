"""The benchmarks run: what they print is figures of whole processes over real sockets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("plan", (), r"5 unchanged(?s:.*)\nfirst to last request +\d"),
        ("refused", ("--share", "50"), r"5 on the server, 0 failed\nrequests per create \d\.\d+"),
        ("wait", ("--sync-delay", "0.2"), r"Applied: 5 created, .*\n(?s:.*)looks per workload +\d"),
    ],
)
def test_a_benchmark_of_sockets_prints_its_figures(
    command: str, options: tuple[str, ...], says: str
) -> None:
    """A few workloads are enough to see that each command measures what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sockets", command, "--count", "5", *options],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(says, done.stdout), done.stdout
