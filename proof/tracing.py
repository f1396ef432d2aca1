"""strace as a saboteur: it strikes one thread at exactly its N-th call of one kind.

strace counts `when=N` for each thread and each system call by itself. Followed over all threads
(`-f`), the N-th write of the state's own thread would never be struck where the main thread has
made as many writes before: the intents would hide behind the making of the state. So a tracer is
attached to one thread at its gate, before that thread's first step, and its N is that thread's N.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

# The leading "?": a call that this architecture does not have is no error.
CALLS = (
    *("write", "pwrite64", "fsync", "fdatasync", "ftruncate"),
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "mkdir"),
    *("sendto", "sendmsg"),
)


class NoTracerError(Exception):
    """strace is not there, or may not trace here."""


def need_strace() -> None:
    """Raise NoTracerError, which says why, where nothing can be traced."""
    program = shutil.which("strace")
    if program is None:
        raise NoTracerError("strace is not installed")
    done = subprocess.run(
        [program, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoTracerError(f"strace may not trace here: {done.stderr.strip()}")


def listen(tid: int, log: Path) -> subprocess.Popen[str]:
    """Attach to a thread and write down its calls."""
    return _attach(tid, log)


def strike(tid: int, log: Path, calls: str, what: str) -> subprocess.Popen[str]:
    """Attach to a thread and tamper with its `calls`; `what` as in `signal=KILL:when=3`."""
    marked = ",".join(f"?{call}" for call in calls.split(","))
    return _attach(tid, log, f"--inject={marked}:{what}")


def _attach(tid: int, log: Path, *injection: str) -> subprocess.Popen[str]:
    names = ",".join(f"?{call}" for call in CALLS)
    tracer = subprocess.Popen(
        ["strace", "-o", str(log), "-e", f"trace={names}", *injection, "-p", str(tid)],
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    # It speaks once the thread is seized: from then on no call escapes it.
    line = tracer.stderr.readline() if tracer.stderr is not None else ""
    if "attached" not in line:
        raise NoTracerError(f"strace did not attach: {line.strip()}")
    return tracer


def finish(tracer: subprocess.Popen[str]) -> None:
    """Wait until a tracer has followed its thread to the end."""
    tracer.communicate()


def read_counts(log: Path) -> dict[str, int]:
    """How often a traced thread made each call."""
    counts: dict[str, int] = {}
    for line in log.read_text(errors="replace").splitlines():
        name = line.partition("(")[0]
        if name in CALLS:
            counts[name] = counts.get(name, 0) + 1
    return counts
