"""Records workloads that are there already: one by its id, or all of a project from the list.

What another stack or state has marked keeps its mark, unless ours is asked for on a server that has
updates: the record says which mark it is, and a later delete finds exactly that one or leaves it
alone.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import field, replace

from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.server_capability import find_capability
from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.named_projects import find_resolution
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, ask_for_names
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import StateBesideServer, open_beside_server
from reconciler.app.state.claiming import fetch_workload
from reconciler.app.state.examining import AdoptionRules, AdoptionTerms, Examined
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.app.state.marking import mark_adopted, need_updates
from reconciler.app.state.state_edits import amend
from reconciler.app.state.states import merge_targets, parse_address
from reconciler.core.globs import matches_any
from reconciler.core.model import Address, Header, Recorded
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.core.projects.resolution import Resolution
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.transitions import outlived_by
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import EventListener
from reconciler.values import dataclass

Agree = Callable[[Proposal], bool]
"""Shown what would be recorded; False leaves everything as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptOptions:
    """On which terms, and how to go about it; with `dry_run` nothing is written.

    The specs of a `workspace` are those of the terms, with every project resolved. `init` creates a
    state where there is none, once there is something to write. `on_agreed` does
    what has to be there before anything is recorded. `on_marked` is told how it went to put our
    mark on what was recorded; without it every mark stays as it is.
    """

    command: str
    agree: Agree
    workspace: Workspace | None = None
    terms: AdoptionTerms = field(default_factory=AdoptionTerms)
    init: bool = False
    dry_run: bool = False
    on_agreed: Callable[[Proposal], None] = lambda _: None
    on_marked: Callable[[ApplyResult], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptRun:
    """A state, or what a new one is going to be, beside a session with its server.

    `resolution` is what names of projects in the specs mean, `names` are those that may be typed.
    """

    settings: Settings
    options: AdoptOptions
    header: Header
    state: StateBesideServer
    session: Session
    rules: AdoptionRules
    projects: ServerProjects
    resolution: Resolution
    names: TypedNames

    async def ask_for(
        self, addresses: Iterable[str] = (), projects: Iterable[str] = ()
    ) -> TypedNames:
        """The names that may be typed, with what the server knows of these."""
        unknown = self.names.unknown(addresses, projects)
        return await ask_for_names(self.names, unknown, self.projects)

    @property
    def recorded(self) -> Sequence[Recorded]:
        """What the state has, as of when it was opened."""
        return [row for rows in self.rules.rows.values() for row in rows]

    async def conclude(self, proposal: Proposal) -> Proposal | None:
        """Ask, and write everything at once: a copy of the state first, one entry of history."""
        options = self.options
        if options.on_marked is not None:
            need_updates(self.settings)
        if not self.options.agree(proposal):
            return None
        if proposal.adoptions and not self.options.dry_run:
            options.on_agreed(proposal)
            target = replace(self.session.target, tenant_id=self.rules.tenant)
            at = self.session.dispatcher.server.earliest()
            outlived = [
                ended
                for row in proposal.rows
                for ended in outlived_by(row, self.rules.rows.get(row.address, ()), at)
            ]
            owners = {adoption.row.op: adoption.owner for adoption in proposal.adoptions}
            amend(
                # A state is made only now, so that an adoption that was declined leaves no file.
                self.state.store or self.state.create(self.header.target),
                self.options.command,
                "adopt",
                proposal.rows,
                beside=outlived,
                # What was redacted for a state to be made is redacted under its lineage.
                lineage=self.header.lineage,
                target=merge_targets(self.header.target, target),
                notes={
                    op: f"taken over from stack {owner.stack!r} (state {owner.lineage})"
                    for op, owner in owners.items()
                    if owner is not None
                },
            )
            if options.on_marked is not None:
                # Recorded with the mark that it has: killed before the next line, nothing is lost.
                applied = await mark_adopted(
                    proposal.rows,
                    self.state.open(),
                    self.session,
                    self.settings,
                    command=options.command,
                )
                options.on_marked(applied)
        return proposal


@asynccontextmanager
async def open_adopt_run(
    settings: Settings,
    options: AdoptOptions,
    connector: Connector,
    say: EventListener,
    *,
    need_specs: bool = True,
) -> AsyncIterator[AdoptRun]:
    """The state before the network, as an apply does; raises StateError where there is none.

    With `need_specs` raises InvalidSpecsError for a project that cannot be found by its name.
    """
    with open_beside_server(
        settings,
        connector,
        say,
        hold_as="" if options.dry_run else options.command,
        may_be_missing=options.init,
    ) as state:
        async with state.connect() as session:
            if state.store is not None:
                header, recorded = state.store.header, state.store.read()
            else:
                header = Header(lineage=str(uuid.uuid4()), serial=0, target=session.target)
                recorded = ()
            can_update, terms = CanUpdate.UNKNOWN, options.terms
            projects = ServerProjects(session, discovery=settings.discovery)
            resolution = Resolution()
            if (workspace := options.workspace) is not None:
                resolution = await find_resolution(
                    workspace.loaded.unresolved,
                    projects,
                    pins=header.target.pins,
                    aliases=settings.projects,
                )
                workspace = workspace.resolved(resolution)
                if need_specs:
                    workspace.need_valid()
                terms = replace(terms, declared=workspace.desired)
            if terms.declared:
                # What is declared may differ from what runs, and then the next plan changes it.
                can_update = await find_capability(settings, session, header.target)
            known = {row.address for row in recorded} | {spec.address for spec in terms.declared}
            yield AdoptRun(
                settings=settings,
                projects=projects,
                resolution=resolution,
                names=TypedNames.of(
                    header.target,
                    {**settings.projects, **resolution.ids},
                    known,
                ),
                options=options,
                header=header,
                state=state,
                session=session,
                rules=AdoptionRules.of(
                    header, recorded, session, settings, terms, can_update=can_update
                ),
            )


async def adopt(
    settings: Settings,
    options: AdoptOptions,
    address: str,
    workload_id: str,
    *,
    connector: Connector,
    say: EventListener,
) -> Proposal | None:
    """Record one workload, whether a spec declares it or not; nothing is sent but a GET.

    What a spec says of it is compared from now on. Returns None where it was not agreed to. Raises
    RefusedError for a workload of another name or owner, and for an address that is recorded.
    """
    # Who names a workload by its id means it, whatever the specs say.
    options = replace(options, terms=replace(options.terms, undeclared=True))
    async with open_adopt_run(settings, options, connector, say, need_specs=False) as adopt_run:
        names = await adopt_run.ask_for([address])
        expected = parse_address(names.address(address), "give it as the plan shows it")
        examined: Examined | None = adopt_run.rules.find_record(expected, workload_id)
        if examined is None:
            remote = await fetch_workload(adopt_run.session, workload_id)
            if remote.address != expected:
                raise RefusedError(
                    f"workload {remote.id} is {remote.address}, not {expected}",
                    hint="check the id; nothing was changed",
                )
            examined = adopt_run.rules.examine(remote)
        if isinstance(examined, NotAdopted):
            raise RefusedError(examined.message, hint=examined.hint)
        return await adopt_run.conclude(Proposal(adoptions=(examined,)))


async def adopt_project(
    settings: Settings,
    options: AdoptOptions,
    project: str,
    patterns: Sequence[str] = (),
    *,
    connector: Connector,
    say: EventListener,
) -> Proposal | None:
    """Record what the server lists in a project; nothing is written unless all of it was read.

    A glob with a slash is on the address, another one on the name. Returns None where it was not
    agreed to. Raises UnreachableError without a list that can be believed, UsageError for a glob
    that matches nothing there, StateError for an empty project.
    """
    async with open_adopt_run(settings, options, connector, say) as adopt_run:
        names = await adopt_run.ask_for(patterns, [project])
        project = names.project(project)
        # Without a slash it is the name of a workload, which need not be known yet.
        patterns = [
            p for text in patterns for p in (names.patterns([text]) if "/" in text else [text])
        ]
        ids = await list_ids(adopt_run.session, [project])
        if not ids:
            raise StateError(
                f"the server lists no workload in project {project}",
                hint="check --project, and what the credentials may see; nothing was changed",
            )
        results = await read_each(adopt_run.session, ids, adopt_run.rules.examine)
        examined = [
            result
            or NotAdopted(
                id=workload_id,
                why=NotAdoptedReason.UNKNOWN,
                message=f"workload {workload_id} is in the list, but the API does not find it: it "
                "was deleted meanwhile, or another API made it",
            )
            for workload_id, result in results.items()
        ]
        examined = without_doubles(_select(examined, project, patterns))
        adoptions = [adoption for adoption in examined if isinstance(adoption, Adoption)]
        skipped = [skip for skip in examined if isinstance(skip, NotAdopted)]
        return await adopt_run.conclude(
            Proposal(
                adoptions=tuple(sorted(adoptions, key=lambda adoption: adoption.address)),
                skipped=tuple(sorted(skipped, key=lambda skip: (str(skip.address or ""), skip.id))),
                project=project,
            )
        )


def _select(
    examined: Sequence[Examined], project: str, patterns: Sequence[str]
) -> Sequence[Examined]:
    """Those that a glob matches; raises UsageError for a glob that matches none."""
    for pattern in patterns:
        if not any(matches(result.address, pattern) for result in examined):
            raise UsageError(
                f"nothing in project {project} matches {pattern}",
                hint=f"a glob is on the name, or on {project}/<name>; nothing was changed",
            )
    if not patterns:
        return examined
    return [
        result
        for result in examined
        if any(matches(result.address, pattern) for pattern in patterns)
    ]


def matches(address: Address | None, pattern: str) -> bool:
    """Whether a glob means a workload: with a slash it is on the address, else on the name."""
    if address is None:
        return False
    return matches_any(str(address) if "/" in pattern else address.name, [pattern])


def without_doubles(examined: Sequence[Examined]) -> list[Examined]:
    """One address has one workload, and one operation made one: of several, a person decides."""
    adoptions = [adoption for adoption in examined if isinstance(adoption, Adoption)]
    names = Counter(adoption.address for adoption in adoptions)
    marks = Counter(adoption.row.op for adoption in adoptions)

    def check(result: Examined) -> Examined:
        if not isinstance(result, Adoption):
            return result
        if names[result.address] > 1:
            return NotAdopted(
                id=result.row.id or "",
                address=result.address,
                why=NotAdoptedReason.SAME_NAME,
                message=f"the server has {names[result.address]} workloads named {result.address}",
                hint="choose one: reconciler state adopt ADDRESS --id ID",
            )
        if marks[result.row.op] > 1:
            return NotAdopted(
                id=result.row.id or "",
                address=result.address,
                why=NotAdoptedReason.COPIED,
                message=f"{marks[result.row.op]} workloads carry the mark of one operation: a "
                "manifest was copied, annotations and all",
                hint="choose the one that was not copied: reconciler state adopt ADDRESS --id ID",
            )
        return result

    return [check(result) for result in examined]
