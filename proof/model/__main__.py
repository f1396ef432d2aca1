"""Search the model, or let it find the mutants; exits 1 on a violation or a survivor."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product

from proof.model.client import Client
from proof.model.mutants import CLASSIC, FOUND_HERE, HUNTS, OF_ENDS
from proof.model.search import Report, Search, Violation
from proof.model.updates.mutants import MUTANTS as UPDATE_MUTANTS
from proof.model.updates.mutants import hunt as hunt_update
from proof.model.updates.search import Search as UpdateSearch
from proof.model.updates.world import Budget as UpdateBudget
from proof.model.world import Budget, Settings

SETTINGS = (Settings(), Settings(control=False), Settings(discovery=False))
# The same for a workload whose lifecycle deletes it once it has completed.
END_SETTINGS = (Settings(ends=True), Settings(ends=True, control=False))
# From little that goes wrong, searched deeply, to everything at once.
MIXES = (
    Budget(edits=1, crashes=0, faults=0, meddling=0, restores=0),
    Budget(edits=0, crashes=1, faults=1, meddling=0, restores=0),
    Budget(edits=1, crashes=1, faults=0, meddling=0, restores=0),
    Budget(edits=2, crashes=1, faults=0, meddling=0, restores=1),
    Budget(edits=1, crashes=0, faults=1, meddling=1, restores=0),
    Budget(edits=1, crashes=1, faults=0, meddling=1, restores=0),
    Budget(edits=2, crashes=1, faults=1, meddling=0, restores=0),
    Budget(edits=2, crashes=2, faults=2, meddling=1, restores=1),
)
# The same for one workload that is updated; each of its steps may be a whole run of the engine.
UPDATE_MIXES = (
    UpdateBudget(edits=1, crashes=1, faults=1, meddling=0, restores=0),
    UpdateBudget(edits=1, crashes=0, faults=2, meddling=0, restores=0),
    UpdateBudget(edits=2, crashes=0, faults=1, meddling=1, restores=0),
    UpdateBudget(edits=2, crashes=1, faults=0, meddling=0, restores=1),
    UpdateBudget(edits=2, crashes=1, faults=2, meddling=1, restores=0),
    UpdateBudget(edits=2, crashes=2, faults=2, meddling=1, restores=1),
)
STATES = 450_000
UPDATE_STATES = 40_000
MUTANTS = {mutant.__name__: mutant for mutant in (*CLASSIC, *FOUND_HERE, *OF_ENDS)}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m proof.model", description=__doc__)
    parser.add_argument("--states", type=int, default=STATES, help="states of all searches")
    parser.add_argument(
        "--update-states", type=int, default=UPDATE_STATES, help="states of searches with updates"
    )
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="break one rule and look for it")
    parser.add_argument("--mutants", action="store_true", help="break every rule, one by one")
    options = parser.parse_args()
    if options.mutants:
        return hunt_all()
    if options.mutant:
        found, _, _ = hunt(MUTANTS[options.mutant])
        print("it survives" if found is None else _story(found))
        return 0 if found else 1
    return max(search(options.states), search_updates(options.update_states))


def search_updates(states: int) -> int:
    """Search what may happen to an updated workload; what one mix leaves goes to the next."""
    violations = total = 0
    for left, mix in zip(range(len(UPDATE_MIXES), 0, -1), UPDATE_MIXES, strict=True):
        report = UpdateSearch().run(mix, (states - total) // left)
        print(
            f"updates, {mix}: {report.states} states, {report.runs} runs of the engine, depth "
            f"{report.depth}{' (all of them)' if report.is_exhausted else ''}; "
            f"{report.ends} ends judged, {report.seconds:.1f} s",
            flush=True,
        )
        total += report.states
        if report.violation:
            violations += 1
            print("\n".join([report.violation.broken, *report.violation.path]))
    print(f"{total} states with updates, {violations} violations")
    return 1 if violations else 0


def search(states: int) -> int:
    """Search the client as it is, once for each kind of server."""
    reports = []
    kinds = (*SETTINGS, *END_SETTINGS)
    for settings in kinds:
        mixes = [mix._replace(ends=1) for mix in MIXES] if settings.ends else MIXES
        report = Search(settings).run(mixes, states // len(kinds))
        reports.append(report)
        print(f"{settings}: {_figures(report)}", flush=True)
        if report.violation:
            print(_story(report.violation))
    violations = sum(report.violation is not None for report in reports)
    seconds = sum(report.seconds for report in reports)
    total = sum(report.states for report in reports)
    print(f"{total} states in {seconds:.1f} s, {violations} violations")
    return 1 if violations else 0


def _figures(report: Report) -> str:
    return (
        f"{report.states} states, {report.steps} steps, depth {report.depth}, "
        f"{report.exhausted} of {len(MIXES)} mixes to their end, {report.seconds:.1f} s; "
        f"{report.rests} ends judged, {report.suspects} with a listed suspect"
    )


def _story(violation: Violation) -> str:
    """A violation and the way to it, numbered."""
    lines = [f"  {number:2} {words}" for number, words in enumerate(violation.path, 1)]
    lines += [f"   . {words}" for words in violation.story]
    return "\n".join([violation.broken, *lines])


def hunt(mutant: type[Client]) -> tuple[Violation | None, Settings, int]:
    """The first violation of a mutant, where it was found, and after how many states."""
    states = 0
    kinds = END_SETTINGS if mutant in OF_ENDS else SETTINGS
    for mixes, patience in HUNTS:
        for settings, mix in product(kinds, mixes):
            happens = mix._replace(ends=int(settings.ends))
            report = Search(settings, mutant).run([happens], patience)
            states += report.states
            if report.violation:
                return report.violation, settings, states
    return None, SETTINGS[0], states


def hunt_all() -> int:
    """Print which rule catches each mutant; 1 when one of them survives."""
    survivors = 0
    for name, mutant in MUTANTS.items():
        began = time.perf_counter()
        found, settings, states = hunt(mutant)
        survivors += found is None
        told = "SURVIVES"
        if found:
            more = f" + {len(found.story)} to its end" if found.story else ""
            told = f"after {len(found.path)} steps{more}: {found.broken} [{settings}]"
        print(f"{name}: {told} ({states} states, {time.perf_counter() - began:.1f} s)", flush=True)
    for name in UPDATE_MUTANTS:
        report = hunt_update(name)
        survivors += report.violation is None
        told = "SURVIVES"
        if report.violation:
            told = f"after {len(report.violation.path)} steps: {report.violation.broken}"
        print(f"{name}: {told} ({report.states} states, {report.seconds:.1f} s)", flush=True)
    count = len(MUTANTS) + len(UPDATE_MUTANTS)
    print(f"{count - survivors} of {count} mutants found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
