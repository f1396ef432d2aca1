"""One process: the real plan and apply over the opponent's wire, with a disk that outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from proof.simulation.circumstances import Circumstances
from proof.simulation.disk import ISSUER, LINEAGE, STACK, URL, Disk
from proof.simulation.line import Line
from proof.simulation.loop import Loop, Platter
from proof.simulation.server import Entry, Server, date_at
from reconciler.app.applying.applying import ApplyResult
from reconciler.app.planning.planning import PlanResult, prepare
from reconciler.app.planning.workspace import Workspace
from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.app.target import PinnedTarget
from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.history.events import Event, RunFinished
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Desired, Json, Recorded, Target
from reconciler.core.protocol.api_results import Listed
from reconciler.core.protocol.marker import Marker
from reconciler.core.quotas.quota_policy import QuotaPolicy
from reconciler.core.states.places import FilePlace
from reconciler.engine.apply import apply
from reconciler.engine.journal import Journal
from reconciler.engine.requests.dispatcher import Dispatcher, StopSignal
from reconciler.engine.run import ApplyContext, ApplyOptions
from reconciler.errors import LockLostError, ReconcilerError
from tests.support.timing import Timeline, VirtualClock


class SkewedClock(VirtualClock):
    """The clock of a machine that is off by so many seconds."""

    def __init__(self, timeline: Timeline, skew: float) -> None:
        super().__init__(timeline)
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        """What this machine takes for the time."""
        return super().now() + self._skew


class Watcher:
    """What a process shows to whoever watches it; this one looks away."""

    def sending(self, process: Process, entry: Entry, disk: Disk) -> None:
        """A request has reached the server."""

    def wrote(
        self, disk: Disk, before: Sequence[Recorded | None], rows: Sequence[Recorded]
    ) -> None:
        """Rows have become durable."""

    def said(self, process: Process, event: Event) -> None:
        """The process has told something to its user."""

    def ended(self, process: Process) -> None:
        """The process is no more."""


class Process:
    """One apply, from its birth to its end or death."""

    def __init__(
        self,
        *,
        number: int,
        loop: Loop,
        server: Server,
        disk: Disk,
        specs: Sequence[Desired],
        circumstances: Circumstances,
        watcher: Watcher,
    ) -> None:
        self.number = number
        self.server = server
        self.disk = disk
        self.loop = loop
        self.specs = tuple(specs)
        self.circumstances = circumstances
        self.watcher = watcher
        self.dead = False
        self.steps = self.requests = 0
        self.verified: dict[str, Marker | None] = {}
        self.read: dict[str, Json] = {}
        self.began = server.timeline.now
        self.halted_at: float | None = None
        self.ended_at: float | None = None
        self.planned: PlanResult | None = None
        self.finished: RunFinished | None = None
        self.error: ReconcilerError | None = None
        self.events: list[Event] = []
        self.told: list[tuple[float, Event]] = []
        self.written: list[tuple[float, Recorded]] = []
        self.only_plan = False
        self.meanwhile: Callable[[], None] | None = None
        self.was_refused = False
        self.journal: Journal | None = None
        self._main: asyncio.Task[None] | None = None

    @property
    def exit_code(self) -> int | None:
        """What the command ends with; None where it was killed."""
        if self.dead:
            return None
        if self.error is not None:
            return self.error.exit_code
        assert self.planned is not None
        return ApplyResult(
            planned=self.planned,
            finished=self.finished,
            trouble=self.journal.trouble if self.journal is not None else None,
        ).exit_code

    @property
    def clock(self) -> VirtualClock:
        """The clock of its machine."""
        timeline, skew = self.server.timeline, self.circumstances.skew
        return SkewedClock(timeline, skew) if skew else VirtualClock(timeline)

    @property
    def is_replaced(self) -> bool:
        """Whether another process has taken the lock of its state since."""
        return self.disk.holder != self.number

    async def live(self) -> None:
        """Plan and apply; returns also when it is killed."""
        self.disk.holder = self.number
        task = self._main = asyncio.ensure_future(self._run())
        loop = asyncio.get_running_loop()
        after = self.circumstances.kill_after
        timer = None if after is None else loop.call_later(after, self.kill)
        try:
            await asyncio.wait((task,))
            if not (self.dead or task.cancelled()):
                task.result()
        finally:
            if timer is not None:
                timer.cancel()
            self.ended_at = self.server.timeline.now
            self.watcher.ended(self)

    def kill(self) -> None:
        """End it at this instant: nothing more is written, sent or heard."""
        self.dead = True
        assert self._main is not None
        self._main.cancel()

    def step(self) -> None:
        """One of the instants at which a process may stand still or die."""
        self.steps += 1
        if self.steps == self.circumstances.pause_step:
            # What comes meanwhile waits: answers to be read, and timers that are overdue.
            timeline = self.server.timeline
            end = timeline.now + self.circumstances.pause
            if self.meanwhile is not None:
                self.meanwhile()
            timeline.skip(max(0.0, end - timeline.now))
            self.server.resumed_at = timeline.now
        if self.steps == self.circumstances.kill_step:
            self.kill()
        if self.dead:
            raise asyncio.CancelledError

    def note(self, entry: Entry) -> None:
        """A request has reached the server."""
        self.watcher.sending(self, entry, self.disk)

    def say(self, event: Event) -> None:
        """Tell the user, if there is still somebody who tells."""
        if not self.dead:
            self.events.append(event)
            self.told.append((self.server.timeline.now, event))
            self.watcher.said(self, event)

    async def _run(self) -> None:
        session = self._session()
        try:
            await self._apply(session)
        except ReconcilerError as error:
            self.error = error
        finally:
            session.dispatcher.close()

    async def _apply(self, session: Session) -> None:
        settings = _settings(self.circumstances)
        workspace = Workspace(
            settings=settings,
            desired=self.specs,
            diagnostics=(),
            files=len(self.specs),
            places=(".",),
            prefix="",
        )
        planned = await prepare(workspace, self.disk, session, self.circumstances.request)
        self.planned = planned
        if planned.refusals or self.only_plan:
            return
        run = self._make_run(session, planned)
        after = self.circumstances.interrupt_after
        if after is not None:
            asyncio.get_running_loop().call_later(after, self._interrupt, session.halt)
        self.finished = await apply(planned.plan, run, deadline=session.deadline)

    def _interrupt(self, halt: StopSignal) -> None:
        if not halt:
            self.halted_at = self.server.timeline.now
            halt.pull(StopReason.SIGINT)

    def _session(self) -> Session:
        c = self.circumstances
        timeline, clock = self.server.timeline, self.clock
        rng, halt = Random(c.seed), StopSignal()
        deadline = clock.monotonic() + c.deadline
        dispatcher = Dispatcher(
            clock=clock, ceiling=c.concurrency, rng=rng, halt=halt, deadline=deadline
        )
        # A session begins with a login, whose answer has a Date.
        dispatcher.server.observe(
            Listed(ids=(), date=date_at(int(timeline.now))), clock.monotonic()
        )
        return Session(
            target=Target(url=URL, stack=STACK, issuer=ISSUER),
            pin=PinnedTarget(target=self.disk.header.target, binds=bool(self.disk.read())),
            api=Line(self),
            dispatcher=dispatcher,
            halt=halt,
            clock=clock,
            rng=rng,
            deadline=deadline,
            say=self.say,
        )

    def _make_run(self, session: Session, planned: PlanResult) -> ApplyContext:
        c = self.circumstances
        platter = Platter(Random(c.seed + 1), c.slowest_write) if c.slowest_write else None
        self.journal = Journal(_Pen(self), platter)
        return ApplyContext(
            id=str(UUID(int=session.rng.getrandbits(128), version=4)),
            lineage=LINEAGE,
            stack=STACK,
            api=session.api,
            journal=self.journal,
            dispatcher=session.dispatcher,
            halt=session.halt,
            clock=session.clock,
            rng=session.rng,
            listeners=(session.say,),
            options=ApplyOptions(
                wait=c.wait,
                wait_timeout=c.wait_timeout,
                fail_fast=c.fail_fast,
                discovery=c.discovery,
            ),
            known={row.op: row for row in planned.recorded},
            alive=set(planned.alive),
        )


class _Pen:
    """The disk as one process writes to it: it is watched, and ends with the process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._disk = process.disk
        self.header = self._disk.header

    def read(self) -> Sequence[Recorded]:
        return self._disk.read()

    def pin(self, target: Target) -> None:
        self._disk.pin(target)

    def write(self, rows: Sequence[Recorded]) -> None:
        process = self._process
        if process.dead:
            return
        process.step()
        if process.is_replaced:
            # As the fence of a shared state does.
            process.was_refused = True
            raise LockLostError("the state was taken over")
        before = [self._disk.durable.get(row.op) for row in rows]
        self._disk.write(rows)
        process.written += [(process.server.timeline.now, row) for row in rows]
        process.watcher.wrote(self._disk, before, rows)
        process.step()


def run_all(processes: Sequence[Process], loop: Loop) -> None:
    """Let processes run side by side until each of them has ended."""

    async def main() -> None:
        await asyncio.gather(*(process.live() for process in processes))

    loop.run(main())
    if any(process.dead for process in processes):
        sweep(loop)


def sweep(loop: Loop) -> None:
    """End what is left on the loop: it belongs to processes that are no more."""

    async def end(left: Sequence[asyncio.Task[Any]]) -> None:
        await asyncio.gather(*left, return_exceptions=True)

    while left := loop.take_unfinished():
        for task in left:
            task.cancel()
        loop.run(end(left))


def _settings(c: Circumstances) -> Settings:
    return Settings(
        root=Path(),
        url=URL,
        stack=STACK,
        state=FilePlace(path=Path("state.db")),
        api_version=c.api_version,
        concurrency=c.concurrency,
        deadline=c.deadline,
        request_timeout=30.0,
        token_file=None,
        ca_file=None,
        discovery=c.discovery,
        max_delete=WorkloadLimit.parse("100%"),
        # A quota holds back or warns; it has no part in what an apply does.
        quota=QuotaPolicy.OFF,
        allowed_projects=(),
    )
