"""SIGKILL at the N-th system call: of the real command line, in each thread, call by call.

Run it as `python -m proof.syscalls`; `--only create:main:pwrite64:7` repeats one kill.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass

from proof.forks import Stop, fork, preload
from proof.referee import Wanted, check_converged, check_known
from proof.rounds import APPLY, Ground, Round, count_calls, follow, judge_recovery
from proof.sandboxes import Sandbox, sandbox
from proof.tracing import NoTracerError, need_strace, strike
from tests.support.workloads import spec, write_specs

# SIGKILL loses nothing that the kernel was given, so there is no need to wait for a disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder in it


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the killed apply has to do, and what the sandbox does to its answers."""

    name: str
    mixed: bool
    faults: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """How its sandbox is started."""
        return [word for rule in self.faults for word in ("--fault", rule)]

    def prepare(self, here: Round) -> Wanted:
        """Write the specs; a mixed scenario has a past: one to replace and one to delete."""
        folder, project = here.folder, here.project
        other = here.ground.server.plant(spec("foreign", project))
        if not self.mixed:
            write_specs(folder, [spec(name, project) for name in ("one", "two", "three")])
            creates = {"one": 1, "two": 1, "three": 1}
            return Wanted(project=project, creates=creates, foreign=(other,))
        write_specs(folder, [spec("changed", project), spec("dropped", project)])
        past = here.run((*APPLY, "--no-wait"), "past")
        if past.code:
            raise RuntimeError(f"the past could not be made: {past}")
        write_specs(folder, [spec("changed", project, replicas=2), spec("fresh", project)])
        creates = {"changed": 2, "fresh": 1}
        return Wanted(project=project, creates=creates, removed={"dropped": 1}, foreign=(other,))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("create", mixed=False),
        Scenario("mix", mixed=True),
        Scenario("create-lost", mixed=False, faults=("lost on=POST try=1 name=two",)),
        Scenario(
            "mix-lost",
            mixed=True,
            faults=("lost on=POST try=1 name=fresh", "lost on=DELETE try=1 name=changed"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Point:
    """One kill: this scenario's apply, when this thread makes its n-th such call."""

    scenario: Scenario
    thread: str
    call: str
    n: int

    def __str__(self) -> str:
        return f"{self.scenario.name}:{self.thread}:{self.call}:{self.n}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read what `str` writes."""
        scenario, thread, call, n = text.split(":")
        return cls(SCENARIOS[scenario], thread, call, int(n))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one kill led to; `killed` is false where the run ended before its n-th call."""

    point: Point
    killed: bool
    violations: tuple[str, ...]
    story: str = ""


class Site:
    """A process that carries out kills."""

    def __init__(self, servers: Mapping[str, Sandbox]) -> None:
        self._grounds = {name: Ground(server) for name, server in servers.items()}
        preload(next(iter(servers.values())))

    def count(self, scenario: Scenario) -> dict[str, dict[str, int]]:
        """How often each thread makes each call in an apply that nothing disturbs."""
        with self._grounds[scenario.name].round(MEMORY) as here:
            scenario.prepare(here)
            return count_calls(here, APPLY)

    def kill(self, point: Point) -> Outcome:
        """Kill one apply, let others follow, and judge."""
        with self._grounds[point.scenario.name].round(MEMORY) as here:
            wanted = point.scenario.prepare(here)

            def attach(stop: Stop) -> subprocess.Popen[str] | None:
                if stop.thread != point.thread:
                    return None
                what = f"signal=KILL:when={point.n}"
                return strike(stop.tid, here.folder.parent / "strace", point.call, what)

            ended = follow(fork(APPLY, here.ground.server.variables, here.folder), attach)
            found = [] if ended.code in (-9, 0) else ["the run was neither killed nor well"]
            found += here.judge(check_known, wanted)
            runs = [ended, *here.recover()]
            found += judge_recovery(runs) + here.judge(check_converged, wanted)
        story = "\n".join(map(str, runs)) if found else ""
        return Outcome(point, ended.code == -9, tuple(found), story)


_site: Site | None = None


def _open_site(servers: Mapping[str, Sandbox]) -> None:
    global _site  # noqa: PLW0603 - what a worker process opens once and keeps
    _site = Site(servers)


def _count(scenario: Scenario) -> dict[str, dict[str, int]]:
    assert _site is not None
    return _site.count(scenario)


def _kill(point: Point) -> Outcome:
    assert _site is not None
    return _site.kill(point)


def _kill_beyond(last: Point) -> list[Outcome]:
    """Go on after the calls of an undisturbed run until a run really ends unhurt."""
    outcomes = []
    for n in itertools.count(last.n + 1):
        outcomes.append(_kill(dataclasses.replace(last, n=n)))
        if not outcomes[-1].killed:
            return outcomes
    raise AssertionError("a run has no end")


def rehearse(scenario: Scenario, workers: Executor, stride: int) -> list[Outcome]:
    """Kill one scenario's apply at every call (every `stride`-th call) of every thread."""
    counts = workers.submit(_count, scenario).result()
    series = [
        Point(scenario, thread, call, n)
        for thread, calls in counts.items()
        for call, n in calls.items()
    ]
    if not any(last.thread.startswith("state") and last.n > 20 for last in series):
        raise RuntimeError(f"the thread that writes the state was not met: {counts}")
    points = [dataclasses.replace(last, n=n) for last in series for n in range(1, last.n + 1)]
    outcomes = list(workers.map(_kill, points[::stride]))
    for more in workers.map(_kill_beyond, series[::stride]):
        outcomes += more
    return outcomes


def report(scenario: Scenario, outcomes: Sequence[Outcome]) -> None:
    """Say in figures what was done."""
    killed = [outcome.point for outcome in outcomes if outcome.killed]
    threads = Counter(point.thread for point in killed)
    calls = Counter(point.call for point in killed)
    print(
        f"{scenario.name}: {len(killed)} kills ({_list(threads)}; {_list(calls)}), "
        f"{len(outcomes) - len(killed)} runs ended unhurt, "
        f"{sum(bool(outcome.violations) for outcome in outcomes)} broken promises",
        flush=True,
    )
    for outcome in outcomes:
        if outcome.violations:
            print(f"\n{outcome.point}: {'; '.join(outcome.violations)}\n{outcome.story}")
            print(f"repeat it: python -m proof.syscalls --only {outcome.point}", flush=True)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def main() -> int:
    """Kill, recover, judge; 1 on a broken promise, 2 where nothing can be traced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--stride", type=int, default=3, help="1 strikes at every call, N at every N-th"
    )
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append")
    parser.add_argument("--only", metavar="SCENARIO:THREAD:CALL:N", help="strike only there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    try:
        need_strace()
    except NoTracerError as error:
        print(f"NOT RUN: {error}; nothing was proved", file=sys.stderr)
        return 2
    only = Point.parse(arguments.only) if arguments.only else None
    names = [only.scenario.name] if only else arguments.scenario or list(SCENARIOS)
    broken = False
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(sandbox("--sync-delay", "0s", *SCENARIOS[name].options))
            for name in names
        }
        workers = stack.enter_context(
            ProcessPoolExecutor(
                1 if only else arguments.jobs,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_open_site,
                initargs=(servers,),
            )
        )
        for name in names:
            scenario = SCENARIOS[name]
            outcomes = (
                [workers.submit(_kill, only).result()]
                if only
                else rehearse(scenario, workers, arguments.stride)
            )
            report(scenario, outcomes)
            broken = broken or any(outcome.violations for outcome in outcomes)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
