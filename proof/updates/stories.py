"""Every short story of one update, with the real program: what happens to each PUT, and each death.

Not drawn but enumerated: the fates of the first PUTs, the step at which the process dies, what
becomes of the spec, of the workload and of the state afterwards. Then peace, and two applies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from proof.invariants import Referee, Violation
from proof.simulation.circumstances import peaceful
from proof.simulation.disk import Disk, ours
from proof.simulation.forms import FOREIGN
from proof.simulation.loop import Loop
from proof.simulation.process import Process, run_all, sweep
from proof.simulation.repository import declare, declare_more
from proof.simulation.server import Server
from proof.simulation.weather import Fate, Said, Weather
from reconciler.core.lifecycle import (
    OnFailed,
    OnRemove,
)
from reconciler.core.model import (
    Address,
    Desired,
)
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
# A run makes no more steps than this before it only waits.
LONGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One history: `kill_step` None is a run that is not killed.

    With `restored`, a copy of the state from before the update is put back after it.
    """

    fates: tuple[str, ...]
    spec: str
    rest: float
    others: str = "nothing"
    merges: bool = False
    sync: str = "well"
    restored: bool = False
    kill_step: int | None = None

    def __str__(self) -> str:
        return (
            f"PUTs {','.join(self.fates)}; killed at {self.kill_step}; {self.rest:g} s later the "
            f"spec is {self.spec}, others changed {self.others}; "
            f"the server {'merges' if self.merges else 'replaces'}, and syncs {self.sync}"
            f"{'; an older state is put back' if self.restored else ''}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a story went; `steps` are those of the run that may be killed."""

    steps: int
    killed: bool
    puts: int
    unanswered: int
    violations: tuple[Violation, ...]


class _Scripted(Server):
    """A server on which nothing is drawn: the fates of the first PUTs are given."""

    script: Iterator[str] = iter(())

    def draw_fate(self, method: str) -> Fate:
        return FATES[next(self.script, "answered")] if method == "PUT" else _QUIET


def _specs(story: Story) -> tuple[Desired, Desired, Desired]:
    """What is declared at first, by the update, and after it."""
    first = declare(ADDRESS, 1, OnRemove.DELETE, OnFailed.REPLACE, 0)
    update = declare_more(
        declare(ADDRESS, 2, OnRemove.DELETE, OnFailed.REPLACE, 0), paused=True, secret=1
    )
    another = declare(ADDRESS, 3, OnRemove.DELETE, OnFailed.REPLACE, 0)
    return first, update, {"the same": update, "back": first, "another": another}[story.spec]


def play(story: Story) -> Played:
    """Live through it."""
    timeline = Timeline()
    loop = Loop(timeline)
    server = _Scripted(timeline, Random(1), ours=ours)
    server.merges = story.merges
    disk = Disk()
    referee = Referee(server, disk, copies=story.restored)
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
    before = disk.copy("from before the update")
    victim = apply(update, story.kill_step)
    if story.restored:
        disk = referee.disk = before
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
    puts = [entry for entry in server.book if entry.method == "PUT"]
    return Played(
        steps=victim.steps,
        killed=victim.dead,
        puts=len(puts),
        unanswered=sum(entry.said is not Said.ANSWER for entry in puts),
        violations=tuple(referee.found),
    )


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
        for spec, rest in itertools.product(("the same", "back", "another"), RESTS):
            for sync in ("failed before", "fails after"):
                yield Story(fates=fates, spec=spec, rest=rest, sync=sync)
            yield Story(fates=fates, spec=spec, rest=rest, restored=True)
