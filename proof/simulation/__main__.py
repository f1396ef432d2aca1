"""The simulation as a command; exits 1 when a promise was broken or a mistake went unnoticed."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from proof.mutants import ALL_MUTANTS
from proof.simulation.campaign import (
    VICTIM,
    Figures,
    catch_mutants,
    open_history,
    play_kill_points,
    play_seeds,
    spread,
)
from proof.simulation.history import Options

_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what was asked for."""
    asked = _parse(arguments)
    options = Options(
        workloads=asked.workloads,
        stale=asked.stale,
        paused=asked.paused,
        shared=asked.shared,
        updates=asked.updates,
        skew=not asked.no_skew,
    )
    if asked.seed is not None:
        return _play_one(asked, options)
    if asked.mutants or asked.mutant:
        return _try_mutants(asked, options)
    return _play_many(asked, options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proof.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--seed", type=int, help="play this one only")
    parser.add_argument("-v", "--verbose", action="store_true", help="print its transcript")
    parser.add_argument("--workloads", type=int, default=20, help="addresses per history (20)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--mutant", choices=sorted(ALL_MUTANTS), help="make one mistake")
    parser.add_argument("--mutants", action="store_true", help="make each mistake in turn")
    parser.add_argument(
        "--stale", action="store_true", help="any apply may start from an older copy of the state"
    )
    parser.add_argument(
        "--paused", action="store_true", help="most runs stand still and die soon after"
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="most runs stand still, and another one takes the state over meanwhile",
    )
    parser.add_argument(
        "--updates", action="store_true", help="the server changes workloads in place"
    )
    parser.add_argument(
        "--kill-points", action="store_true", help="kill the second run at each of its steps"
    )
    parser.add_argument("--kill-step", type=int, help="with --seed: kill it at this step")
    parser.add_argument("--no-skew", action="store_true", help="all clocks agree")
    return parser.parse_args(arguments)


def _play_one(asked: argparse.Namespace, options: Options) -> int:
    history = open_history(asked.seed, options)
    victim = VICTIM if asked.kill_points or asked.kill_step is not None else None
    with _mistake(asked.mutant):
        told = history.play(victim, asked.kill_step)
    if asked.verbose:
        print("\n".join(history.transcript()))
    for violation in told.violations:
        print(f"seed {asked.seed}: {violation}")
    print(
        f"seed {asked.seed}: {told.applies} applies, {told.requests} requests, {told.kills} kills, "
        f"{told.steps} steps, {len(told.violations)} violations"
    )
    return 1 if told.violations else 0


def _mistake(name: str | None) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if name is None else ALL_MUTANTS[name].made()


def _play_many(asked: argparse.Namespace, options: Options) -> int:
    seeds = range(asked.first, asked.first + asked.seeds)
    began, load = time.monotonic(), os.getloadavg()[0]
    if asked.kill_points:
        figures = spread(play_kill_points, seeds, options, asked.jobs, chunk=1)
    else:
        figures = spread(play_seeds, seeds, options, asked.jobs)
    took = time.monotonic() - began
    cpu = sum(os.times()[:4])
    _print_figures(figures, options, asked)
    print(
        f"{took:.1f} s on {asked.jobs} processes ({1000 * cpu / max(1, figures.histories):.1f} ms "
        f"of CPU per history), load before {load:.1f}, after {os.getloadavg()[0]:.1f}"
    )
    return 1 if figures.broken else 0


def _print_figures(figures: Figures, options: Options, asked: argparse.Namespace) -> None:
    kind = "stale copies" if options.stale else "one state"
    points = f", {figures.points} kill points" if asked.kill_points else ""
    print(
        f"{asked.seeds} seeds x {options.workloads} workloads ({kind}{points}): "
        f"{figures.histories} histories, {figures.applies} applies, {figures.requests} requests, "
        f"{figures.kills} kills; at most {figures.most_requests} requests in one run"
    )
    if figures.beyond_reach:
        print(
            f"{figures.beyond_reach} workloads outlived every copy that knew them (only "
            "a recovery from the server's list can find them)"
        )
    counted = Counter(broken.violations[0].invariant for broken in figures.broken)
    for broken in figures.broken[:_SHOWN]:
        print(f"  {broken}")
    if len(figures.broken) > _SHOWN:
        print(f"  and {len(figures.broken) - _SHOWN} more")
    words = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
    print(f"violations: {words or 'none'}")


def _try_mutants(asked: argparse.Namespace, options: Options) -> int:
    names = [asked.mutant] if asked.mutant else list(ALL_MUTANTS)
    seeds = range(asked.first, asked.first + asked.seeds)
    survivors = 0
    for caught in catch_mutants(names, seeds, options, asked.jobs):
        mistake = ALL_MUTANTS[caught.name].mistake
        if caught.violation is None:
            survivors += 1
            print(f"{mistake:50} SURVIVES {caught.played} histories", flush=True)
        else:
            print(
                f"{mistake:50} {' '.join(caught.invariants):12} {caught.where} "
                f"(the {caught.played}. played): {caught.violation}",
                flush=True,
            )
    print(f"{len(names) - survivors} of {len(names)} mistakes caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
