"""Whether a plan can be carried out with no more than so many GPUs beside those before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.core.planning.actions import AnyAction, Delete
from reconciler.core.planning.guards import Refusal

if TYPE_CHECKING:
    from reconciler.core.planning.plan import Plan


def surge_of(action: AnyAction) -> float:
    """The GPUs that have to be free before an action begins.

    A replace gives back its own before it asks again. The old pods of an update may stay for a
    while after it is done, so that its peak counts to the end of the run.
    """
    return max(0.0, action.gpus.most - action.gpus.before)


def given_back_by(action: AnyAction) -> float:
    """The GPUs that are free once an action has succeeded, and not before."""
    return max(0.0, action.gpus.before - max(action.gpus.after, action.gpus.peak or 0.0))


def check_surge(plan: Plan, max_surge: float | None) -> Iterator[Refusal]:
    """Refuse a plan that no order of its actions carries out within `max_surge` more GPUs."""
    if max_surge is None:
        return
    growing = [action for action in plan.changes if surge_of(action) or not action.gpus.known]
    uncounted = [action.address for action in growing if not action.gpus.known]
    if uncounted:
        first = uncounted[0]
        yield Refusal(
            guard="max-surge-gpus",
            message=f"--max-surge-gpus {max_surge:g} cannot be kept: the GPUs of {first} cannot be "
            f"counted ({len(uncounted)} in all)",
            hint=f"leave it out with -x {first}, or apply without --max-surge-gpus",
        )
        return
    most = find_least_surge(plan)
    if most > max_surge:
        yield Refusal(
            guard="max-surge-gpus",
            message=f"--max-surge-gpus {max_surge:g} cannot be kept: whatever the order, this plan "
            f"asks for {most:g} GPUs more than before at some time",
            hint=f"re-run with --max-surge-gpus {most:g}, or leave a part of it out with -x",
        )


def find_least_surge(plan: Plan) -> float:
    """The most GPUs beyond those before, in the order that takes the fewest.

    Deletes wait for no build. What a wave gives back is there for its own builds and later ones.
    """
    extra = -math.fsum(given_back_by(a) for a in plan.changes if isinstance(a, Delete))
    builds = [action for action in plan.changes if not isinstance(action, Delete)]
    most = 0.0
    for wave in sorted({action.wave for action in builds}):
        group = [action for action in builds if action.wave == wave]
        extra -= math.fsum(map(given_back_by, group))
        extra += math.fsum(map(surge_of, group))
        most = max(most, extra)
    return round(most, 6)
