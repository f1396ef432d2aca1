"""Signs of life of whoever holds the lock, from a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.state.postgres.connection import Channel, Connection
from reconciler.state.postgres.timings import Timings


class Renewal(threading.Thread):
    """Renews a lease until it is stopped, or until the row is not this holder's any more.

    A long wait and an open prompt make no commits, so it has a connection to itself. It never
    takes back what is lost: then it calls `refused` once and ends.
    """

    def __init__(
        self,
        channel: Channel,
        statement: str,
        values: dict[str, Any],
        *,
        timings: Timings,
        refused: Callable[[], object],
        renewed: Callable[[], None],
    ) -> None:
        super().__init__(name="state-lease", daemon=True)
        self._channel = channel
        self._statement = statement.encode()
        self._values = values
        self._timings = timings
        self._refused = refused
        self._renewed = renewed
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Renew no more; a renewal that is under way is left alone."""
        self._stopped.set()
        self._channel.hurry(0)

    def run(self) -> None:
        """Renew every few seconds; what the database does not answer is asked again."""
        while not self._stopped.wait(self._timings.renewal):
            try:
                is_held = self._channel.repeat(self._renew)
            except ReconcilerError:
                # Time decides only who may take the lock. The next commit finds out who has it.
                continue
            if self._stopped.is_set():
                break
            if not is_held:
                self._refused()
                break
            self._renewed()
        self._channel.close()

    def _renew(self, conn: Connection) -> bool:
        return conn.execute(self._statement, self._values).fetchone() is not None
