"""Everything that can happen to an updated workload, breadth first, until a rule is broken."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proof.model.rows import ADDRESS, wish
from proof.model.updates.run import (
    ID,
    MARKER,
    REDACTOR,
    Apply,
    Oracle,
    each_choice,
    land,
    meddle,
    show,
)
from proof.model.updates.world import Budget, Form, World, rest, tick
from proof.model.world import OLD
from reconciler.core.diff.comparison import echo_of
from reconciler.core.model import LastSeen, Own, Recorded

SPECS = (1, 2, 3)
NO_MORE = Budget(edits=0, crashes=0, faults=0, meddling=0, restores=0)
# After this many applies in peace nothing is left to do (I8, I16).
APPLIES = 2


class Step(NamedTuple):
    """One thing that happens between two runs, or one whole run."""

    words: tuple[str, ...]
    world: World
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A broken rule and the shortest way to it."""

    broken: str
    path: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Report:
    """What a search has seen; `ends` counts the worlds at rest that were judged."""

    states: int = 0
    runs: int = 0
    ends: int = 0
    depth: int = 0
    seconds: float = 0.0
    is_exhausted: bool = False
    violation: Violation | None = None


def first_world(budget: Budget) -> World:
    """One workload, created and recorded a while ago."""
    form = Form(replicas=1, others=0, marker=MARKER)
    spec, named = REDACTOR.redact_and_digest(wish(1).spec)
    row = Recorded(
        op="001",
        address=ADDRESS,
        own=Own.ACCEPTED,
        digest=named,
        spec=spec,
        seen=LastSeen.SYNCED,
        id=ID,
        marker=MARKER,
        source="a.yaml",
        echo=REDACTOR.strict.redact(echo_of(show(form))),
        attempts=1,
    )
    return World(live=form, row=row, left=budget)


class Search:
    """One search from one budget of misfortunes."""

    def __init__(self) -> None:
        self._report = Report()
        self._parents: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._ends: dict[str, str] = {}

    def run(self, budget: Budget, limit: int) -> Report:
        """Search at most so many worlds; stops at the first violation."""
        began, report = time.perf_counter(), self._report
        first = first_world(budget)
        layer = [first]
        self._parents[repr(first)] = ("", ())
        while layer and report.violation is None and len(self._parents) < limit:
            layer = self._widen(layer, limit)
            report.depth += bool(layer)
        report.states, report.ends = len(self._parents), len(self._ends)
        report.is_exhausted = not layer and report.violation is None
        report.seconds = time.perf_counter() - began
        return report

    def _widen(self, layer: list[World], limit: int) -> list[World]:
        found = []
        for world in layer:
            key = repr(world)
            for words, after, broken in self._steps(world):
                new = repr(after)
                if new in self._parents and not broken:
                    continue
                told, wrong = ([], broken) if broken else self._judge(after)
                if wrong:
                    path = (*self._path(key), *words, *told)
                    self._report.violation = Violation(broken=wrong, path=path)
                    return []
                self._parents[new] = (key, words)
                found.append(after)
                if len(self._parents) >= limit:
                    return found
        return found

    def _steps(self, world: World) -> Iterator[Step]:
        """Everything that can happen next; a run counts as one step with each of its choices."""
        for words, after in _between_runs(world):
            yield Step((words,), rest(after))
        runs: list[Apply] = []

        def play(oracle: Oracle) -> None:
            runs.append(Apply(world, oracle))
            runs[-1].play()

        for _ in each_choice(play):
            self._report.runs += 1
            run = runs.pop()
            yield Step(("an apply begins", *run.words), rest(run.world), run.broken)

    def _judge(self, world: World) -> tuple[list[str], str]:
        """How it ends once faults stop, requests in flight have died and quiet time has passed."""
        calm = rest(
            world._replace(now=world.now + OLD, hidden=None, flights=(), copy=None, left=NO_MORE)
        )
        key = repr(calm)
        if key in self._ends and not self._ends[key]:
            return [], ""
        words = ["faults stop, requests in flight have died, quiet time has passed"]
        self._ends[key] = broken = _end(calm, words)
        return words, broken

    def _path(self, key: str) -> tuple[str, ...]:
        """The words of the way to a world, from the beginning."""
        words: deque[str] = deque()
        while key:
            key, step = self._parents[key]
            words.extendleft(reversed(step))
        return tuple(words)


def _between_runs(world: World) -> Iterator[tuple[str, World]]:
    yield "150 s pass", tick(world)
    for flight in world.flights:
        yield f"the late {flight.form.rev} lands", land(world, flight)
    if world.left.edits:
        for spec in SPECS:
            if spec != world.desire:
                yield f"the spec now wants {spec}", world.spend("edits")._replace(desire=spec)
    if world.left.meddling:
        for edited in meddle(world):
            yield f"others make {edited.live} of it", edited
    if world.left.restores and world.copy is None:
        yield "the state is copied", world.spend("restores")._replace(copy=world.row)
    if world.copy is not None:
        restored = world._replace(row=world.copy, copy=None, restored=True)
        yield "the older copy of the state is put back", restored


def _end(world: World, words: list[str]) -> str:
    """I8 and I16: two applies, and what is live is what is declared, reported drift aside."""
    for _ in range(APPLIES):
        run = Apply(world, Oracle(()))
        run.play()
        words += ["an apply begins", *run.words]
        if run.broken:
            return run.broken
        world = rest(run.world)
    plan = Apply(world, Oracle(())).decide()
    if plan.changes:
        return f"I8: after {APPLIES} applies: {plan.changes[0].kind} ({plan.changes[0].detail})"
    replicas = world.live.replicas
    # What others write is never a spec's, and nothing else can be drift.
    if replicas != world.desire and (replicas in SPECS or not plan.drift):
        return f"I16: {replicas} replicas live, declared are {world.desire}"
    return ""
