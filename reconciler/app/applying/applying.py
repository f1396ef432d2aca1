"""Carries out what was planned, under the state's lock, and says how it ended."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from reconciler.app.applying.runlog import RunLog
from reconciler.app.planning.planning import PlanRequest, PlanResult, prepare
from reconciler.app.planning.saving import (
    check_expected,
    check_plan_target,
    check_state,
    check_unused,
)
from reconciler.app.planning.workspace import Workspace
from reconciler.app.refused import GuardError
from reconciler.app.session import Connector, Session, met_target
from reconciler.app.settings import Settings
from reconciler.app.state.states import make_state, open_existing, pin_of
from reconciler.core.events import RunFinished
from reconciler.core.model import Recorded, Target
from reconciler.engine.apply import apply
from reconciler.engine.dispatcher import StopSignal
from reconciler.engine.journal import Journal, writing_thread
from reconciler.engine.run import STATE, UNAUTHORISED, UNREACHABLE, ApplyContext, ApplyOptions
from reconciler.errors import StateError
from reconciler.ports import Say, StateStore, Trace
from reconciler.state.sqlite import SqliteStore, is_there

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
Confirm = Callable[[PlanResult], bool]
"""Shown every plan that no guard refuses, also one without changes; False ends the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """An apply as it was asked for; `command` names it to whoever meets its lock."""

    plan: PlanRequest
    options: ApplyOptions
    command: str
    init: bool = False
    lock_timeout: float = 0.0
    expect_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResult:
    """How an apply ended: `finished` is None where it was not confirmed.

    `unsaved` holds what is known of the server and could not be written to the state;
    `trouble` says why, and `unlogged` why the state's history of this run is not complete.
    """

    planned: PlanResult
    finished: RunFinished | None
    unsaved: tuple[Recorded, ...] = ()
    trouble: StateError | None = None
    unlogged: str = ""

    @property
    def exit_code(self) -> int:
        """A signal first, then 9, 8, 7, 4: what a caller has to act on before the rest."""
        finished = self.finished
        if finished is None:
            return 0
        summary = finished.summary
        for code, applies in (
            (_signal_code(finished.stopped_by), bool(_signal_code(finished.stopped_by))),
            (1, finished.stopped_by == STATE),
            (9, finished.stopped_by in (UNAUTHORISED, UNREACHABLE)),
            (8, bool(summary.in_doubt)),
            (7, bool(self.planned.refused)),
            (4, bool(summary.failed or summary.skipped)),
        ):
            if applies:
                return code
        return 0


def _signal_code(reason: str) -> int:
    return {number.name: code for number, code in SIGNALS.items()}.get(reason, 0)


async def carry_out(
    workspace: Workspace,
    request: ApplyRequest,
    *,
    connector: Connector,
    confirm: Confirm,
    say: Say,
    trace: Trace | None = None,
) -> ApplyResult:
    """Lock, plan, ask, apply. Raises a ReconcilerError where it does not get as far as applying."""
    settings = workspace.settings
    workspace.need_valid()
    with _open_store(settings, request, connector) as store:
        approval = request.plan.approval
        if approval is not None:
            check_expected(approval.plan, request.expect_digest)
            check_unused(approval, store.runs())
            check_state(approval, store.header)
            check_plan_target(approval, settings)
        async with connector.open(settings, pin_of(store), say) as session:
            planned = await prepare(workspace, store, session, request.plan)
            if approval is None:
                check_expected(planned.plan, request.expect_digest)
            if planned.refusals:
                raise GuardError(planned.refusals, planned)
            if not confirm(planned):
                return ApplyResult(planned=planned, finished=None)
            if planned.plan.changes and planned.recorded:
                store.back_up()
            return await run_plan(
                planned,
                store,
                session,
                settings,
                options=request.options,
                command=request.command,
                saved=approval.id if approval else "",
                trace=trace,
            )


@contextmanager
def _open_store(
    settings: Settings, request: ApplyRequest, connector: Connector
) -> Iterator[SqliteStore]:
    """The state before the network: what is wrong on this machine is said at once."""
    store = _find_or_create(settings, request, connector)
    try:
        store.hold(request.command, request.lock_timeout)
        yield store
    finally:
        store.close()


def _find_or_create(settings: Settings, request: ApplyRequest, connector: Connector) -> SqliteStore:
    settings.need_url()
    if is_there(settings.state) or not request.init:
        return open_existing(settings.state, settings.deadline)
    # A new state confirms its server from then on.
    server = connector.check(settings, None)
    try:
        return make_state(settings, server)
    except StateError:
        # Somebody else was quicker; the lock decides who goes on.
        if not is_there(settings.state):
            raise
        return open_existing(settings.state, settings.deadline)


async def run_plan(
    planned: PlanResult,
    store: SqliteStore,
    session: Session,
    settings: Settings,
    *,
    options: ApplyOptions,
    command: str,
    saved: str = "",
    trace: Trace | None = None,
) -> ApplyResult:
    """Carry out a plan that everybody agreed to, on a state that is held."""
    with writing_thread() as executor:
        journal = Journal(store, executor)
        run_id = str(uuid.UUID(int=session.rng.getrandbits(128), version=4))
        log = RunLog.of(
            planned.plan,
            store,
            executor,
            run_id=run_id,
            command=command,
            at=session.clock.now(),
            saved=saved,
            rules=settings.rules,
        )
        options = dataclasses.replace(options, discovery=settings.discovery)
        run = ApplyContext(
            id=run_id,
            lineage=store.header.lineage,
            stack=settings.stack,
            api=session.api,
            journal=journal,
            dispatcher=session.dispatcher,
            halt=session.halt,
            clock=session.clock,
            rng=session.rng,
            say=log.listening(session.say),
            trace=trace,
            options=options,
            known={row.op: row for row in planned.recorded},
            alive=set(planned.alive),
            rules=settings.rules,
        )
        with _stop_on_signals(session.halt):
            finished = await apply(planned.plan, run, deadline=session.deadline)
        applied = ApplyResult(
            planned=planned,
            finished=finished,
            unsaved=tuple(journal.unsaved.values()),
            trouble=journal.trouble,
        )
        log.end(finished, applied.exit_code)
        # Only now is the thread that writes done with the file.
        _pin(store, session, settings, planned.tenant_id or run.tenant_id, journal)
        if not journal.unsaved:
            store.renew(run.redactor)
        return dataclasses.replace(applied, unlogged=log.trouble)


def _pin(
    store: StateStore, session: Session, settings: Settings, tenant_id: int | None, journal: Journal
) -> None:
    """Remember whom this state was used with, so that another server is noticed."""
    if journal.unsaved:
        return
    known = store.header.target
    met = met_target(settings, session)
    store.pin(
        Target(
            url=met.url,
            stack=met.stack,
            issuer=known.issuer or met.issuer,
            tenant_id=known.tenant_id if known.tenant_id is not None else tenant_id,
        )
    )


@contextmanager
def _stop_on_signals(halt: StopSignal) -> Iterator[None]:
    """The first signal drains the run; the second, whichever it is, does what it did before."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def hand_back() -> None:
        for number in SIGNALS:
            if loop.remove_signal_handler(number):
                signal.signal(number, before[number])

    def stop(number: signal.Signals) -> None:
        halt.pull(number.name)
        hand_back()

    for number in SIGNALS:
        # Handlers exist in the main thread only; elsewhere the caller decides what a signal does.
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        hand_back()
