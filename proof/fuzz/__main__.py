"""Mutated documents and hostile trees: a finding or acceptance, never a traceback, and quickly.

Each is read in a second of a processor and 300 MB at the most. What a number stands for depends on
the seed alone: `--only document:17` writes that one repository into a folder and reads it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from proof.fuzz.trials import MEGABYTES, SECONDS, Kind, Trial, lay_out, peak, try_one
from proof.fuzz.workers import Task, carry_out

_SHOWN = 10
_KINDS: dict[str, Kind] = {"document": "document", "tree": "tree"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what was asked for; returns 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m proof.fuzz", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000, help="how many (10,000)")
    parser.add_argument("--trees", type=int, default=100, help="how many (100)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="write this one and read it")
    asked = parser.parse_args(arguments)
    if asked.only:
        return _show(asked.only, asked.seed)
    tasks: list[Task] = [("document", number) for number in range(asked.documents)]
    tasks += [("tree", number) for number in range(asked.trees)]
    begun = time.monotonic()
    trials = list(carry_out(tasks, asked.seed, asked.jobs))
    took = time.monotonic() - begun
    print(f"seed {asked.seed}, {asked.jobs} processes, {took:.0f} s, load {os.getloadavg()[0]:.1f}")
    problems = [one for one in trials if one.problem]
    for kind in _KINDS.values():
        _report(kind, [one for one in trials if one.kind == kind])
    for one in problems[:_SHOWN]:
        print(f"\n{one.kind}:{one.number} (seed {asked.seed}): {one.problem}", file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"\nand {len(problems) - _SHOWN} more", file=sys.stderr)
    print(f"{len(problems)} violations")
    return 1 if problems else 0


def _report(kind: Kind, trials: Sequence[Trial]) -> None:
    if not trials:
        return
    slowest = max(trials, key=lambda one: one.seconds)
    largest = max(trials, key=lambda one: (one.grown, -one.number))
    accepted = sum(one.accepted for one in trials)
    print(
        f"{len(trials):,} {kind}s: {accepted:,} with specs, the others with findings alone; "
        f"slowest {slowest.seconds:.3f} s of {SECONDS:.0f} s ({kind}:{slowest.number}), "
        f"largest {largest.grown:.0f} MB of {MEGABYTES:.0f} MB ({kind}:{largest.number} or before)"
    )


def _show(name: str, seed: int) -> int:
    kind, _, number = name.partition(":")
    root = Path(tempfile.mkdtemp(prefix="reconciler-fuzz-"))
    lay_out(_KINDS[kind], root, seed, int(number))
    trial = try_one(_KINDS[kind], seed, int(number), peak())
    print(f"{root}: {trial.problem or 'as promised'}; {trial.seconds:.3f} s")
    return 1 if trial.problem else 0


if __name__ == "__main__":
    sys.exit(main())
