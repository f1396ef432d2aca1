"""Every short story of one update, with the real program: what happens to each PUT, and each death.

Not drawn but enumerated: the fates of the first PUTs, the step at which the process dies, what
becomes of the spec and of the workload afterwards. Then peace, and two applies.

    python -m proof.updates --puts 2
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from proof.invariants import Referee, Violation
from proof.simulation.circumstances import peaceful
from proof.simulation.disk import Disk, ours
from proof.simulation.forms import FOREIGN
from proof.simulation.loop import Loop
from proof.simulation.process import Process, run_all, sweep
from proof.simulation.repository import _declare, _declare_more
from proof.simulation.server import Server
from proof.simulation.weather import Fate, Said, Weather
from proof.update_mutants import UPDATE_MUTANTS
from reconciler.core.model import Address, Desired, OnFailed, OnRemove
from tests.support.timing import Timeline

ADDRESS = Address(project="4501", name="w00")
# What becomes of one PUT: when it is carried out, and what the client hears.
FATES = {
    "answered": Fate(0.0, Said.ANSWER, 0.1),
    "lost": Fate(0.0, Said.LOST, 0.1),
    "late": Fate(100.0, Said.LOST, 0.1),
    "latest": Fate(299.0, Said.TIMEOUT, 30.0),
    "never": Fate(None, Said.LOST, 0.1),
    "busy": Fate(None, Said.BUSY, 0.1),
    "busy-done": Fate(0.0, Said.BUSY, 0.1),
    "no": Fate(None, Said.NO, 0.1),
    "405": Fate(None, Said.NO_CALL, 0.1),
}
_QUIET = Fate(0.0, Said.ANSWER, 0.1)
# How far apart two applies are: at once, within A6, when a late one has landed, after A4.
RESTS = (1.0, 70.0, 150.0, 400.0)
LONGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One history: `kill_step` None is a run that is not killed."""

    fates: tuple[str, ...]
    spec: str
    others: str
    rest: float
    merges: bool
    sync: str = "well"
    kill_step: int | None = None

    def __str__(self) -> str:
        return (
            f"PUTs {','.join(self.fates)}; killed at {self.kill_step}; {self.rest:g} s later the "
            f"spec is {self.spec}, others changed {self.others}; "
            f"the server {'merges' if self.merges else 'replaces'}, and syncs {self.sync}"
        )


class _Scripted(Server):
    """A server on which nothing is drawn: the fates of the first PUTs are given."""

    script: Iterator[str] = iter(())

    def draw_fate(self, method: str) -> Fate:
        return FATES[next(self.script, "answered")] if method == "PUT" else _QUIET


def _specs(story: Story) -> tuple[Desired, Desired, Desired]:
    """What is declared at first, by the update, and after it."""
    first = _declare(ADDRESS, 1, OnRemove.DELETE, OnFailed.REPLACE, 0)
    update = _declare_more(
        _declare(ADDRESS, 2, OnRemove.DELETE, OnFailed.REPLACE, 0), paused=True, secret=1
    )
    another = _declare(ADDRESS, 3, OnRemove.DELETE, OnFailed.REPLACE, 0)
    return first, update, {"the same": update, "back": first, "another": another}[story.spec]


def play(story: Story) -> tuple[int, Sequence[Violation]]:
    """Live through it; returns the steps of the run that may be killed, and what was broken."""
    timeline = Timeline()
    loop = Loop(timeline)
    server = _Scripted(timeline, Random(1), ours=ours)
    server.merges = story.merges
    disk = Disk()
    referee = Referee(server, disk)
    first, update, after = _specs(story)
    rng = Random(2)
    processes: list[Process] = []

    def apply(desired: Desired, kill_step: int | None = None) -> Process:
        circumstances = replace(
            peaceful(rng, discovery=True),
            api_version="3.0",
            deadline=60.0,
            # Of the wait, only what it says of the cluster's word is of interest.
            wait=story.sync != "well",
            wait_timeout=20.0,
            kill_step=kill_step,
        )
        process = Process(
            number=len(processes),
            loop=loop,
            server=server,
            disk=disk,
            specs=(desired,),
            circumstances=circumstances,
            watcher=referee,
        )
        processes.append(process)
        run_all([process], loop)
        timeline.skip(1.0)
        return process

    server.weather = Weather(failing_syncs=float(story.sync == "failed before"))
    apply(first)
    server.weather = Weather(failing_syncs=float(story.sync == "fails after"), stale=1.0)
    server.script = iter(story.fates)
    victim = apply(update, story.kill_step)
    timeline.skip(story.rest)
    server.catch_up()
    held = server.holder(ADDRESS, timeline.now)
    if story.others != "nothing" and held is not None:
        spec = {**held.manifest["spec"], story.others: 100}
        held.edit(timeline.now, manifest={**held.manifest, "spec": spec})
    # Faults go on for one more run, which meets what is left of the script.
    apply(after)
    server.script = iter(())
    timeline.skip(400.0)
    apply(after)
    last = apply(after)
    timeline.skip(1.0)
    judge = apply(after)
    plan = judge.planned.plan if judge.planned is not None else None
    if plan is not None:
        for action in plan.changes:
            if not server.merges:
                referee.report("I8", f"after two applies: {action.kind} {action.detail}")
        referee.updates.check_peace({ADDRESS: after}, plan, disk)
    made = sum(entry.effect.startswith("created") for entry in server.book)
    ended = sum(entry.effect.startswith("deleted") for entry in server.book)
    # What never was in sync may be replaced, as its spec says: of that the referee judges.
    if story.sync != "failed before" and (made != 1 or ended):
        referee.report("I17", f"{made} creates and {ended} deletes")
    assert last.ended_at is not None
    sweep(loop)
    return victim.steps, referee.found


def stories(puts: int) -> Iterator[Story]:
    """All of them, but for the death of the process."""
    for fates in itertools.product(FATES, repeat=puts):
        for spec, others, rest, merges in itertools.product(
            ("the same", "back", "another"),
            ("nothing", "replicas", FOREIGN),
            RESTS,
            (False, True),
        ):
            yield Story(fates=fates, spec=spec, others=others, rest=rest, merges=merges)
        for spec, rest, sync in itertools.product(
            ("the same", "back", "another"), RESTS, ("failed before", "fails after")
        ):
            yield Story(
                fates=fates, spec=spec, others="nothing", rest=rest, merges=False, sync=sync
            )


def play_all(kills: bool, mutant: str | None, story: Story) -> tuple[int, list[str]]:
    """One story, and with `kills` each of its deaths; how many, and what was broken."""
    with UPDATE_MUTANTS[mutant].made() if mutant else nullcontext():
        return _play_all(kills, story)


def _play_all(kills: bool, story: Story) -> tuple[int, list[str]]:
    steps, found = play(story)
    broken = [f"{story}: {found[0]}"] if found else []
    count = 1
    for step in range(1, min(steps, LONGEST) + 1) if kills else ():
        killed = replace(story, kill_step=step)
        _, found = play(killed)
        broken += [f"{killed}: {found[0]}"] if found else []
        count += 1
    return count, broken


def main() -> int:
    """Play them; exits 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m proof.updates", description=__doc__)
    parser.add_argument("--puts", type=int, default=1, help="how many PUTs have a fate (1)")
    parser.add_argument("--mutant", choices=sorted(UPDATE_MUTANTS), help="make one mistake")
    parser.add_argument("--no-kills", action="store_true", help="nobody dies")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    asked = parser.parse_args()
    began, total, broken = time.monotonic(), 0, list[str]()
    work = partial(play_all, not asked.no_kills, asked.mutant)
    with ProcessPoolExecutor(max_workers=asked.jobs) as pool:
        for count, found in pool.map(work, stories(asked.puts), chunksize=8):
            total += count
            broken += found
    for line in broken[:20]:
        print(f"  {line}")
    took = time.monotonic() - began
    print(f"{total} stories in {took:.1f} s on {asked.jobs} processes: {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
