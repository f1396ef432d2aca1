"""What guards raise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.core.planning.guards import Refusal
from reconciler.errors import RefusedError

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanResult


class GuardError(RefusedError):
    """Guards refuse: each of them is in `refusals`, the plan, if there is one, in `planned`."""

    def __init__(self, refusals: Sequence[Refusal], planned: PlanResult | None = None) -> None:
        super().__init__(refusals[0].message, hint=refusals[0].hint)
        self.refusals = tuple(refusals)
        self.planned = planned
