"""A lock that is held until somebody else has it, which is found out once and told once."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod

from reconciler.errors import LockLostError, ReconcilerError, StateError
from reconciler.ports import LossListener
from reconciler.state.shared.holder import as_state_error


class Holding(ABC):
    """The lock of a shared state as this process has it.

    Commits belong to one thread at a time; the loss may be found by it and by the renewals.
    """

    def __init__(self) -> None:
        self._lost: LossListener | None = None
        self._alive_at = time.monotonic()
        self._failure: StateError | None = None
        self._finding_out = threading.Lock()

    @abstractmethod
    def _explain_loss(self, silent: float) -> StateError:
        """Read who has the state now, `silent` seconds after the last answer.

        Raises UnreachableError, StateError where that cannot be told.
        """

    def watch(self, lost: LossListener) -> None:
        """Be told, from any thread, that somebody else has taken the lock."""
        with self._finding_out:
            self._lost = lost
            failure = self._failure
        if isinstance(failure, LockLostError):
            lost(failure)

    def _need_no_failure(self) -> None:
        """Raise what has gone wrong before: nothing may be written after it."""
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: ReconcilerError) -> StateError:
        """Remember a commit of which it is not known what became: nothing may follow it."""
        self._failure = as_state_error(error)
        return self._failure

    def _note_alive(self) -> None:
        self._alive_at = time.monotonic()

    def _find_out(self) -> StateError:
        """Find out why the lock is refused, tell it, and write nothing from now on."""
        with self._finding_out:
            if self._failure is not None:
                return self._failure
            try:
                reason = self._explain_loss(time.monotonic() - self._alive_at)
            except ReconcilerError as error:
                return self._fail(error)
            self._failure = reason
            lost = self._lost
        if isinstance(reason, LockLostError) and lost is not None:
            lost(reason)
        return reason
