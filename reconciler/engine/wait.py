"""Watches accepted workloads until the cluster has taken or refused them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain

from reconciler.core.diff.comparison import echo_of
from reconciler.core.events import Cause
from reconciler.core.model import LastSeen, Recorded, Remote
from reconciler.core.protocol.api_results import Accepted, NotFound
from reconciler.core.protocol.transitions import ROUNDING, SETTLED
from reconciler.engine.dispatcher import StoppedError
from reconciler.engine.run import CUT_SHORT, ActionContext, ActionDone, Failed, Outcome


def poll_intervals(first: float = 0.25, longest: float = 10.0) -> Iterator[float]:
    """Seconds between looks at one workload: soon at first, then ever more patient."""
    interval = first
    while True:
        yield interval
        interval = min(longest, interval * 1.6)


async def wait_until_synced(work: ActionContext, row: Recorded, done: ActionDone) -> Outcome:
    """`done` once the cluster took the workload; Failed when it refused it or time is up.

    An interrupted wait is not a failure: the workload is accepted and recorded.
    """
    run = work.run
    end = run.clock.monotonic() + run.options.wait_timeout
    try:
        # At once, in case it is done already; but those who wait in a crowd leave the way to the
        # creates.
        for wanted in chain((0.0,), poll_intervals()):
            interval = run.dispatcher.stretched(wanted)
            if run.clock.monotonic() + interval > end:
                waited = f"{run.options.wait_timeout:g} s"
                return Failed(
                    id=row.id,
                    message=f"accepted, but still {row.seen.value} after {waited}",
                    hint="look at it with 'reconciler status'; it is recorded and not sent again",
                )
            if interval:
                await run.dispatcher.pause(interval)
            outcome, row = await _look(work, row, done)
            if outcome is not None:
                return outcome
    except StoppedError:
        pass
    return replace(done, detail=CUT_SHORT)


async def _look(
    work: ActionContext, row: Recorded, done: ActionDone
) -> tuple[Outcome | None, Recorded]:
    asked_at = work.run.server_time()
    answer = await work.read(row.id or "")
    match answer:
        case Accepted(remote=remote):
            row = await _note(work, row, remote)
            if remote.is_gone:
                return Failed(id=row.id, message="accepted, but deleted by somebody else"), row
            if remote.seen is LastSeen.SYNCED:
                return done, row
            if remote.seen is LastSeen.FAILED:
                words = remote.message or "no message"
                message = f"the cluster refused it: {words}"
                return Failed(id=row.id, message=message, cause=Cause.CLUSTER), row
            return None, row
        case NotFound(trusted=True) if is_fresh(asked_at, row):
            return None, row
        case _:
            words = answer.description
            return Failed(id=row.id, message=f"accepted, but cannot be read: {words}"), row


async def _note(work: ActionContext, row: Recorded, remote: Remote) -> Recorded:
    if (row.seen, row.message) == (remote.seen, remote.message):
        return row
    row = replace(row, seen=remote.seen, message=remote.message)
    if remote.seen is LastSeen.SYNCED:
        # The platform goes on filling in what it has accepted: from now on, this is how it runs.
        echo = work.run.redactor.strict.redact(echo_of(remote))
        row = row if echo == row.echo else replace(row, echo=echo)
    await work.commit(row)
    return row


def is_fresh(now: datetime, row: Recorded) -> bool:
    """Whether a workload was created so recently, and never seen since, that a 404 says nothing."""
    if row.last_sent_at is None or row.seen not in (LastSeen.UNKNOWN, LastSeen.QUEUED):
        return False
    return now - datetime.fromisoformat(row.last_sent_at) < SETTLED + ROUNDING
