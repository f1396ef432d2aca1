from __future__ import annotations

import os
import signal

import pytest

from reconciler.cli.output.question import ask
from reconciler.errors import ReconcilerError


def test_a_question_that_nobody_answers_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forgotten terminal does not keep the lock of a state."""
    before = signal.getsignal(signal.SIGALRM)
    reader, writer = os.pipe()
    with os.fdopen(reader) as nobody, os.fdopen(writer, "w"):
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(ReconcilerError, match="nobody answered within") as caught:
            ask("Apply this plan?", seconds=0.06)
    assert caught.value.message == "nobody answered within 0.001 minutes; nothing was changed"
    assert "Apply this plan? [y/N]: " in capsys.readouterr().err
    assert signal.getsignal(signal.SIGALRM) == before


@pytest.mark.parametrize(("typed", "answer"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_an_answer_counts(monkeypatch: pytest.MonkeyPatch, typed: str, answer: bool) -> None:
    """And no alarm rings afterwards."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as person, os.fdopen(writer, "w") as keys:
        keys.write(typed)
        keys.flush()
        monkeypatch.setattr("sys.stdin", person)
        assert ask("Apply this plan?") is answer
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
