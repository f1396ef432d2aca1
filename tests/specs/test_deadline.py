"""The bound in time: what it ends, and what it leaves as it was."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from reconciler.specs.source import deadline
from reconciler.specs.source.deadline import Deadline, OutOfTimeError


@pytest.fixture(autouse=True)
def _without_grace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is bounded here ends at once, and leaves the signal to whoever had it."""
    monkeypatch.setattr(deadline, "_GRACE", 0.01)
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_regular_expression_is_ended() -> None:
    """Nothing of ours runs while one is matched."""
    with (
        pytest.raises(OutOfTimeError, match=r"could not be read and checked within 0\.05 s"),
        Deadline.after(0.05).enforced(),
    ):
        re.match("^(a+)+$", "a" * 64 + "!")


def test_an_exception_that_is_swallowed_comes_again() -> None:
    """Libraries catch more than they mean to."""

    def swallow() -> None:
        with Deadline.after(0.01).enforced():
            try:
                time.sleep(60)
            except Exception:
                time.sleep(60)

    with pytest.raises(OutOfTimeError):
        swallow()


def test_what_is_left_and_spent() -> None:
    """Together they are what was given, and what is left is never less than nothing."""
    bound = Deadline.after(60)
    assert 59 < bound.left() <= 60
    assert 0 <= bound.spent() < 1
    over = Deadline(seconds=5, ends=time.monotonic() - 3)
    assert over.left() == 0
    assert 8 <= over.spent() < 9


@pytest.mark.parametrize("seconds", [0.0, 1e12])
def test_any_length_of_time(seconds: float) -> None:
    """None at all still gives the grace, and all the time of the world is one that systems take."""
    with Deadline.after(seconds).enforced():
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0


def test_the_alarm_of_somebody_else_rings_when_it_would_have() -> None:
    """A test runner has one."""
    before = signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        with Deadline.after(5).enforced():
            assert signal.getitimer(signal.ITIMER_REAL)[0] < 10
        assert 990 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_another_thread_goes_without() -> None:
    """Signals cannot reach it, and setting one from there would be an error."""
    ended: list[bool] = []

    def work() -> None:
        with Deadline.after(0).enforced():
            ended.append(True)

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]
