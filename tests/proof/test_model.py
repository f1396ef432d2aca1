"""The search over the model of one address, at a size for every day."""

from __future__ import annotations

from typing import Any

import pytest

from proof.model.__main__ import END_SETTINGS, MIXES, SETTINGS, UPDATE_MIXES, main
from proof.model.automaton import Automaton
from proof.model.client import Client
from proof.model.mutants import (
    AdoptionWithoutProof,
    ConflictAfterAmbiguity,
    DroppedIntent,
    EarlyNotFound,
    EmptyListAsAbsence,
    EndBeforeCompletion,
    EndLeftBehind,
    EndNotExplained,
    EndNotRecorded,
    EndOnAccept,
    ForgottenBit,
    InvisibleForgotten,
    JudgedLate,
    NewOpOnRecovery,
    NoIntent,
    NoLateWindow,
    TombstoneOnAccept,
)
from proof.model.search import Search
from proof.model.updates import mutants as update_mutants
from proof.model.updates.search import Search as UpdateSearch
from proof.model.world import IDLE, Budget, Settings, World

PLAIN = Budget(edits=1, crashes=0, faults=0, meddling=0, restores=0)
KILLED = PLAIN._replace(crashes=1)
FAULTY = PLAIN._replace(faults=1, meddling=1)
WORSE = FAULTY._replace(crashes=1)
BLIND = Settings(control=False)
ENDING, OVER = Settings(ends=True), PLAIN._replace(ends=1)


@pytest.mark.parametrize("settings", [*SETTINGS, *END_SETTINGS], ids=str)
def test_no_rule_can_be_broken(settings: Settings) -> None:
    """Whatever happens to one workload, its record stays true and the end is what was declared."""
    mixes = [mix._replace(ends=int(settings.ends)) for mix in MIXES]
    report = Search(settings).run(mixes, 6_000)

    assert report.violation is None, report.violation
    assert report.states == 6_000


@pytest.mark.parametrize(
    ("mutant", "rule", "settings", "mix"),
    [
        (NoIntent, "I4", Settings(), PLAIN),
        (NewOpOnRecovery, "I1", Settings(), KILLED),
        (ConflictAfterAmbiguity, "I8", Settings(), PLAIN),
        (AdoptionWithoutProof, "I3", Settings(), FAULTY),
        (EarlyNotFound, "I5", Settings(), PLAIN),
        (NoLateWindow, "I1", Settings(), KILLED),
        (ForgottenBit, "I1", Settings(), FAULTY),
        (EmptyListAsAbsence, "I8", BLIND, KILLED),
        (DroppedIntent, "I8", Settings(), KILLED),
        (TombstoneOnAccept, "I5", Settings(), PLAIN),
        (JudgedLate, "I1", Settings(), KILLED),
        (EndNotRecorded, "I8", ENDING, OVER),
        (EndNotExplained, "I20", ENDING, OVER),
        (EndBeforeCompletion, "I20", ENDING, OVER),
        (EndOnAccept, "I20", ENDING, OVER),
        (EndLeftBehind, "I8", ENDING, OVER),
        (InvisibleForgotten, "I1", Settings(), KILLED),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_rule_is_found(
    mutant: type[Client], rule: str, settings: Settings, mix: Budget
) -> None:
    """Each mistake ends in a violation, and the search tells the way to it."""
    report = Search(settings, mutant).run([mix], 10_000)

    assert report.violation is not None
    assert report.violation.broken.startswith(rule)
    assert report.violation.path[0]


def test_a_search_can_come_to_its_end() -> None:
    """With one edit and nothing that goes wrong there is a last world."""
    report = Search(Settings()).run([PLAIN], 100_000)

    assert report.exhausted == 1
    assert report.violation is None


def test_clients_that_are_told_alike_have_the_same_future(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling clients apart by all that they ever heard finds no world that is not found anyway."""
    merged = _idle_worlds()

    reach = Automaton._reach

    def reach_apart(self: Automaton, start: Any, heard: Any) -> int:
        self._numbers.clear()
        return reach(self, start, heard)

    monkeypatch.setattr(Automaton, "_reach", reach_apart)

    assert _idle_worlds() == merged


def _idle_worlds() -> set[World]:
    mix = Budget(edits=0, crashes=0, faults=1, meddling=0, restores=0)
    search = Search(Settings())
    assert search.run([mix], 100_000).exhausted == 1
    return {world for world in search.worlds if world.client == IDLE}


def test_the_command_prints_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """States, depth and violations of each search, and of all of them."""
    monkeypatch.setattr("sys.argv", ["model", "--states", "3000", "--update-states", "60"])

    assert main() == 0

    lines = capsys.readouterr().out.splitlines()
    kinds = [*SETTINGS, *END_SETTINGS]
    assert [line.partition(":")[0] for line in lines[:5]] == [str(s) for s in kinds]
    assert lines[5].startswith("3000 states in ")
    assert lines[5].endswith(", 0 violations")
    assert len(lines[6:-1]) == len(UPDATE_MIXES)
    assert lines[-1] == "60 states with updates, 0 violations"


def test_no_update_breaks_a_rule() -> None:
    """One edit, one death and one fault in every order, to the end of what can happen."""
    report = UpdateSearch().run(update_mutants.MIXES[0], 1_000)

    assert report.violation is None, report.violation
    assert (report.is_exhausted, report.states > 300, report.ends > 30) == (True, True, True)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("new-rev", "I15"),
        ("two-bodies", "I15"),
        ("fallback-later", "I17"),
        ("no-change", "I15"),
        ("rev-forgotten", "I15"),
        ("echo-swallowed", "I16"),
        ("late-kept", "I8"),
    ],
)
def test_a_mistake_about_updates_is_found(name: str, rule: str) -> None:
    """It is put into the engine that the search runs."""
    violation = update_mutants.hunt(name).violation

    assert violation is not None
    assert violation.broken.startswith(rule)
