"""A bound in time for reading specs and checking them, whatever they hold."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from reconciler.errors import InvalidInputError
from reconciler.values import dataclass

# What is in hand when the time is over may come to its own end, with a diagnostic that says more.
_GRACE = 2.0
# `setitimer` takes no more than a C time: this is three years.
_LONGEST = 1e8


class OutOfTimeError(InvalidInputError):
    """The specs were not read and checked in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """`seconds` as somebody asked for them, and the time of the monotonic clock when they end."""

    seconds: float
    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The one that begins now."""
        return cls(seconds=seconds, ends=time.monotonic() + seconds)

    def left(self) -> float:
        """How many seconds are left; never less than none."""
        return max(0.0, self.ends - time.monotonic())

    def spent(self) -> float:
        """How many seconds are over, up to now."""
        return self.seconds - self.ends + time.monotonic()

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Raise OutOfTimeError in whatever goes on two seconds after the end.

        The signal also interrupts what no loop of ours looks into: a regular expression, a sort.
        Signals reach the main thread only; in any other one nothing is enforced.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        began = time.monotonic()
        handler = signal.signal(signal.SIGALRM, self._stop)
        # Again and again, in case the first exception meets somebody who swallows it.
        delay, interval = signal.setitimer(
            signal.ITIMER_REAL, min(self.left() + _GRACE, _LONGEST), _GRACE
        )
        try:
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            # Once more: the alarm may have rung in the line above.
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if delay:
                # Somebody else's alarm, which rings when it would have.
                signal.setitimer(
                    signal.ITIMER_REAL, max(0.001, delay - time.monotonic() + began), interval
                )

    def _stop(self, _number: int, _frame: FrameType | None) -> NoReturn:
        raise OutOfTimeError(
            f"the specs could not be read and checked within {self.seconds:g} s",
            hint="give it more --deadline; nothing was sent",
        )
