"""What runs in some projects beside what a state records, and what there holds idle GPUs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from reconciler.app.projects.named_projects import find_resolution
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, ask_for_names
from reconciler.app.settings import Settings
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.list_workloads import visit_each
from reconciler.app.state.states import without_state
from reconciler.app.status.phases import Phases, read_phases
from reconciler.core.globs import matches_any
from reconciler.core.model import Header, Recorded, Remote
from reconciler.core.projects.names import ProjectName, is_placeholder
from reconciler.core.protocol.api_results import Accepted, ApiResult, NotFound
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.protocol.marker import read_marker
from reconciler.core.running.idle import find_idle
from reconciler.core.running.search import LiveSearch
from reconciler.core.running.unmanaged import RecordedKeys, UnmanagedWorkload
from reconciler.errors import UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Connector, Session
    from reconciler.ports import EventListener, RecordStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSearch:
    """Which projects to look through, and which addresses there (globs; without any, all).

    Without `projects` those that are `declared`, and those in which something is recorded. What is
    declared by a name that nobody has looked up yet is a placeholder.
    """

    projects: Collection[str] = ()
    declared: Collection[str] = ()
    patterns: Sequence[str] = ()

    def selects(self, workload: LiveWorkload) -> bool:
        """Whether a listed workload is asked about."""
        return not self.patterns or matches_any(str(workload.address), self.patterns)

    def among(self, recorded: Iterable[Recorded]) -> list[str]:
        """The projects to look through; raises UsageError where there is none."""
        projects = sorted(
            self.projects or {*self.declared, *(row.address.project for row in recorded)}
        )
        if not projects:
            raise UsageError(
                "there is no project to look in",
                hint="give --project ID, or run it in the folder of the specs",
            )
        return projects


async def _look_through(
    search: ProjectSearch, settings: Settings, store: RecordStore, session: Session
) -> tuple[ProjectSearch, Phases]:
    """The search in ids, and the lists of its projects with why others have none, by name."""
    projects = ServerProjects(session, discovery=settings.discovery)
    target, rows = store.header.target, tuple(store.read())
    names = TypedNames.of(target, settings.projects, (row.address for row in rows))
    unknown = names.unknown(search.patterns, search.projects)
    names = await ask_for_names(names, unknown, projects)
    declared = {} if search.projects else {p: p for p in search.declared}
    placeholders = [ProjectName.of(p) for p in declared if is_placeholder(p)]
    resolution = await find_resolution(
        placeholders, projects, pins=target.pins, aliases=settings.projects
    )
    ids = {name.placeholder: resolution.ids.get(str(name)) for name in placeholders}
    search = replace(
        search,
        projects=[names.project(project) for project in search.projects],
        declared={id_ for p in declared if (id_ := ids.get(p, p)) is not None},
        patterns=names.patterns(search.patterns),
    )
    phases = await read_phases(search.among(rows), session, discovery=settings.discovery)
    unlisted = {name: problem.message for name, problem in resolution.problems.items()}
    # The list of a project that does not exist is as empty as that of one in which nothing runs.
    listed = {workload.address.project for workload in phases.listed.values()}
    empty = set(search.projects) - listed - set(phases.unlisted)
    unlisted |= await projects.find_unseen(empty)
    return search, replace(phases, unlisted={**phases.unlisted, **unlisted})


async def search_unmanaged(
    settings: Settings, search: ProjectSearch, *, connector: Connector, say: EventListener
) -> LiveSearch:
    """Find the live workloads that the state does not record, by address.

    Raises UnreachableError, GuardError for another target, UsageError without projects.
    """
    with open_beside_server(settings, connector, say, may_be_missing=True) as state:
        async with state.connect() as session:
            # Before the first apply nothing is recorded, and all that lives is unmanaged.
            store = state.store or without_state(session.target)
            rows, header = tuple(store.read()), store.header
            search, phases = await _look_through(search, settings, store, session)
            unmanaged = await find_unmanaged(
                filter(search.selects, phases.listed.values()), rows, header, session
            )
            return LiveSearch(
                projects=tuple(search.among(rows)),
                at=session.dispatcher.server.earliest(),
                unmanaged=tuple(workload for workload, _ in unmanaged),
                unlisted=phases.unlisted,
                changing=tuple(sorted(phases.changing)),
            )


async def search_idle(
    settings: Settings,
    search: ProjectSearch,
    at_least: timedelta,
    *,
    connector: Connector,
    say: EventListener,
) -> LiveSearch:
    """Find what holds idle GPUs, recorded or not; raises what `search_unmanaged` does."""
    with open_beside_server(settings, connector, say, may_be_missing=True) as state:
        async with state.connect() as session:
            store = state.store or without_state(session.target)
            rows = tuple(store.read())
            search, phases = await _look_through(search, settings, store, session)
            at = session.dispatcher.server.earliest()
            listed = filter(search.selects, phases.listed.values())
            return LiveSearch(
                projects=tuple(search.among(rows)),
                at=at,
                idle=find_idle(listed, at_least, at),
                recorded=frozenset(row.id for row in rows if row.id),
                unlisted=phases.unlisted,
                changing=tuple(sorted(phases.changing)),
            )


async def find_unmanaged(
    listed: Iterable[LiveWorkload],
    rows: Sequence[Recorded],
    header: Header,
    session: Session,
    keep: Callable[[Remote], T | None] = lambda _: None,
) -> list[tuple[UnmanagedWorkload, T | None]]:
    """Those of the listed workloads that no record is about, each with what `keep` makes of it.

    Raises UnreachableError where the run ends before all could be looked at.
    """
    keys = RecordedKeys.of(rows, header.lineage)
    others = {row.id: row for row in listed if row.id not in keys.ids and row.deleted_at is None}

    def look(workload_id: str, result: ApiResult) -> tuple[UnmanagedWorkload, T | None] | None:
        row = others[workload_id]
        match result:
            case Accepted(remote=remote) if remote.is_gone:
                return None
            case Accepted(remote=remote):
                marker = read_marker(remote.raw_manifest)
                if keys.hold(marker):
                    return None
                return UnmanagedWorkload(listed=row, marker=marker), keep(remote)
            case NotFound(trusted=True):
                return None
            case _:
                return UnmanagedWorkload(listed=row, unread=result.description), None

    v2 = [workload_id for workload_id, row in others.items() if row.is_v2]
    found = await visit_each(session, v2, look)
    native = {
        workload_id: (UnmanagedWorkload(listed=row), None)
        for workload_id, row in others.items()
        if not row.is_v2
    }
    unmanaged = [pair for pair in (*found.values(), *native.values()) if pair is not None]
    return sorted(unmanaged, key=lambda pair: (pair[0].listed.address, pair[0].listed.id))
