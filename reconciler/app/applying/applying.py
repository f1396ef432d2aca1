"""Carries out what was planned, under the state's lock, and says how it ended."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.app.applying.runlog import RunLog
from reconciler.app.planning.approval_checks import (
    ApprovedPlan,
    check_expected,
    check_plan_target,
    check_saved_digest,
    check_state,
    check_unused,
)
from reconciler.app.planning.endings import warn_of_deadline
from reconciler.app.planning.planning import (
    PlanRequest,
    PlanResult,
    prepare,
    with_provenance,
    with_warnings,
)
from reconciler.app.planning.server_capability import can_dry_run
from reconciler.app.planning.workspace import Workspace
from reconciler.app.provenance import provenance_of, warn_of_behind
from reconciler.app.refused import GuardError
from reconciler.app.settings import Settings
from reconciler.app.signals import SIGNALS, on_signal
from reconciler.app.state.beside_server import open_beside_server
from reconciler.app.state.states import merge_targets
from reconciler.core.history.events import ActionEnded, Event, RunFinished, StateAwaited
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.history.provenance import Provenance
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address, Desired, Recorded, Target
from reconciler.core.planning.actions import Replace
from reconciler.core.quotas.surge import check_surge
from reconciler.core.redact import Redactor
from reconciler.engine.apply import apply
from reconciler.engine.journal import Journal, writing_thread
from reconciler.engine.run import (
    ApplyContext,
    ApplyOptions,
    WaitFor,
)
from reconciler.errors import LockLostError, StateError, UsageError
from reconciler.ports import EventListener, RequestListener, StateStore
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Connector, Session

# Reasons to stop that leave a few seconds for what is to be recorded.
_IMPATIENT = frozenset(
    {*(StopReason(number.name) for number in SIGNALS), StopReason.DEADLINE, StopReason.LOCK}
)

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
    expected: ApprovedPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResult:
    """How an apply ended: `finished` is None where it was not confirmed.

    `unsaved` holds what is known of the server and could not be written to the state;
    `trouble` says why, and `unlogged` why the state's history of this run is not complete.
    `is_stale` says that an entry of a saved plan was not as it was approved when its turn came.
    """

    planned: PlanResult
    finished: RunFinished | None
    unsaved: tuple[Recorded, ...] = ()
    trouble: StateError | None = None
    unlogged: str = ""
    is_stale: bool = False

    @property
    def exit_code(self) -> int:
        """A signal first, then 6, 1, 9, 8, 7, 4: what a caller has to act on before the rest."""
        finished = self.finished
        if finished is None:
            return 0
        summary = finished.summary
        by_signal = {number.name: code for number, code in SIGNALS.items()}.get(finished.stopped_by)
        # A bare 4 would send somebody after one workload while the state is what has to be mended.
        for code, applies in (
            (by_signal or 0, by_signal is not None),
            # Whatever it was that stopped the run: its state is somebody else's by now.
            (6, isinstance(self.trouble, LockLostError)),
            (1, finished.stopped_by is StopReason.STATE),
            (9, finished.stopped_by in (StopReason.UNAUTHORISED, StopReason.UNREACHABLE)),
            (8, bool(summary.in_doubt)),
            (7, bool(self.planned.refused) or self.is_stale),
            (4, bool(summary.failed or summary.skipped)),
        ):
            if applies:
                return code
        return 0


async def carry_out(
    workspace: Workspace,
    request: ApplyRequest,
    *,
    connector: Connector,
    confirm: Confirm,
    say: EventListener,
    tracers: Sequence[RequestListener] = (),
) -> ApplyResult:
    """Lock, plan, ask, apply. Raises a ReconcilerError where it does not get as far as applying."""
    settings, approval = workspace.settings, request.plan.approval
    # What is wrong on this machine is said at once: specs, settings and state before the network.
    workspace.need_valid()
    settings.need_url()
    wait_for = request.options.wait_for
    if request.options.wait and wait_for is not WaitFor.SYNCED and not settings.discovery:
        raise UsageError(
            f"--wait-for {wait_for} needs the server's list, and discovery is off",
            hint="set discovery: auto in reconciler.yaml, or wait for synced",
        )
    with open_beside_server(
        settings,
        connector,
        say,
        hold_as=request.command,
        lock_timeout=request.lock_timeout,
        may_be_missing=request.init,
        may_move=True,
    ) as state:
        store = state.store
        if store is None:
            # A new state confirms its server from then on.
            server = connector.check(settings, None)
            target = Target(url=server.url, stack=settings.stack)
            # Where somebody else was quicker, the lock decides who goes on.
            store = state.create(target, or_open=True)
        # A saved plan is compared before anything is sent, one that is made now once it is made.
        if approval is not None:
            check_saved_digest(approval, request.expected)
            check_unused(approval, store.runs())
            check_state(approval, store.header)
            check_plan_target(approval, settings)
        async with state.connect() as session:
            planned = await prepare(workspace, store, session, request.plan)
            checkout = provenance_of(settings.root)
            # What was approved came from where it was planned, wherever it is applied.
            planned = with_provenance(planned, approval.plan.provenance if approval else checkout)
            planned = with_warnings(planned, warn_of_behind(settings.root, store.runs()))
            if request.options.wait and wait_for is WaitFor.COMPLETED:
                planned = _with_deadline(planned, workspace.desired, settings.deadline)
            if approval is None:
                check_expected(planned, request.expected)
            surge = check_surge(planned.plan, request.options.max_surge_gpus)
            if refusals := (*planned.refusals, *surge):
                raise GuardError(refusals, planned)
            if not confirm(planned):
                return ApplyResult(planned=planned, finished=None)
            # A state that records nothing has nothing to lose.
            if planned.plan.changes and planned.recorded:
                store.back_up()
            return await run_plan(
                planned,
                store,
                session,
                settings,
                options=request.options,
                command=request.command,
                checkout=checkout,
                saved=approval.id if approval else "",
                tracers=tracers,
            )


def _with_deadline(
    planned: PlanResult, declared: Collection[Desired], deadline: float
) -> PlanResult:
    """The same plan, which says of what it waits for that it may take longer than the run."""
    addresses = {action.address for action in planned.plan.actions}
    return with_warnings(
        planned,
        warn_of_deadline([one for one in declared if one.address in addresses], deadline),
    )


async def run_plan(
    planned: PlanResult,
    store: StateStore,
    session: Session,
    settings: Settings,
    *,
    options: ApplyOptions,
    command: str,
    checkout: Provenance | None = None,
    saved: str = "",
    tracers: Sequence[RequestListener] = (),
) -> ApplyResult:
    """Carry out a plan that everybody agreed to, on a state that is held.

    `saved` is the id of a saved plan, and `checkout` is where it is applied.
    """
    if not planned.recorded:
        # A new state names the rules before its first row: it need not be searched at the end.
        store.renew(Redactor(store.header.lineage, settings.rules))
    with writing_thread() as executor:
        journal = Journal(
            store,
            executor,
            target=_target_with_pins(planned, store, session),
            crowd=min(len(planned.plan.changes), settings.concurrency),
        )
        # From the session's own chance, so that a test sees the same run twice.
        run_id = str(uuid.UUID(int=session.rng.getrandbits(128), version=4))
        log = RunLog.of(
            planned.plan,
            store,
            executor,
            run_id=run_id,
            command=command,
            at=session.clock.now(),
            saved=saved,
            provenance=checkout or planned.plan.provenance,
            rules=settings.rules,
        )
        options = replace(
            options,
            discovery=settings.discovery,
            gone_projects=planned.gone_projects,
            # Only a replace asks for it: what it deletes should not be missed.
            dry_run=any(isinstance(action, Replace) for action in planned.plan.changes)
            and await can_dry_run(settings, session),
        )
        outdated = list[Address]()

        def hear(event: Event) -> None:
            # Each entry is read once more before it is sent, and may have changed since the plan.
            match event:
                case ActionEnded(address=address, outcome=Failed(cause=Cause.OUTDATED)):
                    outdated.append(address)
                case _:
                    pass

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
            listeners=(session.say, log.add, hear),
            tracers=tracers,
            options=options,
            known={row.op: row for row in planned.recorded},
            alive=set(planned.alive),
            rules=settings.rules,
            provenance=planned.plan.provenance,
        )
        losses = _watch_state(store, session, options)
        # The first signal drains the run: what was sent is recorded before the process ends.
        with on_signal(lambda number: session.halt.pull(StopReason(number.name)), once=True):
            finished = await apply(planned.plan, run, deadline=session.deadline)
        applied = ApplyResult(
            planned=planned,
            finished=finished,
            unsaved=tuple(journal.unsaved.values()),
            trouble=journal.trouble or next(iter(losses), None),
            is_stale=bool(saved and outdated),
        )
        # Waits until the thread that writes is done with the file: from here on it is ours alone.
        log.end(finished, applied.exit_code)
        # A state that could not take every record is left as it is, for whoever mends it.
        if not journal.unsaved and not losses:
            try:
                store.pin(_learnt_target(planned, store, session, run))
                store.renew(run.redactor)
            except StateError as error:
                # Of a run that was stopped, all that counts is recorded; the reason to stop stands.
                if not session.halt:
                    raise
                return replace(applied, unlogged=log.trouble or str(error))
        return replace(applied, unlogged=log.trouble)


def _target_with_pins(planned: PlanResult, store: StateStore, session: Session) -> Target | None:
    """What the state has to know of names before anything is sent; None where that is no news.

    A state that recorded nothing may have moved here.
    """
    if planned.pins is None or planned.pins == store.header.target.pins:
        return None
    target = store.header.target if planned.recorded else session.target
    return replace(target, pins=planned.pins)


def _learnt_target(
    planned: PlanResult, store: StateStore, session: Session, run: ApplyContext
) -> Target:
    """The server as this run has met it, beside what the state knew of it."""
    before = store.header.target
    target = replace(
        session.target,
        tenant_id=planned.tenant_id or run.tenant_id,
        can_update=planned.shows_updates,
        keeps_removed=run.keeps_removed,
    )
    # A state that recorded nothing may have moved here: nothing of its old server holds.
    target = merge_targets(before, target) if planned.recorded else target
    return replace(target, pins=before.pins if planned.pins is None else planned.pins)


def _watch_state(
    store: StateStore, session: Session, options: ApplyOptions
) -> Sequence[StateError]:
    """Stop the run where the lock of its state is lost, and hurry the state where the run ends.

    Returns where the error of a loss is going to be.
    """
    loop = asyncio.get_running_loop()
    losses: list[StateError] = []

    def lost(error: StateError) -> None:
        losses.append(error)
        loop.call_soon_threadsafe(session.halt.pull, StopReason.LOCK)

    def silent() -> None:
        at = session.clock.now().isoformat(timespec="milliseconds")
        loop.call_soon_threadsafe(session.say, StateAwaited(at=at))

    def hurry() -> None:
        # Any other run has the time to record what it has done.
        if session.halt.reason in _IMPATIENT:
            store.hurry(options.drain)

    store.watch(lost=lost, silent=silent)
    session.halt.listen(hurry)
    return losses
