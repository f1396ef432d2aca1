"""From a repository, a state and a server to a plan and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from reconciler.app.planning.deciding import plan_as_of_now
from reconciler.app.planning.name_check import hold_taken_names
from reconciler.app.planning.quota_check import with_quotas
from reconciler.app.planning.reading import ServerReading
from reconciler.app.planning.replacement_check import hold_invalid
from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.named_projects import (
    NamedProjects,
    check_names,
    need_no_acceptance,
    need_whole_acceptance,
    resolve_workspace,
)
from reconciler.app.projects.project_check import check_projects
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, check_typed, spell_request
from reconciler.app.provenance import provenance_of, warn_of_behind
from reconciler.app.repositories import InvalidSpecsError
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.states import without_state
from reconciler.app.status.refresh import tenant_of
from reconciler.core.diagnostics import Diagnostic, has_errors, sort_diagnostics
from reconciler.core.ending.lifetime import find_finished
from reconciler.core.history.provenance import Provenance
from reconciler.core.model import Desired, Header, Recorded, Remote
from reconciler.core.planning.actions import Create, Hold, Replace
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.guards import (
    GuardOptions,
    Refusal,
    check_plan,
    count_ending,
    find_emptied,
)
from reconciler.core.planning.plan import Plan
from reconciler.core.planning.selection import Selection
from reconciler.core.projects.addresses import names_of_projects
from reconciler.core.projects.names import is_placeholder
from reconciler.core.quotas.fit import check_quota
from reconciler.errors import InvalidInputError
from reconciler.ports import EventListener, RecordStore
from reconciler.specs.loaded import Loaded
from reconciler.specs.source.fileaccess import is_folder
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Connector, Session
    from reconciler.core.review.approval import Approval, RecheckedApproval
    from reconciler.core.review.plan_differences import EntryDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the caller asked for besides the specs; with an `approval`, only what it approved."""

    selection: Selection = field(default_factory=Selection)
    options: PlanOptions = field(default_factory=PlanOptions)
    allow_deletes: int = 0
    allow_missing: int = 0
    allow_empty: bool = False
    accept_projects: Mapping[str, str] = field(default_factory=dict)
    approval: Approval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """A plan, what refuses it, the records that it was made from, and the ids seen alive for it.

    `shows_updates` says that the server has just said that it changes workloads in place. `refused`
    are the entries of a saved plan that are no longer as they were approved, `beyond` counts the
    changes that it does not hold; `differences` say for each what it is now. `loaded` are the specs
    with every project resolved, `pins` what the state is to know of the names of projects, if
    anything new, `request` what was asked for in ids alone. `gone_projects` are those that a name
    has left, and that the server does not have.

    Without its contents when printed: asyncio does that with the result of a program's main task,
    and would take longer for it than for the plan.
    """

    plan: Plan = field(repr=False)
    refusals: tuple[Refusal, ...]
    recorded: tuple[Recorded, ...] = field(repr=False)
    tenant_id: int | None
    shows_updates: bool = False
    alive: frozenset[str] = field(default_factory=frozenset, repr=False)
    refused: tuple[Hold, ...] = field(default=(), repr=False)
    beyond: int = field(default=0, repr=False)
    differences: tuple[EntryDifference, ...] = field(default=(), repr=False)
    loaded: Loaded = field(default_factory=Loaded, repr=False, compare=False)
    pins: Mapping[str, str] | None = field(default=None, repr=False)
    request: PlanRequest | None = field(default=None, repr=False, compare=False)
    gone_projects: frozenset[str] = field(default_factory=frozenset, repr=False)


async def make(
    workspace: Workspace, request: PlanRequest, *, connector: Connector, say: EventListener
) -> PlanResult:
    """A plan that nobody is about to apply; without a state it is made as if from an empty one."""
    settings = workspace.settings
    with open_beside_server(settings, connector, say, may_be_missing=True, may_move=True) as state:
        async with state.connect() as session:
            store = state.store
            planned = await prepare(
                workspace,
                store or without_state(session.target),
                session,
                request,
                writer=store.writer if store else None,
            )
            planned = with_provenance(planned, provenance_of(settings.root))
            return with_warnings(
                planned, warn_of_behind(settings.root, store.runs() if store else ())
            )


def with_provenance(planned: PlanResult, provenance: Provenance) -> PlanResult:
    """The same plan, which says where it comes from."""
    return replace(planned, plan=replace(planned.plan, provenance=provenance))


def with_warnings(planned: PlanResult, warnings: Sequence[Diagnostic]) -> PlanResult:
    """The same plan, with what is to be said beside it."""
    if not warnings:
        return planned
    diagnostics = sort_diagnostics((*planned.plan.diagnostics, *warnings))
    return replace(planned, plan=replace(planned.plan, diagnostics=diagnostics))


async def prepare(
    workspace: Workspace,
    store: RecordStore,
    session: Session,
    request: PlanRequest,
    *,
    writer: Callable[[], str] | None = None,
) -> PlanResult:
    """Read what is recorded from the server, decide, and ask the guards.

    `writer` says who else is at work on the state: a plan may be made beside an apply. Raises
    InvalidInputError where there is nothing to decide about, InvalidSpecsError for a project that
    cannot be used, UnreachableError, GuardError.
    """
    settings, header = workspace.settings, store.header
    recorded = tuple(store.read())
    # Asked after the reading: a run that began in between may have written some of these records.
    at_work = writer() if writer is not None else ""
    if not workspace.desired and not recorded and not request.options.destroying:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    projects = ServerProjects(session, discovery=settings.discovery)
    named = await _name_projects(workspace, projects, header, recorded, request)
    workspace = named.workspace
    request, desired, rows = await _select(
        workspace, request, header, recorded, named=named, projects=projects
    )
    reading, planned = await plan_as_of_now(
        desired,
        rows,
        workspace=workspace,
        session=session,
        header=header,
        options=request.options,
        projects=projects,
        named=named,
        at_work=at_work,
    )
    rechecked: RecheckedApproval | None = None
    if request.approval is not None:
        # Most plans are made anew, and need not load what compares them with an approved one.
        from reconciler.core.review.approval import recheck_approval

        rechecked = recheck_approval(request.approval, planned.plan)
    plan = await _check_on_server(
        rechecked.plan if rechecked else planned.plan,
        desired,
        projects,
        workspace=workspace,
        session=session,
        header=header,
        may_ask=request.options.refreshed,
    )
    plan = replace(
        plan,
        project_names=_names_in(plan, projects, named, {**header.target.pins, **settings.projects}),
        diagnostics=sort_diagnostics((*plan.diagnostics, *reading.warnings)),
    )
    guarded = _ask_guards(
        plan,
        workspace,
        recorded,
        reading,
        options=_guard_options(settings, request, header, session, plan=plan, named=named),
    )
    return PlanResult(
        plan=plan,
        refused=rechecked.refused if rechecked else (),
        differences=_find_differences(request.approval, planned.plan, rechecked),
        beyond=rechecked.beyond if rechecked else 0,
        refusals=(*guarded, *check_quota(plan, settings.quota)),
        recorded=recorded,
        tenant_id=tenant_of(reading.live),
        shows_updates=planned.has_shown,
        alive=frozenset(id_ for id_, it in reading.live.items() if isinstance(it, Remote)),
        loaded=workspace.loaded,
        pins=named.pins,
        request=request,
        gone_projects=reading.gone_projects,
    )


def _ask_guards(
    plan: Plan,
    workspace: Workspace,
    recorded: Sequence[Recorded],
    reading: ServerReading,
    *,
    options: GuardOptions,
) -> Sequence[Refusal]:
    """What speaks against a plan, by what is recorded and what was read."""
    root, files = workspace.settings.root, {spec.source.file for spec in workspace.desired}
    return check_plan(
        plan,
        declared=len(workspace.desired),
        recorded=recorded,
        live=reading.live,
        options=options,
        finished=find_finished(recorded, reading.listed),
        emptied=[folder for folder in find_emptied(recorded, files) if is_folder(root / folder)],
    )


def _find_differences(
    approval: Approval | None, now: Plan, rechecked: RecheckedApproval | None
) -> tuple[EntryDifference, ...]:
    """In what the plan of now is not the approved one, entry by entry."""
    if approval is None or rechecked is None or not (rechecked.refused or rechecked.beyond):
        return ()
    from reconciler.core.review.plan_differences import compare_entries
    from reconciler.report.machine.documents import action_document

    approved, present = (
        [action_document(action) for action in plan.published] for plan in (approval.plan, now)
    )
    return compare_entries(approved, present)


async def _select(
    workspace: Workspace,
    request: PlanRequest,
    header: Header,
    recorded: Sequence[Recorded],
    *,
    named: NamedProjects,
    projects: ServerProjects,
) -> tuple[PlanRequest, Sequence[Desired], Sequence[Recorded]]:
    """What the plan is about, and the request with ids in place of what somebody has typed.

    Raises UsageError for what was typed and is nothing.
    """
    declared = () if request.options.destroying else workspace.desired
    if request.approval is not None:
        # A saved plan was checked when it was made, and its workloads may be gone since.
        return request, *request.selection.narrow(declared, recorded)
    addresses = {row.address for row in recorded}
    # What only a server could resolve, a destroy need not know.
    known = (spec.address for spec in workspace.desired)
    addresses |= {address for address in known if not is_placeholder(address.project)}
    aliases = {**projects.ids, **workspace.settings.projects, **named.meant}
    names = TypedNames.of(header.target, aliases, addresses)
    request = await spell_request(request, names, projects)
    desired, rows = request.selection.narrow(declared, recorded)
    check_typed(
        request,
        selected={*(spec.address for spec in desired), *(row.address for row in rows)},
        addresses=addresses,
    )
    return request, desired, rows


async def _name_projects(
    workspace: Workspace,
    projects: ServerProjects,
    header: Header,
    recorded: Sequence[Recorded],
    request: PlanRequest,
) -> NamedProjects:
    """What the names of projects in the specs mean; a destroy goes by recorded ids alone."""
    pins, approval = header.target.pins, request.approval
    if request.options.destroying:
        need_no_acceptance(request.accept_projects)
        return NamedProjects(workspace=workspace, pins=pins)
    need_whole_acceptance(request.accept_projects, is_narrowed=request.selection.is_narrowed)
    workspace = await resolve_workspace(
        workspace, projects, pins=pins, may_ask=request.options.refreshed
    )
    workspace.need_valid()
    if approval is not None:
        from reconciler.app.planning.approval_checks import check_named_projects

        # Before the pins: whoever approved another project has to look again in any case.
        check_named_projects(approval, workspace.loaded)
    return check_names(workspace, pins=pins, recorded=recorded, accepted=request.accept_projects)


async def _check_on_server(
    plan: Plan,
    desired: Collection[Desired],
    projects: ServerProjects,
    *,
    workspace: Workspace,
    session: Session,
    header: Header,
    may_ask: bool,
) -> Plan:
    """A plan that holds what this server would refuse, with what is found of its projects.

    What the server does not let us see is not checked, and refuses nothing. Raises
    InvalidSpecsError for a project that is being deleted.
    """
    settings = workspace.settings
    plan = hold_invalid(plan, settings)
    plan = await hold_taken_names(plan, settings, session, header, may_ask=may_ask)
    plan = await with_quotas(plan, settings, projects, may_ask=may_ask)
    creating = {a.address.project for a in plan.changes if isinstance(a, Create | Replace)}
    if creating and may_ask:
        await projects.read(until=creating)
    diagnostics = check_projects(desired, projects.listed, workspace.loaded)
    plan = replace(plan, diagnostics=sort_diagnostics((*plan.diagnostics, *diagnostics)))
    if has_errors(diagnostics):
        raise InvalidSpecsError(plan.diagnostics, workspace.prefix, workspace.max_errors)
    return plan


def _names_in(
    plan: Plan, projects: ServerProjects, named: NamedProjects, aliases: Mapping[str, str]
) -> Mapping[str, str]:
    """The name of each project in a plan, by id: as specs have it, else by alias, else listed."""
    names = {project.id: project.name for project in projects.listed.values()}
    names |= names_of_projects(aliases)
    names |= named.names
    used = {action.address.project for action in plan.actions}
    return {id_: name for id_, name in names.items() if id_ in used}


def _guard_options(
    settings: Settings,
    request: PlanRequest,
    header: Header,
    session: Session,
    *,
    plan: Plan,
    named: NamedProjects,
) -> GuardOptions:
    issuer = header.target.issuer
    ids = {**named.pins, **settings.projects}
    return GuardOptions(
        max_delete=settings.max_delete,
        # Each delete and each update of a saved plan was approved by its name.
        max_update=None if request.approval else settings.max_update,
        allow_deletes=count_ending(plan) if request.approval else request.allow_deletes,
        allow_missing=request.allow_missing,
        allow_empty=request.allow_empty,
        destroying=request.options.destroying,
        allowed_projects=[ids.get(project, project) for project in settings.allowed_projects],
        explained_projects=named.explained,
        # Only a token that names its issuer proves that this is the server from before.
        target_confirmed=issuer is not None and issuer == session.target.issuer,
    )
