"""Makes one workload: intent first, then the request, then the proof of what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cached_property

from reconciler.core.history.outcome import (
    ADOPTED,
    Cause,
    Failed,
    InDoubt,
    Outcome,
    Skipped,
    Succeeded,
    cause_of_refusal,
)
from reconciler.core.model import Desired, Json, LastSeen, Own, Recorded, join_reasons
from reconciler.core.protocol.api_results import (
    FORBIDDEN,
    Accepted,
    Ambiguous,
    ApiResult,
    Conflict,
    Method,
    NotFound,
    NotSent,
    Refused,
    Unavailable,
)
from reconciler.core.protocol.body import make_body
from reconciler.core.protocol.retry import SendCounts
from reconciler.core.protocol.transitions import (
    Evidence,
    advance,
    end,
    late_create_text,
    superseded,
    vacancy,
)
from reconciler.engine.lookup import (
    LookupUnclear,
    NameFree,
    NameTaken,
    OwnWorkload,
    Verdict,
    look_up,
)
from reconciler.engine.records import (
    accept,
    new_row,
    one_more_send,
    row_of_stranger,
    without_other_id,
)
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.requests.polling import poll_intervals
from reconciler.engine.requests.sending import SendGuard, send_recorded
from reconciler.engine.run import UNSENT, ActionContext
from reconciler.engine.waiting.wait import wait_until_synced

# How long a name that answers 409 is looked up before it stays in doubt (assumption A3).
SETTLING_SECONDS = 60.0


class CreateTask:
    """One create from intent to outcome.

    `resumed` when an earlier run may have sent it; `replaces` when this run has just deleted what
    had its name.
    """

    def __init__(
        self,
        work: ActionContext,
        desired: Desired,
        *,
        resumed: Recorded | None = None,
        replaces: bool = False,
    ) -> None:
        self._work = work
        self._run = work.run
        self._desired = desired
        if resumed is not None:
            # Whatever the record believes: the process that wrote it may have died after the send.
            self._row = advance(resumed, Evidence.RESUMED)
        # How often others have sent it, a record that may be a copy does not tell.
        self._resumed = resumed is not None
        self._replaces = replaces
        # Whether a send of this operation is known that nobody has answered.
        self._in_doubt = resumed is not None and (resumed.own is Own.CREATING or resumed.ambiguous)
        self._last_message = ""
        # Sends of our own that may still be carried out, and when the last of all was sent: an
        # answered one cannot be.
        self._unanswered = 0
        self._unclear_at = resumed.last_sent_at if resumed else None
        self._guard = SendGuard(work.run, self._redate)

    # Made when its turn comes: a thousand are begun at once, and the first would wait for them all.
    @cached_property
    def _row(self) -> Recorded:
        return new_row(self._run, self._desired)

    @cached_property
    def _body(self) -> Json:
        return make_body(self._desired, self._run.marker(self._row.op), self._run.provenance.commit)

    async def carry_out(self) -> Outcome:
        """Create, settle what is unclear, and wait for the cluster if the run waits."""
        try:
            answer = await self._send()
        except StoppedError:
            if self._row.ambiguous:
                message = self._message_with("an earlier create is still in doubt")
                return InDoubt(message=message)
            if self._row.attempts:
                # The intent was certainly not sent: left there, it would count as a doubt.
                await self._work.advance(self._row, Evidence.CREATE_REJECTED, message="never sent")
            return Skipped(message=UNSENT)
        return await self._conclude(answer)

    async def _send(self) -> ApiResult:
        return await send_recorded(
            self._work, Method.POST, record=self._intend, attempt=self._attempt
        )

    async def _intend(self, tries: SendCounts) -> None:
        # The answer to the next send says nothing about the ones before: their doubt is recorded
        # first.
        if tries.ambiguous:
            self._note_unanswered()
        sent = one_more_send(self._row, self._guard.date())
        self._row = await self._work.advance(self._row, Evidence.CREATE_INTENDED, **sent)
        # Made before its turn comes: a place that is free then waits for the bytes alone.
        _ = self._body

    async def _attempt(self) -> ApiResult:
        answer = await self._run.api.create(self._body, self._guard.before_send)
        if isinstance(answer, Accepted):
            workload_id = answer.remote.id
            owner = self._run.claim(workload_id, self._row)
            if owner is not None:
                # An id that another record has cannot be what became of this create (I6).
                answer = Ambiguous(
                    message=f"the server answered with workload {workload_id}, "
                    f"which is {owner} already",
                    request_id=answer.request_id,
                    date=answer.date,
                )
        self._last_message = answer.description
        match answer:
            case Accepted() | NotSent():
                pass
            case Ambiguous(status=status) if status is None or status < 400:
                pass
            case _:
                # The server has answered, and not taken it: the outcome quotes that as the reason.
                self._work.refusal = self._last_message
        return answer

    async def _redate(self, at: str) -> None:
        self._row = replace(self._row, last_sent_at=at)
        await self._work.commit(self._row)

    async def _conclude(self, answer: ApiResult) -> Outcome:
        match answer:
            case Accepted(remote=remote):
                await _let_others_send()
                # It can be read a minute after this at the latest, not a minute after the send.
                answered = self._run.latest_server_time().isoformat(timespec="milliseconds")
                row = accept(self._row, remote, self._run.redactor, last_sent_at=answered)
                return await self._take(row, Succeeded(id=remote.id))
            case Conflict():
                # Also our own earlier send may hold the name: only a marker says whose it is.
                return await self._resolve(answer)
            case Ambiguous() | Unavailable():
                self._note_unanswered()
                await self._work.commit(self._row)
                return await self._resolve(answer)
            case Refused() | NotFound() if self._row.ambiguous:
                # A no to this send says nothing about an earlier one that was not answered.
                return await self._resolve(answer)
            case _ if self._row.ambiguous:
                return InDoubt(message=self._message_with(""))
            case _:
                return await self._drop_refused(answer, Evidence.CREATE_REJECTED)

    def _note_unanswered(self) -> None:
        self._row = advance(self._row, Evidence.CREATE_UNANSWERED, **self._reasons(""))
        self._in_doubt = True
        self._unanswered += 1
        self._unclear_at = self._row.last_sent_at

    async def _take(self, row: Recorded, done: Succeeded) -> Outcome:
        """Record the id before anything is said about it."""
        self._row = row
        await self._work.install(self._row)
        if not self._run.options.wait:
            return done
        return await wait_until_synced(self._work, self._row, done)

    async def _drop(
        self,
        message: str,
        evidence: Evidence = Evidence.CREATE_REJECTED,
        *,
        hint: str = "",
        cause: Cause = Cause.OTHER,
    ) -> Outcome:
        """A definite no, and nothing that could come true late: there is nothing to remember."""
        self._row = end(self._row, evidence, message=message)
        await self._work.commit(self._row)
        return Failed(message=message, hint=hint, cause=cause)

    async def _drop_refused(self, answer: ApiResult, evidence: Evidence) -> Outcome:
        match answer:
            case Refused(status=status) if status == FORBIDDEN:
                message = f"permission denied: {self._last_message}"
                return await self._drop(message, evidence, cause=Cause.DENIED)
            case Refused(is_redirect=False):
                cause = cause_of_refusal(self._last_message)
                return await self._drop(self._last_message, evidence, cause=cause)
            case _:
                return await self._drop(self._last_message, evidence)

    async def _resolve(self, answer: ApiResult) -> Outcome:
        """The name may be taken, by us or by others: read, prove, and only then decide."""
        try:
            answer, verdict = await self._look_until_settled(answer)
        except StoppedError:
            return await self._leave_unsettled(answer)
        if verdict is None:
            return await self._conclude(answer)
        # What was answered since cannot come true late; only what was not can. But a conflict with
        # nobody to be seen is with something that cannot be seen yet.
        if isinstance(verdict, OwnWorkload | NameTaken) or not isinstance(answer, Conflict):
            self._row = replace(self._row, last_sent_at=self._unclear_at or self._row.last_sent_at)
        # Counted from when the look began: what came true since is not in what was read.
        gone = vacancy(self._row, self._work.asked_at)
        match verdict:
            case OwnWorkload():
                return await self.adopt(verdict)
            case NameTaken(message=message, hint=hint) if gone is Evidence.CONFIRMED_GONE:
                told = f"{self._last_message}; {message}"
                return await self._drop(told, gone, hint=hint, cause=Cause.NAME_TAKEN)
            case NameFree() if gone is Evidence.CONFIRMED_GONE and isinstance(
                answer, Refused | NotFound
            ):
                return await self._drop_refused(answer, gone)
            case NameTaken(message=message):
                return await self._leave_unconfirmed(message, gone)
            case NameFree() | LookupUnclear() if (
                isinstance(answer, Conflict) and not self._in_doubt
            ):
                return await self._give_way(verdict)
            case NameFree():
                message = "the server does not show it yet"
                if gone is not Evidence.CONFIRMED_GONE:
                    message = f"{message}, and {late_create_text(self._row)}"
                return await self._leave_unconfirmed(message)
            case LookupUnclear(message=message):
                return await self._leave_unconfirmed(message)

    async def _leave_unsettled(self, answer: ApiResult) -> Outcome:
        """The run ends first: only a create that was answered in so many words is no doubt."""
        message = "the run ended before it could be looked up"
        if isinstance(answer, Conflict) and not self._in_doubt:
            return await self._drop(f"{self._last_message}; {message}", Evidence.CONFIRMED_GONE)
        return await self._leave_unconfirmed(message)

    async def _give_way(self, verdict: NameFree | LookupUnclear) -> Outcome:
        """The name is taken, and nobody can tell by whom; every send of this one was answered."""
        late_creates = self._find_late_creates()
        if late_creates:
            # Each send of this operation was answered, so it is over. One of those may have it.
            await self._drop(self._last_message, Evidence.CONFIRMED_GONE)
            for row in late_creates:
                await self._work.advance(
                    row, Evidence.UNPROVEN, refusal=self._last_message, message=""
                )
            return InDoubt(
                message=f"{self._last_message}; an earlier create of it may have come true"
            )
        if isinstance(verdict, LookupUnclear):
            message = (
                f"its owner is unknown: {verdict.message}; a name may stay taken for a while after "
                "its workload was deleted"
            )
            return await self._leave_unconfirmed(message, Evidence.NAME_TAKEN)
        return await self._drop(
            f"{self._last_message}; the server lists no workload with this name",
            Evidence.CONFIRMED_GONE,
            hint="the server may keep a deleted name for a while: apply again later, or choose "
            "another name",
        )

    def _find_late_creates(self) -> list[Recorded]:
        """Earlier operations under this name that may have come true since."""
        rows = self._run.rows_at(self._row.address)
        return [row for row in rows if row.own is Own.LATE_CREATE_POSSIBLE and row.ambiguous]

    async def _look_until_settled(self, answer: ApiResult) -> tuple[ApiResult, Verdict | None]:
        """The answer and whose the name is; no verdict where another send was answered otherwise.

        What an unanswered create of ours has made may not be listed yet, and a name that we have
        just freed may be held for a moment: for so long it is looked up, and asked for, again.
        """
        end = self._run.clock.monotonic() + SETTLING_SECONDS
        for interval in poll_intervals(first=1.0, longest=16.0):
            verdict = await look_up(self._work, answer.message)
            if isinstance(verdict, OwnWorkload | NameTaken) or not isinstance(answer, Conflict):
                return answer, verdict
            # Without a list another look would read the same ids again.
            blind = isinstance(verdict, LookupUnclear) and not verdict.listed
            may_be_ours = (self._in_doubt or bool(self._find_late_creates())) and not blind
            if not (may_be_ours or self._replaces) or self._run.clock.monotonic() + interval > end:
                return answer, verdict
            await self._run.dispatcher.pause(self._run.dispatcher.stretched(interval))
            # Where our own create may have the name, another send would be answered with 409 again.
            if self._replaces and not self._in_doubt:
                answer = await self._send()
                if not isinstance(answer, Conflict):
                    return answer, None
        raise AssertionError("the intervals never end")

    async def adopt(self, live: OwnWorkload) -> Outcome:
        """Take over what an earlier request made; a changed spec shows in the next plan."""
        remote, op = live.remote, live.marker.op
        detail = "an earlier request had created it; adopted by its marker"
        counted_as = "" if op == self._row.op else ADOPTED
        done = Succeeded(id=remote.id, detail=detail, counted_as=counted_as)
        if op == self._row.op:
            # Other sends of this operation may still come true after its workload is deleted; a
            # resumed record does not tell how many there were.
            is_only_send = not self._resumed and self._unanswered == 1
            evidence = Evidence.MATCHED_ONLY_SEND if is_only_send else Evidence.FOUND
            return await self._take(accept(self._row, remote, self._run.redactor, evidence), done)
        owner = self._run.known.get(op)
        has_other_id = owner is not None and owner.id not in (None, remote.id)
        if owner is not None and (
            owner.own is Own.DELETING or (has_other_id and owner.seen is not LastSeen.MISSING)
        ):
            # The workload of that record may live as well: nothing that cannot be explained is
            # touched. An intent that was never sent is no doubt.
            message = f"workload {remote.id} repeats the operation of {owner.id}"
            if self._row.attempts:
                return await self._leave_unconfirmed(message)
            return Failed(message=message)
        if self._row.attempts:
            # While that one has the name, no create of this operation can come true (A1).
            await self._work.commit(superseded(self._row, self._work.asked_at))
        if owner is None:
            declared = self._row.spec
            row = row_of_stranger(self._run, self._row, remote, op, declared=declared)
            return await self._take(row, done)
        if has_other_id:
            # An id is given up before another one is taken: none is ever overwritten.
            await self._work.commit(owner := without_other_id(owner, remote))
        return await self._take(accept(owner, remote, self._run.redactor), done)

    async def _leave_unconfirmed(
        self, message: str, evidence: Evidence = Evidence.UNPROVEN
    ) -> Outcome:
        in_doubt = InDoubt(message=self._message_with(message))
        self._row = await self._work.advance(self._row, evidence, **self._reasons(message))
        return in_doubt

    def _reasons(self, message: str) -> dict[str, str]:
        """What is recorded of a create in doubt: the server's last words, and what else is so."""
        refusal = self._work.refusal or self._row.refusal
        sent = "" if self._last_message == refusal else self._last_message
        return {"refusal": refusal, "message": join_reasons(sent, message)}

    def _message_with(self, message: str) -> str:
        """The same as one sentence; the server's words come first."""
        return join_reasons(*self._reasons(message).values())


async def _let_others_send() -> None:
    """Come after whoever sends in the place of a request that was answered.

    The next one wakes in the next turn of the loop; to record an answer takes longer than to send.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)
