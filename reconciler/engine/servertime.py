"""The time by the server's clock, as far as its answers have told it."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.core.answers import Ambiguous, Answer, NotFound, Unavailable
from reconciler.ports import Clock


class ServerTime:
    """Our own clock, set right by the Date of the API's latest answer; until then it is believed.

    The times in a record are compared by later runs on other machines, whose clocks may be an hour
    apart: only the server's own is the same for all of them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta()

    def observe(self, answer: Answer) -> None:
        """Learn from an answer; one that a proxy may have written says nothing of the server."""
        if isinstance(answer, Ambiguous | Unavailable):
            return
        if isinstance(answer, NotFound) and not answer.trusted:
            return
        if answer.date:
            self._offset = datetime.fromisoformat(answer.date) - self._clock.now()

    def now(self) -> datetime:
        """Now, give or take a second: a Date has no fractions."""
        return self._clock.now() + self._offset
