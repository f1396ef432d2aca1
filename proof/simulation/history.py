"""One seed, one history: several applies in bad weather, then peace."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from proof.invariants import Referee, Violation
from proof.simulation.circumstances import (
    Circumstances,
    draw_circumstances,
    peaceful,
    undisturbed,
)
from proof.simulation.disk import LINEAGE, STACK, Disk, Shelf, ours
from proof.simulation.loop import Loop
from proof.simulation.others import Others
from proof.simulation.process import Process, run_all, sweep
from proof.simulation.repository import PROJECTS, Repository
from proof.simulation.server import Server
from proof.simulation.transcript import Note, write_transcript
from proof.simulation.weather import (
    CALM,
    LATEST,
    LONGEST_LAG,
    draw_for_updates,
    draw_weather,
)
from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import InDoubt, Skipped
from reconciler.core.model import (
    Address,
    Own,
)
from reconciler.core.planning.actions import AnyAction, Create, Delete, Resolve, Update
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.state.shared.dating import date_request
from tests.support.timing import Timeline

# Faults stop, and then everything that was still to come has come and can be seen.
PEACE = LATEST + LONGEST_LAG + 5.0
# What a plan without actions may need afterwards to let go of its last ghosts.
AFTERMATH = LATEST + LONGEST_LAG + 5.0
# Seconds after which somebody else may take the lock of a process that stands still.
LEASE = 30.0
_MISSING = re.compile(r"--allow-missing (\d+)")
_FOREIGN: tuple[dict[str, str], ...] = (
    {},
    {"workload-reconciler/op": "another/op", "workload-reconciler/stack": STACK},
    {"workload-reconciler/op": f"{LINEAGE}/op", "workload-reconciler/stack": "green"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a history may contain; `stale` lets any run start from an older copy of the state.

    `paused` lets most runs in a storm stand still and die soon after; with `shared` another one
    takes the state over meanwhile, and many are resumed. `updates` is a server that changes
    workloads in place, with people who do so as well.
    """

    workloads: int = 20
    stale: bool = False
    paused: bool = False
    shared: bool = False
    updates: bool = False
    skew: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How a history went."""

    seed: int
    violations: tuple[Violation, ...]
    applies: int
    requests: int
    steps: int
    most_requests: int
    kills: int
    beyond_reach: int


class History:
    """Everything that one seed decides."""

    def __init__(self, seed: int, options: Options, loop: Loop, timeline: Timeline) -> None:
        self.seed = seed
        self.options = options
        self._rng = Random(seed)
        self._loop = loop
        self.timeline = timeline
        timeline.now = 0.0
        self.server = Server(
            timeline,
            Random(~seed),
            names=Random(f"names {seed}"),
            names_holder=self._rng.random() < 0.3,
            ours=ours,
        )
        self._others = Others(seed, self.server)
        if options.updates:
            luck = Random(f"updates {seed}")
            self.server.merges = luck.random() < 0.3
            self.server.drops = luck.choice(("rev", "all")) if luck.random() < 0.1 else ""
            if options.stale and self.server.drops:
                # What only its mark could show to be ours is a stranger's to an older copy (A2).
                self.server.drops = "rev"
            self._weathers = luck
        self._shelf = Shelf(self._rng)
        self.disk = self._shelf.newest
        self.referee = Referee(self.server, self.disk, copies=options.stale)
        self.repository = Repository(self._rng, options.workloads, updates=options.updates)
        self.referee.wanted = self.repository.wanted.__contains__
        # Rights may hide what lives in a project from its list.
        self._takers = Random(f"shared {seed}")
        self._hidden = frozenset(p for p in PROJECTS if self._rng.random() < 0.15)
        self._discovery = options.stale or options.shared or self._rng.random() < 0.75
        self.processes: list[Process] = []
        self._notes: list[Note] = []
        self.beyond_reach = 0
        self._blocked: set[Address] = set()

    def play(self, victim: int | None = None, kill_step: int | None = None) -> Told:
        """Live through it; `kill_step` ends the run numbered `victim` at that step."""
        self.repository.begin()
        rng = self._rng
        runs = rng.choice((2, 2, 2, 3)) if victim is None else victim + 1
        given_up = False
        for number in range(runs + 1):
            if number == runs and not given_up:
                break
            if given_up:
                self.repository.take_back()
            elif number:
                self.repository.edit()
            if number and not self.options.stale:
                self._let_others_act()
            last = self._run_in_storm(
                kill_step if number == victim else None, plain=victim is not None
            )
            # Whoever stops a run and then kills it does not want what it was doing, and is quick.
            given_up = last.dead and last.circumstances.pause_step is not None
            rest = 20.0 if given_up and self.options.paused else 270.0 + rng.random() * 100.0
            self.timeline.skip(rng.choice((0.0, rng.random() * 30.0, rest)))
        self._make_peace()
        sweep(self._loop)
        return self._tell(last.steps)

    def _run_in_storm(self, kill_step: int | None, *, plain: bool) -> Process:
        """Apply in bad weather; returns the process that did it."""
        rng = self._rng
        self.server.weather = draw_weather(rng, self._hidden)
        if self.options.updates:
            self.server.weather = draw_for_updates(self._weathers, self.server.weather)
            self._others.edit(self._shelf.newest, within=120.0)
        self._meddle()
        processes = [self._make(disk, self._draw(plain)) for disk in self._choose_disks()]
        if kill_step is not None:
            only = processes[0]
            only.circumstances = dataclasses.replace(only.circumstances, kill_step=kill_step)
        if any(process.circumstances.pause_step for process in processes):
            # What slept wakes up among broken connections, and what was sent over them is late.
            weather = self.server.weather
            self.server.weather = dataclasses.replace(weather, writes=0.5, late=0.9)
        if self.options.shared:
            for process in processes:
                process.meanwhile = partial(self._take_over, process.disk)
        self._run(processes)
        return processes[0]

    def _take_over(self, disk: Disk) -> None:
        """Apply on a state whose holder stands still, once its lease has run out."""
        self.timeline.skip(LEASE)
        if self._takers.random() < 0.5:
            self.repository.edit()
        loop = Loop(self.timeline)
        # A clock that is ahead makes a doubt last for so long: safe, and past all patience here.
        drawn = dataclasses.replace(self._draw(plain=False), pause_step=None, skew=0.0)
        taker = self._make(disk, drawn, loop)
        now = taker.clock.now().isoformat(timespec="milliseconds")
        dated = [date_request(row, now) for row in disk.read()]
        disk.write([row for row in dated if row.own is Own.CREATING or row.change.open is not None])
        self._note_begin([taker])
        run_all([taker], loop)
        self._note_end(taker)

    def _let_others_act(self) -> None:
        """What happens to workloads, to a project and to the state while no apply is at work."""
        disk, others = self._shelf.newest, self._others
        others.overwrite(disk)
        given_up = [*others.give_up(disk)]
        before = [disk.durable.get(row.op) for row in given_up]
        disk.write(given_up)
        self.referee.wrote(disk, before, given_up)
        if hidden := others.draw_hidden(disk):
            self._run_beside_moved(hidden)

    def _run_beside_moved(self, project: str) -> None:
        """Apply while one project stands empty, as somebody who confirms nothing that is asked."""
        self.server.weather = CALM
        process = self._make(
            self._shelf.newest, peaceful(self._others.rng, discovery=self._discovery)
        )
        self._note_begin([process])
        with self.server.hiding(project):
            run_all([process], self._loop)
        self._note_end(process)

    def _choose_disks(self) -> list[Disk]:
        """Copies know nothing of each other's lock: two of them may be used at the same time."""
        if not self.options.stale:
            return [self._shelf.newest]
        disk = self._shelf.take()
        return [disk, self._shelf.restore()] if self._rng.random() < 0.15 else [disk]

    def _meddle(self) -> None:
        """Others delete workloads, and take names, at any instant of the next two minutes."""
        rng = self._rng
        now = self.timeline.now
        pace = rng.random() * 0.15 if rng.random() < 0.5 else 0.0
        for address in self.repository.names:
            if pace and rng.random() < pace:
                when = now + rng.random() * 120.0
                if rng.random() < 0.5:
                    self.server.at(when, _Vanish(self.server, address))
                else:
                    self.server.at(when, _Squat(self.server, address, rng.choice(_FOREIGN)))

    def _draw(self, plain: bool) -> Circumstances:
        options = self.options
        drawn = draw_circumstances(
            self._rng,
            options.workloads,
            self._discovery,
            paused=options.paused or options.shared,
        )
        if options.shared and self._takers.random() < 0.7:
            drawn = dataclasses.replace(drawn, kill_step=None)
        drawn = drawn if options.skew else dataclasses.replace(drawn, skew=0.0)
        return undisturbed(drawn) if plain else drawn

    def _make(self, disk: Disk, circumstances: Circumstances, loop: Loop | None = None) -> Process:
        if self.options.updates:
            circumstances = dataclasses.replace(circumstances, api_version="3.0")
        process = Process(
            number=len(self.processes),
            loop=loop or self._loop,
            server=self.server,
            disk=disk,
            specs=tuple(self.repository.wanted.values()),
            circumstances=circumstances,
            watcher=self.referee,
        )
        self.processes.append(process)
        return process

    def _run(self, processes: Sequence[Process]) -> None:
        """Apply; whoever is asked to state how many workloads are missing states it."""
        self._note_begin(processes)
        run_all(processes, self._loop)
        for process in processes:
            self._note_end(process)
            self._shelf.back_up(process.disk)
        for process in processes:
            missing = _asked_missing(process)
            if missing:
                request = dataclasses.replace(process.circumstances.request, allow_missing=missing)
                again = dataclasses.replace(process.circumstances, request=request)
                self._run([self._make(process.disk, again)])

    def _make_peace(self) -> None:
        """I8: once nothing goes wrong any more, two applies lead to a plan without actions."""
        self.server.weather = CALM
        self.timeline.skip(PEACE)
        self.disk = self._shelf.take() if self.options.stale else self._shelf.newest
        squatted = self._end_squatting()
        self._others.end_given_up(self.disk)
        self.referee.disk = self.disk
        known = {row.address for row in self.disk.read()} | self.repository.wanted.keys()
        self._apply_twice(self._discovery)
        self._check_plan(squatted, discovery=self._discovery)
        if not self._discovery:
            # Without a list, every refused attempt at a stranger's name has begun the quiet anew.
            self.timeline.skip(PEACE)
            self._apply_twice(True)
            self._check_plan(squatted, discovery=True)
        self._check_world(squatted, known)
        self._check_ghosts(squatted)

    def _end_squatting(self) -> set[Address]:
        """Some of those who took our names keep them."""
        now = self.timeline.now
        stay = self._rng.random() < 0.3
        lifecycles = [desired.lifecycle for desired in self.repository.wanted.values()]
        lifecycles += [row.lifecycle for row in self.disk.read()]
        waves = any(lifecycle.wave for lifecycle in lifecycles)
        taken: set[Address] = set()
        known = {row.id for row in self.disk.read()}
        # What has lost its mark and was let go is nobody's any more.
        lost = [w for w in self.server.live() if w.ours and not w.has_mark and w.id not in known]
        for workload in lost:
            self.server.vanish(workload.address, now)
        for workload in [w for w in self.server.live() if not w.ours]:
            if stay and not waves and workload.address not in self.repository.anchors:
                taken.add(workload.address)
            else:
                self.server.vanish(workload.address, now)
        return taken

    def _apply_twice(self, discovery: bool) -> None:
        """Or once, where that was enough: the second plan shows it.

        There are two waves: the second one may wait for two applies, and counts from when it is
        reached.
        """
        applies = waited = 0
        while applies < 2:
            self._run([self._make(self.disk, peaceful(self._rng, discovery=discovery))])
            self.timeline.skip(1.0)
            process = self.processes[-1]
            last = process.planned
            if last is not None and not (last.plan.changes or last.refusals):
                return
            waits = any(
                event.outcome.message.startswith("wave ")
                for event in process.events
                if isinstance(event, ActionEnded) and isinstance(event.outcome, Skipped | InDoubt)
            )
            if waits and waited < 2:
                waited += 1
            else:
                applies += 1

    def _plan(self, discovery: bool) -> Plan | None:
        """What another apply would do; one that had nothing to do has just shown it."""
        last = self.processes[-1].planned
        if last is not None and not (last.plan.changes or last.refusals):
            return last.plan
        process = self._make(self.disk, peaceful(self._rng, discovery=discovery))
        process.only_plan = True
        self._note_begin([process])
        run_all([process], self._loop)
        self._note_end(process)
        if process.planned is None or process.planned.refusals:
            self.referee.report("I8", f"no plan in peace: {process.error or process.planned}")
            return None
        return process.planned.plan

    def _check_plan(self, squatted: set[Address], *, discovery: bool) -> None:
        plan = self._plan(discovery)
        if plan is None:
            return
        # What comes after something that the cluster refuses waits for a person, as it does.
        if plan.unwell_wave is not None:
            waiting = [action for action in plan.changes if action.wave > plan.unwell_wave]
            self._blocked = {a.address for a in waiting if not isinstance(a, Delete)}
        actions = [action for action in plan.changes if action.address not in self._blocked]
        forgotten = self._forgotten()
        doubts: list[AnyAction] = (
            [] if discovery else [a for a in actions if isinstance(a, Resolve)]
        )
        if self.server.merges:
            # What a server that merges does not take away stays open until a person decides.
            doubts += (action for action in actions if isinstance(action, Update))
            self._blocked |= {doubt.address for doubt in doubts}
            self._blocked |= {a.address for a in actions if any(a.wave > d.wave for d in doubts)}
        for action in actions:
            if isinstance(action, Create) and action.address in squatted:
                continue
            # Without a list a doubt stays until a person decides, and later waves wait for it.
            if any(action is doubt or action.wave > doubt.wave for doubt in doubts):
                continue
            # Nor can what a spec has let go of be told from a stranger's.
            if not discovery and isinstance(action, Create) and action.address in forgotten:
                continue
            self.referee.report(
                "I8",
                f"after two applies in peace: {action.kind} {action.address} ({action.detail})",
            )

    def _check_world(self, squatted: set[Address], known: Iterable[Address]) -> None:
        """Exactly what is declared lives, and the state knows it by id."""
        reach = set(known) - self._blocked
        self.referee.check_reach(reach)
        last = self.processes[-1].planned
        if self.options.updates and last is not None:
            self.referee.updates.check_peace(self.repository.wanted, last.plan, self.disk)
        owned = {row.id: row for row in self.disk.read() if row.own is Own.ACCEPTED}
        live = {w.address: w for w in self.server.live() if w.ours}
        for address in sorted(self.repository.wanted.keys() - squatted - self._blocked):
            workload = live.get(address)
            if workload is None or workload.id not in owned:
                self.referee.report("I8", f"{address} is declared and not there after peace")
        strange = live.keys() - self.repository.wanted.keys() - self._forgotten()
        strange -= self._others.without_mark()
        for address in sorted(strange):
            if address in reach or not self.options.stale:
                self.referee.report("I8", f"{address} lives after peace, and nobody wants it")
            else:
                self.beyond_reach += 1

    def _forgotten(self) -> set[Address]:
        return {
            w.address
            for w in self.server.live()
            if w.marker is not None and self.referee.is_released(w.marker.op)
        }

    def _check_ghosts(self, squatted: set[Address]) -> None:
        """What a plan without actions still waits for is gone after one more apply."""
        rows = [row for row in self.disk.read() if row.own is not Own.ACCEPTED]
        squatted = squatted | self._blocked
        ghosts = [row for row in rows if row.address not in squatted]
        if not ghosts:
            return
        self.timeline.skip(AFTERMATH)
        self._run([self._make(self.disk, peaceful(self._rng, discovery=True))])
        self._check_plan(squatted, discovery=True)
        for row in self.disk.read():
            if row.own is not Own.ACCEPTED and row.address not in squatted:
                self.referee.report("I8", f"{row.address} is {row.own} for ever: {row.message}")

    def _note_begin(self, processes: Sequence[Process]) -> None:
        for process in processes:
            words = f"run {process.number} begins on {process.disk.name}: {process.circumstances}"
            self._notes.append((self.timeline.now, words))

    def _note_end(self, process: Process) -> None:
        ended = "killed" if process.dead else f"exit code {process.exit_code}"
        words = f"run {process.number} ends after {process.steps} steps: {ended}"
        self._notes.append((self.timeline.now, words))

    def transcript(self) -> Iterator[str]:
        """What has happened, in words."""
        return write_transcript(self.server.book, self.processes, self._notes, self.referee.found)

    def _tell(self, steps: int) -> Told:
        return Told(
            seed=self.seed,
            violations=tuple(self.referee.found),
            applies=len(self.processes),
            requests=len(self.server.book),
            steps=steps,
            most_requests=max(process.requests for process in self.processes),
            kills=sum(process.dead for process in self.processes),
            beyond_reach=self.beyond_reach,
        )


@dataclass(frozen=True, slots=True)
class _Vanish:
    server: Server
    address: Address

    def __call__(self, now: float) -> None:
        self.server.vanish(self.address, now)


@dataclass(frozen=True, slots=True)
class _Squat:
    server: Server
    address: Address
    marker: dict[str, str]

    def __call__(self, now: float) -> None:
        self.server.squat(self.address, self.marker, now)


def _asked_missing(process: Process) -> int | None:
    refusals: tuple[Refusal, ...] = ()
    if process.planned is not None and not process.dead:
        refusals = process.planned.refusals
    for refusal in refusals:
        found = _MISSING.search(refusal.hint)
        if found:
            return int(found[1])
    return None
