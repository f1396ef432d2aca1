"""Mistakes that this search must find: those of the engine that need neither status nor creates.

They are patches of the same procedures that the search runs.
"""

from __future__ import annotations

from proof.model.updates.search import Report, Search
from proof.model.updates.world import Budget
from proof.updates.mutants import UPDATE_MUTANTS

MUTANTS = (
    *("new-rev", "two-bodies", "fallback-later", "late-kept", "marker-dropped", "no-change"),
    *("rev-forgotten", "echo-swallowed", "rev-unknown"),
)
MIXES = (
    Budget(edits=1, crashes=1, faults=1, meddling=0, restores=0),
    Budget(edits=2, crashes=0, faults=1, meddling=1, restores=0),
    Budget(edits=2, crashes=1, faults=0, meddling=0, restores=1),
)
PATIENCE = 1_500


def hunt(name: str) -> Report:
    """The search that has found a mistake, or the last one that has not."""
    with UPDATE_MUTANTS[name].made():
        for mix in MIXES:
            report = Search().run(mix, PATIENCE)
            if report.violation:
                break
    return report
