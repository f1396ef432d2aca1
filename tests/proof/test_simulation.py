"""The real engine through small numbers of histories; the whole figures are the command's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proof.simulation.campaign import (
    VICTIM,
    catch_mutant,
    open_history,
    play_kill_points,
    play_seeds,
)
from proof.simulation.history import Options

ROOT = Path(__file__).parents[2]


def test_every_promise_is_kept_in_sixty_histories() -> None:
    """Faults, lost and late answers, crashes, meddling; then peace, and two applies are enough."""
    figures = play_seeds(range(60), Options())

    assert [str(broken) for broken in figures.broken] == []
    assert figures.histories == 60
    assert figures.kills > 15


def test_any_apply_may_start_from_an_older_copy() -> None:
    """Copies that are restored, or used beside their original, converge as well."""
    figures = play_seeds(range(20), Options(stale=True))

    assert [str(broken) for broken in figures.broken] == []


def test_a_run_may_be_replaced_while_it_stands_still() -> None:
    """It sends nothing more, records nothing more, and says so; the world converges."""
    figures = play_seeds(range(20), Options(shared=True))

    assert [str(broken) for broken in figures.broken] == []
    assert catch_mutant("send-when-replaced", range(20), Options()).violation is not None


def test_a_run_may_die_at_any_of_its_steps() -> None:
    """Before and after every request and every write of one run."""
    figures = play_kill_points(range(4), Options(workloads=5))

    assert [str(broken) for broken in figures.broken] == []
    assert figures.points > 20
    assert figures.kills == figures.points


@pytest.mark.parametrize(
    "name",
    [
        *("no-intent", "early-404", "early-tombstone"),
        *("lost-mark", "missing-in-all", "freed-name"),
    ],
)
def test_a_mistake_is_caught(name: str) -> None:
    """The engine with a known mistake breaks a promise that the engine without it keeps."""
    caught = catch_mutant(name, range(100), Options())

    assert caught.violation is not None


def test_a_seed_is_one_history_byte_for_byte() -> None:
    """Neither the process, nor its hash seed, nor what was played before makes a difference."""
    here = open_history(3, Options())
    here.play()

    there = [_transcript_elsewhere(3, hash_seed) for hash_seed in ("1", "2")]

    assert there[0] == there[1]
    assert there[0].startswith("\n".join(here.transcript()))


def test_a_death_replays_the_same_history_up_to_its_step() -> None:
    """What a killed run had sent is the beginning of what it sends when it lives."""
    whole, cut = open_history(5, Options(workloads=5)), open_history(5, Options(workloads=5))
    steps = whole.play(VICTIM).steps
    cut.play(VICTIM, steps // 2)

    sent = [entry for entry in cut.server.book if entry.process == VICTIM]
    lived = [entry for entry in whole.server.book if entry.process == VICTIM]

    assert 0 < len(sent) < len(lived)
    assert [_brief(entry) for entry in sent] == [_brief(entry) for entry in lived[: len(sent)]]


def _brief(entry: object) -> tuple[object, ...]:
    return tuple(getattr(entry, field) for field in ("seq", "at", "method", "target", "op", "said"))


def _transcript_elsewhere(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "proof.simulation", "--seed", str(seed), "-v"]
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    )
    assert ended.stderr == ""
    return ended.stdout
