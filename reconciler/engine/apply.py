"""Carries out a plan: wave by wave, everything within a wave at once, each failure on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from reconciler.core.history.events import RunFinished, RunStarted
from reconciler.core.history.outcome import Cause, Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import ENDS, LastSeen, Own, Purpose, Recorded
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
from reconciler.core.protocol.api_results import Accepted
from reconciler.core.protocol.marker import read_rev
from reconciler.core.protocol.transitions import Evidence, may_come_true
from reconciler.engine.create import CreateTask
from reconciler.engine.dry_run import check_replacement
from reconciler.engine.lookup import LookupUnclear, OwnWorkload, look_up
from reconciler.engine.records import (
    declare,
    follow_other_copy,
    follow_spec,
    record_without_requests,
)
from reconciler.engine.remove import DeleteTask
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.run import (
    CUT_SHORT,
    NOT_THE_API,
    UNDER_WAY,
    UNSENT,
    ActionContext,
    ApplyContext,
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
from reconciler.engine.waiting.phase_wait import is_waited_for, judge_expired, wait_for_aim
from reconciler.errors import StateError

# So many actions are begun at most, if none of them waits for a cluster: more would fill memory.
CROWD = 1024
_CHANGE_NOTHING = Record | Forget | Adopt
_CAUSES = {
    Reason.MISSING_ON_SERVER: Cause.HELD,
    Reason.GIVEN_UP: Cause.GIVEN_UP,
    Reason.UNPROVEN_ABSENCE: Cause.UNPROVEN,
    Reason.SYNC_FAILED: Cause.CLUSTER,
    Reason.NAME_TAKEN: Cause.NAME_TAKEN,
}
NO_ROOM = "held back by --max-surge-gpus: not as many GPUs were given back as it asks for"
HELD_HINT = "lift what holds it back, then apply again"
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
        # They are told before anything is sent, so a run that is cut short has told them as well.
        for held in plan.due_holds:
            if not held.fails:
                # Nothing went wrong with it, but an apply that leaves it undone is no success.
                tally.tell(held, Skipped(message=held.detail, hint=HELD_HINT), 0.0)
                continue
            cause = Cause.OUTDATED if held.outdated else _CAUSES.get(held.reason, Cause.OTHER)
            message, down = held.detail.removesuffix(held.remedy), held.reason is Reason.DOWN
            # Whose the name is decides about the way out, which no cause alone can tell.
            hint = held.remedy.removeprefix("; ") if cause is Cause.NAME_TAKEN else ""
            failed = Failed(message=message, hint=hint, id=held.id, cause=cause, down=down)
            tally.tell(held, failed, 0.0)
        await record_without_requests(plan, run)
        removals = [a for a in plan.changes if isinstance(a, Delete)]
        builds = [a for a in plan.actions if is_waited_for(a, run.options)]
        run.surge.expect(removals)
        # What others depend on is made first and deleted last. The two sides share no address, so
        # neither waits for the other.
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry_out_waves(_waves(builds), run, tally, plan.unwell_wave))
            group.create_task(_carry_out_waves(_waves(removals)[::-1], run, tally))
    finally:
        watch.cancel()
        run.phases.close()
        # A write goes on when the action that waited for it was let go: its end is part of the run.
        await run.journal.settle()
        run.dispatcher.close()
    finished = RunFinished(
        at=run.at(),
        run=run.id,
        took=run.clock.monotonic() - began,
        summary=tally.summary,
        stopped_by=run.halt.reason,
        provenance=run.provenance,
    )
    run.say(finished)
    return finished


async def _watch_deadline(run: ApplyContext, deadline: float) -> None:
    await run.clock.sleep(max(0.0, deadline - run.clock.monotonic()))
    run.halt.pull(StopReason.DEADLINE)


def _waves(actions: Iterable[AnyAction]) -> list[list[AnyAction]]:
    waves: dict[int, list[AnyAction]] = {}
    for action in actions:
        waves.setdefault(action.wave, []).append(action)
    return [waves[wave] for wave in sorted(waves)]


async def _carry_out_waves(
    waves: Sequence[Sequence[AnyAction]],
    run: ApplyContext,
    tally: Tally,
    unwell: int | None = None,
) -> None:
    stopped = ""
    for wave in waves:
        if unwell is not None and unwell < wave[0].wave:
            stopped = f"wave {unwell} is not as declared, so this action was not started"
        begun = list[AnyAction]()
        for action in wave:
            # What changes no workload does not wait for others: a protection may be among it.
            if not stopped or (isinstance(action, _CHANGE_NOTHING) and not run.halt):
                begun.append(action)
                continue
            if isinstance(action, Keep | Hold):
                continue
            # Counted all the same: what an earlier run has deleted for it is down now.
            work = ActionContext(run, action.address, action.kind, action.id)
            outcome = _let_go(action, work, Skipped(message=stopped))
            tally.tell(action, with_loss(action, work, outcome), 0.0)
            if isinstance(action, Delete):
                run.surge.end(action, outcome)
        run.surge.expect(action for action in begun if not isinstance(action, Delete))
        outcomes = await _carry_out_wave(begun, run, tally)
        if not stopped and not all(isinstance(outcome, Succeeded) for outcome in outcomes):
            stopped = f"wave {wave[0].wave} did not succeed, so this action was not started"


async def _carry_out_wave(
    wave: Sequence[AnyAction], run: ApplyContext, tally: Tally
) -> list[Outcome]:
    """Everything at once; without a wait for Synced, no more than a crowd of it is begun."""
    queue, outcomes = iter(run.surge.order(wave)), list[Outcome]()

    async def work_on() -> None:
        for action in queue:
            outcomes.append(await _perform(action, run, tally))

    async def drain() -> None:
        # After a stop, what is in flight gets a few seconds for its answer, then it is let go.
        await run.halt.wait()
        await run.clock.sleep(run.options.drain)
        for task in tasks:
            task.cancel()

    crowd = len(wave) if run.options.wait else min(CROWD, len(wave))
    tasks = [asyncio.create_task(work_on()) for _ in range(crowd)]
    draining = asyncio.create_task(drain())
    try:
        await asyncio.gather(*tasks)
        return outcomes
    finally:
        draining.cancel()
        for task in tasks:
            task.cancel()
        # A task that is cancelled still waits for a record of its own that is being written.
        await asyncio.gather(*tasks, return_exceptions=True)


async def _perform(action: AnyAction, run: ApplyContext, tally: Tally) -> Outcome:
    began, began_at = run.clock.monotonic(), run.server_time()
    work = ActionContext(run, action.address, action.kind, action.id)
    is_admitted = False
    try:
        is_admitted = await run.surge.admit(action)
        no_room = Skipped(message=UNSENT if run.halt else NO_ROOM)
        outcome = await _act(action, work) if is_admitted else no_room
        if isinstance(outcome, Succeeded) and run.options.wait:
            outcome = await wait_for_aim(action, work, outcome, began_at)
        if not isinstance(outcome, Succeeded):
            await note_loss(action, work, outcome)
    except StateError as error:
        run.stop_for(error)
        outcome = _let_go(action, work, Failed(message=error.message, hint=error.hint))
    except asyncio.CancelledError:
        # Without a stop it is the caller who has cancelled the whole apply.
        if not run.halt:
            raise
        outcome = _let_go(action, work, Skipped(message=UNSENT))
    outcome = with_loss(action, work, outcome)
    if is_admitted:
        run.surge.end(action, outcome)
    if run.api_is_gone and isinstance(outcome, Failed | InDoubt) and not outcome.hint:
        outcome = replace(outcome, hint=NOT_THE_API)
    # The waves go by what was done, and not by what somebody had hoped for.
    told = judge_expired(action, run.options, outcome)
    tally.tell(action, told, run.clock.monotonic() - began)
    if run.options.fail_fast and isinstance(outcome, Failed | InDoubt):
        run.halt.pull(StopReason.FAIL_FAST)
    return outcome


def _let_go(action: AnyAction, work: ActionContext, unsent: Failed | Skipped) -> Outcome:
    """What its last durable record says of an action that did not come to an end."""
    # What is on the disk is what the next run will see, so nothing else may be told (I7).
    row = work.durable or (action.recorded if isinstance(action, Resolve) else None)
    match row:
        case Recorded(own=Own.CREATING | Own.UNCONFIRMED):
            message = LET_GO if unsent.message == UNSENT else unsent.message
            return InDoubt(message=message)
        case Recorded(own=Own.DELETING):
            message = unsent.message if isinstance(unsent, Failed) else UNDER_WAY
            return Failed(id=row.id, message=message)
        case Recorded(own=Own.ACCEPTED, id=id_, change=change) if isinstance(action, Update):
            if change.open is not None:
                return Failed(id=id_, message=UPDATE_OPEN)
            proven = change.confirmed != action.recorded.change.confirmed
            return Succeeded(id=id_, detail=CUT_SHORT) if proven else unsent
        case Recorded(own=Own.ACCEPTED, id=id_) if not isinstance(action, Delete | Record):
            return Succeeded(id=id_, detail=CUT_SHORT)
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
            return Succeeded(id=action.id)
        case _:
            assert_never(action)


async def _replace(action: Replace, work: ActionContext) -> Outcome:
    # A delete that was begun may land at any time: nothing is left to be asked before it.
    if work.run.options.dry_run and action.recorded.own is Own.ACCEPTED:
        try:
            refused = await check_replacement(work, action)
        except StoppedError:
            return Skipped(message=UNSENT)
        if refused is not None:
            return refused
    removal = DeleteTask(work, action.recorded, Purpose.REPLACE, successor=action)
    # Only a trusted absence makes room for the new one: until then the name is taken.
    removed = await removal.carry_out(wait=True)
    if not isinstance(removed, Succeeded):
        return removed
    return await CreateTask(work, action.desired, replaces=True).carry_out()


async def _delete(action: Delete, work: ActionContext) -> Outcome:
    """A late create that may have come true while nobody looked is looked up at once."""
    row = action.recorded
    # Only what is absent has given its GPUs back.
    wait = work.run.options.wait or work.run.surge.is_bounded
    # What a run before this one has begun was worded by it, for another moment.
    cause = action.detail if action.purpose in ENDS and row.own is Own.ACCEPTED else ""
    removed = await DeleteTask(work, row, action.purpose, cause=cause).carry_out(wait=wait)
    if not isinstance(removed, Succeeded):
        return removed
    late: str | None = None
    match work.durable:
        case Recorded(own=Own.LATE_CREATE_POSSIBLE) as ghost if not may_come_true(
            ghost, work.run.server_time()
        ):
            settled = await settle(work, ghost)
            if isinstance(settled, InDoubt):
                return settled
            late = settled.id if isinstance(settled, Succeeded) else None
        case Recorded(own=Own.GONE | Own.ENDED) if row.own is Own.DELETING:
            # Much may have happened since it was begun, also through other copies of the state.
            late = await find_heir(work, row)
        case _:
            pass
    if late is None:
        return removed
    return replace(removed, detail=f"a late create of it came true as {late}; {NEXT_PLAN}")


async def _forget(action: Forget, work: ActionContext) -> Outcome:
    if action.ends:
        facts = {"purpose": Purpose.FINISHED, "message": action.detail}
        await work.advance(action.recorded, Evidence.ENDED, **facts)
        return Succeeded(id=action.id)
    is_finished = action.reason is Reason.FINISHED
    is_project_gone = action.address.project in work.run.options.gone_projects
    if (action.reason is Reason.MISSING_ON_SERVER or is_finished) and not is_project_gone:
        # A run that started from another copy of the state may have replaced it.
        return await forget_missing(work, action.recorded, finished=is_finished)
    await work.advance(action.recorded, Evidence.RELEASED)
    return Succeeded(id=action.id)


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
        # Only a recheck by hand leads here, and that promises to read and nothing else.
        purpose = action.recorded.purpose or Purpose.REMOVED
        return await DeleteTask(work, action.recorded, purpose).look()
    # A POST would start what nobody wants any more, so it is settled by reading alone.
    if action.desired is None:
        return await settle(work, action.recorded)
    if not action.same:
        return await supersede(work, action.recorded, action.desired)
    # The same operation again: if the first send made it, a 409 leads to our own marker (A1, A2).
    return await CreateTask(work, action.desired, resumed=action.recorded).carry_out()


async def _record(action: Record, work: ActionContext) -> Outcome:
    if action.rev:
        return await _follow_rev(action, work)
    desired = action.desired
    row = replace(action.recorded, lifecycle=desired.lifecycle, source=desired.source.file)
    if not row.is_declared:
        row = declare(row, work.run.redactor.redact(desired.spec))
    if action.follows:
        row = follow_spec(row, desired, action.echo, work.run.redactor)
    await work.commit(row)
    return Succeeded(id=row.id)


async def _follow_rev(action: Record, work: ActionContext) -> Outcome:
    """Another copy of the state has updated it; nothing is sent before the next plan."""
    row, asked_at = action.recorded, work.run.server_time()
    try:
        answer = await work.read(row.id or "")
    except StoppedError:
        return Skipped(message=UNSENT)
    if not isinstance(answer, Accepted) or read_rev(answer.remote.raw_manifest) != action.rev:
        message = "no longer shows the update that was planned on; nothing was recorded"
        return Failed(message=message, id=row.id, hint="plan again", cause=Cause.OUTDATED)
    await work.commit(follow_other_copy(row, answer.remote, work.run.redactor, asked_at))
    return Succeeded(id=row.id)
