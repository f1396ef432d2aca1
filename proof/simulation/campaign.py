"""Many histories on several cores: what they did in figures, and the first that broke a promise."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from proof.invariants import Violation
from proof.mutants import ALL_MUTANTS
from proof.simulation.history import History, Options, Told
from proof.simulation.loop import Loop
from proof.updates.hunt import find_mistake
from proof.updates.mutants import UPDATE_MUTANTS
from tests.support.timing import Timeline

T = TypeVar("T")
R = TypeVar("R")

Campaign = Callable[[Iterable[int], Options], "Figures"]

# The run that is killed at each of its steps: the second, which replaces and deletes as well.
VICTIM = 1
_CHUNK = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A history that broke a promise; `kill_step` where it was one of many deaths of one seed."""

    seed: int
    violations: tuple[Violation, ...]
    kill_step: int | None = None

    def __str__(self) -> str:
        step = "" if self.kill_step is None else f" --kill-step {self.kill_step}"
        more = len(self.violations) - 1
        return f"--seed {self.seed}{step}: {self.violations[0]}" + (f" (+{more})" if more else "")


@dataclass(slots=True, kw_only=True)
class Figures:
    """What many histories did."""

    histories: int = 0
    applies: int = 0
    requests: int = 0
    kills: int = 0
    points: int = 0
    most_requests: int = 0
    beyond_reach: int = 0
    broken: list[Broken] = field(default_factory=list)

    def count(self, told: Told, kill_step: int | None = None) -> None:
        """Add one history."""
        self.histories += 1
        self.applies += told.applies
        self.requests += told.requests
        self.kills += told.kills
        self.most_requests = max(self.most_requests, told.most_requests)
        self.beyond_reach += told.beyond_reach
        if told.violations:
            self.broken.append(
                Broken(seed=told.seed, violations=told.violations, kill_step=kill_step)
            )

    def add(self, other: Figures) -> None:
        """Add what another worker counted."""
        self.histories += other.histories
        self.applies += other.applies
        self.requests += other.requests
        self.kills += other.kills
        self.points += other.points
        self.most_requests = max(self.most_requests, other.most_requests)
        self.beyond_reach += other.beyond_reach
        self.broken += other.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """How a mistake was found; `violation` is None where it was not, in so many histories.

    `invariants` are all that were broken in the history that showed it, which `where` names.
    """

    name: str
    played: int
    where: str = ""
    violation: Violation | None = None
    invariants: tuple[str, ...] = ()


def open_history(seed: int, options: Options) -> History:
    """A history that has not begun, on a timeline of its own."""
    timeline = Timeline()
    return History(seed, options, Loop(timeline), timeline)


def play_seeds(seeds: Iterable[int], options: Options) -> Figures:
    """One history per seed."""
    figures = Figures()
    with _no_pauses():
        for seed in seeds:
            figures.count(open_history(seed, options).play())
    return figures


def play_kill_points(seeds: Iterable[int], options: Options) -> Figures:
    """For each seed, one history per step of one run, which dies at that step."""
    figures = Figures()
    with _no_pauses():
        for seed in seeds:
            undisturbed = open_history(seed, options).play(VICTIM)
            figures.count(undisturbed)
            for step in range(1, undisturbed.steps + 1):
                figures.count(open_history(seed, options).play(VICTIM, step), step)
                figures.points += 1
    return figures


def catch_mutant(name: str, seeds: Sequence[int], options: Options) -> Caught:
    """Play until the mistake shows where the engine without it kept all promises.

    One about updates is looked for in their short stories, which hold every order of events.
    """
    mutant = ALL_MUTANTS[name]
    if name in UPDATE_MUTANTS:
        with _no_pauses():
            number, story, played = find_mistake(name)
        return _tell(name, number, str(story), played.violations if played else ())
    options = replace(
        options,
        paused=options.paused or mutant.paused,
        shared=options.shared or mutant.shared,
    )
    with _no_pauses():
        for number, seed in enumerate(seeds, 1):
            with mutant.made():
                told = open_history(seed, options).play()
            if told.violations and not open_history(seed, options).play().violations:
                return _tell(name, number, f"seed {seed}", told.violations)
    return _tell(name, len(seeds), "", ())


def _tell(name: str, played: int, where: str, violations: Sequence[Violation]) -> Caught:
    return Caught(
        name=name,
        played=played,
        where=where,
        violation=violations[0] if violations else None,
        invariants=tuple(sorted({violation.invariant for violation in violations})),
    )


def spread(
    play: Campaign,
    seeds: Sequence[int],
    options: Options,
    jobs: int,
    *,
    chunk: int = _CHUNK,
) -> Figures:
    """Share seeds out among processes and add up what they found."""
    total = Figures()
    chunks = [seeds[i : i + chunk] for i in range(0, len(seeds), chunk)]
    for figures in _map(partial(_call, play, options), chunks, jobs):
        total.add(figures)
    total.broken.sort(key=lambda broken: (broken.seed, broken.kill_step or 0))
    return total


def catch_mutants(
    names: Sequence[str], seeds: Sequence[int], options: Options, jobs: int
) -> Iterator[Caught]:
    """Try each mistake."""
    return _map(partial(_catch, seeds, options), names, jobs)


def _call(play: Campaign, options: Options, seeds: Sequence[int]) -> Figures:
    return play(seeds, options)


def _catch(seeds: Sequence[int], options: Options, name: str) -> Caught:
    return catch_mutant(name, seeds, options)


def _map(play: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    if jobs <= 1:
        yield from map(play, items)
        return
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        yield from pool.map(play, items)


@contextmanager
def _no_pauses() -> Iterator[None]:
    """A history leaves cycles behind, few enough to be collected when some have ended."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
