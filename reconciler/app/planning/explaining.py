"""Explains what a plan decides about one workload: only that one is read from the server."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.app.planning.deciding import decide_on_server
from reconciler.app.planning.endings import read_what_is_over
from reconciler.app.planning.planning import PlanRequest
from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.named_projects import resolve_workspace
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.states import without_state
from reconciler.app.status.refresh import read_with_successors
from reconciler.core.model import Address, Live, Recorded, Target
from reconciler.core.planning.actions import recorded_of
from reconciler.core.planning.guards import GuardOptions, Refusal, check_plan
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.redact import Redactor
from reconciler.core.review.explanation import Explanation, explain_workload, with_places
from reconciler.errors import UsageError
from reconciler.ports import EventListener, RecordStore
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Connector, Session

# Of the guards those that look at one workload; the others count, and need all of them.
_ABOUT_ONE = ("protection", "allowed-projects")
MOST_MATCHES = 3
# Addresses of one project are alike in half of their characters.
CLOSE = 0.75


class UnknownAddressError(UsageError):
    """What is to be explained is neither declared nor recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """An explanation, the plan for this workload alone, and the guards that it would meet."""

    explanation: Explanation
    plan: Plan
    refusals: tuple[Refusal, ...]


async def explain_one(
    workspace: Workspace,
    request: PlanRequest,
    text: str,
    *,
    connector: Connector,
    say: EventListener,
) -> ExplainResult:
    """Make the plan for one address and lay out what led to it.

    Raises UnknownAddressError for an address that is neither declared nor recorded,
    UnreachableError, GuardError for another target.
    """
    with open_beside_server(
        workspace.settings, connector, say, may_be_missing=True, may_move=True
    ) as state:
        recorded = state.store.read() if state.store is not None else ()
        at_work = state.store.writer() if state.store is not None else ""
        target = state.store.header.target if state.store is not None else None
        if not workspace.loaded.unresolved:
            # Before the network: a misspelt address needs no server to be told so.
            _find_typed(text, workspace, recorded, target)
        async with state.connect() as session:
            projects = ServerProjects(session, discovery=workspace.settings.discovery)
            workspace = await resolve_workspace(
                workspace,
                projects,
                pins=target.pins if target is not None else {},
                may_ask=request.options.refreshed,
            )
            workspace.need_valid()
            return await _explain(
                _find_typed(text, workspace, recorded, target),
                workspace,
                request,
                recorded=recorded,
                at_work=at_work,
                store=state.store or without_state(session.target),
                session=session,
            )


def _find_typed(
    text: str, workspace: Workspace, recorded: Sequence[Recorded], target: Target | None
) -> Address:
    """The declared or recorded address that somebody has typed; raises UnknownAddressError."""
    known = {*(spec.address for spec in workspace.desired), *(row.address for row in recorded)}
    aliases = {**workspace.settings.projects, **workspace.loaded.ids}
    names = TypedNames.of(target or Target(url="", stack=""), aliases, known)
    return find_address(names.address(text), known)


def find_address(text: str, known: Collection[Address]) -> Address:
    """The address that a text means; raises UnknownAddressError with those that look like it."""
    addresses = {str(address): address for address in known}
    if text in addresses:
        return addresses[text]
    close = difflib.get_close_matches(text, sorted(addresses), n=MOST_MATCHES, cutoff=CLOSE)
    hint = (
        f"did you mean {' or '.join(close[:MOST_MATCHES])}?"
        if close
        else "give an address as the plan shows it, <projectId>/<name>"
    )
    raise UnknownAddressError(
        f"no spec declares {text}, and the state does not record it", hint=hint
    )


async def _explain(
    address: Address,
    workspace: Workspace,
    request: PlanRequest,
    *,
    recorded: Sequence[Recorded],
    at_work: str,
    store: RecordStore,
    session: Session,
) -> ExplainResult:
    settings, header = workspace.settings, store.header
    desired = next((spec for spec in workspace.desired if spec.address == address), None)
    # Several records may have one address: a workload, and older creates that may come true late.
    rows = [row for row in recorded if row.address == address]
    read_at = session.dispatcher.server.earliest()
    live: Mapping[str, Live] = {}
    listed: Mapping[str, LiveWorkload] = {}
    if request.options.refreshed:
        # The bodies are kept as they are, since the explanation shows them.
        live = await read_with_successors(rows, session, settings, header)
        specs = {address: desired} if desired else {}
        listed, _ = await read_what_is_over(rows, specs, live, session=session, settings=settings)
    planned = await decide_on_server(
        [desired] if desired else [],
        rows,
        live,
        listed,
        workspace=workspace,
        options=request.options,
        session=session,
        header=header,
        read_at=read_at,
        at_work=at_work,
    )
    plan = planned.plan
    [action] = plan.actions
    row = recorded_of(action)
    explanation = explain_workload(
        action,
        desired=desired,
        rows=rows,
        live=live.get(row.id) if row and row.id else None,
        options=replace(request.options, can_update=planned.can_update),
        redactor=Redactor(header.lineage, settings.rules),
        read_at=read_at if live else None,
    )
    refusals = check_plan(
        plan,
        declared=len(workspace.desired),
        recorded=recorded,
        live=live,
        options=GuardOptions(allowed_projects=settings.allowed_projects),
    )
    return ExplainResult(
        explanation=with_places(explanation, partial(workspace.loaded.written_at, address)),
        plan=plan,
        refusals=tuple(refusal for refusal in refusals if refusal.guard in _ABOUT_ONE),
    )
