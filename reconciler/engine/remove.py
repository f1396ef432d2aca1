"""Ends one workload: verify whose it is, write the intent, delete, and wait for its absence."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.history.outcome import RECORDED, Cause, Failed, Outcome, Skipped, Succeeded
from reconciler.core.model import ENDS, LastSeen, Own, Purpose, Recorded
from reconciler.core.planning.actions import Replace
from reconciler.core.protocol.api_results import (
    FORBIDDEN,
    Accepted,
    Acknowledged,
    ApiResult,
    Conflict,
    Method,
    NotFound,
    NotSent,
    Refused,
    TooManyRequests,
    Unauthorised,
)
from reconciler.core.protocol.retry import SendCounts
from reconciler.core.protocol.transitions import Evidence, absence, is_fresh
from reconciler.engine.recognition import refuse_stranger
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.polling import poll_intervals
from reconciler.engine.run import UNDER_WAY, UNSENT, ActionContext

# Seconds for which a delete is waited for that an earlier run has waited for in full.
_SECOND_LOOK = 30.0
# Answers to a DELETE that nothing was done for.
_CERTAINLY_NOT_DONE = (Conflict, NotSent, Refused, TooManyRequests, Unauthorised)


class DeleteTask:
    """One delete from verification to trusted absence.

    What makes room for a `successor` stays on record until that one is accepted, with what it keeps
    and overwrites of what ran. `cause` is why a lifecycle ends it, in words for its record.
    """

    def __init__(
        self,
        work: ActionContext,
        row: Recorded,
        purpose: Purpose,
        *,
        successor: Replace | None = None,
        cause: str = "",
    ) -> None:
        self._successor = successor
        self._cause = cause
        self._work = work
        self._run = work.run
        self._row = row
        self._resumed = row.own is Own.DELETING
        # A delete that was begun keeps its purpose, unless this run adds a successor to it. What
        # was to stay ended is only gone where no spec declares it any more.
        keeps_purpose = self._resumed and row.purpose is not None and not successor
        self._purpose = row.purpose if keeps_purpose and row.purpose not in ENDS else purpose
        # The process that wrote this record may have died after the send.
        self._may_be_sent = self._resumed
        # An earlier run has waited for this one in vain, and said why: it is looked at, no more.
        waited = self._resumed and bool(row.message)
        self._patience = min(self._run.options.wait_timeout, _SECOND_LOOK if waited else math.inf)
        self._alive_at: datetime | None = None
        self._stays = False
        self._undone = () if self._resumed else row.undone

    async def carry_out(self, *, wait: bool) -> Outcome:
        """Done when the workload is gone; with `wait` off, when the server took the delete."""
        try:
            verified = await self._verify()
            if verified is not None:
                return verified
            answer = await self._work.send(
                Method.DELETE, self._attempt, conflict_for=self._patience
            )
            match answer:
                case NotFound(trusted=True):
                    return await self._gone()
                case Accepted() | Acknowledged() if wait:
                    # The answer says that a delete has begun, not that the name is free.
                    return await self._wait_for_absence()
                case Accepted() | Acknowledged():
                    return Succeeded(id=self._row.id, detail=UNDER_WAY)
                case _:
                    await self._take_back()
        except StoppedError:
            await self._take_back()
            if self._row.own is Own.DELETING:
                return Failed(id=self._row.id, message=UNDER_WAY)
            return Skipped(message=UNSENT)
        if isinstance(answer, Refused) and answer.status == FORBIDDEN:
            return self._fail(f"permission denied: {answer.description}", cause=Cause.DENIED)
        if self._run.api_is_gone or (isinstance(answer, Refused) and answer.is_redirect):
            # Nobody has waited for it in vain: it was not the API that did not carry it out.
            return self._fail(answer.description)
        # Not Cause.SERVER, which asks for a spec to be mended: none is behind a delete.
        return await self._give_up(answer.description)

    async def look(self) -> Outcome:
        """Record whether it is gone, or not being deleted at all; nothing is sent but a GET."""
        try:
            verified = await self._verify()
        except StoppedError:
            return Skipped(message=UNSENT)
        if verified is None and self._stays and self._row.purpose is Purpose.GIVEN_UP:
            return await self._begin_again()
        return verified or self._fail("still there; its name is free only once it is gone")

    async def _begin_again(self) -> Outcome:
        """A delete that was given up and that the server does not carry out is one to send again.

        Nothing else may become of it: a DELETE that was never answered could come late, and end
        what was decided to be kept.
        """
        self._row = replace(self._row, purpose=Purpose.REMOVED, message="")
        await self._work.commit(self._row)
        detail = "it is there, and is not being deleted; the next apply sends its DELETE again"
        return Succeeded(id=self._row.id, counted_as=RECORDED, detail=detail)

    async def _verify(self) -> Outcome | None:
        """Read by id first: a delete must hit the workload that we made and nothing else."""
        # What is heard late was true when it was said, and not after: the process may have stood.
        asked_at = self._run.server_time()
        answer = await self._work.read(self._row.id or "")
        match answer:
            case NotFound(trusted=True) if not self._resumed and is_fresh(asked_at, self._row):
                return self._fail("was accepted just now and is not visible yet", "run apply again")
            case NotFound(trusted=True):
                return await self._gone()
            case Accepted(remote=remote) if remote.is_gone:
                return await self._gone()
            case Accepted(remote=remote):
                # While it had the name, no other create of it could come true (A1).
                if remote.seen is not LastSeen.DELETING and remote.deleted_at is None:
                    self._alive_at = asked_at
                self._stays = not remote.is_leaving
                return refuse_stranger(self._run, self._row, remote)
            case _:
                return self._fail(f"not deleted, because it cannot be read: {answer.description}")

    async def _attempt(self, _: SendCounts) -> ApiResult:
        # A repetition finds its intent on the disk already.
        if self._row.own is not Own.DELETING:
            self._row = await self._work.advance(
                self._row,
                Evidence.END_INTENDED if self._purpose in ENDS else Evidence.DELETE_INTENDED,
                purpose=self._purpose,
                message="",
                **self._memory(),
            )
        if self._run.halt:
            # The run was stopped while the intent was being written.
            raise StoppedError
        # Set before the send and not after: a cancel during it must not take the intent back.
        before, self._may_be_sent = self._may_be_sent, True
        answer = await self._run.api.delete(self._row.id or "")
        self._may_be_sent = before or not isinstance(answer, _CERTAINLY_NOT_DONE)
        return answer

    async def _wait_for_absence(self) -> Outcome:
        end = self._run.clock.monotonic() + self._patience
        for interval in poll_intervals(longest=5.0):
            answer = await self._work.read(self._row.id or "")
            match answer:
                case NotFound(trusted=True):
                    return await self._gone()
                case Accepted(remote=remote) if remote.is_gone:
                    return await self._gone()
                # After a DELETE, this status says that the delete has failed.
                case Accepted(remote=remote) if remote.seen is LastSeen.FAILED:
                    reason = remote.message or "no message"
                    return await self._give_up(
                        f"the server could not delete it: {reason}", taken=True
                    )
                case Accepted():
                    pass
                case _:
                    return self._fail(f"its deletion cannot be followed: {answer.description}")
            left = end - self._run.clock.monotonic()
            if left <= 0.0:
                message = f"still there {self._patience:g} s after DELETE"
                return await self._give_up(message, taken=True)
            # The last look is at the very end: for so long it is said to have been there.
            await self._run.dispatcher.pause(min(self._run.dispatcher.stretched(interval), left))
        raise AssertionError("the intervals never end")

    def _memory(self) -> dict[str, Any]:
        """What the successor needs of what ran, should this run not come to it."""
        successor = self._successor
        return {"kept": successor.kept, "undone": successor.undone} if successor else {}

    async def _give_up(self, message: str, *, taken: bool = False) -> Outcome:
        """What it was waited for in vain is on record, so that no later run waits as long again.

        `taken` says that the server has accepted the DELETE: sending it once more helps nobody.
        """
        if self._row.own is not Own.DELETING:
            hint = "nothing was deleted; ask what holds it on the server, or apply again later"
            return self._fail(message, hint)
        self._row = replace(self._row, message=message)
        await self._work.commit(self._row)
        if not taken:
            return self._fail(message)
        hint = f"to wait for it no longer: reconciler state resolve {self._row.address} --abandon"
        return self._fail(message, hint)

    async def _take_back(self) -> None:
        """A delete that certainly did not happen was never begun."""
        if self._row.own is Own.DELETING and not self._may_be_sent:
            self._row = await self._work.advance(
                self._row, Evidence.DELETE_REJECTED, purpose=None, kept=None, undone=self._undone
            )

    async def _gone(self) -> Outcome:
        done = Succeeded(id=self._row.id)
        evidence = absence(self._row, self._alive_at)
        if self._purpose in ENDS:
            evidence = Evidence.ENDED
        seen, former_id = LastSeen.DELETED, None
        if self._successor:
            former_id = self._row.id
            if self._row.own is Own.DELETING:
                self._work.deleted = former_id
            else:
                # It was gone before anything was sent: somebody else has deleted it.
                seen = LastSeen.MISSING
            # On record until the successor is accepted: a run that is killed now has left the name
            # empty, and the next one has to say so and go on.
            if evidence is Evidence.CONFIRMED_GONE:
                evidence = Evidence.DELETED_FOR_REPLACE
        self._row = await self._work.advance(
            self._row,
            evidence,
            seen=seen,
            purpose=self._purpose,
            former_id=former_id,
            message=self._cause,
            **self._memory(),
        )
        return done

    def _fail(self, message: str, hint: str = "", *, cause: Cause = Cause.OTHER) -> Failed:
        return Failed(id=self._row.id, message=message, hint=hint, cause=cause)
