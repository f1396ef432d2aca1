"""SIGINT and SIGTERM at random moments of an apply: it ends soon, in order, and sends no more.

Run it as `python -m proof.signals`; `--seed` repeats the moments.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from proof.commands import Ended, begin
from proof.forks import preload
from proof.referee import Wanted, check_converged, check_known
from proof.rounds import APPLY, Ground, Round, judge_recovery
from proof.sandboxes import sandbox

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
COUNT = 40
DRAIN_SECONDS = 5.0
# What a process needs to notice, to write down and to end, on a busy machine.
SLACK_SECONDS = 2.0
# A request on its way when the signal arrived is entered in the ledger a little later.
FLIGHT_SECONDS = 0.5
# About how long an undisturbed apply takes here, from its first import to its last line.
SPAN_SECONDS = 4.0
BUSY = "latency=100ms jitter=100ms at=all"
DEAF = "slow=10m on=POST"


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a run ended that was signalled at `at` (epoch seconds); `took` from the last signal."""

    run: Ended
    at: float
    took: float


def start(here: Round) -> subprocess.Popen[str]:
    """The real program, with few requests in flight, so that there is always more to send."""
    arguments = [*APPLY, "--concurrency", "4"]
    return begin(arguments, here.ground.server.variables, here.folder)


def stop(
    process: subprocess.Popen[str], numbers: Sequence[signal.Signals], pause: float
) -> Stopped:
    """Send these signals with a pause between them, and wait for the end."""
    at = time.time()
    for position, number in enumerate(numbers):
        if position:
            time.sleep(pause)
        process.send_signal(number)
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    took = time.monotonic() - began
    return Stopped(Ended(code=process.returncode, out=out, err=err, took=took), at, took)


def wait_for_writes(here: Round, count: int) -> None:
    """Wait until the server has had so many requests of this round that change something."""
    for _ in range(300):
        if sum(entry.is_write for entry in here.entries()) >= count:
            return
        time.sleep(0.05)
    raise RuntimeError("the apply sent nothing in fifteen seconds")


def judge(
    here: Round, wanted: Wanted, stopped: Stopped, codes: Sequence[int], limit: float
) -> list[str]:
    """What a stopped run owes: a soon end, its code, silence, and a state that knows all."""
    found = here.judge(check_known, wanted)
    if stopped.took > limit:
        found.append(f"it ended {stopped.took:.1f} s after the signal, not within {limit:.1f} s")
    if stopped.run.code not in codes:
        found.append(f"exit code {stopped.run.code}, not one of {list(codes)}")
    last = stopped.at + FLIGHT_SECONDS
    late = [entry for entry in here.entries() if entry.is_write and entry.arrived > last]
    if late:
        after = max(entry.arrived for entry in late) - stopped.at
        found.append(f"{len(late)} writes after the signal, the last {after:.2f} s after it")
    if "Traceback" in stopped.run.err and here.entries():
        found.append("a traceback was printed")
    return found


def recover(here: Round, wanted: Wanted) -> tuple[list[str], list[Ended]]:
    """Apply in calm weather, and judge."""
    here.ground.server.order()
    runs = here.recover()
    return judge_recovery(runs) + here.judge(check_converged, wanted), runs


def interrupt_at_random(ground: Ground, number: signal.Signals, delay: float) -> list[str]:
    """One signal at a moment between the first import and the last line."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=False)
        ground.server.order(BUSY)
        process = start(here)
        time.sleep(delay)
        stopped = stop(process, [number], 0.0)
        sent = any(entry.is_write for entry in here.entries())
        complete = len(here.residents()) == COUNT
        codes = [CODES[number]]
        if complete:
            codes += [0]
        if complete or not sent:
            # Before and after the apply itself a signal does what it does to any program.
            codes += [-number]
        found = judge(here, wanted, stopped, codes, DRAIN_SECONDS + SLACK_SECONDS)
        moment = "after" if complete else "during" if sent else "before"
        _moments[moment] += 1
        _slowest[0] = max(_slowest[0], stopped.took)
        more, runs = recover(here, wanted)
        return _tell(f"{number.name} after {delay:.3f} s", found + more, [stopped.run, *runs])


def interrupt_deaf(ground: Ground, numbers: Sequence[signal.Signals]) -> list[str]:
    """A server that carries out and never answers: one signal drains, a second ends at once."""
    with ground.round() as here:
        wanted = here.prepare(COUNT, past=False)
        ground.server.order(DEAF)
        process = start(here)
        wait_for_writes(here, 4)
        stopped = stop(process, numbers, 0.5)
        first, last = numbers[0], numbers[-1]
        if len(numbers) == 1:
            codes, limit = [CODES[first]], DRAIN_SECONDS + SLACK_SECONDS
        else:
            codes, limit = [CODES[first], CODES[last], -last], SLACK_SECONDS
        found = judge(here, wanted, stopped, codes, limit)
        more, runs = recover(here, wanted)
        title = f"a deaf server and {' then '.join(number.name for number in numbers)}"
        return _tell(title, found + more, [stopped.run, *runs])


_moments: Counter[str] = Counter()
_slowest = [0.0]


def _tell(title: str, found: list[str], runs: Sequence[Ended]) -> list[str]:
    if found:
        print(f"\n{title}: {'; '.join(found)}", *runs, sep="\n", flush=True)
    return found


def main() -> int:
    """Interrupt so many applies with each signal; 1 on a broken promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="random moments for each signal")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    broken = 0
    with sandbox("--sync-delay", "0s") as server:
        preload(server)
        ground = Ground(server)
        for number in CODES:
            for _ in range(arguments.rounds):
                delay = rng.uniform(0.0, SPAN_SECONDS)
                broken += bool(interrupt_at_random(ground, number, delay))
        print(
            f"random moments: {_moments.total()} signals ({_list(_moments)} the requests), "
            f"the slowest end {_slowest[0]:.2f} s after its signal",
            flush=True,
        )
        deaf = [[a, *b] for a in CODES for b in ([], [signal.SIGINT], [signal.SIGTERM])]
        for numbers in deaf:
            broken += bool(interrupt_deaf(ground, numbers))
        print(f"a server that never answers: {len(deaf)} applies")
    print(f"{broken} broken promises")
    return int(bool(broken))


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
