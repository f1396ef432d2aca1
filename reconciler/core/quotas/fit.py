"""Whether what a plan asks for fits into the GPU quotas that the server tells of its projects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.planning.actions import AnyAction, Create, Replace, Resolve, Update
from reconciler.core.planning.guards import Refusal
from reconciler.core.quotas.project_quota import ProjectQuota
from reconciler.core.quotas.quota_policy import QuotaPolicy

if TYPE_CHECKING:
    from reconciler.core.model import Address
    from reconciler.core.planning.plan import Plan
    from reconciler.core.protocol.live import ServerProject

OVER_QUOTA = "over-quota"
NEVER_FITS = "never-fits"
# A longer command line nobody types.
_MOST_OPTIONS = 5

Growing = Create | Replace | Resolve | Update


def growing_actions(actions: Iterable[AnyAction]) -> list[Growing]:
    """What asks the scheduler for GPUs: of these a quota may be too small.

    A replace asks again for what it has given back.
    """
    return [
        action
        for action in actions
        if isinstance(action, Growing)
        and (action.gpus.most > action.gpus.before or isinstance(action, Replace))
        and action.gpus.after > 0.0
    ]


def measure_quotas(plan: Plan, projects: Iterable[ServerProject]) -> tuple[ProjectQuota, ...]:
    """The quotas that are told of these projects, each beside the plan's effect on it."""
    totals = plan.gpus_by_project
    return tuple(
        _measure(project, round(totals[project.id].after - totals[project.id].before, 6))
        for project in sorted(projects, key=lambda project: project.id)
        if project.quotas
    )


def _measure(project: ServerProject, change: float) -> ProjectQuota:
    pools = project.quotas
    limits = [pool.limit for pool in pools if pool.limit is not None]
    return ProjectQuota(
        project=project.id,
        name=project.name,
        pools=pools,
        deserved=_sum(pool.deserved for pool in pools),
        # Which pools a workload may use is not in its manifest: only all of them bound it surely.
        limit=_sum(limits) if len(limits) == len(pools) else None,
        allocated=_first(_sum(pool.allocated for pool in pools), project.gpus_allocated),
        requested=_sum(pool.requested for pool in pools),
        non_preemptible=_first(
            _sum(pool.allocated_non_preemptible for pool in pools),
            project.gpus_allocated_non_preemptible,
        ),
        change=change,
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not known."""
    figures = list(parts)
    return None if None in figures else round(math.fsum(part or 0.0 for part in figures), 6)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def find_excesses(plan: Plan, quotas: Sequence[ProjectQuota]) -> Iterator[Diagnostic]:
    """What does not fit, at the line of the spec that does not: warnings of the two codes."""
    for quota in quotas:
        actions = [a for a in plan.actions if a.address.project == quota.project]
        hopeless = set()
        for action in growing_actions(actions):
            if message := _never_fits(action, quota):
                hopeless.add(action.address)
                yield _diagnostic(NEVER_FITS, action, message)
        # What never starts takes nothing from the others.
        startable = [action for action in actions if action.address not in hopeless]
        yield from _exceeds_for_good(startable, quota)
        yield from _exceeds(startable, quota)


def find_hopeless(plan: Plan, quotas: Iterable[ProjectQuota]) -> dict[Address, str]:
    """Why a successor would never start, of each workload that the plan replaces for one."""
    by_project = {quota.project: quota for quota in quotas}
    reasons = {
        action.address: _never_fits(action, by_project[action.address.project])
        for action in plan.actions
        if isinstance(action, Replace) and action.address.project in by_project
    }
    return {address: reason for address, reason in reasons.items() if reason}


def _never_fits(action: Growing, quota: ProjectQuota) -> str:
    """Why one workload does not start even with the project to itself; empty where it may."""
    asked = action.gpus.after
    if quota.limit is not None and asked > quota.limit:
        return (
            f"asks for {asked:g} GPUs, and the limit of project {quota.label} is "
            f"{quota.limit:g}: it never starts"
        )
    if is_bound_to_deserved(action) and quota.deserved is not None and asked > quota.deserved:
        return (
            f"asks for {asked:g} GPUs and is non-preemptible, and project {quota.label} deserves "
            f"{quota.deserved:g}: it never starts"
        )
    return ""


def _exceeds_for_good(actions: Sequence[AnyAction], quota: ProjectQuota) -> Iterator[Diagnostic]:
    """Non-preemptible work cannot borrow: what is beyond the deserved GPUs does not start."""
    if quota.deserved is None:
        return
    bound = [action for action in actions if is_bound_to_deserved(action)]
    over = _find_excess(bound, quota.non_preemptible or 0.0, quota.deserved)
    if over is not None:
        action, total = over
        message = (
            f"with it the non-preemptible work of project {quota.label} asks for {total:g} GPUs, "
            f"and the project deserves {quota.deserved:g}: it does not start while the rest runs"
        )
        yield _diagnostic(NEVER_FITS, action, message)


def _exceeds(actions: Sequence[AnyAction], quota: ProjectQuota) -> Iterator[Diagnostic]:
    if quota.deserved is None:
        return
    # What waits for its turn asks as well, where the server counts it.
    base = max(quota.allocated or 0.0, quota.requested or 0.0)
    over = _find_excess(actions, base, quota.deserved)
    if over is None:
        return
    action, total = over
    beyond = f"{total - quota.deserved:g} more than it deserves ({quota.deserved:g})"
    fate = "what is beyond is borrowed, and may be taken back"
    if quota.limit is not None and total > quota.limit:
        fate = f"{fate}; beyond the limit of {quota.limit:g} it waits"
    message = f"project {quota.label} would ask for {total:g} GPUs, {beyond}: {fate}"
    yield _diagnostic(OVER_QUOTA, action, message)


def _find_excess(
    actions: Sequence[AnyAction], base: float, deserved: float
) -> tuple[Growing, float] | None:
    """The first workload that takes the sum beyond what is deserved, and the sum of all.

    None also where the plan does not add to it: then it is not this plan that is too large.
    """
    effects = [action.gpus.after - action.gpus.before for action in actions]
    total = round(max(0.0, base + math.fsum(effects)), 6)
    if total <= deserved or math.fsum(effects) <= 0.0:
        return None
    reached = max(0.0, base + math.fsum(effect for effect in effects if effect < 0.0))
    for action, effect in zip(actions, effects, strict=True):
        if effect > 0.0 and isinstance(action, Growing):
            reached += effect
            if reached > deserved:
                return action, total
    return None


def is_bound_to_deserved(action: AnyAction) -> bool:
    """Whether a workload is said to be non-preemptible, which may not borrow GPUs.

    Without a word of its author the platform decides by its category or type: that is not guessed.
    """
    desired = action.desired if isinstance(action, Growing) else None
    if desired is None:
        return False
    declared: Any = desired.metadata.get("preemptibility")
    if declared is None:
        labels = (desired.manifest.get("metadata") or {}).get("labels") or {}
        declared = labels.get("kai.scheduler/preemptibility")
    return bool(declared == "non-preemptible")


def _diagnostic(code: str, action: Growing, message: str) -> Diagnostic:
    if action.source is None:
        raise AssertionError("what asks for GPUs has a spec")
    return Diagnostic(
        severity=Severity.WARNING,
        code=code,
        message=message,
        where=action.source,
        hint="ask for fewer GPUs, or have the project's quota raised",
        address=str(action.address),
    )


def check_quota(plan: Plan, policy: QuotaPolicy) -> Iterator[Refusal]:
    """The guard of `limits.quota: refuse`."""
    over = [d for d in plan.diagnostics if d.code in (OVER_QUOTA, NEVER_FITS)]
    if policy is QuotaPolicy.REFUSE and over:
        addresses = list(dict.fromkeys(diagnostic.address for diagnostic in over))
        listed = "; ".join(f"{diagnostic.address}: {diagnostic.message}" for diagnostic in over)
        options = " ".join(f"-x {address}" for address in addresses[:_MOST_OPTIONS])
        if len(addresses) > _MOST_OPTIONS:
            options = f"-x, each of these {len(addresses)}"
        yield Refusal(
            guard="quota",
            message=f"the plan does not fit into the GPU quota: {listed}",
            hint=f"leave {'it' if len(addresses) == 1 else 'them'} out with {options}, have the "
            "quota raised, or set limits.quota: warn in reconciler.yaml",
        )
