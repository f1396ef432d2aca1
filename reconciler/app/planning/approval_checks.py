"""Whether what was approved is still what would be done."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.api.urls import normalise_url
from reconciler.app.settings import Settings
from reconciler.core.model import Header
from reconciler.core.planning.plan import Plan
from reconciler.core.review.approval import Approval
from reconciler.errors import StalePlanError
from reconciler.ports import RunEntry

PLAN_AGAIN = "plan again and have the new plan approved"


def check_expected(plan: Plan, expected: str | None) -> None:
    """Raise StalePlanError for a plan with another digest than the one that was approved."""
    if expected is not None and expected != plan.digest:
        raise StalePlanError(
            f"the plan is no longer the one that was approved: its digest is {plan.digest}",
            hint="plan again, have the new plan approved, and pass its digest",
        )


def check_unused(approval: Approval, runs: Sequence[RunEntry]) -> None:
    """Raise StalePlanError for a plan that has been carried out, or begun to be."""
    for run in runs:
        if run.plan == approval.id:
            raise StalePlanError(
                f"this plan has been applied already, by run {run.id} at {run.started}",
                hint=f"{PLAN_AGAIN}; 'reconciler runs show {run.id}' tells what came of it",
            )


def check_state(approval: Approval, header: Header) -> None:
    """Raise StalePlanError for a plan that was made from another state.

    One that was made without a state is for the first apply to a new one.
    """
    lineage = approval.plan.lineage
    if lineage == header.lineage or (lineage is None and header.serial == 0):
        return
    origin = f"from the state of lineage {lineage}" if lineage else "when there was no state yet"
    raise StalePlanError(
        f"this plan was made {origin}, and this state is of lineage {header.lineage}",
        hint=f"give the state that it was made from, or {PLAN_AGAIN}",
    )


def check_plan_target(approval: Approval, settings: Settings) -> None:
    """Raise StalePlanError for a plan that is for another server, stack or version of the API."""
    target = approval.plan.target
    pairs = (
        ("server", target.url, normalise_url(settings.need_url())),
        ("stack", target.stack, settings.stack),
        (
            "version of the API",
            target.api_version or "unknown",
            settings.api_version or "unknown",
        ),
    )
    for field, planned, current in pairs:
        if planned != current:
            raise StalePlanError(
                f"this plan is for {field} {planned}, and this run is for {current}",
                hint=f"give the same settings as for the plan, or {PLAN_AGAIN}",
            )
