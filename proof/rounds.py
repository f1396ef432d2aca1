"""Rounds of a harness: each plays in a folder and a project of its own, on one sandbox."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.commands import Ended
from proof.forks import Fork, Stop, fork, run_fork
from proof.referee import Wanted, check_converged, check_updates
from proof.sandboxes import Entry, Resident, Sandbox
from proof.tracing import finish, listen, read_counts
from tests.support.workloads import spec, write_specs

APPLY = ("apply", ".", "--yes", "--init")
PLAN = ("plan", ".", "--detailed-exitcode")
# After a kill and the end of all faults, at most so many applies lead to a plan without actions.
APPLIES = 2
STATE = Path(".reconciler/state.db")
# More requests than are ever in flight at once.
OVERLAP = 500

Check = Callable[[Path, Sequence[Entry], Sequence[Resident], Wanted], list[str]]


class Ground:
    """A sandbox with the part of its ledger that has been read."""

    def __init__(self, server: Sandbox) -> None:
        self.server = server
        self._entries: dict[int, Entry] = {}
        self._numbers = itertools.count()

    def entries(self, project: str) -> list[Entry]:
        """The entries of one project, and every DELETE that hit nothing known."""
        read = self._entries
        # Numbered as they arrive, entered as they are decided, and corrected even later.
        fresh = self.server.entries(max(read, default=0) - OVERLAP)
        read.update((entry.seq, entry) for entry in fresh)
        return [
            entry
            for entry in read.values()
            if entry.project == project or (entry.method == "DELETE" and entry.project is None)
        ]

    @contextlib.contextmanager
    def round(self, place: str | None = None) -> Iterator[Round]:
        """A new round; its files lie below `place` and go with it."""
        with tempfile.TemporaryDirectory(prefix="reconciler-proof-", dir=place) as name:
            folder = Path(name) / "w"
            folder.mkdir()
            yield Round(self, folder, f"{os.getpid()}{next(self._numbers):05d}")


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the folder of its specs and its project in the sandbox."""

    ground: Ground
    folder: Path
    project: str

    @property
    def state(self) -> Path:
        """The state file, whether it is there or not."""
        return self.folder / STATE

    def prepare(self, count: int, *, past: bool, updated: bool = False) -> Wanted:
        """Write so many specs; with a past, the first of them lives, and may have to be updated."""
        names = [f"w{number:02d}" for number in range(count)]
        if past:
            write_specs(self.folder, [spec(names[0], self.project)])
            made = self.run(APPLY, "past")
            if made.code:
                raise RuntimeError(f"the past could not be made: {made}")
        first, *others = names
        replicas = 2 if updated else 1
        write_specs(
            self.folder,
            [
                spec(first, self.project, replicas=replicas),
                *(spec(name, self.project) for name in others),
            ],
        )
        return Wanted(
            project=self.project,
            creates=dict.fromkeys(names, 1),
            specs={first: {"replicas": replicas}},
        )

    def entries(self) -> list[Entry]:
        """The ledger's entries of this round."""
        return self.ground.entries(self.project)

    def residents(self) -> list[Resident]:
        """What lives in this round's project."""
        return self.ground.server.residents(self.project)

    def judge(self, check: Check, wanted: Wanted) -> list[str]:
        """What a check finds wrong now."""
        # In this order, so that everybody who lives has an entry.
        residents = self.residents()
        return check(self.state, self.entries(), residents, wanted)

    def judge_end(self, wanted: Wanted) -> list[str]:
        """What is wrong once everything has come to rest, with what was updated as well."""
        found = self.judge(check_converged, wanted)
        ids = [one.id for one in self.residents() if one.name in wanted.specs]
        shown = {id_: self.ground.server.manifest(id_) for id_ in ids}
        return found + check_updates(self.entries(), shown, wanted)

    def recover(self) -> list[Ended]:
        """Apply again, as often as is promised to be enough; an apply and a plan come last.

        These do not wait: who repeats an update cannot tell for ten seconds what a status is about.
        """
        runs: list[Ended] = []
        for _ in range(APPLIES):
            runs.append(self.run((*APPLY, "--no-wait"), "again"))
            runs.append(self.run(PLAN, "plan"))
            if not any(run.code for run in runs[-2:]):
                break
        return runs

    def run(self, arguments: Sequence[str], name: str = "run") -> Ended:
        """Run the command line in a fork, undisturbed."""
        return run_fork(arguments, self.ground.server.variables, self.folder, name=name)


def follow(victim: Fork, attach: Callable[[Stop], subprocess.Popen[str] | None]) -> Ended:
    """Lead a fork through its gates, with a tracer on the threads that shall have one."""
    tracers = []
    for stop in victim.stops():
        tracers.append(attach(stop))
        victim.release()
    ended = victim.wait()
    for tracer in filter(None, tracers):
        finish(tracer)
    return ended


def count_calls(here: Round, arguments: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often each thread of an undisturbed run makes each call, by thread and call."""
    logs: dict[str, Path] = {}

    def attach(stop: Stop) -> subprocess.Popen[str]:
        logs[stop.thread] = here.folder.parent / f"calls-{stop.tid}"
        return listen(stop.tid, logs[stop.thread])

    ended = follow(fork(arguments, here.ground.server.variables, here.folder), attach)
    if ended.code:
        raise RuntimeError(f"a run that nothing disturbed failed: {ended}")
    return {thread: read_counts(log) for thread, log in logs.items()}


def judge_recovery(runs: Sequence[Ended]) -> list[str]:
    """What is wrong with the runs of a round, of which an apply and a plan came last."""
    found = []
    if any(run.code for run in runs[-2:]):
        found.append(f"{APPLIES} applies have not led to a plan without actions")
    if any("Traceback" in run.err or "unexpected failure" in run.err for run in runs):
        found.append("a traceback or a bug was printed")
    return found
