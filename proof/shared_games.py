"""Games of real applies that share a state, wherever that is kept, and their judge."""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from proof.commands import Ended, begin
from proof.referee import Wanted, check_converged, check_known
from proof.rounds import APPLIES, APPLY, PLAN, Round, judge_recovery
from reconciler.core.states.places import ObjectPlace, PostgresPlace
from tests.support.brief import TIMINGS

COUNT = 24
RIVALS = 4
BUSY = "latency=100ms jitter=50ms on=POST"
PROGRAM = (sys.executable, "-m", "tests.support.brief")
BRIEF = {"lease": 2.0, "renewal": 0.5, "silence": 2.0, "connect": 2.0}
LOCK_LOST, STOPPED, STATE_BROKEN = 6, 143, 1
# What a stopped run may take, and what a process needs to write, to print and to end.
DRAIN_SECONDS, SLACK_SECONDS = 5.5, 1.5


@dataclass(slots=True)
class SharedGame(ABC):
    """One round with a state of its own; `address` is where the applies look for it."""

    round: Round
    wanted: Wanted
    address: str

    @abstractmethod
    def place(self) -> PostgresPlace | ObjectPlace:
        """The state, as the referee reads it."""

    @abstractmethod
    def progress(self) -> object:
        """What changes with every take-over and every commit."""

    @abstractmethod
    def silence(self, is_silent: bool) -> None:
        """Let nobody answer where the state is kept, or again."""

    def environment(self) -> Mapping[str, str]:
        """What the applies need to reach it."""
        return {}

    def begin(self, *arguments: str, **timings: float) -> subprocess.Popen[str]:
        """Start a command on the state."""
        variables = {
            **self.round.ground.server.variables,
            **self.environment(),
            "RECONCILER_STATE": self.address,
            "RECONCILER_STACK": "default",
            TIMINGS: json.dumps({**BRIEF, **timings}),
        }
        return begin(arguments, variables, self.round.folder, program=PROGRAM)

    def run(self, *arguments: str) -> Ended:
        """Run a command on the state to its end."""
        return end(self.begin(*arguments))

    def await_writes(self, count: int) -> None:
        """Wait until the server has heard of so many changes."""
        until = time.monotonic() + 30
        while len(self.writes()) < count:
            if time.monotonic() > until:
                raise RuntimeError("nothing was sent in thirty seconds")
            time.sleep(0.02)

    def writes(self) -> list[str | None]:
        """The operations of all requests that change something, in the order of their arrival."""
        return [entry.marker for entry in self.round.entries() if entry.is_write]

    def judge_end(self) -> tuple[list[str], list[Ended]]:
        """Apply in calm weather, and judge what is there then."""
        self.round.ground.server.order()
        runs: list[Ended] = []
        for _ in range(APPLIES):
            # A run that could not give its lock back has left it for as long as that may be held.
            runs += [self.run(*APPLY, "--no-wait", "--lock-timeout", "1m"), self.run(*PLAN)]
            if not any(run.code for run in runs[-2:]):
                break
        found = judge_recovery(runs)
        residents = self.round.residents()
        return found + check_converged(
            self.place(), self.round.entries(), residents, self.wanted
        ), runs


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process; one that hangs is killed."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    return Ended(code=process.returncode, out=out, err=err, took=time.monotonic() - began)


def expect(run: Ended, code: int) -> list[str]:
    """What is wrong with how a run ended."""
    return [] if run.code == code else [f"exit code {run.code}, not {code}"]


def race(game: SharedGame, _: random.Random) -> tuple[list[str], list[Ended]]:
    """All get their turn, and the first has done it all."""
    rivals = [game.begin(*APPLY, "--lock-timeout", "2m") for _ in range(RIVALS)]
    ends = [end(rival) for rival in rivals]
    found = [problem for run in ends for problem in expect(run, 0)]
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, ends


def stand_still(game: SharedGame, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """Stopped for longer than its lease, replaced, and resumed: it changes nothing any more."""
    stopped = game.begin(*APPLY, "--concurrency", "4")
    game.await_writes(rng.randint(2, COUNT // 2))
    stopped.send_signal(signal.SIGSTOP)
    taker = game.run(*APPLY, "--lock-timeout", "1m")
    before = game.progress(), game.writes()
    stopped.send_signal(signal.SIGCONT)
    run = end(stopped)
    found = expect(taker, 0) + expect(run, LOCK_LOST)
    if (game.progress(), game.writes()) != before:
        found.append("it has committed or sent something after it was replaced")
    return found, [taker, run]


def fall_silent(game: SharedGame, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """Nobody answers where the state is kept, and the run is told to end: soon, losing nothing."""
    process = game.begin(*APPLY, "--concurrency", "4", silence=15.0)
    game.await_writes(rng.randint(2, COUNT // 2))
    game.silence(True)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    run = end(process)
    game.silence(False)
    found = expect(run, STOPPED)
    if run.took > DRAIN_SECONDS + SLACK_SECONDS:
        found.append(f"it ended {run.took:.1f} s after the signal")
    known = check_known(game.place(), game.round.entries(), game.round.residents(), game.wanted)
    printed = [problem for problem in known if _id_of(problem) not in run.err]
    return found + printed, [run]


def _id_of(problem: str) -> str:
    return problem.partition(" lives")[0].rpartition(" ")[2]


Game = TypeVar("Game", bound=SharedGame)
Play = Callable[[Game, random.Random], tuple[list[str], list[Ended]]]


def play_all(
    games: Mapping[str, Play[Game]],
    new_game: Callable[[], AbstractContextManager[Game]],
    *,
    rounds: int,
    rng: random.Random,
) -> int:
    """Play every game so often; returns how many rounds broke a promise."""
    broken = 0
    for title, game in games.items():
        began, failed = time.monotonic(), 0
        for number in range(rounds):
            with new_game() as here:
                found, ends = game(here, rng)
                more, runs = here.judge_end()
            if found + more:
                failed += 1
                print(f"\n{title}, round {number}: {'; '.join(found + more)}")
                print(*ends, *runs, sep="\n")
        took = time.monotonic() - began
        print(f"{title}: {rounds} rounds, {failed} broken, {took:.0f} s", flush=True)
        broken += failed
    return broken


def play_or_mistake(
    description: str | None, play: Callable[[int, random.Random], int], mistakes: Callable[[], int]
) -> int:
    """Play, or make mistakes; 1 on a broken promise or on a mistake that nobody noticed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each game")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", action="store_true", help="make mistakes instead")
    arguments = parser.parse_args()
    if arguments.mutants:
        return int(bool(mistakes()))
    return int(bool(play(arguments.rounds, random.Random(arguments.seed))))


def make_mistakes(names: Sequence[str], variable: str, plugin: str, stories: Sequence[str]) -> int:
    """Make each mistake; returns how many no test has noticed."""
    missed = 0
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-x", "--timeout=20", *stories]
    for name in names:
        done = subprocess.run(
            [*command, "-p", plugin],
            env={**os.environ, variable: name},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        missed += not failed
        verdict = failed[0].partition(" - ")[0] if failed else f"NOT NOTICED\n{done.stdout}"
        print(f"{name}: {verdict}", flush=True)
    return missed
