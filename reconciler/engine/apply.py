"""Carries out a plan: wave by wave, everything within a wave at once, each failure on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from reconciler.core.events import (
    Cause,
    RunFinished,
    RunStarted,
)
from reconciler.core.model import LastSeen, Own, Purpose, Recorded
from reconciler.core.planning.actions import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
    Update,
)
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.transitions import Evidence, may_come_true
from reconciler.engine.create import CreateTask
from reconciler.engine.dispatcher import StoppedError
from reconciler.engine.lookup import LookupUnclear, OwnWorkload, look_up
from reconciler.engine.records import declare, follow
from reconciler.engine.remove import DeleteTask
from reconciler.engine.run import (
    CUT_SHORT,
    DEADLINE,
    STATE,
    UNDER_WAY,
    UNSENT,
    ActionContext,
    ActionDone,
    ActionInDoubt,
    ApplyContext,
    EmptiedAddress,
    Failed,
    Outcome,
    Skipped,
)
from reconciler.engine.settle import (
    NEXT_PLAN,
    find_heir,
    forget_missing,
    hand_over,
    lose,
    settle,
    supersede,
)
from reconciler.engine.tally import Tally, note_loss, with_loss
from reconciler.engine.update import UPDATE_OPEN, UpdateTask
from reconciler.errors import StateError

# So many actions are begun at most, if none of them waits for a cluster: more would fill memory.
CROWD = 1024
_MISSING = (Reason.MISSING_ON_SERVER, Reason.RUN_TO_COMPLETION, Reason.UNPROVEN_ABSENCE)
_CAUSES = {
    Reason.MISSING_ON_SERVER: Cause.HELD,
    Reason.GIVEN_UP: Cause.GIVEN_UP,
    Reason.UNPROVEN_ABSENCE: Cause.UNPROVEN,
}
LET_GO = "the run ended before its answer came"


async def apply(plan: Plan, run: ApplyContext, *, deadline: float) -> RunFinished:
    """Do what the plan says; `deadline` is a time of the run's monotonic clock.

    Whatever happens to single workloads is told through `run.say` and counted in the result.
    """
    began = run.clock.monotonic()
    run.say(RunStarted(at=run.at(), run=run.id, actions=len(plan.changes)))
    tally = Tally(run)
    watch = asyncio.create_task(_watch_deadline(run, deadline))
    try:
        for held in plan.failing:
            cause = Cause.OUTDATED if held.outdated else _CAUSES.get(held.reason, Cause.OTHER)
            loss = EmptiedAddress(deleted=None) if held.reason is Reason.DOWN else None
            failed = Failed(message=held.detail, id=held.id, cause=cause, loss=loss)
            tally.tell(held, failed, 0.0)
        await _bury_outlived(plan, run)
        await _note_in_passing(plan, run)
        await _carry_out(plan, run, tally)
    finally:
        watch.cancel()
        await run.journal.settle()
        run.dispatcher.close()
    finished = RunFinished(
        at=run.at(),
        run=run.id,
        took=run.clock.monotonic() - began,
        summary=tally.summary,
        stopped_by=run.halt.reason,
    )
    run.say(finished)
    return finished


async def _bury_outlived(plan: Plan, run: ApplyContext) -> None:
    """What can no longer come true needs no record; nothing is asked or told for it."""
    past = [
        ActionContext(run, row.address, kept.kind, kept.id).advance(row, Evidence.CONFIRMED_GONE)
        for kept in plan.actions
        if isinstance(kept, Keep | Hold | Forget)
        for row in kept.outlived
        if not may_come_true(row, run.server_time())
    ]
    await _write_down(past, run)


async def _note_in_passing(plan: Plan, run: ApplyContext) -> None:
    """What is known of workloads that are left alone; nothing is asked or told for it."""
    noted = [
        ActionContext(run, row.address, action.kind, action.id).commit(note)
        for action in plan.actions
        if isinstance(action, Keep | Hold)
        and (row := action.recorded) is not None
        and (note := _noted(action, row)) != row
    ]
    await _write_down(noted, run)


def _noted(action: Keep | Hold, row: Recorded) -> Recorded:
    """The record of a workload with where its spec lies now, and whether it was missing."""
    if action.source is not None:
        # A guard asks which folder has lost its specs: a spec that moved counts where it is.
        row = replace(row, source=action.source.file)
    if isinstance(action, Hold) and action.reason in _MISSING:
        # It is no news to the next run, and no sign of a wrong server.
        row = replace(row, seen=LastSeen.MISSING)
    return row


async def _write_down(writes: Iterable[Awaitable[object]], run: ApplyContext) -> None:
    """What nothing is sent for; a state that cannot be written ends the run."""
    try:
        await asyncio.gather(*writes)
    except StateError:
        run.halt.pull(STATE)


async def _watch_deadline(run: ApplyContext, deadline: float) -> None:
    await run.clock.sleep(max(0.0, deadline - run.clock.monotonic()))
    run.halt.pull(DEADLINE)


async def _carry_out(plan: Plan, run: ApplyContext, tally: Tally) -> None:
    """Deletes go wave by wave from the highest, everything else from the lowest, side by side."""
    removals = [a for a in plan.changes if isinstance(a, Delete)]
    builds = [a for a in plan.changes if not isinstance(a, Delete)]
    async with asyncio.TaskGroup() as group:
        group.create_task(_carry_out_waves(_waves(builds), run, tally))
        group.create_task(_carry_out_waves(_waves(removals)[::-1], run, tally))


def _waves(actions: Iterable[AnyAction]) -> list[list[AnyAction]]:
    waves: dict[int, list[AnyAction]] = {}
    for action in actions:
        waves.setdefault(action.wave, []).append(action)
    return [waves[wave] for wave in sorted(waves)]


async def _carry_out_waves(
    waves: Sequence[Sequence[AnyAction]], run: ApplyContext, tally: Tally
) -> None:
    stopped = ""
    for wave in waves:
        if stopped:
            for action in wave:
                work = ActionContext(run, action.address, action.kind, action.id)
                outcome = _let_go(action, work, Skipped(message=stopped))
                tally.tell(action, with_loss(action, work, outcome), 0.0)
            continue
        outcomes = await _carry_out_wave(wave, run, tally)
        if not all(isinstance(outcome, ActionDone) for outcome in outcomes):
            stopped = f"wave {wave[0].wave} before it did not succeed"


async def _carry_out_wave(
    wave: Sequence[AnyAction], run: ApplyContext, tally: Tally
) -> list[Outcome]:
    """Everything at once; without a wait for Synced, no more than a crowd of it is begun."""
    queue, outcomes = iter(wave), list[Outcome]()

    async def work_on() -> None:
        for action in queue:
            outcomes.append(await _perform(action, run, tally))

    crowd = len(wave) if run.options.wait else min(CROWD, len(wave))
    tasks = [asyncio.create_task(work_on()) for _ in range(crowd)]
    drain = asyncio.create_task(_drain(run, tasks))
    try:
        await asyncio.gather(*tasks)
        return outcomes
    finally:
        drain.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _drain(run: ApplyContext, tasks: Sequence[asyncio.Task[None]]) -> None:
    """After a stop, what is in flight gets a few seconds to come home, then it is let go."""
    await run.halt.wait()
    await run.clock.sleep(run.options.drain)
    for task in tasks:
        task.cancel()


async def _perform(action: AnyAction, run: ApplyContext, tally: Tally) -> Outcome:
    began = run.clock.monotonic()
    work = ActionContext(run, action.address, action.kind, action.id)
    try:
        outcome = await _act(action, work)
        if not isinstance(outcome, ActionDone):
            await note_loss(action, work, outcome)
    except StateError as error:
        run.halt.pull(STATE)
        outcome = _let_go(action, work, Failed(message=error.message, hint=error.hint))
    except asyncio.CancelledError:
        if not run.halt:
            raise
        outcome = _let_go(action, work, Skipped(message=UNSENT))
    outcome = with_loss(action, work, outcome)
    tally.tell(action, outcome, run.clock.monotonic() - began)
    if run.options.fail_fast and isinstance(outcome, Failed | ActionInDoubt):
        run.halt.pull("fail-fast")
    return outcome


def _let_go(action: AnyAction, work: ActionContext, unsent: Failed | Skipped) -> Outcome:
    """What its last durable record says of an action that did not come to an end."""
    row = work.durable or (action.recorded if isinstance(action, Resolve) else None)
    match row:
        case Recorded(own=Own.CREATING | Own.UNCONFIRMED):
            message = LET_GO if unsent.message == UNSENT else unsent.message
            return ActionInDoubt(message=message)
        case Recorded(own=Own.DELETING):
            message = unsent.message if isinstance(unsent, Failed) else UNDER_WAY
            return Failed(id=row.id, message=message)
        case Recorded(own=Own.ACCEPTED, id=id_, change=change) if isinstance(action, Update):
            if change.open is not None:
                return Failed(id=id_, message=UPDATE_OPEN)
            proven = change.confirmed != action.recorded.change.confirmed
            return ActionDone(id=id_, detail=CUT_SHORT) if proven else unsent
        case Recorded(own=Own.ACCEPTED, id=id_) if not isinstance(action, Delete | Record):
            return ActionDone(id=id_, detail=CUT_SHORT)
        case _:
            return unsent


async def _act(action: AnyAction, work: ActionContext) -> Outcome:
    match action:
        case Create():
            return await _create(action, work)
        case Replace():
            return await _replace(action, work)
        case Update():
            return await UpdateTask(work, action).carry_out()
        case Delete():
            return await _delete(action, work)
        case Resolve():
            return await _resolve(action, work)
        case Adopt():
            return await forget_missing(work, action.recorded)
        case Forget():
            return await _forget(action, work)
        case Record():
            return await _record(action, work)
        case Hold() | Keep():
            return ActionDone(id=action.id)
        case _:
            assert_never(action)


async def _delete(action: Delete, work: ActionContext) -> Outcome:
    """A late create that may have come true while nobody looked is looked up at once."""
    row = action.recorded
    removed = await DeleteTask(work, row, Purpose.REMOVED).carry_out(wait=work.run.options.wait)
    if not isinstance(removed, ActionDone):
        return removed
    late: str | None = None
    match work.durable:
        case Recorded(own=Own.LATE_CREATE_POSSIBLE) as ghost if not may_come_true(
            ghost, work.run.server_time()
        ):
            settled = await settle(work, ghost)
            if isinstance(settled, ActionInDoubt):
                return settled
            late = settled.id if isinstance(settled, ActionDone) else None
        case Recorded(own=Own.GONE) if row.own is Own.DELETING:
            # Much may have happened since it was begun, also through other copies of the state.
            late = await find_heir(work, row)
        case _:
            pass
    if late is None:
        return removed
    return replace(removed, detail=f"a late create of it came true as {late}; {NEXT_PLAN}")


async def _create(action: Create, work: ActionContext) -> Outcome:
    """What the server lost is looked up by name first: the state may be older than the world."""
    creation = CreateTask(work, action.desired)
    if action.lost is not None:
        try:
            verdict = await look_up(work)
        except StoppedError:
            return Skipped(message=UNSENT)
        if isinstance(verdict, OwnWorkload):
            return await hand_over(work, action.lost, verdict)
        if isinstance(verdict, LookupUnclear):
            # Nothing proves that it is gone: its record stays until a successor has its name.
            await work.run.commit(replace(action.lost, seen=LastSeen.MISSING))
        else:
            await lose(work, action.lost, verdict)
    return await creation.carry_out()


async def _resolve(action: Resolve, work: ActionContext) -> Outcome:
    if action.recorded.own is Own.DELETING:
        return await DeleteTask(work, action.recorded, Purpose.REMOVED).look()
    if action.desired is None:
        return await settle(work, action.recorded)
    if not action.same:
        return await supersede(work, action.recorded, action.desired)
    return await CreateTask(work, action.desired, resumed=action.recorded).carry_out()


async def _replace(action: Replace, work: ActionContext) -> Outcome:
    """Only a trusted absence makes room for the new one."""
    removal = DeleteTask(work, action.recorded, Purpose.REPLACE, successor=action)
    removed = await removal.carry_out(wait=True)
    if not isinstance(removed, ActionDone):
        return removed
    return await CreateTask(work, action.desired, replaces=True).carry_out()


async def _forget(action: Forget, work: ActionContext) -> Outcome:
    """What the server lost is looked up by name first: a copy of the state may have replaced it."""
    if action.reason is Reason.MISSING_ON_SERVER:
        return await forget_missing(work, action.recorded)
    await work.advance(action.recorded, Evidence.RELEASED)
    return ActionDone(id=action.id)


async def _record(action: Record, work: ActionContext) -> Outcome:
    desired = action.desired
    row = replace(action.recorded, lifecycle=desired.lifecycle, source=desired.source.file)
    if not row.is_declared:
        row = declare(row, work.run.redactor.redact(desired.spec))
    if action.follows:
        row = follow(row, desired, action.echo, work.run.redactor)
    await work.commit(row)
    return ActionDone(id=row.id)
