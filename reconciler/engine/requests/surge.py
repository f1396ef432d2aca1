"""Holds back what asks for more GPUs until others have given theirs back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from reconciler.core.history.outcome import Failed, Outcome, Skipped, Succeeded
from reconciler.core.planning.actions import AnyAction
from reconciler.core.quotas.surge import given_back_by, surge_of

_TOLERANCE = 1e-6


class SurgeGate:
    """Keeps the GPUs that are asked for within `room` more than before; None bounds nothing.

    What an action needs it has from its beginning to the end of the run, so that none waits for
    another one that waits.
    """

    def __init__(self, room: float | None) -> None:
        self._room = room
        self._waiting: dict[asyncio.Future[bool], float] = {}
        # How many actions that are under way, or may begin at once, may still give GPUs back.
        self._givers = 0

    @property
    def is_bounded(self) -> bool:
        """Whether anything is held back at all."""
        return self._room is not None

    def expect(self, actions: Iterable[AnyAction]) -> None:
        """Count on what these will give back: they begin now, or wait for no build."""
        self._givers += sum(given_back_by(action) > 0.0 for action in actions)

    async def admit(self, action: AnyAction) -> bool:
        """Wait until an action may begin; False where nobody is left who could make room for it."""
        need = surge_of(action)
        if self._room is None or not need:
            return True
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[place] = need
        self._let_in()
        try:
            return await place
        finally:
            self._waiting.pop(place, None)

    def end(self, action: AnyAction, outcome: Outcome) -> None:
        """Take back the GPUs that an action has given back, or has certainly not asked for."""
        if self._room is None:
            return
        self._givers -= given_back_by(action) > 0.0
        if isinstance(outcome, Succeeded):
            self._room += given_back_by(action)
        elif isinstance(outcome, Failed | Skipped) and not _may_exist(outcome):
            self._room += surge_of(action)
        self._let_in()

    def order(self, actions: Iterable[AnyAction]) -> list[AnyAction]:
        """What has to wait comes last, so that it takes nobody's turn who makes room for it."""
        return sorted(actions, key=lambda action: self.is_bounded and surge_of(action) > 0.0)

    def _let_in(self) -> None:
        """Let in those that fit, in their order; once nobody gives, send the others away."""
        for place, need in list(self._waiting.items()):
            # Sums of fractions of a GPU are not exact.
            fits = self._room is not None and need <= self._room + _TOLERANCE
            if not fits and self._givers:
                continue
            if self._room is not None and fits:
                self._room -= need
            del self._waiting[place]
            if not place.done():
                place.set_result(fits)


def _may_exist(outcome: Failed | Skipped) -> bool:
    """Whether what was not done as a whole may ask for its GPUs all the same."""
    return isinstance(outcome, Failed) and outcome.id is not None
