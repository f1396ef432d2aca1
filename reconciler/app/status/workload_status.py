"""What the server says of everything recorded, without a plan."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any

from reconciler.app.projects.named_projects import need_same_projects
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, ask_for_names
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.signals import on_signal
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.states import find_records
from reconciler.app.status.declared import NOTHING_DECLARED, DeclaredSpecs
from reconciler.app.status.explanations import explain
from reconciler.app.status.phases import read_phases, read_removed
from reconciler.app.status.refresh import read_live
from reconciler.core.globs import is_glob, matches_any
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.history.events import RequestRetried
from reconciler.core.model import Desired, Json, Own, Recorded, Remote
from reconciler.core.projects.addresses import names_of_projects
from reconciler.core.projects.names import is_placeholder
from reconciler.core.running.listed_sync import is_synced_by_list
from reconciler.core.states.address_records import find_replaced, find_shown, group_by_address
from reconciler.errors import ReconcilerError, UnreachableError, UsageError
from reconciler.kinds.registry import runs_to_completion
from reconciler.ports import EventListener, StateStore
from reconciler.report.status.explanation import StatusExplanation
from reconciler.report.status.status import Status
from reconciler.values import dataclass

# A server that answers nothing for so long is in trouble, whatever it will say later.
PATIENCE = 30.0
_NO_CONTENT: Json = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Which workloads to look at (addresses and globs; without any, all), and how closely.

    Those of `declared` that the state does not know are looked at as well. With `quick` only those
    are read by their id that the list does not show as well as they were recorded: a refusal that
    no apply has seen, without another submission, is not in the list.
    """

    patterns: Sequence[str] = ()
    declared: DeclaredSpecs = NOTHING_DECLARED
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The records to look at, who else is at work on their state, and what projects are called.

    `requested` are the GPUs of those records, by operation, of which the documents were let go.
    `project_names` are by id, `pins` the ids of names in the state, `aliases` those of settings.
    """

    rows: Sequence[Recorded]
    requested: Mapping[str, GpuRequest]
    at_work: str
    quick: bool
    project_names: Mapping[str, str]
    pins: Mapping[str, str]
    aliases: Collection[str]


Show = Callable[[Sequence[Status]], None]
"""Shown everything after every look."""
Trouble = Callable[[str], None]
"""Told why nothing new can be shown; the next look may succeed."""


async def read_statuses(
    settings: Settings, request: StatusRequest, *, connector: Connector, say: EventListener
) -> list[Status]:
    """Read the recorded workloads, and what is declared and was never created.

    Raises StateError without a state or record, UnreachableError, GuardError for another target.
    """
    with open_beside_server(settings, connector, say) as state:
        choice = _Choice(request, settings)
        chosen = choice.make(state.open())
        async with state.connect() as session:
            chosen = chosen or await choice.make_on_server(state.open(), session)
            # What is declared and recorded is not shown by its spec, and need not stay in memory.
            del choice, request
            return await _read(chosen, session, say, discovery=settings.discovery)


async def explain_statuses(
    settings: Settings, request: StatusRequest, *, connector: Connector, say: EventListener
) -> list[StatusExplanation]:
    """Read the given workloads and why they are as they are; raises what `read_statuses` does."""
    with open_beside_server(settings, connector, say) as state:
        choice = _Choice(request, settings)
        chosen = choice.make(state.open())
        async with state.connect() as session:
            chosen = chosen or await choice.make_on_server(state.open(), session)
            discovery = settings.discovery
            statuses = await _read(chosen, session, say, discovery=discovery)
            return [await explain(status, session, discovery=discovery) for status in statuses]


async def watch(
    settings: Settings,
    request: StatusRequest,
    *,
    interval: float,
    connector: Connector,
    show: Show,
    trouble: Trouble,
) -> signal.Signals | None:
    """Look again and again, `interval` seconds after the last time, until a signal ends it.

    What goes wrong at the first look is raised as `look` raises it; later it is trouble, and the
    next look is tried all the same. Returns the signal.
    """
    # There is no last moment: a watch ends when somebody ends it.
    endless = dataclasses.replace(settings, deadline=math.inf)
    with open_beside_server(endless, connector, lambda _: None) as state:
        _Choice(request, settings).make(state.open())
        # A question about the server is asked while a signal still ends it.
        state.confirm_server()
    ended: list[signal.Signals] = []
    task = asyncio.current_task()

    def end(number: signal.Signals) -> None:
        ended.append(number)
        if task is not None:
            task.cancel()

    # Each signal cancels anew: the first may meet the logout of a server that does not answer.
    with on_signal(end, once=False):
        watching = _Watch(endless, request, connector, show, trouble)
        try:
            while True:
                await watching.look()
                await connector.clock.sleep(interval)
        except asyncio.CancelledError:
            if not ended:
                raise
        finally:
            await watching.close()
    return ended[0] if ended else None


class _Watch:
    """Looks through one session for as long as it lasts, and through another after trouble."""

    def __init__(
        self,
        settings: Settings,
        request: StatusRequest,
        connector: Connector,
        show: Show,
        trouble: Trouble,
    ) -> None:
        self._settings = settings
        self._choice = _Choice(request, settings)
        self._connector = connector
        self._show = show
        self._trouble = trouble
        self._open_session = AsyncExitStack()
        self._session: Session | None = None
        self._has_shown = False

    async def look(self) -> None:
        """Look once; before anything could be shown, an error is the caller's."""
        try:
            statuses = await self._read()
        except ReconcilerError as error:
            if not self._has_shown:
                raise
            # A login that was refused is remembered, and not tried again, by its session.
            await self.close()
            self._trouble(error.message)
        else:
            self._has_shown = True
            self._show(statuses)

    async def close(self) -> None:
        """Log out."""
        self._session = None
        await self._open_session.aclose()

    async def _read(self) -> list[Status]:
        """The state anew as well: an apply may be changing it."""
        with open_beside_server(self._settings, self._connector, self._say) as state:
            chosen = self._choice.make(state.open())
            try:
                async with asyncio.timeout(PATIENCE):
                    if self._session is None:
                        # It outlives this look: a login for each would wear the server down.
                        self._session = await self._open_session.enter_async_context(
                            state.connect()
                        )
                    else:
                        state.need_same_server(self._session)
                    if chosen is None:
                        chosen = await self._choice.make_on_server(state.open(), self._session)
                    return await _read(
                        chosen, self._session, self._say, discovery=self._settings.discovery
                    )
            except TimeoutError:
                raise UnreachableError(
                    f"the server has not answered everything for {PATIENCE:.0f} s"
                ) from None

    def _say(self, event: object) -> None:
        # Before anything is shown, trouble would stand alone on the screen.
        if isinstance(event, RequestRetried) and self._has_shown:
            self._trouble(event.reason)


class _Choice:
    """Chooses what to look at; a server is asked once for names that nobody else knows."""

    def __init__(self, request: StatusRequest, settings: Settings) -> None:
        self._request = request
        self._settings = settings
        self._ids: Mapping[str, str] = {}
        self._requested: dict[str, GpuRequest] = {}
        self._has_asked = False

    def make(self, store: StateStore) -> _Chosen | None:
        """The records that match, and stand-ins; None where only the server may know which."""
        rows = self._read(store)
        names = self._names(store, rows)
        is_unknown = self._request.declared.unresolved or names.unknown(self._request.patterns)
        if is_unknown and not self._has_asked:
            return None
        return self._choose(store, rows, names)

    async def make_on_server(self, store: StateStore, session: Session) -> _Chosen:
        """The same, with what the server knows of names, which may be nothing."""
        projects = ServerProjects(session, discovery=self._settings.discovery)
        names = TypedNames(ids=self._settings.projects)
        unknown = {*self._request.declared.unresolved, *names.unknown(self._request.patterns)}
        self._ids = (await ask_for_names(names, unknown, projects)).ids
        self._has_asked = True
        rows = self._read(store)
        return self._choose(store, rows, self._names(store, rows))

    def _read(self, store: StateStore) -> list[Recorded]:
        """The records, without their documents where all are shown."""
        self._requested = {}
        if self._request.patterns:
            # To count GPUs takes longer than to read, and few will be shown.
            return [*store.read()]
        # One after the other, so that the documents of thousands are never in memory together.
        rows = store.read_by_address(checked=True)
        return [_let_go(row, self._requested) for row in rows]

    def _names(self, store: StateStore, rows: Sequence[Recorded]) -> TypedNames:
        """The names that may be typed; what is declared is resolved by them."""
        target, request = store.header.target, self._request
        ids = {**self._ids, **target.pins, **self._settings.projects}
        declared = request.declared.resolved(ids)
        self._request = dataclasses.replace(request, declared=declared)
        specs = declared.desired if declared.stack == target.stack else ()
        known = (*(row.address for row in rows), *(spec.address for spec in specs))
        return TypedNames(ids=ids, known=frozenset(known))

    def _choose(self, store: StateStore, rows: list[Recorded], names: TypedNames) -> _Chosen:
        declared = self._request.declared
        recorded = {row.address for row in rows}
        chosen = rows
        # Another stack's specs say nothing about this state.
        if declared.stack == store.header.target.stack:
            new = (spec for spec in declared.desired if spec.address not in recorded)
            chosen += map(_never_begun, new)
        chosen.sort(key=lambda row: row.address)
        # Asked after the reading: a run that began in between may have written some of them.
        at_work = store.writer()
        if self._request.patterns:
            chosen = _select(chosen, names.patterns(self._request.patterns))
        return _Chosen(
            rows=chosen,
            requested=self._requested,
            at_work=at_work,
            quick=self._request.quick,
            project_names=names_of_projects(names.ids),
            pins=store.header.target.pins,
            aliases=self._settings.projects,
        )


def _select(rows: Sequence[Recorded], patterns: Sequence[str]) -> list[Recorded]:
    chosen: dict[int, Recorded] = {}
    for pattern in patterns:
        if not is_glob(pattern):
            matching: Sequence[Recorded] = find_records(rows, pattern)
        else:
            matching = [row for row in rows if matches_any(str(row.address), [pattern])]
        if not matching:
            raise UsageError(
                f"no recorded workload matches {pattern}",
                hint="'reconciler state list' shows what is recorded",
            )
        chosen |= {id(row): row for row in matching}
    return sorted(chosen.values(), key=lambda row: row.address)


def _let_go(row: Recorded, requested: dict[str, GpuRequest]) -> Recorded:
    """A record without its documents, once its GPUs are counted: they are most of a large state.

    Those of a job stay, since only they tell that it runs to its end; and a stand-in has no other.
    """
    manifest: Any = row.spec.get("manifest")
    if row.own is Own.GONE or not isinstance(manifest, Mapping) or runs_to_completion(manifest):
        return row
    requested[row.op] = count_gpus(manifest)
    return dataclasses.replace(row, spec=_NO_CONTENT, echo=None)


def _never_begun(spec: Desired) -> Recorded:
    """What stands for a declared workload of which the state has no operation."""
    project = spec.address.project
    return Recorded(
        op="",
        address=spec.address,
        own=Own.GONE,
        digest="",
        spec={"manifest": spec.manifest},
        lifecycle=spec.lifecycle,
        source=spec.source.file,
        message=f"declared in {spec.source.file}:{spec.source.line}; no apply has created it"
        + ("; its project could not be found by its name" if is_placeholder(project) else ""),
    )


def _without_content(row: Recorded, remote: Remote) -> Remote:
    """What a status shows of a workload: of its content, only when it was made."""
    metadata = {key: remote.metadata[key] for key in ("createdAt",) if key in remote.metadata}
    return dataclasses.replace(
        remote,
        # Of thousands, what the record says as well is in memory once.
        id=row.id if row.id == remote.id else remote.id,
        address=row.address if row.address == remote.address else remote.address,
        metadata=metadata,
        raw_manifest=_NO_CONTENT,
        workload_manifest=_NO_CONTENT,
    )


async def _read(
    chosen: _Chosen, session: Session, say: EventListener, *, discovery: bool
) -> list[Status]:
    """Phases from a list of each project; only a look by its id tells what the cluster took."""
    rows = chosen.rows
    projects = {row.address.project for row in rows if row.id and row.own is Own.ACCEPTED}
    phases = await read_phases(projects, session, discovery=discovery)
    listed = phases.listed
    told = {
        row.op for row in rows if chosen.quick and is_synced_by_list(row, listed.get(row.id or ""))
    }
    unsure = [row for row in rows if row.op not in told]
    try:
        live = await read_live(unsure, session, say, keep=_without_content)
    except UnreachableError:
        # Of a project that was made again nothing can be read by the old id.
        await need_same_projects(
            ServerProjects(session, discovery=discovery),
            pins=chosen.pins,
            aliases=chosen.aliases,
            recorded=rows,
        )
        raise
    removed = await read_removed(rows, live, session, discovery=discovery)
    # By the names that people type; else as the server calls them, which its list tells.
    called = {row.address.project: row.project_name or "" for row in listed.values()}
    called |= chosen.project_names
    at = session.dispatcher.server.earliest()
    statuses: list[Status] = []
    for group in group_by_address(rows).values():
        late = any(row.own is Own.LATE_CREATE_POSSIBLE and row.ambiguous for row in group)
        statuses += [
            Status(
                row=row,
                live=live.get(row.id) if row.id else None,
                at=at,
                late=late and row.own is not Own.LATE_CREATE_POSSIBLE,
                at_work=chosen.at_work,
                replaced=find_replaced(group),
                listed=listed.get(row.id or "") or removed.get(row.id or ""),
                requested=chosen.requested.get(row.op),
                told_by_list=row.op in told,
                unlisted=phases.unlisted.get(row.address.project, ""),
                project_name=called.get(row.address.project, ""),
            )
            for row in find_shown(group)
        ]
    return statuses
