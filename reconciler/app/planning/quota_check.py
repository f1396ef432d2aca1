"""Asks the server for the quotas of the projects in which a plan adds something."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.app.planning.questions import ask_briefly
from reconciler.app.planning.replacement_check import hold_replaces
from reconciler.app.settings import Settings
from reconciler.core.diagnostics import sort_diagnostics
from reconciler.core.model import Address
from reconciler.core.planning.actions import Replace
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.api_results import ApiResult, NotShown, ProjectPage
from reconciler.core.protocol.live import ServerProject
from reconciler.core.quotas.fit import (
    QuotaPolicy,
    find_excesses,
    find_hopeless,
    growing_actions,
    measure_quotas,
)

if TYPE_CHECKING:
    from reconciler.app.session import Session

_MOST_PAGES = 40
_NOT_FOUND = 404
# What the server says of a project that is on its way out.
_DELETING = "Deleting"


async def with_quotas(plan: Plan, settings: Settings, session: Session, *, may_ask: bool) -> Plan:
    """A plan with the quotas that it has to fit into, and a warning for each that it does not.

    A replace is held where its successor is known not to start. Where quotas cannot be read, the
    plan says why and nothing else. `may_ask` is off for a run without reads.
    """
    growing = {action.address.project for action in growing_actions(plan.actions)}
    affected = growing | {a.address.project for a in plan.changes if isinstance(a, Replace)}
    # That nothing was read is said of the whole plan already.
    if not affected or not may_ask or settings.quota is QuotaPolicy.OFF:
        return plan
    if not settings.discovery:
        return replace(plan, quota_note="discovery is off")
    result = await _read_projects(session, affected)
    if isinstance(result, ApiResult):
        return replace(plan, quota_note=result.description)
    projects = [project for project in result if project.id in affected]
    growing_projects = [project for project in projects if project.id in growing]
    quotas = measure_quotas(plan, growing_projects)
    warnings = find_excesses(plan, quotas)
    diagnostics = sort_diagnostics((*plan.diagnostics, *warnings))
    reasons = find_hopeless(plan, quotas) | await _find_lost(plan, projects, session)
    plan = hold_replaces(plan, reasons)
    return replace(plan, quotas=measure_quotas(plan, growing_projects), diagnostics=diagnostics)


async def _find_lost(
    plan: Plan, projects: Collection[ServerProject], session: Session
) -> dict[Address, str]:
    """Why nothing can be created any more in the project of each of these replaces.

    A list may leave out what a login may not see, so a project that is missing there is asked for.
    """
    replaced = [action.address for action in plan.changes if isinstance(action, Replace)]
    lost = {
        project.id: f"would be in project {project.id} ({project.name}), which is being deleted"
        for project in projects
        if project.phase == _DELETING
    }
    listed = {project.id for project in projects}
    for project_id in sorted({address.project for address in replaced} - listed):
        result = await ask_briefly(
            session, partial(session.api.live.read_project, project_id), expected=ProjectPage
        )
        if isinstance(result, NotShown) and result.status == _NOT_FOUND:
            lost[project_id] = f"would be in project {project_id}, which does not exist"
    return {address: lost[address.project] for address in replaced if address.project in lost}


async def _read_projects(
    session: Session, project_ids: Collection[str]
) -> list[ServerProject] | ApiResult:
    """The projects up to the page on which the last of these is, or why not."""
    projects: list[ServerProject] = []
    offset = 0
    for _ in range(_MOST_PAGES):
        page = await ask_briefly(
            session, partial(session.api.live.list_projects, offset=offset), expected=ProjectPage
        )
        if not isinstance(page, ProjectPage):
            return page
        projects += page.projects
        if page.next is None or {project.id for project in projects}.issuperset(project_ids):
            break
        offset = page.next
    return projects
