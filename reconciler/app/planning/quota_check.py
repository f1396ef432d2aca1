"""Asks the server for the quotas of the projects in which a plan adds something."""

from __future__ import annotations

from dataclasses import replace

from reconciler.app.planning.replacement_check import hold_replaces
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.settings import Settings
from reconciler.core.diagnostics import sort_diagnostics
from reconciler.core.model import Address
from reconciler.core.planning.actions import Replace
from reconciler.core.planning.plan import Plan
from reconciler.core.quotas.fit import (
    find_excesses,
    find_hopeless,
    growing_actions,
    measure_quotas,
)
from reconciler.core.quotas.quota_policy import QuotaPolicy


async def with_quotas(
    plan: Plan, settings: Settings, projects: ServerProjects, *, may_ask: bool
) -> Plan:
    """A plan with the quotas that it has to fit into, and a warning for each that it does not.

    A replace is held where its successor is known not to start. Where quotas cannot be read, the
    plan says why and nothing else. `may_ask` is off for a run without reads.
    """
    growing = {action.address.project for action in growing_actions(plan.actions)}
    affected = growing | {a.address.project for a in plan.changes if isinstance(a, Replace)}
    # That nothing was read is said of the whole plan already.
    if not affected or not may_ask or settings.quota is QuotaPolicy.OFF:
        return plan
    if not await projects.read(until=affected):
        return replace(plan, quota_note=projects.unlisted)
    affected_projects = [project for id_, project in projects.listed.items() if id_ in affected]
    growing_projects = [project for project in affected_projects if project.id in growing]
    quotas = measure_quotas(plan, growing_projects)
    warnings = find_excesses(plan, quotas)
    diagnostics = sort_diagnostics((*plan.diagnostics, *warnings))
    reasons = find_hopeless(plan, quotas) | await _find_lost(plan, projects)
    plan = hold_replaces(plan, reasons)
    return replace(plan, quotas=measure_quotas(plan, growing_projects), diagnostics=diagnostics)


async def _find_lost(plan: Plan, projects: ServerProjects) -> dict[Address, str]:
    """Why nothing can be created any more in the project of each of these replaces."""
    replaced = [action.address for action in plan.changes if isinstance(action, Replace)]
    gone = await projects.find_gone(address.project for address in replaced)
    return {
        address: f"would be in project {address.project}, which does not exist"
        for address in replaced
        if address.project in gone
    }
