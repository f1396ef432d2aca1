"""Waits for what becomes of accepted workloads in the cluster: running, or completed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.history.outcome import Cause, Failed, Outcome, Succeeded
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import LastSeen, Own, Purpose, Recorded, join_reasons
from reconciler.core.planning.actions import (
    AnyAction,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Update,
    recorded_of,
)
from reconciler.core.planning.plan import MISSING
from reconciler.core.protocol.api_results import ApiResult, Described, Method, NotFound
from reconciler.core.protocol.live import LiveWorkload, WorkloadPhase
from reconciler.core.protocol.transitions import is_fresh
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.live_list import LiveList, list_live
from reconciler.engine.run import ActionContext, ApplyOptions, WaitFor
from reconciler.engine.waiting.wait import wait_until_synced, wait_until_updated
from reconciler.kinds.registry import serves_until_ended

_SEEN_TO_RUN = (WorkloadPhase.RUNNING, WorkloadPhase.COMPLETED)


def is_waited_for(action: AnyAction, options: ApplyOptions) -> bool:
    """Whether its outcome counts for the waves of what is made; also of what is only waited for.

    An earlier run may have been killed while it waited.
    """
    if not isinstance(action, Keep | Hold):
        return not isinstance(action, Delete)
    row = action.recorded
    # What is due has been told already, and nobody waits for a refusal that its author ignores.
    unwaited = (*MISSING, Reason.SYNC_FAILED)
    if not options.wait or row is None or row.own not in (Own.ACCEPTED, Own.ENDED):
        return False
    if row.own is Own.ENDED or (isinstance(action, Hold) and action.is_gone):
        # How it ended counts for those who ask for its completion alone.
        return options.wait_for is WaitFor.COMPLETED
    if isinstance(action, Hold) and (action.is_due or action.reason in unwaited):
        return False
    is_settled = row.seen in (LastSeen.SYNCED, LastSeen.FAILED)
    return options.wait_for is not WaitFor.SYNCED or not is_settled


async def wait_for_aim(
    action: AnyAction, work: ActionContext, done: Succeeded, began_at: datetime
) -> Outcome:
    """Wait for what was asked for: beyond Synced where that is more, and for what was kept."""
    row = work.durable or recorded_of(action)
    wait_for = work.run.options.wait_for
    if isinstance(action, Hold) and row is not None and row.own is Own.ENDED:
        return done if row.purpose is Purpose.FINISHED else _not_completed(row, deleted=None)
    if isinstance(action, Delete | Forget) or row is None or row.own is not Own.ACCEPTED:
        return done
    if isinstance(action, Hold) and action.is_gone:
        return await _wait_for_phase(work, row, done, updated_at=None)
    if isinstance(action, Keep | Hold):
        # What the run has recorded since the plan stands; it keeps no echo in memory.
        row = replace(work.run.known.get(row.op, row), echo=row.echo)
    if isinstance(action, Keep | Hold) and row.seen is not LastSeen.SYNCED:
        if row.change.confirmed:
            # Its status may still be about the content before the last update (A7).
            synced = await wait_until_updated(work, row, done, before=None)
        else:
            synced = await wait_until_synced(work, row, done, is_new=False)
        if not isinstance(synced, Succeeded):
            return synced
    if wait_for is WaitFor.SYNCED:
        return done
    updated_at = began_at if isinstance(action, Update) else None
    if updated_at is None and row.change.proven_at is not None:
        updated_at = datetime.fromisoformat(row.change.proven_at)
    return await _wait_for_phase(work, row, done, updated_at=updated_at)


def judge_expired(action: AnyAction, options: ApplyOptions, outcome: Outcome) -> Outcome:
    """What is told of a delete: who waits for a completion has waited in vain for what expired."""
    if not (isinstance(action, Delete) and action.purpose is Purpose.EXPIRED):
        return outcome
    waits = options.wait and options.wait_for is WaitFor.COMPLETED
    if not (waits and isinstance(outcome, Succeeded)):
        return outcome
    return _not_completed(action.recorded, deleted=action.id)


def _not_completed(row: Recorded, *, deleted: str | None) -> Failed:
    return Failed(
        id=row.id,
        message="it has not completed: it ran for longer than its maxRuntime, and was deleted",
        hint="a change of its spec makes it again; so does --replace",
        deleted=deleted,
        cause=Cause.EXPIRED,
    )


async def _wait_for_phase(
    work: ActionContext,
    row: Recorded,
    done: Succeeded,
    *,
    updated_at: datetime | None,
) -> Outcome:
    """`done` once the workload runs, or has completed; Failed when it fails or time is up.

    `updated_at` is the server's time before which a phase is about the content before an update;
    None for what was never updated. An interrupted wait is no failure, one without an end is.
    """
    run, aim = work.run, _aim_of(row, work.run.options.wait_for)
    end = run.clock.monotonic() + run.options.wait_timeout
    phase, last = "not listed", None
    try:
        while run.clock.monotonic() <= end:
            look = await run.phases.look(row.address.project)
            if isinstance(look, ApiResult):
                return Failed(
                    id=row.id,
                    message=f"accepted, but its phase cannot be looked at: {look.description}",
                    hint="--wait-for synced does without the server's list",
                )
            workload = look.get(row.id or "") or await _find_deleted(work, row)
            if isinstance(workload, Failed):
                return workload
            if workload is None or workload.phase is None:
                continue
            phase, last = workload.phase.value, workload
            if _is_stale(workload, updated_at):
                continue
            if workload.phase is WorkloadPhase.FAILED:
                return Failed(
                    id=row.id,
                    message=f"it failed in the cluster: {workload.phase_message or 'no message'}",
                    cause=Cause.FAILED_LATER,
                )
            if workload.phase in _SEEN_TO_RUN and (
                aim is WaitFor.RUNNING or workload.phase is WorkloadPhase.COMPLETED
            ):
                return done
    except StoppedError:
        if run.halt.reason is not StopReason.DEADLINE:
            return replace(done, detail=f"accepted; the wait for {aim} was cut short")
    waited = "at the deadline" if run.halt else f"after {run.options.wait_timeout:g} s"
    reason = "" if last is None else await _find_reason(work, last)
    return Failed(
        id=row.id,
        message=f"accepted, but not {aim}: still {phase} {waited}{f': {reason}' if reason else ''}",
        hint="an apply with the same --wait-for goes on waiting; 'reconciler status' tells more",
    )


async def _find_reason(work: ActionContext, workload: LiveWorkload) -> str:
    """Why a workload is still in its phase: what the scheduler says, else what the list said."""
    told = workload.phase_message
    if workload.phase is not WorkloadPhase.PENDING:
        return told
    try:
        response = await work.run.dispatcher.send(
            Method.GET, lambda _: work.run.api.live.describe(workload.id)
        )
    except StoppedError:
        # At the deadline nothing is sent any more.
        return told
    pending = response.workload.pending if isinstance(response, Described) else ()
    reasons = [
        f"{reason.message or reason.code} (node pool {reason.node_pool})" for reason in pending
    ]
    return join_reasons(*reasons) or told


def _aim_of(row: Recorded, wait_for: WaitFor) -> WaitFor:
    """What serves until somebody ends it never completes: that it runs is all there is."""
    manifest: Any = row.spec.get("manifest")
    serves = isinstance(manifest, Mapping) and serves_until_ended(manifest)
    return WaitFor.RUNNING if serves else wait_for


def _is_stale(workload: LiveWorkload, updated_at: datetime | None) -> bool:
    """Whether an end may be that of the content before an update."""
    if updated_at is None or workload.phase is None or not workload.phase.is_over:
        return False
    try:
        return datetime.fromisoformat(workload.phase_updated_at or "") <= updated_at
    except (TypeError, ValueError):
        return True


async def _find_deleted(work: ActionContext, row: Recorded) -> LiveWorkload | Failed | None:
    """What is not listed: its last phase if it has ended and was removed; None if it lives."""
    asked_at = work.run.server_time()
    response = await work.read(row.id or "")
    # A list may lag behind, and so may an answer about a new id (A3).
    if not (isinstance(response, NotFound) and response.trusted) or is_fresh(asked_at, row):
        return None
    deleted = await list_live(
        work.run.dispatcher,
        work.run.api.live,
        row.address.project,
        name=row.address.name,
        deleted=True,
    )
    last = deleted.by_id.get(row.id or "") if isinstance(deleted, LiveList) else None
    if last is not None and last.phase is not None and last.phase.is_over:
        return last
    return Failed(id=row.id, message="accepted, but deleted by somebody else")
