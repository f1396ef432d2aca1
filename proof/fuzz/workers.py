"""Processes that carry out trials, watched from outside: one that hangs or dies is replaced."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from proof.fuzz.trials import MEGABYTES, Kind, Trial, peak, try_one

# By the clock, on a machine that does much else: far beyond what a trial may take.
PATIENCE = 30.0
# What is reserved is more than what is used; a trial that wants more gets a MemoryError.
ROOM = int(MEGABYTES * 4) * 1024 * 1024

Task = tuple[Kind, int]
Attempt = Callable[[Kind, int, int, float], Trial]
_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: Task
    since: float = field(default_factory=time.monotonic)


def carry_out(
    tasks: Sequence[Task], seed: int, jobs: int, attempt: Attempt = try_one
) -> Iterator[Trial]:
    """Carry out trials in several processes; yields how each went, as they end."""
    waiting = iter(tasks)
    workers = [one for one in (_hire(waiting, seed, attempt) for _ in range(jobs)) if one]
    while workers:
        ready = wait([one.pipe for one in workers], timeout=1.0)
        for worker in list(workers):
            if worker.pipe in ready:
                trial = _hear(worker)
                yield trial
                if trial.problem.startswith("the process") or not _give(worker, waiting):
                    workers.remove(worker)
                    workers += _replace(worker, waiting, seed, attempt)
            elif time.monotonic() - worker.since > PATIENCE:
                kind, number = worker.task
                yield Trial(kind=kind, number=number, problem=f"no end after {PATIENCE:.0f} s")
                workers.remove(worker)
                workers += _replace(worker, waiting, seed, attempt)


def _hire(waiting: Iterator[Task], seed: int, attempt: Attempt) -> _Worker | None:
    task = next(waiting, None)
    if task is None:
        return None
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(theirs, seed, attempt), daemon=True)
    process.start()
    theirs.close()
    # It says so once it has loaded everything, which is not the first trial's to pay for.
    ours.recv()
    ours.send(task)
    return _Worker(process, ours, task)


def _give(worker: _Worker, waiting: Iterator[Task]) -> bool:
    task = next(waiting, None)
    if task is None:
        return False
    worker.task, worker.since = task, time.monotonic()
    worker.pipe.send(task)
    return True


def _hear(worker: _Worker) -> Trial:
    try:
        trial: Trial = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        kind, number = worker.task
        problem = f"the process died with {worker.process.exitcode}"
        return Trial(kind=kind, number=number, problem=problem)
    return trial


def _replace(
    worker: _Worker, waiting: Iterator[Task], seed: int, attempt: Attempt
) -> list[_Worker]:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()
    another = _hire(waiting, seed, attempt)
    return [another] if another else []


def _serve(pipe: Connection, seed: int, attempt: Attempt) -> None:
    """Carry out what comes through a pipe, until it is closed."""
    try_one("document", 0, 0, 0.0)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, hard))
    base = peak()
    pipe.send(None)
    while True:
        try:
            kind, number = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(kind, seed, number, base))
