"""What the server says of everything recorded, without a plan."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.state.states import find_record, read_state
from reconciler.app.status.refresh import read_live
from reconciler.app.target import PinnedTarget
from reconciler.core.events import RequestRetried
from reconciler.core.model import Header, Live, Own, Recorded
from reconciler.errors import ReconcilerError, UnreachableError, UsageError
from reconciler.ports import Say

# A server that answers nothing for so long is in trouble, whatever it will say later.
PATIENCE = 30.0
GLOB = "*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadStatus:
    """One record and the server's answer, `at` the server's time of it.

    `live` is None for what has no id yet; `late` says that an older create of the same workload
    may come true beside it; `at_work` is who else writes to the state now, if anybody does.
    """

    row: Recorded
    live: Live | None
    at: datetime
    late: bool = False
    at_work: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The records to look at, of which state they are, and who else is at work on it."""

    header: Header
    rows: Sequence[Recorded]
    at_work: str


Show = Callable[[Sequence[WorkloadStatus]], None]
"""Shown everything after every look."""
Trouble = Callable[[str], None]
"""Told why nothing new can be shown; the next look may succeed."""


async def read_statuses(
    settings: Settings, addresses: Sequence[str], *, connector: Connector, say: Say
) -> list[WorkloadStatus]:
    """Read the recorded workloads, all or the given ones (addresses and globs).

    Raises StateError without a state or record, UnreachableError, GuardError for another target.
    """
    chosen = _choose(settings, addresses)
    async with connector.open(settings, PinnedTarget(target=chosen.header.target), say) as session:
        return await _read(chosen, session, say)


async def watch(
    settings: Settings,
    addresses: Sequence[str],
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
    # A question about the server is asked while a signal still ends it.
    connector.check(endless, PinnedTarget(target=_choose(endless, addresses).header.target))
    with _ended_by_signal() as ended:
        watching = _Watch(endless, addresses, connector, show, trouble)
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
        addresses: Sequence[str],
        connector: Connector,
        show: Show,
        trouble: Trouble,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._connector = connector
        self._show = show
        self._trouble = trouble
        self._held = AsyncExitStack()
        self._session: Session | None = None
        self._has_shown = False

    async def look(self) -> None:
        """Look once; before anything could be shown, an error is the caller's."""
        try:
            looks = await self._read()
        except ReconcilerError as error:
            if not self._has_shown:
                raise
            # A login that was refused is remembered, and not tried again, by its session.
            await self.close()
            self._trouble(error.message)
        else:
            self._has_shown = True
            self._show(looks)

    async def close(self) -> None:
        """Log out."""
        self._session = None
        await self._held.aclose()

    async def _read(self) -> list[WorkloadStatus]:
        """The state anew as well: an apply may be changing it."""
        chosen = _choose(self._settings, self._addresses)
        try:
            async with asyncio.timeout(PATIENCE):
                session = self._session or await self._open(chosen.header)
                return await _read(chosen, session, self._say)
        except TimeoutError:
            raise UnreachableError(
                f"the server has not answered everything for {PATIENCE:.0f} s"
            ) from None

    async def _open(self, header: Header) -> Session:
        session = await self._held.enter_async_context(
            self._connector.open(self._settings, PinnedTarget(target=header.target), self._say)
        )
        self._session = session
        return session

    def _say(self, event: object) -> None:
        if isinstance(event, RequestRetried) and self._has_shown:
            self._trouble(event.reason)


def _choose(settings: Settings, patterns: Sequence[str]) -> _Chosen:
    """The records that match, the newest of an address that is given as it is."""
    with read_state(settings.state, settings.deadline) as store:
        rows, header = sorted(store.read(), key=lambda row: row.address), store.header
        at_work = store.writer()
    if not patterns:
        return _Chosen(header=header, rows=rows, at_work=at_work)
    chosen: dict[str, Recorded] = {}
    for pattern in patterns:
        if not any(char in pattern for char in GLOB):
            row = find_record(rows, pattern)
            chosen[row.op] = row
            continue
        found = [row for row in rows if fnmatchcase(str(row.address), pattern)]
        if not found:
            raise UsageError(
                f"no recorded workload matches {pattern}",
                hint="'reconciler state list' shows what is recorded",
            )
        chosen |= {row.op: row for row in found}
    rows = sorted(chosen.values(), key=lambda row: row.address)
    return _Chosen(header=header, rows=rows, at_work=at_work)


async def _read(chosen: _Chosen, session: Session, say: Say) -> list[WorkloadStatus]:
    rows = chosen.rows
    live = await read_live(rows, session, say)
    at = session.dispatcher.server.earliest()
    ghosts = {row.address for row in rows if row.own is Own.LATE_CREATE_POSSIBLE and row.ambiguous}
    here = {row.address for row in rows if row.own is not Own.LATE_CREATE_POSSIBLE}
    return [
        WorkloadStatus(
            row=row,
            live=live.get(row.id) if row.id else None,
            at=at,
            late=row.own is not Own.LATE_CREATE_POSSIBLE and row.address in ghosts,
            at_work=chosen.at_work,
        )
        for row in rows
        # What is left of an older create is a note beside the workload, not another one.
        if row.own is not Own.LATE_CREATE_POSSIBLE or row.address not in here
    ]


@contextmanager
def _ended_by_signal() -> Iterator[list[signal.Signals]]:
    """Let a signal cancel the running task; holds the signal that did."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    ended: list[signal.Signals] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def end(number: signal.Signals) -> None:
        ended.append(number)
        if task is not None:
            task.cancel()

    for number in numbers:
        # Handlers exist in the main thread only; elsewhere the caller decides what a signal does.
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, end, number)
    try:
        yield ended
    finally:
        for number in numbers:
            if loop.remove_signal_handler(number):
                signal.signal(number, before[number])
