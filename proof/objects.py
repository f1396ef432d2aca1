"""Real applies that share a state in a bucket: raced, stopped, killed, cut off, kept busy.

Run it as `python -m proof.objects`; `--seed` repeats the moments, as far as processes can.
`--mutants` makes mistakes in the fence instead, one by one, each of which tests must notice.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from unittest import mock

from proof.bucket_mutants import MUTANTS, VARIABLE
from proof.commands import Ended
from proof.referee import check_known
from proof.rounds import APPLY, Ground
from proof.sandboxes import sandbox
from proof.shared_games import (
    BUSY,
    COUNT,
    LOCK_LOST,
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
from reconciler.core.states.places import ObjectPlace, parse_place
from tests.support.object_server import BUCKET, Fault, ObjectServer, running_objects

STORIES = ("tests/state/test_bucket_fencing.py", "tests/state/test_bucket.py")
KILLED = -signal.SIGKILL

_numbers = itertools.count()


@dataclass(slots=True)
class Game(SharedGame):
    """One round with a folder of its own in a bucket."""

    server: ObjectServer
    folder: str

    def place(self) -> ObjectPlace:
        """The state."""
        place = parse_place(self.address, stack="default")
        assert isinstance(place, ObjectPlace)
        return place

    def environment(self) -> Mapping[str, str]:
        """The bucket's server and its credentials."""
        return self.server.environment()

    def progress(self) -> list[str]:
        """All objects but the lease, which its holder writes over."""
        return [key for key in self.server.keys(self.folder) if not key.endswith("/lease")]

    def silence(self, is_silent: bool) -> None:
        """Answer nothing, or again."""
        self.server.silent = is_silent


def lose_answers(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """Many commits are cut, before the storage hears of them or after it, or refused as busy."""
    kinds = rng.sample(["lost", "unheard", "busy"] * 3, k=6)
    # From the one on that takes the lock: a state that cannot be made is no run that has begun.
    game.server.faults += [Fault(kind=kind, number=rng.randint(2, 5)) for kind in kinds]
    game.server.faults.append(Fault(kind="lost", key="/lease", number=rng.randint(2, 3)))
    run = game.run(*APPLY, "--concurrency", "4")
    game.server.faults.clear()
    found = expect(run, 0)
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, [run]


def go_away(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The storage cuts every connection for a while, three times."""
    process = game.begin(*APPLY, "--concurrency", "4")
    for part in (1, 2, 3):
        game.await_writes(part * COUNT // 4 + rng.randint(-1, 1))
        game.server.gone = True
        time.sleep(rng.random())
        game.server.gone = False
    run = end(process)
    found = expect(run, 0)
    if len(game.writes()) != COUNT:
        found.append(f"{len(game.writes())} requests for {COUNT} workloads")
    return found, [run]


def kill(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """Killed at any moment; the next one waits for the lease and continues."""
    process = game.begin(*APPLY, "--concurrency", "4")
    game.await_writes(rng.randint(1, COUNT - 2))
    process.kill()
    killed = end(process)
    known = check_known(game.place(), game.round.entries(), game.round.residents(), game.wanted)
    run = game.run(*APPLY, "--lock-timeout", "1m")
    return expect(killed, KILLED) + known + expect(run, 0), [killed, run]


def arrive_late(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """A commit is on its way for longer than the lease, and its holder is killed.

    Whoever takes over reads it, or has taken its place.
    """
    fault = Fault(kind="slow", number=rng.randint(3, 8), seconds=2.0 + rng.random() * 2.0)
    game.server.faults.append(fault)
    process = game.begin(*APPLY, "--concurrency", "4", silence=10.0)
    until = time.monotonic() + 30
    while fault.times and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    killed = end(process)
    run = game.run(*APPLY, "--lock-timeout", "1m")
    return expect(killed, KILLED) + expect(run, 0), [killed, run]


def put_back(game: Game, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """All objects are put back as they were some commits ago, while their writer stands still.

    Whoever takes over then replaces it. If its last commit was on its way, the log has a hole: that
    is refused, and the writer, which is still the only one, closes it with its snapshot.
    """
    process = game.begin(*APPLY, "--concurrency", "2")
    game.await_writes(rng.randint(2, 6))
    with game.server.lock:
        saved = dict(game.server.objects)
    # Each of them was committed before it was sent.
    game.await_writes(len(game.writes()) + 4)
    process.send_signal(signal.SIGSTOP)
    with game.server.lock:
        game.server.objects.clear()
        game.server.objects.update(saved)
    taker = game.run(*APPLY, "--lock-timeout", "1m")
    before = game.writes()
    process.send_signal(signal.SIGCONT)
    run = end(process)
    if taker.code == STATE_BROKEN and "has no segment" in taker.err:
        return expect(run, 0), [taker, run]
    found = expect(taker, 0)
    if run.code not in (STATE_BROKEN, LOCK_LOST):
        found.append(f"exit code {run.code} of a run that was replaced")
    if game.writes() != before:
        found.append("it has sent something after it was replaced")
    return found, [taker, run]


GAMES: dict[str, Play[Game]] = {
    f"{RIVALS} applies at once": race,
    "stopped, replaced and resumed": stand_still,
    "killed, and continued by another": kill,
    "answers lost and refused": lose_answers,
    "a commit that arrives after its holder's end": arrive_late,
    "storage that goes away three times": go_away,
    "storage that falls silent": fall_silent,
    "a bucket that is put back": put_back,
}


@contextmanager
def new_game(ground: Ground, server: ObjectServer) -> Iterator[Game]:
    """A new project, and a new folder."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=False)
        ground.server.order(BUSY)
        folder = f"game-{os.getpid()}-{next(_numbers)}"
        yield Game(
            round=here,
            wanted=wanted,
            address=f"s3://{BUCKET}/{folder}",
            server=server,
            folder=folder,
        )
        ground.server.order()


def play(rounds: int, rng: random.Random) -> int:
    """Play every game so often; returns how many rounds broke a promise."""
    with (
        sandbox("--sync-delay", "0s") as api,
        running_objects() as server,
        mock.patch.dict(os.environ, server.environment()),
    ):
        return play_all(GAMES, partial(new_game, Ground(api), server), rounds=rounds, rng=rng)


if __name__ == "__main__":
    mistakes = partial(make_mistakes, list(MUTANTS), VARIABLE, "proof.bucket_mutants", STORIES)
    sys.exit(play_or_mistake(__doc__, play, mistakes))
