"""What ends an apply of a plan that was made, and that people are shown all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.errors import RefusedError, StalePlanError

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanResult
    from reconciler.core.planning.guards import Refusal


class GuardError(RefusedError):
    """Guards refuse: each of them is in `refusals`, the plan, if there is one, in `planned`."""

    def __init__(self, refusals: Sequence[Refusal], planned: PlanResult | None = None) -> None:
        super().__init__(refusals[0].message, hint=refusals[0].hint)
        self.refusals = tuple(refusals)
        self.planned = planned

    def complete_commands(self, complete: Callable[[str], str]) -> None:
        """Those of every refusal."""
        super().complete_commands(complete)
        self.refusals = tuple(
            replace(refusal, message=complete(refusal.message), hint=complete(refusal.hint))
            for refusal in self.refusals
        )


class OutdatedPlanError(StalePlanError):
    """The plan of this moment, `planned`, is not the approved one; it says in what."""

    def __init__(self, message: str, *, hint: str, planned: PlanResult) -> None:
        super().__init__(message, hint=hint)
        self.planned = planned
