"""Records workloads that are there already: one by its id, or all of a project from the list.

What another stack or state has marked keeps its mark, since nothing on the server can be changed:
the record says which mark that is, and a later delete finds exactly that one or leaves it alone.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from reconciler.app.session import Connector, Session, met_target
from reconciler.app.settings import Settings
from reconciler.app.state.claiming import parse_address, read_workload
from reconciler.app.state.examining import AdoptionRules, AdoptionTerms, Examined
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.app.state.state_edits import amend
from reconciler.app.state.states import merge_targets, read_state
from reconciler.app.target import PinnedTarget, need_same_target
from reconciler.core.model import Address, Header, Target
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import Say
from reconciler.state.sqlite import SqliteStore, create_state, is_there

Agree = Callable[[Proposal], bool]
"""Shown what would be recorded; False leaves everything as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptOptions:
    """On which terms, and how to go about it; with `dry_run` nothing is written.

    `init` makes a state where there is none, once there is something to write.
    """

    command: str
    agree: Agree
    terms: AdoptionTerms = field(default_factory=AdoptionTerms)
    init: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _AdoptRun:
    """A state, or what a new one is going to be, beside a session with its server."""

    settings: Settings
    request: AdoptOptions
    header: Header
    store: SqliteStore | None
    session: Session
    desk: AdoptionRules

    def conclude(self, proposal: Proposal) -> Proposal | None:
        """Ask, and write everything at once: a copy of the state first, one entry of history."""
        met = replace(met_target(self.settings, self.session), tenant_id=self.desk.tenant)
        need_same_target(self.header.target, met)
        if not self.request.agree(proposal):
            return None
        if proposal.adoptions and not self.request.dry_run:
            with ExitStack() as files:
                store = self.store or self._make_state(files)
                self._write(store, proposal, merge_targets(self.header.target, met))
        return proposal

    def _make_state(self, files: ExitStack) -> SqliteStore:
        create_state(self.settings.state, self.header.target).close()
        store = files.enter_context(read_state(self.settings.state))
        store.hold(self.request.command)
        return store

    def _write(self, store: SqliteStore, proposal: Proposal, target: Target) -> None:
        amend(
            store,
            self.request.command,
            "adopt",
            proposal.rows,
            # What was redacted for a state to be made is redacted under its lineage.
            lineage=self.header.lineage,
            target=target,
            notes={one.row.op: _from(one) for one in proposal.adoptions},
        )


@asynccontextmanager
async def _open(
    settings: Settings, request: AdoptOptions, connector: Connector, say: Say
) -> AsyncIterator[_AdoptRun]:
    """The state before the network, as an apply does; raises StateError where there is none."""
    with ExitStack() as files:
        store = None
        if is_there(settings.state) or not request.init:
            store = files.enter_context(read_state(settings.state))
            if not request.dry_run:
                store.hold(request.command)
        pin = PinnedTarget(target=store.header.target) if store is not None else None
        async with connector.open(settings, pin, say) as session:
            header = store.header if store is not None else _new_header(settings, session)
            recorded = store.read() if store else ()
            desk = AdoptionRules.of(header, recorded, session, settings, request.terms)
            yield _AdoptRun(
                settings=settings,
                request=request,
                header=header,
                store=store,
                session=session,
                desk=desk,
            )


def _new_header(settings: Settings, session: Session) -> Header:
    target = Target(url=session.url, stack=settings.stack)
    return Header(lineage=str(uuid.uuid4()), serial=0, target=target)


async def adopt(
    settings: Settings,
    request: AdoptOptions,
    address: str,
    workload_id: str,
    *,
    connector: Connector,
    say: Say,
) -> Proposal | None:
    """Record one workload, whether a spec declares it or not; nothing is sent but a GET.

    What a spec says of it is compared from now on. Returns None where it was not agreed to. Raises
    RefusedError for a workload of another name or owner, and for an address that is recorded.
    """
    wanted = parse_address(address)
    request = replace(request, terms=replace(request.terms, undeclared=True))
    async with _open(settings, request, connector, say) as office:
        _refuse(office.desk.find_record(wanted, workload_id))
        remote = await read_workload(office.session, workload_id)
        if remote.address != wanted:
            raise RefusedError(
                f"workload {remote.id} is {remote.address}, not {wanted}",
                hint="check the id; nothing was changed",
            )
        found = office.desk.examine(remote)
        if isinstance(found, NotAdopted):
            raise _refusal(found)
        return office.conclude(Proposal(adoptions=(found,)))


async def adopt_project(
    settings: Settings,
    request: AdoptOptions,
    project: str,
    patterns: Sequence[str] = (),
    *,
    connector: Connector,
    say: Say,
) -> Proposal | None:
    """Record what the server lists in a project; nothing is written unless all of it was read.

    A glob with a slash is on the address, another one on the name. Returns None where it was not
    agreed to. Raises UnreachableError without a list that can be believed, UsageError for a glob
    that matches nothing there, StateError for an empty project.
    """
    async with _open(settings, request, connector, say) as office:
        ids = await list_ids(office.session, [project])
        if not ids:
            raise StateError(
                f"the server lists no workload in project {project}",
                hint="check --project, and what the credentials may see; nothing was changed",
            )
        read = await read_each(office.session, ids, office.desk.examine)
        found = [one or _unknown(workload_id) for workload_id, one in read.items()]
        chosen = _without_doubles(_choose(found, project, patterns))
        return office.conclude(_proposal(chosen, project))


def _refuse(problem: NotAdopted | None) -> None:
    if problem is not None:
        raise _refusal(problem)


def _refusal(problem: NotAdopted) -> RefusedError:
    return RefusedError(problem.message, hint=problem.hint)


def _unknown(workload_id: str) -> NotAdopted:
    return NotAdopted(
        id=workload_id,
        why=NotAdoptedReason.UNKNOWN,
        message=f"workload {workload_id} is listed, and the API does not have it: it is gone "
        "meanwhile, or was not made through this API",
    )


def _choose(found: Sequence[Examined], project: str, patterns: Sequence[str]) -> list[Examined]:
    """Those that a glob matches; each glob has to mean something."""
    for pattern in patterns:
        if not any(_matches(one.address, pattern) for one in found):
            raise UsageError(
                f"nothing in project {project} matches {pattern}",
                hint=f"a glob is on the name, or on {project}/<name>; nothing was changed",
            )
    return [
        one
        for one in found
        if not patterns or any(_matches(one.address, pattern) for pattern in patterns)
    ]


def _matches(address: Address | None, pattern: str) -> bool:
    if address is None:
        return False
    return fnmatchcase(str(address) if "/" in pattern else address.name, pattern)


def _without_doubles(found: Sequence[Examined]) -> list[Examined]:
    """One address has one workload, and one operation made one: of several, a person decides."""
    adoptions = [one for one in found if isinstance(one, Adoption)]
    names = Counter(one.address for one in adoptions)
    marks = Counter(one.row.op for one in adoptions)

    def check(one: Examined) -> Examined:
        if not isinstance(one, Adoption):
            return one
        if names[one.address] > 1:
            return NotAdopted(
                id=one.row.id or "",
                address=one.address,
                why=NotAdoptedReason.SAME_NAME,
                message=f"the server has {names[one.address]} workloads named {one.address}",
                hint="choose one: reconciler state adopt ADDRESS --id ID",
            )
        if marks[one.row.op] > 1:
            return NotAdopted(
                id=one.row.id or "",
                address=one.address,
                why=NotAdoptedReason.COPIED,
                message=f"{marks[one.row.op]} workloads carry the mark of one operation: a "
                "manifest was copied, annotations and all",
                hint="choose the one that was not copied: reconciler state adopt ADDRESS --id ID",
            )
        return one

    return [check(one) for one in found]


def _proposal(found: Sequence[Examined], project: str) -> Proposal:
    adoptions = [one for one in found if isinstance(one, Adoption)]
    skipped = [one for one in found if isinstance(one, NotAdopted)]
    return Proposal(
        adoptions=tuple(sorted(adoptions, key=lambda one: one.address)),
        skipped=tuple(sorted(skipped, key=lambda one: (str(one.address or ""), one.id))),
        project=project,
    )


def _from(adoption: Adoption) -> str:
    owner = adoption.owner
    return f"taken over from stack {owner.stack!r} (state {owner.lineage})" if owner else ""
