"""Signs of life of whoever holds the lock, from a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from reconciler.errors import ReconcilerError
from reconciler.state.shared.timings import Timings


class Lease(Protocol):
    """The lease of a lock, over a connection that nobody else uses."""

    def renew(self) -> bool:
        """Give a sign of life; False where the lease is not this holder's any more."""
        ...

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for an answer; any thread may say so."""
        ...

    def close(self) -> None:
        """Close the connection; the lease stays as it is."""
        ...


class Renewal(threading.Thread):
    """Renews a lease until it is stopped, or until that is not this holder's any more.

    A long wait and an open prompt make no commits, so it has a connection to itself. It never
    takes back what is lost: then it calls `refused` once and ends.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        timings: Timings,
        refused: Callable[[], object],
        renewed: Callable[[], None],
    ) -> None:
        super().__init__(name="state-lease", daemon=True)
        self._lease = lease
        self._timings = timings
        self._refused = refused
        self._renewed = renewed
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Renew no more; a renewal that is under way is left alone."""
        self._stopped.set()
        self._lease.hurry(0)

    def run(self) -> None:
        """Renew every few seconds; what is not answered is asked again."""
        while not self._stopped.wait(self._timings.renewal):
            try:
                is_held = self._lease.renew()
            except ReconcilerError:
                # Time decides only who may take the lock. The next commit finds out who has it.
                continue
            if self._stopped.is_set():
                break
            if not is_held:
                self._refused()
                break
            self._renewed()
        self._lease.close()
