"""Work on many files, shared with copies of this process: a second core halves the time."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")

# More of them wait for each other's memory, and for the one that puts the results together.
_MOST = 4


def usable_processes(wanted: int) -> int:
    """How many processes may share some work, at least this one.

    Only on Linux, where a copy of a process is cheap and harmless, and never beside a thread: the
    copy would wait forever for a lock that only that one could release.
    """
    if wanted < 2 or sys.platform != "linux":
        return 1
    try:
        threads = len([*Path("/proc/self/task").iterdir()])
    except OSError:
        return 1
    return min(wanted, len(os.sched_getaffinity(0)), _MOST) if threads == 1 else 1


def share(
    items: Sequence[Item], processes: int, work: Callable[[Item], Any], seconds: float
) -> list[Any]:
    """Do some work on each item in several processes; results are JSON, in the order of the items.

    A copy works for so many `seconds` at most. What it cannot do, this process does itself.
    """
    size = -(-len(items) // processes)
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    copies: list[tuple[int, int]] = []
    try:
        for part in parts[1:]:
            try:
                copies.append(_start(part, work, seconds))
            except OSError:
                # No more processes or files are allowed: this one does the rest.
                break
        results = [work(item) for item in parts[0]] if parts else []
        for number, part in enumerate(parts[1:]):
            try:
                results += _read(copies[number][1])
            except (IndexError, ValueError):
                results += [work(item) for item in part]
        return results
    finally:
        for process, pipe in copies:
            os.close(pipe)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _start(items: Sequence[Item], work: Callable[[Item], Any], seconds: float) -> tuple[int, int]:
    """Start a copy; returns its id and where its results can be read. Raises OSError."""
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if process:
        os.close(writing)
        return process, reading
    code = 1
    # Or the copy would wait for itself to read its results, once nobody else is left to.
    os.close(reading)
    try:
        # A signal from the terminal reaches both: only this process says that it stops.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(max(1, min(int(seconds), 2**30)))
        results = []
        for item in items:
            # A signal may have ended this process alone, and nobody waits for the copy any more.
            if os.getppid() != parent:
                os._exit(code)
            results.append(work(item))
        with open(writing, "w", encoding="ascii") as pipe:  # noqa: PTH123 - no path
            # In one piece: `json.dump` encodes in Python, six times as slowly.
            pipe.write(json.dumps(results))
        code = 0
    finally:
        # Neither an exception nor what is still to be printed belongs to the copy.
        os._exit(code)


def _read(pipe: int) -> list[Any]:
    """All results of a copy; raises ValueError where they are not whole."""
    with open(pipe, "rb", closefd=False) as stream:
        results: list[Any] = json.loads(stream.read())
        return results
