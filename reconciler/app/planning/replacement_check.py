"""Keeps a plan from ending what runs for a successor of which it is known that it cannot run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.app.settings import Settings
from reconciler.core.json_pointer import join_steps
from reconciler.core.model import Address, Own
from reconciler.core.planning.actions import AnyAction, Hold, Replace
from reconciler.core.planning.plan import Plan
from reconciler.specs.schema.compiled_schema import find_violations, shipped_schema


def hold_invalid(plan: Plan, settings: Settings) -> Plan:
    """Hold what keeps a running value that the schema of a spec does not allow.

    A spec is checked when it is read; what a replace keeps of what runs comes after that.
    """
    schema = shipped_schema("spec", settings.capabilities.schema_folder)
    reasons = {}
    for action in plan.actions:
        if isinstance(action, Replace) and action.kept is not None:
            for violation in find_violations(schema, action.desired.spec):
                where = join_steps(violation.path)
                reasons[action.address] = (
                    f"would keep an invalid value: {where}: {violation.message}"
                )
                break
    return hold_replaces(plan, reasons)


def hold_replaces(plan: Plan, reasons: Mapping[Address, str]) -> Plan:
    """Hold the replaces for whose successors there is a reason against them."""

    def judge(action: AnyAction) -> AnyAction:
        # A delete that was begun may land whatever is decided now.
        is_begun = isinstance(action, Replace) and action.recorded.own is not Own.ACCEPTED
        if not isinstance(action, Replace) or is_begun or action.address not in reasons:
            return action
        why = f"its replacement {reasons[action.address]}, so nothing is deleted for it"
        return Hold(
            address=action.address,
            reason=action.reason,
            detail=f"{action.detail}; {why}",
            source=action.source,
            wave=action.wave,
            gpus=action.gpus.withheld,
            changes=action.changes,
            recorded=action.recorded,
            fails=True,
        )

    return replace(plan, actions=tuple(map(judge, plan.actions))) if reasons else plan
