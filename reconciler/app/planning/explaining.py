"""Explains what a plan decides about one workload: only that one is read from the server."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reconciler.app.planning.planning import PlanRequest, plan_target, tenant_of
from reconciler.app.planning.workspace import Workspace
from reconciler.app.session import Connector, Session, met_target
from reconciler.app.settings import Settings
from reconciler.app.state.states import pin_of, read_state_or_none, without_state
from reconciler.app.status.refresh import read_with_successors
from reconciler.app.target import need_same_target
from reconciler.core.model import Address, Header, Live, Recorded
from reconciler.core.planning.explanation import Explanation, decided_by, explain_workload
from reconciler.core.planning.guards import GuardOptions, Refusal, check_plan
from reconciler.core.planning.plan import Plan
from reconciler.core.planning.planner import make_plan
from reconciler.core.redact import Redactor
from reconciler.errors import UsageError
from reconciler.ports import Say, StateStore

# Of the guards those that look at one workload; the others count, and need all of them.
_ABOUT_ONE = ("protection", "allowed-projects")
MOST_MATCHES = 3
# Addresses of one project are alike in half of their characters.
CLOSE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """An explanation, the plan for this workload alone, and the guards that it would meet."""

    explanation: Explanation
    plan: Plan
    refusals: tuple[Refusal, ...]


async def explain_one(
    workspace: Workspace, request: PlanRequest, text: str, *, connector: Connector, say: Say
) -> ExplainResult:
    """Make the plan for one address and lay out what led to it.

    Raises UsageError for an address that is neither declared nor recorded, UnreachableError,
    GuardError for another target.
    """
    settings = workspace.settings
    with read_state_or_none(settings.state, settings.deadline) as store:
        recorded = tuple(store.read()) if store is not None else ()
        at_work = store.writer() if store is not None else ""
        declared = {one.address for one in workspace.desired}
        address = find_address(text, {*declared, *(row.address for row in recorded)})
        async with connector.open(settings, pin_of(store), say) as session:
            known = store or without_state(met_target(settings, session))
            return await _explain(
                address,
                workspace,
                request,
                recorded=recorded,
                at_work=at_work,
                store=known,
                session=session,
            )


def find_address(text: str, known: Collection[Address]) -> Address:
    """The address that a text means; raises UsageError with those that look like it."""
    found = {str(address): address for address in known}
    if text in found:
        return found[text]
    same_name = [name for name in found if name.partition("/")[2] == text]
    close = sorted(same_name) or difflib.get_close_matches(
        text, sorted(found), n=MOST_MATCHES, cutoff=CLOSE
    )
    hint = (
        f"did you mean {' or '.join(close[:MOST_MATCHES])}?"
        if close
        else "give an address as the plan shows it, <projectId>/<name>"
    )
    raise UsageError(f"no spec declares {text}, and the state does not record it", hint=hint)


async def _explain(
    address: Address,
    workspace: Workspace,
    request: PlanRequest,
    *,
    recorded: Sequence[Recorded],
    at_work: str,
    store: StateStore,
    session: Session,
) -> ExplainResult:
    settings, header = workspace.settings, store.header
    desired = next((one for one in workspace.desired if one.address == address), None)
    rows = [row for row in recorded if row.address == address]
    read_at = session.dispatcher.server.earliest()
    live: Mapping[str, Live] = {}
    if request.options.refreshed:
        live = await read_with_successors(rows, session, settings, header)
    tenant_id = _check_tenant(header, settings, session, live)
    plan = make_plan(
        [desired] if desired else [],
        rows,
        live,
        target=plan_target(settings, session, header, tenant_id),
        lineage=header.lineage,
        serial=header.serial,
        options=request.options,
        now=read_at,
        at_work=at_work,
        diagnostics=workspace.diagnostics,
        rules=settings.rules,
    )
    [action] = plan.actions
    row = decided_by(action)
    explanation = explain_workload(
        action,
        desired=desired,
        rows=rows,
        live=live.get(row.id) if row and row.id else None,
        options=request.options,
        redactor=Redactor(header.lineage, settings.rules),
        read_at=read_at if live else None,
    )
    refusals = _refusals(plan, workspace, recorded, live)
    return ExplainResult(explanation=explanation, plan=plan, refusals=refusals)


def _check_tenant(
    header: Header, settings: Settings, session: Session, live: Mapping[str, Live]
) -> int | None:
    """The tenant that answered; raises GuardError where the state belongs to another."""
    tenant_id = tenant_of(live)
    if live:
        met = dataclasses.replace(met_target(settings, session), tenant_id=tenant_id)
        need_same_target(header.target, met)
    return tenant_id


def _refusals(
    plan: Plan, workspace: Workspace, recorded: Sequence[Recorded], live: Mapping[str, Live]
) -> tuple[Refusal, ...]:
    found = check_plan(
        plan,
        declared=len(workspace.desired),
        recorded=recorded,
        live=live,
        options=GuardOptions(allowed_projects=workspace.settings.allowed_projects),
    )
    return tuple(refusal for refusal in found if refusal.guard in _ABOUT_ONE)
