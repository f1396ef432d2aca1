"""Everything that can happen, breadth first, until nothing new happens or a rule is broken."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from proof.model import server
from proof.model.automaton import Automaton
from proof.model.client import Client
from proof.model.convergence import Convergence
from proof.model.invariants import check_command, check_end, check_world, write_all
from proof.model.messages import Commit, Control, Defect, End, Find, Pause, Post, Read, Remove
from proof.model.world import IDLE, OLD, Budget, Settings, World, rest


class Step(NamedTuple):
    """One thing that happens; `broken` says which rule it breaks."""

    words: str
    world: World
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, the shortest way to it, and how it shows once everything comes to rest."""

    broken: str
    path: tuple[str, ...]
    story: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """What a search has seen; `exhausted` says that there was nothing more to see.

    `rests` counts the different worlds at rest that were judged, `suspects` those of them that
    keep a listed suspect.
    """

    states: int = 0
    steps: int = 0
    depth: int = 0
    rests: int = 0
    suspects: int = 0
    seconds: float = 0.0
    exhausted: int = 0
    violation: Violation | None = None


class Search:
    """One search: fixed settings, fixed procedures."""

    def __init__(self, settings: Settings, procedures: type[Client] = Client) -> None:
        self._settings = settings
        self._automaton = Automaton(settings, procedures)
        self._convergence = Convergence(settings, self._automaton)
        self._parents: dict[World, World | None] = {}
        self._report = Report()

    @property
    def worlds(self) -> Collection[World]:
        """Every world that was found."""
        return self._parents.keys()

    def run(self, mixes: Sequence[Budget], limit: int) -> Report:
        """Search at most so many states, in equal shares; what one mix leaves goes to the next.

        Stops at the first violation.
        """
        began = time.perf_counter()
        report = self._report
        for left, mix in zip(range(len(mixes), 0, -1), mixes, strict=True):
            if report.violation is None:
                seen = len(self._parents)
                self._explore(World(left=mix), seen + (limit - seen) // left)
        report.states = len(self._parents)
        report.rests, report.suspects = self._convergence.counts
        report.seconds = time.perf_counter() - began
        return report

    def _explore(self, first: World, limit: int) -> None:
        """Breadth first from one beginning; what an earlier mix has seen is not seen again."""
        layer, depth = [first], 0
        self._parents[first] = None
        while layer and len(self._parents) < limit:
            layer = self._widen(layer, limit)
            depth += bool(layer)
        self._report.depth = max(self._report.depth, depth)
        self._report.exhausted += not layer and self._report.violation is None

    def _widen(self, layer: list[World], limit: int) -> list[World]:
        """Everything that is new one step further on."""
        found: list[World] = []
        for world in layer:
            for words, after, broken in self.steps(world):
                self._report.steps += 1
                if not broken and after in self._parents:
                    continue
                if violation := self._judge(world, words, after, broken):
                    self._report.violation = violation
                    return []
                self._parents[after] = world
                found.append(after)
                if len(self._parents) >= limit:
                    return found
        return found

    def _judge(self, world: World, words: str, after: World, broken: str) -> Violation | None:
        broken = broken or check_world(after)
        story: tuple[str, ...] = ()
        if not broken:
            broken = self._convergence.check(after)
            story = self._convergence.tell(after) if broken else ()
        if not broken:
            return None
        return Violation(broken, (*self._path(world), words), story)

    def steps(self, world: World) -> Iterator[Step]:
        """Everything that can happen next."""
        if world.client == IDLE:
            yield from self._while_idle(world)
        else:
            yield from self._while_running(world)

    def _while_idle(self, world: World) -> Iterator[Step]:
        point = self._automaton.start(world.rows, world.desire, world.fresh_op)
        yield self._enter("an apply begins", world, point)
        for words, after in (
            *server.between_runs(world),
            *server.take_copy(world),
            *server.happen(world),
            *server.tick(world),
        ):
            yield Step(words, rest(after))

    def _while_running(self, world: World) -> Iterator[Step]:
        command = self._automaton.command(world.client)
        if isinstance(command, Defect):
            yield Step("the client stops", world, check_command(world, command))
            return
        broken = check_command(world, command)
        for words, after, heard in server.answer(world, command, self._settings):
            if broken:
                yield Step(words, after, broken)
                continue
            written = write_all(after, command) if isinstance(command, Commit) else after
            point = self._automaton.resume(world.client, heard, world.now)
            yield self._enter(words, written, point)
        if world.left.crashes:
            yield from self._die(world)
        for words, after in server.happen(world):
            yield Step(words, after)
        for words, after in server.take_copy(world):
            yield Step(words, after)
        if isinstance(command, Read | Find | Control | Remove | Pause) and world.now < OLD:
            for words, after in server.tick(world):
                yield Step(words, after)

    def _enter(self, words: str, world: World, point: int) -> Step:
        """The client is at its next point; at the end of its run it is judged and gone."""
        command = self._automaton.command(point)
        if isinstance(command, End):
            told = f"{words}; the run ends: {command.outcome}"
            return Step(told, rest(world), check_end(world, command))
        return Step(words, world._replace(client=point))

    def _die(self, world: World) -> Iterator[Step]:
        dead = rest(world.spend("crashes"))
        yield Step("the client is killed", dead)
        command = self._automaton.command(world.client)
        if isinstance(command, Post | Remove):
            for words, after in server.send_and_forget(world.spend("crashes"), command):
                yield Step(f"{words}; the client is killed", rest(after))

    def _path(self, world: World) -> tuple[str, ...]:
        """The words of the way to a world, from the beginning."""
        words: deque[str] = deque()
        before = self._parents[world]
        while before is not None:
            words.appendleft(next(s.words for s in self.steps(before) if s.world == world))
            world, before = before, self._parents[before]
        return tuple(words)
