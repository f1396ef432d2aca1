"""Makes one workload: intent first, then the request, then the proof of what became of it."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.answers import (
    Accepted,
    Ambiguous,
    Answer,
    Conflict,
    Method,
    NotFound,
    Refused,
    Unavailable,
)
from reconciler.core.body import make_body
from reconciler.core.diff import project
from reconciler.core.digest import digest
from reconciler.core.model import Desired, Own, Recorded, Remote, Seen
from reconciler.core.planner import echo_of
from reconciler.core.retry import Tries
from reconciler.engine.dispatcher import HaltedError
from reconciler.engine.lookup import Nobody, Ours, Theirs, Unclear, Verdict, is_quiet, look_up
from reconciler.engine.run import (
    UNSENT,
    Done,
    Doubtful,
    Failed,
    Outcome,
    Run,
    Skipped,
    Work,
    touch,
)
from reconciler.engine.wait import poll_intervals, wait_until_synced

# How long a name that answers 409 is looked up before it stays in doubt (assumption A3).
SETTLING_SECONDS = 60.0
AGAIN = "run apply again: it sends the same request and looks for the proof once more"


def new_row(run: Run, desired: Desired) -> Recorded:
    """The intent to create: a new operation that has not been sent."""
    op = run.mint_op()
    spec = run.redactor.redact(desired.spec)
    return Recorded(
        op=op,
        address=desired.address,
        own=Own.CREATING,
        digest=digest(spec),
        spec=spec,
        lifecycle=desired.lifecycle,
        marker=str(run.marker(op)),
        source=desired.source.file,
        run=run.id,
    )


class Creation:
    """One create from intent to outcome; `resumed` when an earlier run may have sent it."""

    def __init__(self, work: Work, desired: Desired, *, resumed: Recorded | None = None) -> None:
        self._work = work
        self._run = work.run
        self._row = resumed or new_row(work.run, desired)
        if resumed is not None:
            # Whatever the record believes: the process that wrote it may have died after the send.
            self._row = replace(resumed, ambiguous=True, own=Own.CREATING)
        # The last send that may still be carried out; one that was answered cannot come true late.
        self._unclear_at = self._row.last_sent_at
        self._body = make_body(desired, work.run.marker(self._row.op))

    async def carry_out(self) -> Outcome:
        """Create, settle what is unclear, and wait for the cluster if the run waits."""
        try:
            answer = await self._work.send(Method.POST, self._attempt)
        except HaltedError:
            return await self._withdraw()
        return await self._conclude(answer)

    async def _attempt(self, tries: Tries) -> Answer:
        if tries.ambiguous:
            self._unclear_at = self._row.last_sent_at
        row = replace(self._row, ambiguous=self._row.ambiguous or tries.ambiguous)
        self._row = touch(row, self._run.server_time())
        await self._work.commit(self._row)
        if self._run.halt:
            # The run was stopped while the intent was being written.
            raise HaltedError
        return await self._run.api.create(self._body)

    async def _withdraw(self) -> Outcome:
        """The run ended first: an intent that was certainly not sent is taken back."""
        if self._row.ambiguous:
            return Doubtful(message="an earlier create is still in doubt", hint=AGAIN)
        if self._row.attempts:
            await self._work.commit(replace(self._row, own=Own.GONE, message="never sent"))
        return Skipped(message=UNSENT)

    async def _conclude(self, answer: Answer) -> Outcome:
        match answer:
            case Accepted(remote=remote):
                return await self._accept(remote, Done(id=remote.id))
            case Conflict():
                return await self._resolve(answer)
            case Ambiguous() | Unavailable():
                self._unclear_at = self._row.last_sent_at
                self._row = replace(self._row, ambiguous=True)
                await self._work.commit(self._row)
                return await self._resolve(answer)
            case Refused() | NotFound() if self._row.ambiguous:
                return await self._resolve(answer)
            case _ if self._row.ambiguous:
                return Doubtful(message=answer.message or type(answer).__name__, hint=AGAIN)
            case _:
                return await self._drop(answer.message or type(answer).__name__)

    async def _accept(self, remote: Remote, done: Done) -> Outcome:
        """Record the id before anything is said about it."""
        self._row = _accepted(self._run, self._row, remote)
        await self._work.commit(self._row)
        if not self._run.options.wait:
            return done
        return await wait_until_synced(self._work, self._row, done)

    async def _drop(self, message: str) -> Outcome:
        """A definite no to an unambiguous request: there is nothing to remember."""
        self._row = replace(self._row, own=Own.GONE, message=message)
        await self._work.commit(self._row)
        return Failed(message=message)

    async def _resolve(self, answer: Answer) -> Outcome:
        """The name may be taken, by us or by others: read, prove, and only then decide."""
        try:
            verdict = await self._look_until_settled(answer)
        except HaltedError:
            return await self._suspect("the run ended before it could be looked up")
        quiet = is_quiet(self._run, self._unclear_at)
        match verdict:
            case Ours():
                return await self.adopt(verdict)
            case Theirs(message=message) if quiet or not self._row.ambiguous:
                return await self._drop(message)
            case Nobody() if quiet and isinstance(answer, Refused | NotFound):
                return await self._drop(answer.message)
            case Theirs(message=message):
                return await self._suspect(message)
            case Unclear(listed=False) if isinstance(answer, Conflict) and not self._row.ambiguous:
                return await self._drop(f"{answer.message}; its owner is unknown")
            case Nobody():
                return await self._suspect("the server does not show it yet")
            case Unclear(message=message):
                return await self._suspect(f"{answer.message}; {message}")

    async def _look_until_settled(self, answer: Answer) -> Verdict:
        """A 409 says that something is there, so a list that does not show it is only late."""
        end = self._run.clock.monotonic() + SETTLING_SECONDS
        for interval in poll_intervals(first=1.0, longest=16.0):
            verdict = await look_up(self._work, answer.message)
            settled = isinstance(verdict, Ours | Theirs) or not isinstance(answer, Conflict)
            blind = isinstance(verdict, Unclear) and not verdict.listed
            if settled or blind or self._run.clock.monotonic() + interval > end:
                return verdict
            await self._run.dispatcher.pause(interval)
        raise AssertionError("the intervals never end")

    async def adopt(self, found: Ours) -> Outcome:
        """Take over what an earlier request made; a changed spec shows in the next plan."""
        remote, op = found.remote, found.marker.op
        done = Done(id=remote.id, detail="an earlier request had created it; adopted by its marker")
        if op == self._row.op:
            return await self._accept(remote, done)
        known = self._run.known.get(op)
        if known is not None and known.id not in (None, remote.id):
            return await self._leave(f"workload {remote.id} repeats the operation of {known.id}")
        if self._row.attempts:
            await self._work.commit(replace(self._row, own=Own.GONE, message="never carried out"))
        self._row = known or _row_of_stranger(self._run, self._row, remote, op)
        return await self._accept(remote, done)

    async def _leave(self, message: str) -> Outcome:
        """Touch nothing that cannot be explained; an intent that was never sent is no doubt."""
        if self._row.attempts:
            return await self._suspect(message)
        return Failed(message=message)

    async def _suspect(self, message: str) -> Outcome:
        self._row = replace(
            self._row,
            own=Own.SUSPECT,
            ambiguous=True,
            message=message,
            last_sent_at=self._unclear_at or self._row.last_sent_at,
        )
        await self._work.commit(self._row)
        return Doubtful(message=message, hint=AGAIN)


def _accepted(run: Run, row: Recorded, remote: Remote) -> Recorded:
    """The record of a workload that the server has, known by its id from now on."""
    return replace(
        row,
        own=Own.ACCEPTED,
        id=remote.id,
        ambiguous=False,
        echo=run.redactor.redact(echo_of(remote)),
        seen=remote.seen if remote.seen is not Seen.UNKNOWN else Seen.QUEUED,
        message="",
    )


def _row_of_stranger(run: Run, row: Recorded, remote: Remote, op: str) -> Recorded:
    """A workload of ours that this state does not know: it may be older than the world."""
    spec = project(run.redactor.redact(echo_of(remote)), row.spec)
    return replace(
        row,
        op=op,
        digest=digest(spec),
        spec=spec,
        marker=str(run.marker(op)),
        attempts=0,
        first_sent_at=None,
        last_sent_at=None,
    )


async def read_doubt(work: Work, row: Recorded) -> Outcome:
    """Settle a create that is no longer wanted as it was, by reading only; never by a POST."""
    try:
        verdict = await look_up(work)
    except HaltedError:
        return Doubtful(message="an earlier create is still in doubt", hint=AGAIN)
    match verdict:
        case Ours(remote=remote, marker=marker) if marker.op == row.op:
            await work.commit(_accepted(work.run, row, remote))
            return Done(id=remote.id, detail="it had been created; the next plan shows what to do")
        case Ours() | Theirs() | Nobody() if is_quiet(work.run, row.last_sent_at):
            return await _settle_absent(work, row, verdict)
        case Ours() | Theirs() | Nobody():
            message = "it may still be carried out late; looked up again by the next run"
        case Unclear(message=message):
            pass
    await work.commit(replace(row, own=Own.SUSPECT, ambiguous=True, message=message))
    return Doubtful(message=message, hint=AGAIN)


async def _settle_absent(work: Work, row: Recorded, verdict: Ours | Theirs | Nobody) -> Outcome:
    """The name is free or has another owner, and nothing can come late: there is no doubt left."""
    await _take_over(work, row, verdict)
    await work.commit(replace(row, own=Own.GONE, message="never carried out"))
    return Done(detail="it was never carried out")


async def forget_missing(work: Work, row: Recorded) -> Outcome:
    """Drop the record of a workload that the server lost; raises HaltedError.

    Another one of ours under its name is taken into the state: nothing that we made may be lost.
    """
    verdict = await look_up(work)
    await work.commit(replace(row, own=Own.GONE, seen=Seen.MISSING))
    if await _take_over(work, row, verdict):
        return Done(id=row.id, detail="a successor has its name; the next plan shows what to do")
    return Done(id=row.id)


async def _take_over(work: Work, row: Recorded, verdict: Verdict) -> bool:
    if not isinstance(verdict, Ours) or verdict.marker.op in work.run.known:
        return False
    found = _row_of_stranger(work.run, row, verdict.remote, verdict.marker.op)
    await work.commit(_accepted(work.run, found, verdict.remote))
    return True
