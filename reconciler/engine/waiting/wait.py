"""Watches accepted workloads until the cluster has taken or refused them."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from reconciler.core.diff.comparison import echo_of
from reconciler.core.history.outcome import Cause, Failed, Outcome, Succeeded
from reconciler.core.model import LastSeen, Recorded
from reconciler.core.protocol.api_results import Accepted, NotFound
from reconciler.core.protocol.changes import ShownRev, classify_rev, is_status_stale
from reconciler.core.protocol.marker import read_rev
from reconciler.core.protocol.transitions import is_fresh
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.polling import poll_intervals
from reconciler.engine.run import CUT_SHORT, ActionContext

REFUSED_UPDATE = "the cluster refused the update"
OVERTAKEN = (
    "updated; an update of ours that was given up has come true on it since, "
    "and the next run takes that back"
)
_AT_REST = (LastSeen.SYNCED, LastSeen.FAILED)


async def wait_until_synced(
    work: ActionContext, row: Recorded, done: Succeeded, *, is_new: bool = True
) -> Outcome:
    """`done` once the cluster took the workload; Failed when it refused it or time is up.

    What the platform fills in is taken over of a new one only: later it would be somebody's change.
    An interrupted wait is not a failure: the workload is accepted and recorded.
    """
    run = work.run
    end = run.clock.monotonic() + run.options.wait_timeout
    try:
        # At once, in case it is done already; but those who wait in a crowd leave the way to the
        # creates.
        for shortest in chain((0.0,), poll_intervals()):
            interval = run.dispatcher.stretched(shortest)
            if run.clock.monotonic() + interval > end:
                waited = f"{run.options.wait_timeout:g} s"
                return Failed(
                    id=row.id,
                    message=f"accepted, but still {row.seen.value} after {waited}",
                    hint="look at it with 'reconciler status'; it is recorded and not sent again",
                )
            if interval:
                await run.dispatcher.pause(interval)
            outcome, row = await _look(work, row, done, is_new=is_new)
            if outcome is not None:
                return outcome
    except StoppedError:
        pass
    return replace(done, detail=CUT_SHORT)


async def wait_until_updated(
    work: ActionContext, row: Recorded, done: Succeeded, *, before: LastSeen | None
) -> Outcome:
    """`done` once the cluster took an update; Failed when it refused it or time is up.

    `before` is what the server said before the update, None where nobody looked. A status counts
    once it cannot be a word about the content before (assumption A7). What the workload says
    meanwhile is not taken over: what differs from what was sent is drift.
    """
    run = work.run
    end = run.clock.monotonic() + run.options.wait_timeout
    last: LastSeen | None = None
    moved = False
    try:
        for shortest in chain((0.0,), poll_intervals()):
            interval = run.dispatcher.stretched(shortest)
            if run.clock.monotonic() + interval > end:
                return Failed(
                    id=row.id,
                    message=f"updated, but still {row.seen.value} after "
                    f"{run.options.wait_timeout:g} s",
                    hint="look at it with 'reconciler status'; it is recorded and not sent again",
                )
            if interval:
                await run.dispatcher.pause(interval)
            asked_at = run.server_time()
            answer = await work.read(row.id or "")
            if not isinstance(answer, Accepted):
                reason = answer.description
                return Failed(id=row.id, message=f"updated, but cannot be read: {reason}")
            remote = answer.remote
            if remote.is_gone or remote.is_leaving:
                return Failed(id=row.id, message="updated, but deleted by somebody else")
            shown_rev = classify_rev(row.change, read_rev(remote.raw_manifest))
            if shown_rev is ShownRev.LATE:
                return replace(done, detail=OVERTAKEN)
            if shown_rev is not ShownRev.CONFIRMED:
                return replace(done, detail="updated; somebody has changed it again since")
            # Where it had come to rest before, any other word is about the update.
            moved = moved or (before in _AT_REST and remote.seen is not before)
            agreed, last = remote.seen is last, remote.seen
            stale = not moved and (is_status_stale(row.change, asked_at) or not agreed)
            if stale or remote.seen not in _AT_REST:
                continue
            row = replace(row, seen=remote.seen, message=remote.message)
            await work.commit(row)
            if remote.seen is LastSeen.SYNCED:
                return done
            return Failed(
                id=row.id,
                message=f"{REFUSED_UPDATE}: {remote.message or 'no message'}",
                hint="what ran before may still run. Take the change back and apply; or mend it "
                f"and apply; or end and make it anew: --replace {row.address}",
                cause=Cause.CLUSTER,
            )
    except StoppedError:
        pass
    return replace(done, detail=CUT_SHORT)


async def _look(
    work: ActionContext, row: Recorded, done: Succeeded, *, is_new: bool
) -> tuple[Outcome | None, Recorded]:
    asked_at = work.run.server_time()
    answer = await work.read(row.id or "")
    match answer:
        case Accepted(remote=remote):
            if (row.seen, row.message) != (remote.seen, remote.message):
                row = replace(row, seen=remote.seen, message=remote.message)
                if remote.seen is LastSeen.SYNCED and is_new:
                    # The platform goes on filling in what it has accepted: from now on, this is how
                    # it runs.
                    row = replace(row, echo=work.run.redactor.strict.redact(echo_of(remote)))
                await work.commit(row)
            if remote.is_gone:
                return Failed(id=row.id, message="accepted, but deleted by somebody else"), row
            if remote.seen is LastSeen.SYNCED:
                return done, row
            if remote.seen is LastSeen.FAILED:
                message = f"the cluster refused it: {remote.message or 'no message'}"
                return Failed(id=row.id, message=message, cause=Cause.CLUSTER), row
            return None, row
        # Accepted is not visible at once (A3).
        case NotFound(trusted=True) if is_fresh(asked_at, row):
            return None, row
        case _:
            reason = answer.description
            return Failed(id=row.id, message=f"accepted, but cannot be read: {reason}"), row
