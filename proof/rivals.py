"""Eight applies on one state at once, the holder killed: one writer at a time, each create once.

Run it as `python -m proof.rivals`; `--seed` repeats the moments of the kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from proof.commands import Ended
from proof.forks import Fork, fork, preload
from proof.referee import Wanted, check_converged
from proof.rounds import APPLY, Ground, Round, judge_recovery
from proof.sandboxes import Entry, Sandbox, sandbox

RIVALS = 8
COUNT = 24
CONCURRENCY = 4
OK, LOCKED = 0, 6
PATIENT = ("--lock-timeout", "2m")
NAMED = re.compile(r"the state .* is in use by .+@.+, process (\d+), since .+ \(reconciler apply\)")


def credentials() -> list[dict[str, str]]:
    """A login for each rival, so that the ledger tells them apart."""
    return [
        {"client_id": f"rival-{number}", "client_secret": f"secret-of-rival-{number}"}
        for number in range(RIVALS)
    ]


def begin_all(here: Round, *more: str) -> list[Fork]:
    """Eight applies at their gates, and then all let go at once."""
    arguments = [*APPLY, "--concurrency", str(CONCURRENCY), *more]
    rivals = []
    for number, login in enumerate(credentials()):
        variables = {
            **here.ground.server.variables,
            "RUNAI_CLIENT_ID": login["client_id"],
            "RUNAI_CLIENT_SECRET": login["client_secret"],
        }
        rivals.append(
            fork(arguments, variables, here.folder, name=f"rival{number}", hold_threads=False)
        )
    for rival in rivals:
        rival.stand_ready()
    for rival in rivals:
        rival.release()
    return rivals


def writes(here: Round) -> list[Entry]:
    """What the rivals wrote, in the order of its arrival."""
    found = [entry for entry in here.entries() if entry.is_write]
    return sorted(
        (entry for entry in found if (entry.caller or "").startswith("rival")),
        key=lambda entry: entry.arrived,
    )


def check_turns(here: Round) -> list[str]:
    """Whoever began to write wrote alone until the end of his turn."""
    turns = [caller for caller, _ in groupby(writes(here), key=lambda entry: entry.caller)]
    if len(turns) != len(set(turns)):
        return [f"two wrote at a time: {' '.join(map(str, turns))}"]
    return []


def check_posts(here: Round, wanted: Wanted, *, most: int) -> list[str]:
    """How many creates were asked for, beyond those of the past."""
    posts = sum(entry.method == "POST" for entry in writes(here))
    least = len(wanted.creates) - sum(
        entry.effect == "created" and not (entry.caller or "").startswith("rival")
        for entry in here.entries()
    )
    if not least <= posts <= least + most:
        return [f"{posts} POSTs for {least} workloads"]
    return []


def turn_away(ground: Ground, _: random.Random, *, past: bool) -> tuple[list[str], list[Ended]]:
    """Without patience one wins, and the others are told who he is."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=past)
        # The winner must outlive every start, or who comes later rightly finds nothing to do.
        ground.server.order("latency=3s on=POST nth=1")
        rivals = begin_all(here)
        ends = [rival.wait() for rival in rivals]
        ground.server.order()
        winners = {rival.pid for rival, end in zip(rivals, ends, strict=True) if end.code == OK}
        found = check_turns(here) + check_posts(here, wanted, most=0)
        if len(winners) != 1:
            found.append(f"{len(winners)} rivals won")
        for end in ends:
            found += _check_turned_away(end, winners)
        return found + here.judge(check_converged, wanted), ends


def _check_turned_away(end: Ended, winners: set[int]) -> list[str]:
    if end.code == OK:
        return []
    if end.code != LOCKED:
        return [f"exit code {end.code}, documented is {LOCKED}"]
    named = NAMED.search(end.err)
    if named is None:
        return ["the holder is not named"]
    if int(named[1]) not in winners:
        return [f"process {named[1]} is named, the holder was {winners}"]
    return []


def wait_in_line(ground: Ground, _: random.Random) -> tuple[list[str], list[Ended]]:
    """With patience all of them get their turn, and the first has done it all."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=True)
        ends = [rival.wait() for rival in begin_all(here, *PATIENT)]
        found = check_turns(here) + check_posts(here, wanted, most=0)
        found += [f"exit code {end.code}, not 0" for end in ends if end.code]
        return found + here.judge(check_converged, wanted), ends


def kill_holder(ground: Ground, rng: random.Random) -> tuple[list[str], list[Ended]]:
    """The holder dies in the middle; the next one goes on where it stopped."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=True)
        rivals = begin_all(here, *PATIENT)
        count = rng.randint(1, COUNT - CONCURRENCY - 1)
        holder = _await_writer(here, count)
        os.kill(rivals[holder].pid, signal.SIGKILL)
        ends = [rival.wait() for rival in rivals]
        # An answer gives its place to the next request while the id is still being written: so many
        # may have been in flight, and as many answered and not yet on record.
        found = check_turns(here) + check_posts(here, wanted, most=2 * CONCURRENCY)
        if ends[holder].code != -signal.SIGKILL:
            found.append("the holder ended before it was killed")
        found += [
            f"exit code {end.code}, not 0"
            for number, end in enumerate(ends)
            if number != holder and end.code
        ]
        again = here.recover()
        found += judge_recovery(again) + here.judge(check_converged, wanted)
        return found, [*ends, *again]


def _await_writer(here: Round, count: int) -> int:
    """The number of the rival that writes, once it has written so often."""
    for _ in range(1000):
        seen = writes(here)
        if len(seen) >= count:
            return int((seen[0].caller or "").rpartition("-")[2])
        time.sleep(0.01)
    raise RuntimeError("nobody wrote anything in ten seconds")


Game = Callable[[Ground, random.Random], tuple[list[str], list[Ended]]]
GAMES: dict[str, Game] = {
    "turned away": lambda ground, rng: turn_away(ground, rng, past=True),
    "turned away from a new state": lambda ground, rng: turn_away(ground, rng, past=False),
    "waiting in line": wait_in_line,
    "the holder killed": kill_holder,
}


def compete(server: Sandbox, rounds: int, rng: random.Random) -> int:
    """Play every game so often; returns how many rounds broke a promise."""
    ground = Ground(server)
    broken = 0
    for title, game in GAMES.items():
        failed = 0
        for number in range(rounds):
            found, ends = game(ground, rng)
            if found:
                failed += 1
                print(f"\n{title}, round {number}: {'; '.join(found)}", *ends, sep="\n")
        print(
            f"{title}: {rounds} rounds of {RIVALS} rivals and {COUNT} workloads, {failed} broken",
            flush=True,
        )
        broken += failed
    return broken


def main() -> int:
    """Let them compete; 1 on a broken promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="rounds of each game")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as folder:
        logins = Path(folder) / "credentials.json"
        logins.write_text(json.dumps(credentials()))
        options = ["--sync-delay", "0s", "--latency", "20ms", "--credentials", str(logins)]
        with sandbox(*options) as server:
            preload(server)
            return int(bool(compete(server, arguments.rounds, random.Random(arguments.seed))))


if __name__ == "__main__":
    sys.exit(main())
