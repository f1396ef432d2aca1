"""Settles what earlier runs left open, by reading; only what is wanted is ever sent."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.history.outcome import (
    ADOPTED,
    RECORDED,
    Cause,
    Failed,
    InDoubt,
    Outcome,
    Skipped,
    Succeeded,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Own,
    Purpose,
    Recorded,
    Remote,
    join_reasons,
)
from reconciler.core.protocol.api_results import Accepted
from reconciler.core.protocol.transitions import (
    Evidence,
    absence,
    advance,
    end,
    late_create_text,
    may_come_true,
    succession,
    superseded,
    vacancy,
)
from reconciler.engine.create import CreateTask
from reconciler.engine.lookup import (
    LookupUnclear,
    NameFree,
    NameTaken,
    OwnWorkload,
    Verdict,
    look_up,
)
from reconciler.engine.records import accept, row_of_stranger, without_other_id
from reconciler.engine.requests.dispatcher import StoppedError
from reconciler.engine.run import UNSENT, ActionContext

STILL_IN_DOUBT = "an earlier create is still in doubt"
NEVER_CARRIED_OUT = "it was never carried out"
NOTHING_LEFT = "nothing of it is left"
NEXT_PLAN = "the next plan shows what to do"


async def settle(work: ActionContext, row: Recorded) -> Outcome:
    """Find out what became of a create that nobody wants as it was; never by a POST."""
    try:
        verdict = await look_up(work)
    except StoppedError:
        return InDoubt(message=join_reasons(row.refusal, STILL_IN_DOUBT))
    outcome = await _conclude(work, advance(row, Evidence.RESUMED), verdict)
    await _settle_late_creates(work, row, verdict)
    return outcome


async def _settle_late_creates(work: ActionContext, row: Recorded, verdict: Verdict) -> None:
    """What one look at a name has shown holds for every older operation under it."""
    if isinstance(verdict, LookupUnclear):
        return
    for other in work.run.rows_at(row.address):
        if other.own is Own.LATE_CREATE_POSSIBLE and other.op != row.op:
            await _conclude(work, other, verdict)


async def supersede(work: ActionContext, row: Recorded, desired: Desired) -> Outcome:
    """Settle a create whose spec has changed since, and make what is wanted now.

    Where its absence cannot be proven, the new one proves it: two cannot have one name (A1).
    """
    try:
        verdict = await look_up(work)
    except StoppedError:
        return InDoubt(message=join_reasons(row.refusal, STILL_IN_DOUBT))
    row = advance(row, Evidence.RESUMED)
    if isinstance(verdict, OwnWorkload):
        return await _conclude(work, row, verdict)
    evidence = Evidence.SUPERSEDED
    if isinstance(verdict, NameFree):
        evidence = succession(row, work.asked_at)
    # The old operation gives up the name on record before the new one asks for it.
    await work.advance(row, evidence, purpose=Purpose.SUPERSEDED)
    created = await CreateTask(work, desired).carry_out()
    if isinstance(created, Succeeded) and not created.detail:
        return replace(created, detail="created as it is wanted now")
    return created


async def _conclude(work: ActionContext, row: Recorded, verdict: Verdict) -> Outcome:
    now = work.asked_at
    match verdict:
        case OwnWorkload(remote=remote, marker=marker) if marker.op == row.op:
            await work.install(accept(row, remote, work.run.redactor))
            return Succeeded(id=remote.id, detail=f"it had been created; {NEXT_PLAN}")
        case OwnWorkload():
            # First what lives: a kill in between must not leave it without a record (I1).
            await _take_over(work, row, verdict)
            await work.commit(superseded(row, now))
            return Succeeded(detail=f"{_end_of(row)}; another workload of ours has its name")
        # Whoever has the name: an operation that can no longer come true is over (A4).
        case NameTaken() | NameFree() if not may_come_true(row, now):
            await work.commit(end(row, message=_end_of(row)))
            return Succeeded(detail=_end_of(row))
        case NameTaken() | NameFree():
            message = f"{late_create_text(row)}; looked up again by the next run"
            return await _leave(work, row, Evidence.ABSENT, message)
        case LookupUnclear(message=message):
            return await _leave(work, row, Evidence.UNPROVEN, message)


async def _leave(work: ActionContext, row: Recorded, evidence: Evidence, message: str) -> InDoubt:
    """Nothing is settled; of what was deleted it stays on record why its successor is not there."""
    await work.advance(row, evidence, message=row.message if row.is_down else message)
    return InDoubt(message=join_reasons(row.refusal, message))


def _end_of(row: Recorded) -> str:
    return NOTHING_LEFT if row.own is Own.LATE_CREATE_POSSIBLE else NEVER_CARRIED_OUT


async def forget_missing(work: ActionContext, row: Recorded, *, finished: bool = False) -> Outcome:
    """Drop the record of a workload that the server lost, if that is proven.

    `finished` says that the list of what was deleted of late has proven it.

    Another one of ours under its name is taken into the state: nothing that we made may be lost.
    One that may only be out of sight is kept: nothing else would point to it.
    """
    try:
        verdict = await look_up(work)
        deleted = finished
        if isinstance(verdict, LookupUnclear) and not finished:
            # Where no list can be believed, the server may still say of this very id that it was
            # deleted.
            answer = await work.read(row.id or "")
            deleted = isinstance(answer, Accepted) and answer.remote.is_gone
    except StoppedError:
        return Skipped(message=UNSENT)
    if isinstance(verdict, OwnWorkload):
        return await hand_over(work, row, verdict)
    if isinstance(verdict, LookupUnclear) and not deleted:
        message = f"the record stays, because nothing proves that it is gone: {verdict.message}"
        await work.commit(replace(row, seen=LastSeen.MISSING, message=message))
        return Failed(id=row.id, message=message, cause=Cause.UNPROVEN)
    await lose(work, row, verdict)
    await _settle_late_creates(work, row, verdict)
    return Succeeded(id=row.id)


async def hand_over(work: ActionContext, row: Recorded, live: OwnWorkload) -> Outcome:
    """Record what has the name of a lost workload, and only then give up what was recorded."""
    remote, op = live.remote, live.marker.op
    if remote.id == row.id:
        await work.commit(accept(row, remote, work.run.redactor))
        detail = f"it is there after all; {NEXT_PLAN}"
        return Succeeded(id=row.id, counted_as=RECORDED, detail=detail)
    if op == row.op:
        await _accept_again(work, row, remote)
        detail = f"it came to life again as {remote.id}; {NEXT_PLAN}"
        return Succeeded(id=remote.id, counted_as=ADOPTED, detail=detail)
    await _take_over(work, row, live)
    detail = f"a newer workload of ours has its name; {NEXT_PLAN}"
    return Succeeded(id=remote.id, counted_as=ADOPTED, detail=detail)


async def lose(work: ActionContext, row: Recorded, verdict: Verdict) -> None:
    """Record that the server no longer has a workload that nobody here deleted.

    Nobody knows since when; a late create of it is ruled out only by what has its name now.
    """
    # Without a look at the name nothing rules out a late create, however long ago it was sent.
    if isinstance(verdict, LookupUnclear):
        evidence = absence(row, held_until=None)
    else:
        evidence = vacancy(row, work.asked_at)
    await work.advance(row, evidence, seen=LastSeen.MISSING)


async def find_heir(work: ActionContext, row: Recorded) -> str | None:
    """The id of another workload of ours that has this name after all, recorded from now on.

    A run that started from another copy of the state may have asked for it, and have been late.
    """
    try:
        verdict = await look_up(work)
    except StoppedError:
        return None
    if not isinstance(verdict, OwnWorkload):
        return None
    await _take_over(work, row, verdict)
    return verdict.remote.id


async def _take_over(work: ActionContext, row: Recorded, live: OwnWorkload) -> None:
    """Record whose it is, if the state does not have its id already, and what it has outlived."""
    remote, op = live.remote, live.marker.op
    owner = work.run.known.get(op)
    if owner is not None:
        if owner.id is None:
            await work.install(accept(owner, remote, work.run.redactor))
        elif owner.id != remote.id and owner.own is Own.ACCEPTED and owner.seen is LastSeen.MISSING:
            # What it had is known to be gone: another of its sends has come true late.
            await _accept_again(work, owner, remote)
        else:
            # Its id is on record, and is not overwritten (I6): only what it has outlived ends.
            await work.run.commit(*work.run.ended_by(owner))
        return
    # What its spec declared is not known here: the next plan compares it with what is wanted.
    await work.install(row_of_stranger(work.run, row, remote, op, declared=None))


async def _accept_again(work: ActionContext, row: Recorded, remote: Remote) -> None:
    # An id is given up before another one is taken: none is ever overwritten.
    await work.commit(lost := without_other_id(row, remote))
    await work.install(accept(lost, remote, work.run.redactor))
