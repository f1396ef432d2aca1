"""The harness of damaged documents, at a small size, and what it must not miss."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from proof.fuzz import trials, workers
from proof.fuzz.__main__ import main
from proof.fuzz.documents import make_repository
from proof.fuzz.trials import try_one


def test_nothing_damaged_raises_or_lingers(capsys: pytest.CaptureFixture[str]) -> None:
    """A few hundred documents and a few trees: findings or specs, in time and in bounds."""
    assert main(["--documents", "300", "--trees", "30", "--seed", "7"]) == 0
    said = capsys.readouterr().out
    assert "300 documents: " in said
    assert "30 trees: " in said
    assert said.endswith("0 violations\n")


def test_a_number_stands_for_one_document() -> None:
    """The same seed makes the same repository, another seed or number another one."""
    assert make_repository(1, 2) == make_repository(1, 2)
    assert make_repository(1, 2) != make_repository(1, 3) != make_repository(2, 3)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("SECONDS", 0.0, " s of a processor"), ("MEGABYTES", -1e9, " MB")],
)
def test_a_limit_is_a_limit(
    name: str, value: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that takes longer or more is a violation."""
    monkeypatch.setattr(trials, name, value)
    assert try_one("document", 0, 0, 0.0).problem.endswith(said)


def test_a_traceback_is_a_violation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is shown with the way to repeat it."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(trials, "load_specs", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["--only", "document:3"]) == 1
    assert "RuntimeError: no" in capsys.readouterr().out


def test_a_process_that_dies_or_hangs_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is replaced, and the next document is read."""
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    tasks: list[workers.Task] = [("tree", number) for number in (1, 2, 3)]
    ended = workers.carry_out(tasks, 0, 1, misbehave)
    found = {one.number: one.problem for one in ended}
    assert found == {1: "the process died with 9", 2: "no end after 0 s", 3: ""}


def misbehave(kind: trials.Kind, seed: int, number: int, base: float) -> trials.Trial:
    """Die, hang, or go well."""
    del seed, base
    if number == 1:
        os._exit(9)
    if number == 2:
        threading.Event().wait()
    return trials.Trial(kind=kind, number=number)
