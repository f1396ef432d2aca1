"""Rebuilds a lost state from the server's list and the markers that our workloads carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from reconciler.app.planning.workspace import Workspace
from reconciler.app.projects.named_projects import resolve_workspace
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, ask_for_names
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.claiming import ResolveRequest
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.app.state.state_edits import amend
from reconciler.core.model import Address, Desired, Recorded, Remote
from reconciler.core.planning.selection import Selection
from reconciler.core.protocol.marker import read_marker
from reconciler.core.redact import Redactor
from reconciler.engine.records import adopt_found
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import EventListener, StateStore
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverSearch:
    """Where to look and what to take; `lineage` chooses among the states that made workloads.

    What a `workspace` declares is declared, once every project in it is resolved.
    """

    workspace: Workspace | None = None
    declared: tuple[Desired, ...] = ()
    projects: tuple[str, ...] = ()
    selection: Selection = field(default_factory=Selection)
    lineage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverResult:
    """What was put back, or would be, and what was seen of others on the way.

    `others` counts workloads without our stack's marker, `elsewhere` those of our stack by the
    lineage of the other state that made them.
    """

    rows: tuple[Recorded, ...]
    lineage: str
    others: int
    elsewhere: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _MarkedWorkload:
    """One workload of our stack, and the lineage of the state that made it."""

    lineage: str
    row: Recorded


async def recover(
    settings: Settings,
    request: ResolveRequest,
    search: RecoverSearch,
    *,
    connector: Connector,
    say: EventListener,
) -> RecoverResult:
    """Record every workload of this stack that the server shows in the projects searched.

    A state that is not there is made; to one that is, what it does not know is added. Nothing is
    sent but GETs. Raises UnreachableError where the server has no list that can be believed,
    RefusedError where the workloads of several states are found and none is chosen, and UsageError
    for a pattern that matches none.
    """
    named = search.workspace.desired if search.workspace is not None else ()
    if not (search.projects or search.declared or named):
        raise UsageError("there is no project to look in", hint="give --project, or a folder")
    with open_beside_server(
        settings, connector, say, hold_as=request.hold_as, may_be_missing=True
    ) as state:
        async with state.connect() as session:
            search = await _resolve(search, settings, state.store, session)
            declared = {desired.address: desired for desired in search.declared}
            projects = sorted({*search.projects, *(address.project for address in declared)})
            ids = await list_ids(session, projects)
            marked = await _read_marked(session, ids, settings, declared)
            lineage = _choose_lineage(marked, search.lineage, state.store)
            ours = [workload.row for workload in marked if workload.lineage == lineage]
            rows = _new_rows(ours, search.selection, state.store)
            if not rows or not request.confirm(rows):
                rows = ()
            elif not request.dry_run:
                # A state is made only now, so that a recovery that was declined leaves no file.
                store = state.store or state.create(session.target)
                # The marks on the workloads are of this lineage, and cannot be changed.
                is_other = store.header.lineage != lineage
                amend(
                    store, request.command, "recover", rows, lineage=lineage if is_other else None
                )
    return RecoverResult(
        rows=rows,
        lineage=lineage,
        others=len(ids) - len(marked),
        elsewhere=Counter(workload.lineage for workload in marked if workload.lineage != lineage),
    )


async def _resolve(
    search: RecoverSearch, settings: Settings, store: StateStore | None, session: Session
) -> RecoverSearch:
    """The same in ids; raises InvalidSpecsError for a project that cannot be found by its name."""
    target = store.header.target if store is not None else session.target
    projects = ServerProjects(session, discovery=settings.discovery)
    if search.workspace is not None:
        workspace = await resolve_workspace(search.workspace, projects, pins=target.pins)
        # A mistake in one of the specs is no reason to lose the others.
        if search.workspace.loaded.unresolved:
            workspace.need_valid()
        search = replace(search, declared=workspace.desired)
    names = TypedNames.of(target, settings.projects, (spec.address for spec in search.declared))
    typed = search.selection.targets
    names = await ask_for_names(names, names.unknown(typed, search.projects), projects)
    return replace(
        search,
        projects=tuple(map(names.project, search.projects)),
        selection=replace(search.selection, targets=names.patterns(typed)),
    )


async def _read_marked(
    session: Session, ids: Sequence[str], settings: Settings, declared: Mapping[Address, Desired]
) -> list[_MarkedWorkload]:
    """Those of the listed workloads that are of our stack, as the state that made them has them."""
    at = session.dispatcher.server.latest()

    def keep(remote: Remote) -> _MarkedWorkload | None:
        marker = read_marker(remote.raw_manifest)
        if marker is None or marker.stack != settings.stack:
            return None
        row = adopt_found(
            remote,
            marker.op,
            # Each state has digests of its own: they are made under its lineage.
            redactor=Redactor(marker.lineage, settings.rules),
            desired=declared.get(remote.address),
            at=at,
        )
        return _MarkedWorkload(lineage=marker.lineage, row=replace(row, marker=str(marker)))

    workloads = await read_each(session, ids, keep)
    return [workload for workload in workloads.values() if workload is not None]


def _choose_lineage(
    marked: Sequence[_MarkedWorkload], lineage: str | None, store: StateStore | None
) -> str:
    """Whose workloads to take: a state that has written takes its own only."""
    if store is not None and store.header.serial > 0:
        if lineage not in (None, store.header.lineage):
            raise RefusedError(
                f"the state {store.place.title} is of lineage {store.header.lineage}",
                hint="recover another lineage into a state of its own: --state FILE",
            )
        return store.header.lineage
    if lineage is not None:
        return lineage
    counts = Counter(workload.lineage for workload in marked)
    if not counts:
        raise StateError(
            "no workload there carries the marker of this stack",
            hint="check --stack and --project; unmarked ones can be adopted: "
            "reconciler state adopt ADDRESS --id ID",
        )
    if len(counts) > 1:
        listed = ", ".join(f"{name} ({count})" for name, count in counts.most_common())
        raise RefusedError(
            f"{len(counts)} states made workloads of this stack: {listed}",
            hint="choose one with --lineage",
        )
    return next(iter(counts))


def _new_rows(
    ours: Sequence[Recorded], selection: Selection, store: StateStore | None
) -> tuple[Recorded, ...]:
    """The rows that are selected, and that the state does not have; sorted by address."""
    for pattern in selection.targets:
        selected = Selection(targets=(pattern,))
        # A pattern that means nothing is more likely misspelt than meant.
        if not any(selected.takes(row.address) for row in ours):
            raise UsageError(
                f"no workload of this state matches {pattern} on the server",
                hint="patterns are globs on <projectId>/<name>; nothing was written",
            )
    recorded = store.read() if store is not None else ()
    # By id and by operation: a create in doubt has no id yet, and an adopted one another operation.
    keys = {row.id for row in recorded} | {row.op for row in recorded}
    rows = (
        row for row in ours if selection.takes(row.address) and keys.isdisjoint({row.id, row.op})
    )
    return tuple(sorted(rows, key=lambda row: row.address))
