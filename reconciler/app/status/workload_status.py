"""What the server says of everything recorded, without a plan."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from reconciler.app.projects.named_projects import need_same_projects
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.signals import on_signal
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.status.choosing import NO_CONTENT, Choice, ChosenRecords, StatusRequest
from reconciler.app.status.explanations import explain
from reconciler.app.status.phases import read_phases, read_removed
from reconciler.app.status.refresh import read_live
from reconciler.core.history.events import RequestRetried
from reconciler.core.model import Own, Recorded, Remote
from reconciler.core.running.listed_sync import is_synced_by_list
from reconciler.core.states.address_records import find_replaced, find_shown, group_by_address
from reconciler.errors import ReconcilerError, UnreachableError
from reconciler.ports import EventListener
from reconciler.report.status.explanation import StatusExplanation
from reconciler.report.status.status import Status

# A server that answers nothing for so long is in trouble, whatever it will say later.
PATIENCE = 30.0

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
        choice = Choice(request, settings)
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
        choice = Choice(request, settings)
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
        Choice(request, settings).make(state.open())
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
        self._choice = Choice(request, settings)
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


def _without_content(row: Recorded, remote: Remote) -> Remote:
    """What a status shows of a workload: of its content, only when it was made."""
    metadata = {key: remote.metadata[key] for key in ("createdAt",) if key in remote.metadata}
    return dataclasses.replace(
        remote,
        # Of thousands, what the record says as well is in memory once.
        id=row.id if row.id == remote.id else remote.id,
        address=row.address if row.address == remote.address else remote.address,
        metadata=metadata,
        raw_manifest=NO_CONTENT,
        workload_manifest=NO_CONTENT,
    )


async def _read(
    chosen: ChosenRecords, session: Session, say: EventListener, *, discovery: bool
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
