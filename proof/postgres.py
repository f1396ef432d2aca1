"""Real applies that share a state in a real PostgreSQL: raced, stopped, cut off, put back.

Run it as `python -m proof.postgres`; `--seed` repeats the moments, as far as processes can.
`--mutants` makes mistakes in the fence instead, one by one, each of which tests must notice.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from proof.commands import Ended
from proof.rounds import APPLY, Ground
from proof.sandboxes import sandbox
from proof.shared_games import (
    BUSY,
    COUNT,
    RIVALS,
    STATE_BROKEN,
    Play,
    SharedGame,
    end,
    expect,
    fall_silent,
    make_mistakes,
    play_all,
    play_or_mistake,
    race,
    stand_still,
)
from proof.store_mutants import MUTANTS, VARIABLE
from reconciler.core.states.places import PostgresPlace, parse_place
from tests.support.postgres import PostgresServer, running_server
from tests.support.wires import Wire, wire_to

STORIES = ("tests/state/test_fencing.py", "tests/engine/test_fenced_sends.py")

_numbers = itertools.count()


@dataclass(slots=True)
class Game(SharedGame):
    """One round with a schema of its own; `wire` is between the applies and the database.

    `server` is the one that takes writes. `stack` has what goes with the round.
    """

    server: PostgresServer
    wire: Wire
    schema: str
    stack: ExitStack

    def place(self) -> PostgresPlace:
        """The state, around the wire."""
        place = parse_place(self.server.url(self.schema), stack="default")
        assert isinstance(place, PostgresPlace)
        return place

    def progress(self) -> tuple[int, int]:
        """How often the lock was taken, and how much was committed."""
        query = f"SELECT epoch, writes FROM {self.schema}.states"  # noqa: S608 - the schema is named by this program
        ((epoch, writes),) = self.server.query(query)
        return epoch, writes

    def silence(self, is_silent: bool) -> None:
        """Let nothing through the wire, or again."""
        self.wire.is_silent = is_silent


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


GAMES: dict[str, Play[Game]] = {
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
        yield Game(
            round=here,
            wanted=wanted,
            address=address,
            server=server,
            wire=wire,
            schema=schema,
            stack=stack,
        )
        ground.server.order()


def play(rounds: int, rng: random.Random) -> int:
    """Play every game so often; returns how many rounds broke a promise."""
    with sandbox("--sync-delay", "0s") as api, running_server() as server:
        return play_all(GAMES, partial(new_game, Ground(api), server), rounds=rounds, rng=rng)


if __name__ == "__main__":
    mistakes = partial(make_mistakes, list(MUTANTS), VARIABLE, "proof.store_mutants", STORIES)
    sys.exit(play_or_mistake(__doc__, play, mistakes))
