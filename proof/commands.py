"""The command line as whole processes, in an environment that holds nothing but what is given."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-m", "reconciler")
_FOREIGN = ("RUNAI_", "RECONCILER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_COLOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended; `took` in seconds, a negative `code` is the signal that killed it."""

    code: int
    out: str
    err: str
    took: float = 0.0

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our own environment without settings of the product, plus `more`.

    The product under test is the one beside this package, whatever is installed.
    """
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(_FOREIGN)}
    return kept | {"PYTHONPATH": str(REPOSITORY)} | dict(more or {})


def begin(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    *,
    stdout: int = subprocess.PIPE,
    limits: Sequence[tuple[int, int]] = (),
    program: Sequence[str] = PROGRAM,
) -> subprocess.Popen[str]:
    """Start the command line in a session of its own, without a terminal.

    `limits` are pairs of a resource and its limit, in force from the start.
    """
    process = subprocess.Popen(
        [*program, *arguments],
        cwd=folder,
        env=environment(variables),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    for what, limit in limits:
        resource.prlimit(process.pid, what, (limit, limit))
    return process


def run(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    *,
    timeout: float = 300.0,
    program: Sequence[str] = PROGRAM,
) -> Ended:
    """Run the command line to its end; raises TimeoutExpired after `timeout` seconds."""
    began = time.monotonic()
    process = begin(arguments, variables, folder, program=program)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(code=process.returncode, out=out, err=err, took=time.monotonic() - began)
