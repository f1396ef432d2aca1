"""Real applies that share a state in a real PostgreSQL: raced, stopped, cut off, put back.

Run it as `python -m proof.postgres`; `--seed` repeats the moments, as far as processes can.
`--mutants` makes mistakes in the fence instead, one by one, each of which tests must notice.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from proof.commands import Ended, begin
from proof.referee import Wanted, check_converged, check_known
from proof.rounds import APPLIES, APPLY, PLAN, Ground, Round, judge_recovery
from proof.sandboxes import sandbox
from proof.store_mutants import MUTANTS, VARIABLE
from reconciler.core.places import PostgresPlace, parse_place
from tests.support.brief import TIMINGS
from tests.support.postgres import PostgresServer, running_server
from tests.support.wires import Wire, wire_to

COUNT = 24
RIVALS = 4
BUSY = "latency=100ms jitter=50ms on=POST"
PROGRAM = (sys.executable, "-m", "tests.support.brief")
BRIEF = {"lease": 2.0, "renewal": 0.5, "silence": 2.0, "connect": 2.0}
LOCK_LOST, STOPPED, STATE_BROKEN = 6, 143, 1
# What a stopped run may take, and what a process needs to write, to print and to end.
DRAIN_SECONDS, SLACK_SECONDS = 5.5, 1.5
STORIES = ("tests/state/test_fencing.py", "tests/engine/test_fenced_sends.py")

_numbers = itertools.count()


@dataclass(slots=True)
class Game:
    """One round with a schema of its own; `wire` is between the applies and the database.

    `server` is the one that takes writes, and `address` where the applies look for it. `stack` has
    what goes with the round.
    """

    round: Round
    server: PostgresServer
    wire: Wire
    schema: str
    wanted: Wanted
    address: str
    stack: ExitStack

    def place(self) -> PostgresPlace:
        """The state, around the wire."""
        place = parse_place(self.server.url(self.schema), stack="default")
        assert isinstance(place, PostgresPlace)
        return place

    def begin(self, *arguments: str, **timings: float) -> subprocess.Popen[str]:
        """Start a command on the state."""
        variables = {
            **self.round.ground.server.variables,
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

    def epoch(self) -> tuple[int, int]:
        """How often the lock was taken, and how much was committed."""
        query = f"SELECT epoch, writes FROM {self.schema}.states"  # noqa: S608 - the schema is named by this program
        ((epoch, writes),) = self.server.query(query)
        return epoch, writes

    def judge_end(self) -> tuple[list[str], list[Ended]]:
        """Apply in calm weather, and judge what is there then."""
        self.round.ground.server.order()
        runs: list[Ended] = []
        for _ in range(APPLIES):
            runs += [self.run(*APPLY, "--no-wait"), self.run(*PLAN)]
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


def race(game: Game, _: random.Random) -> tuple[list[str], list[Ended]]:
    """All get their turn, and the first has done it all."""
    rivals = [game.begin(*APPLY, "--lock-timeout", "2m") for _ in range(RIVALS)]
    ends = [end(rival) for rival in rivals]
    found = [problem for run in ends for problem in expect(run, 0)]
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, ends


def stand_still(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """Stopped for longer than its lease, replaced, and resumed: it changes nothing any more."""
    stopped = game.begin(*APPLY, "--concurrency", "4")
    game.await_writes(rng.randint(2, COUNT // 2))
    stopped.send_signal(signal.SIGSTOP)
    taker = game.run(*APPLY, "--lock-timeout", "1m")
    before = game.epoch(), game.writes()
    stopped.send_signal(signal.SIGCONT)
    run = end(stopped)
    found = expect(taker, 0) + expect(run, LOCK_LOST)
    if (game.epoch(), game.writes()) != before:
        found.append("it has committed or sent something after it was replaced")
    return found, [taker, run]


def cut(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The connection is cut at many commits, before the database hears of them or after it."""
    game.wire.cut_at(rng.randint(1, 4), is_heard=rng.random() < 0.5, times=6)
    run = game.run(*APPLY, "--concurrency", "4")
    found = expect(run, 0)
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, [run]


def crash(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The server crashes and comes back, three times."""
    process = game.begin(*APPLY, "--concurrency", "4")
    for part in (1, 2, 3):
        game.await_writes(part * COUNT // 4 + rng.randint(-1, 1))
        game.server.restart(signal.SIGQUIT)
    run = end(process)
    found = expect(run, 0)
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, [run]


def fall_silent(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The database does not answer, and the run is told to end: soon, and nothing is lost."""
    process = game.begin(*APPLY, "--concurrency", "4", silence=15.0)
    game.await_writes(rng.randint(2, COUNT // 2))
    game.wire.is_silent = True
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    run = end(process)
    game.wire.is_silent = False
    found = expect(run, STOPPED)
    if run.took > DRAIN_SECONDS + SLACK_SECONDS:
        found.append(f"it ended {run.took:.1f} s after the signal")
    known = check_known(game.place(), game.round.entries(), game.round.residents(), game.wanted)
    printed = [problem for problem in known if _id_of(problem) not in run.err]
    return found + printed, [run]


def _id_of(problem: str) -> str:
    return problem.partition(" lives")[0].rpartition(" ")[2]


def go_back(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The database comes back as it was some commits ago: the run stops, and the next finds all."""
    process = game.begin(*APPLY, "--concurrency", "2")
    game.await_writes(rng.randint(2, 6))
    saved = game.server.save()
    # Each of them was committed before it was sent.
    game.await_writes(len(game.writes()) + 4)
    game.server.go_back(saved)
    run = end(process)
    found = expect(run, STATE_BROKEN)
    if "that it had confirmed" not in run.err:
        found.append("it does not say that the database has lost commits")
    return found, [run]


def fail_over(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The primary dies, and a standby that may be behind is promoted: found, or said to be behind.

    Whatever the standby did not have any more, the next apply finds by markers.
    """
    primary = game.server
    standby = game.stack.enter_context(primary.standby())
    game.address = game.address.replace(
        f":{game.wire.port}/", f":{primary.port},127.0.0.1:{standby.port}/"
    )
    process = game.begin(*APPLY, "--concurrency", "4")
    game.await_writes(rng.randint(2, COUNT // 2))
    primary.stop(signal.SIGQUIT)
    game.stack.callback(primary.start)
    standby.promote()
    game.server = standby
    run = end(process)
    if run.code == STATE_BROKEN and "that it had confirmed" in run.err:
        return [], [run]
    return expect(run, 0), [run]


Play = Callable[[Game, random.Random], tuple[list[str], list[Ended]]]
GAMES: dict[str, Play] = {
    f"{RIVALS} applies at once": race,
    "stopped, replaced and resumed": stand_still,
    "connections cut at commits": cut,
    "the server crashed three times": crash,
    "a database that falls silent": fall_silent,
    "a database that goes back": go_back,
    "a standby promoted": fail_over,
}


@contextmanager
def new_game(ground: Ground, server: PostgresServer) -> Iterator[Game]:
    """A new project, and a new schema."""
    with ground.round() as here, wire_to(server.port) as wire, ExitStack() as stack:
        wanted = here.prepare(COUNT, past=False)
        ground.server.order(BUSY)
        schema = f"game_{os.getpid()}_{next(_numbers)}"
        address = server.url(schema).replace(f":{server.port}/", f":{wire.port}/")
        yield Game(here, server, wire, schema, wanted, address, stack)
        ground.server.order()


def play(rounds: int, rng: random.Random) -> int:
    """Play every game so often; returns how many rounds broke a promise."""
    broken = 0
    with sandbox("--sync-delay", "0s") as api, running_server() as server:
        ground = Ground(api)
        for title, game in GAMES.items():
            began, failed = time.monotonic(), 0
            for number in range(rounds):
                with new_game(ground, server) as here:
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


def make_mistakes(names: Sequence[str]) -> int:
    """Make each mistake; returns how many no test has noticed."""
    missed = 0
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-x", "--timeout=20", *STORIES]
    for name in names:
        done = subprocess.run(
            [*command, "-p", "proof.store_mutants"],
            env={**os.environ, VARIABLE: name},
            capture_output=True,
            text=True,
            check=False,
        )
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        missed += not failed
        verdict = failed[0].partition(" - ")[0] if failed else f"NOT NOTICED\n{done.stdout}"
        print(f"{name}: {verdict}", flush=True)
    return missed


def main() -> int:
    """Play, or make mistakes; 1 on a broken promise or on a mistake that nobody noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each game")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutants", action="store_true", help="make mistakes instead")
    arguments = parser.parse_args()
    if arguments.mutants:
        return int(bool(make_mistakes(list(MUTANTS))))
    return int(bool(play(arguments.rounds, random.Random(arguments.seed))))


if __name__ == "__main__":
    sys.exit(main())
