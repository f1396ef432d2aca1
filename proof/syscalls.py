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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass

from proof.forks import Stop, fork, preload
from proof.referee import Wanted, check_known
from proof.rounds import APPLY, Ground, Round, count_calls, follow, judge_recovery
from proof.sandboxes import Sandbox, sandbox
from proof.tracing import NoTracerError, need_strace, strike
from tests.support.workloads import spec, write_specs

# SIGKILL loses nothing that the kernel was given, so there is no need to wait for a disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the killed apply has to do, and what the sandbox does to its responses.

    `makes` writes the specs, and the past if there is one. `more` are flags of the killed apply.
    """

    name: str
    makes: Callable[[Round], Wanted]
    version: str = ""
    sync_delay: str = "0s"
    faults: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """How its sandbox is started."""
        version = ["--api-version", self.version] if self.version else []
        rules = (word for rule in self.faults for word in ("--fault", rule))
        return ["--sync-delay", self.sync_delay, *version, *rules]


def make_three(here: Round) -> Wanted:
    """Three workloads to create."""
    other = here.ground.server.plant(spec("foreign", here.project))
    names = ("one", "two", "three")
    write_specs(here.folder, [spec(name, here.project) for name in names])
    return Wanted(project=here.project, creates=dict.fromkeys(names, 1), foreign=(other,))


def replace_and_delete(here: Round) -> Wanted:
    """One to replace, one to delete and one to create; the server has no updates."""
    folder, project = here.folder, here.project
    other = here.ground.server.plant(spec("foreign", project))
    write_specs(folder, [spec("changed", project), spec("dropped", project)])
    make_past(here)
    write_specs(folder, [spec("changed", project, replicas=2), spec("fresh", project)])
    creates = {"changed": 2, "fresh": 1}
    return Wanted(project=project, creates=creates, removed={"dropped": 1}, foreign=(other,))


def update_three(here: Round) -> Wanted:
    """Three to update, of which one has a field that somebody else has written."""
    folder, project, server = here.folder, here.project, here.ground.server
    other = server.plant(spec("foreign", project))
    names = ("one", "two", "three")
    write_specs(folder, [spec(name, project) for name in names])
    make_past(here)
    (two,) = (one for one in here.residents() if one.name == "two")
    manifest = server.manifest(two.id)
    manifest["spec"]["minReadySeconds"] = 7
    server.edit(two.id, manifest)
    write_specs(folder, [spec(name, project, replicas=2) for name in names])
    specs: dict[str, dict[str, int]] = {name: {"replicas": 2} for name in names}
    specs["two"]["minReadySeconds"] = 7
    creates = dict.fromkeys(names, 1)
    return Wanted(project=project, creates=creates, foreign=(other,), specs=specs)


def make_past(here: Round) -> None:
    """Apply what is declared before it changes."""
    past = here.run((*APPLY, "--no-wait"), "past")
    if past.code:
        raise RuntimeError(f"the past could not be made: {past}")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="create", makes=make_three),
        Scenario(name="mix", makes=replace_and_delete, version="2.23"),
        Scenario(name="update", makes=update_three, sync_delay="300ms"),
        Scenario(name="create-lost", makes=make_three, faults=("lost on=POST try=1 name=two",)),
        Scenario(
            name="mix-lost",
            makes=replace_and_delete,
            version="2.23",
            faults=("lost on=POST try=1 name=fresh", "lost on=DELETE try=1 name=changed"),
        ),
        Scenario(
            name="update-lost",
            makes=update_three,
            faults=(
                "lost on=PUT try=1 name=one",
                "late=500ms hangup on=PUT try=1 name=two",
                "503 executed on=PUT try=1 name=three",
            ),
            # After a repetition nobody can tell for ten seconds what a status is about.
            more=("--no-wait",),
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
    updates: int = 0
    story: str = ""


class Site:
    """A process that carries out kills."""

    def __init__(self, servers: Mapping[str, Sandbox]) -> None:
        self._grounds = {name: Ground(server) for name, server in servers.items()}
        preload(next(iter(servers.values())))

    def count(self, scenario: Scenario) -> dict[str, dict[str, int]]:
        """How often each thread makes each call in an apply that nothing disturbs."""
        with self._grounds[scenario.name].round(MEMORY) as here:
            scenario.makes(here)
            return count_calls(here, (*APPLY, *scenario.more))

    def kill(self, point: Point) -> Outcome:
        """Kill one apply, let others follow, and judge."""
        with self._grounds[point.scenario.name].round(MEMORY) as here:
            wanted = point.scenario.makes(here)
            arguments = (*APPLY, *point.scenario.more)

            def attach(stop: Stop) -> subprocess.Popen[str] | None:
                if stop.thread != point.thread:
                    return None
                what = f"signal=KILL:when={point.n}"
                return strike(stop.tid, here.folder.parent / "strace", point.call, what)

            ended = follow(fork(arguments, here.ground.server.variables, here.folder), attach)
            found = [] if ended.code in (-9, 0) else ["the run was neither killed nor well"]
            found += here.judge(check_known, wanted)
            runs = [ended, *here.recover()]
            found += judge_recovery(runs) + here.judge_end(wanted)
            updates = len({e.rev for e in here.entries() if e.effect == "updated"})
        story = "\n".join(map(str, runs)) if found else ""
        return Outcome(point, ended.code == -9, tuple(found), updates, story)


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
        f"{sum(outcome.updates for outcome in outcomes)} updates, "
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
        servers = {name: stack.enter_context(sandbox(*SCENARIOS[name].options)) for name in names}
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
