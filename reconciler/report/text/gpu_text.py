"""The GPUs of an action as text: requested before and after it, and released by it.

No answer of the base API says that a workload runs (`desiredPhase` is a wish, `Synced` says that
the cluster has the object), so nothing here says it either.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.core.planning.actions import AnyAction, Delete, Hold, Record, Replace
from reconciler.report.text.formatting import age, gpu_number, moment

if TYPE_CHECKING:
    from reconciler.core.planning.plan import Plan
    from reconciler.core.protocol.live import PoolQuota
    from reconciler.core.quotas.project_quota import ProjectQuota

_JUST_NOW = "less than a minute"


def gpu_effect(action: AnyAction) -> str:
    """GPUs that one workload asks for before and after; empty where that is nothing at all."""
    before, after = gpu_number(action.gpus.before), gpu_number(action.gpus.after)
    if not action.gpus.known:
        if (before, after) == ("0", "0"):
            return "GPUs that cannot be counted"
        # Nothing is at least 0, and so is everything.
        before, after = (gpus if gpus == "0" else f"at least {gpus}" for gpus in (before, after))
        return f"{before} → {after} GPUs"
    # A hold or a record changes nothing that runs; of a replace it is news that they stay.
    if before == after and (before == "0" or isinstance(action, Hold | Record)):
        return ""
    peak = f", up to {gpu_number(action.gpus.peak)} meanwhile" if action.gpus.peak else ""
    return f"{before} → {after} {'GPU' if after == '1' else 'GPUs'}{peak}"


def given_back(action: AnyAction, now: datetime | None = None) -> str:
    """What a delete or replace releases, and since when it was requested; empty for the others.

    A workload that was found on the server has no such time.
    """
    if not isinstance(action, Delete | Replace):
        return ""
    effect, begun = action.gpus, action.gpus.since
    if effect.before:
        noun = "GPU" if effect.before == 1 else "GPUs"
        least = "" if effect.known else "at least "
        amount = f"{least}{gpu_number(effect.before)} {noun}"
    else:
        amount = "" if effect.known else "GPUs that cannot be counted"
    if not amount or begun is None:
        return f"releases {amount}" if amount else ""
    long = age(begun, now) if now else ""
    if long == _JUST_NOW:
        return f"releases {amount}, requested for {long}"
    since = f"releases {amount}, requested since {moment(begun)} UTC"
    return f"{since}, {long}" if long else since


def quota_lines(plan: Plan) -> Iterator[str]:
    """The quotas that a plan has to fit into; names are as the server wrote them."""
    if plan.quota_note:
        yield f"GPU quotas were not looked at: {plan.quota_note}"
    if not plan.quotas:
        return
    yield "GPU quotas:"
    for quota in plan.quotas:
        pool = f", {quota.pools[0].pool}" if len(quota.pools) == 1 and quota.pools[0].pool else ""
        yield f"  {quota.label}{pool}: {_amounts(quota)}; this plan {gpu_change(quota.change)}"
        if len(quota.pools) > 1:
            yield from (f"    {pool.pool or '-'}: {_amounts(pool)}" for pool in quota.pools)


def _amounts(quota: ProjectQuota | PoolQuota) -> str:
    limit = "no limit" if quota.limit is None else f"limit {gpu_number(quota.limit)}"
    return f"deserved {told(quota.deserved)}, {limit}, allocated {told(quota.allocated)}"


def told(gpus: float | None) -> str:
    """A number of GPUs that the server may not have told."""
    return "unknown" if gpus is None else gpu_number(gpus)


def gpu_change(gpus: float) -> str:
    """What is added to a number of GPUs, or taken from it."""
    return f"{'-' if gpus < 0 else '+'}{gpu_number(abs(gpus))}"
