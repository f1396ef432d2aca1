"""Changes a workload in place."""

from __future__ import annotations

from reconciler.core.planning.actions import Update
from reconciler.engine.run import ActionContext, Failed, Outcome


class UpdateTask:
    """One update of one workload."""

    def __init__(self, work: ActionContext, action: Update) -> None:
        self._work = work
        self._action = action

    async def carry_out(self) -> Outcome:
        """Refuse: this version plans updates, and cannot carry one out yet."""
        message = "this version cannot carry out an update yet; nothing was sent"
        return Failed(message=message, id=self._action.id)
