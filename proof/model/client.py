"""The engine's procedures as generators: between any two `yield`s the client may die.

They are named after the engine's own and follow them branch by branch. Everything that a procedure
still needs is in its variables, because they and its position are what tells two clients apart.
"""

from __future__ import annotations

from typing import Any

from proof.model import rows
from proof.model.messages import (
    Absent,
    End,
    Found,
    Made,
    Pause,
    Post,
    Read,
    Refused,
    Taken,
    Unclear,
    Unsent,
)
from proof.model.removing import Removing
from proof.model.rows import UNREAD, Sights, Task
from proof.model.work import (
    DONE,
    DOUBTFUL,
    FAILED,
    LOOKS,
    SENDS,
    SKIPPED,
    HaltedError,
    Sending,
    Steps,
    Verdict,
)
from proof.model.world import Row, Workload
from reconciler.core.model import LastSeen, Own, Purpose
from reconciler.core.protocol.transitions import Evidence


class Client(Removing):
    """One apply: reads, plans, acts."""

    def apply(self) -> Steps[End]:
        """Read what is recorded, let the planner decide, carry it out."""
        try:
            sights = yield from self.refresh()
            proven, heir = yield from self.find_heir(sights)
        except HaltedError:
            return End(SKIPPED)
        known = tuple(sorted(self.known.values()))
        task = rows.decide(
            known,
            sights,
            self.desire,
            self.now,
            proven=proven,
            heir=heir,
            ends=self.settings.ends,
        )
        for past in task.outlived:
            if not self.may_come_true(past, self.now):
                yield from self.move(past, Evidence.CONFIRMED_GONE)
        return (yield from self.act(task))

    def refresh(self) -> Steps[Sights]:
        """GET every recorded id."""
        sights: Sights = ()
        for row in sorted(self.known.values()):
            if row.id is None or row.own not in (Own.ACCEPTED, Own.DELETING):
                continue
            answer = yield from self.ask(Read(row.id))
            fresh = self.is_fresh(row) and row.own is Own.ACCEPTED
            match answer:
                case Found(workload=found):
                    sights += ((row.id, self.with_end(found)),)
                case Absent() if not fresh:
                    sights += ((row.id, None),)
                case _:
                    sights += ((row.id, UNREAD),)
        return sights

    def with_end(self, found: Workload) -> Workload:
        """The workload with whether it has completed, where the list says so."""
        return found._replace(over=found.over and self.settings.shows_ends)

    def find_heir(self, sights: Sights) -> Steps[tuple[bool, int | None]]:
        """Whether the list says as well that what was not found is gone, and what has its name.

        What is missing and made again is looked up by name anyway; only what is held needs this.
        """
        lost = {id_ for id_, sight in sights if sight is None}
        if not any(row.own is Own.ACCEPTED and row.id in lost for row in self.known.values()):
            return False, None
        verdict = yield from self.look_up()
        ours = verdict.found if verdict.word == "ours" and self.settings.ends else None
        return self.is_proof(verdict), ours.id if ours else None

    def act(self, task: Task) -> Steps[End]:
        """Carry out the one action of this address."""
        row = task.row
        match task.kind:
            case "create":
                return (yield from self.create(row))
            case "resolve" if row and not task.wanted:
                return (yield from self.settle(row))
            case "resolve" if row and not task.same:
                return (yield from self.supersede(row))
            case "resolve" if row:
                resumed = self.advance(row, Evidence.RESUMED)
                in_doubt = row.own is Own.CREATING or row.ambiguous
                sending = Sending(resumed, resumed.attempts, resumed.sent, True, in_doubt)
                return (yield from self.carry_out(sending))
            case "replace" if row:
                removed = yield from self.remove(row, Purpose.REPLACE, successor=True)
                if removed.outcome != DONE:
                    return removed
                return (yield from self.carry_out(self.new_sending()._replace(replaces=True)))
            case "delete" if row:
                return (yield from self.delete(row, task.purpose))
            case "unproven":
                return End(FAILED)
            case "forget" if row and task.missing:
                return (yield from self.forget_missing(row))
            case "forget" if row:
                yield from self.move(row, Evidence.RELEASED)
            case _:
                pass
        return End(DONE)

    def create(self, lost: Row | None) -> Steps[End]:
        """What the server lost is looked up by name first."""
        sending = self.new_sending()
        if lost is not None:
            try:
                verdict = yield from self.look_up()
            except HaltedError:
                return End(SKIPPED)
            if verdict.word == "ours":
                return (yield from self.hand_over(lost, verdict))
            if self.is_proof(verdict):
                yield from self.lose(lost, verdict)
        return (yield from self.carry_out(sending))

    def new_sending(self) -> Sending:
        """An operation that nothing was sent for."""
        row = Row(op=self.fresh_op, own=Own.CREATING, body=self.desire)
        return Sending(row, unanswered=0, unclear_at=None)

    def carry_out(self, sending: Sending) -> Steps[End]:
        """Send, and settle what is unclear."""
        ambiguous = False
        for send in range(SENDS):
            if ambiguous:
                sending = self.note_unanswered(sending)
            try:
                sending, answer = yield from self.attempt(sending)
            except HaltedError:
                return (yield from self.withdraw(self.known[sending.row.op]))
            ambiguous = ambiguous or isinstance(answer, Unclear)
            if not (isinstance(answer, Unclear | Unsent) and answer.again) or send + 1 == SENDS:
                break
        return (yield from self.conclude(sending, answer))

    def attempt(self, sending: Sending) -> Steps[tuple[Sending, Any]]:
        """Write the intent down, then send; raises HaltedError in between."""
        row = sending.row
        row = yield from self.move(
            row, Evidence.CREATE_INTENDED, attempts=row.attempts + 1, sent=self.now
        )
        answer = yield from self.ask(Post(row.op, row.body))
        return sending._replace(row=row), answer

    def note_unanswered(self, sending: Sending) -> Sending:
        """One more send may still be carried out."""
        row = self.advance(sending.row, Evidence.CREATE_UNANSWERED)
        unanswered = min(sending.unanswered + 1, rows.MANY)
        return sending._replace(row=row, unanswered=unanswered, unclear_at=row.sent, in_doubt=True)

    def withdraw(self, row: Row) -> Steps[End]:
        """An intent that was certainly not sent is taken back."""
        if row.ambiguous:
            return End(DOUBTFUL)
        yield from self.move(row, Evidence.CREATE_REJECTED)
        return End(SKIPPED)

    def conclude(self, sending: Sending, answer: Any) -> Steps[End]:
        """What the last answer means."""
        row = sending.row
        match answer:
            case Made(id=id_):
                accepted = self.accept(row, id_, LastSeen.QUEUED, Evidence.FOUND)
                return (yield from self.take(accepted._replace(sent=self.now)))
            case Taken():
                return (yield from self.resolve(sending, answer))
            case Unclear():
                sending = self.note_unanswered(sending)
                yield from self.commit(sending.row)
                return (yield from self.resolve(sending, answer))
            case Refused() if row.ambiguous:
                return (yield from self.resolve(sending, answer))
            case _ if row.ambiguous:
                return End(DOUBTFUL)
            case _:
                return (yield from self.drop(row, Evidence.CREATE_REJECTED))

    def take(self, row: Row) -> Steps[End]:
        """Record the id, then have one look at what became of it."""
        yield from self.install(row)
        try:
            answer = yield from self.ask(Read(row.id or 0))
        except HaltedError:
            return End(DONE, row.id)
        if isinstance(answer, Found) and row.seen is not LastSeen.SYNCED:
            yield from self.commit(row._replace(seen=LastSeen.SYNCED))
        return End(DONE if isinstance(answer, Found) else FAILED, row.id)

    def drop(self, row: Row, evidence: Evidence) -> Steps[End]:
        """Nothing to remember."""
        yield from self.commit(self.end(row, evidence))
        return End(FAILED)

    def resolve(self, sending: Sending, answer: Any) -> Steps[End]:
        """The name may be taken, by us or by others."""
        try:
            sending, answer, verdict = yield from self.look_until_settled(sending, answer)
        except HaltedError:
            row = self.known[sending.row.op]
            if isinstance(answer, Taken) and self.is_sure(sending):
                return (yield from self.drop(row, Evidence.CONFIRMED_GONE))
            return (yield from self.suspect(row, Evidence.UNPROVEN))
        if verdict is None:
            return (yield from self.conclude(sending, answer))
        row = sending.row
        if sending.unclear_at is not None and self.is_explained(answer, verdict):
            row = row._replace(sent=sending.unclear_at)
        sending = sending._replace(row=row)
        gone = self.vacancy(row, verdict.asked)
        match verdict.word:
            case "ours":
                return (yield from self.adopt(sending, verdict))
            case "theirs" if gone is Evidence.CONFIRMED_GONE:
                return (yield from self.drop(row, gone))
            case "nobody" if gone is Evidence.CONFIRMED_GONE and isinstance(answer, Refused):
                return (yield from self.drop(row, gone))
            case "theirs":
                return (yield from self.suspect(row, gone))
            case _ if isinstance(answer, Taken) and self.is_sure(sending):
                return (yield from self.give_way(row, verdict))
            case _:
                return (yield from self.suspect(row, Evidence.UNPROVEN))

    def is_explained(self, answer: Any, verdict: Verdict) -> bool:
        """Whether it is known who made a 409; what nobody can see yet was made a moment ago."""
        return not isinstance(answer, Taken) or verdict.word in ("ours", "theirs")

    def look_until_settled(
        self, sending: Sending, answer: Any
    ) -> Steps[tuple[Sending, Any, Verdict | None]]:
        """What may be ours is looked for, and a name that we have freed is asked for, again."""
        hint = answer.hint if isinstance(answer, Taken) else None
        verdict = yield from self.look_up(hint)
        for _ in range(1, LOOKS):
            if verdict.word in ("ours", "theirs") or not isinstance(answer, Taken):
                break
            blind = verdict.word == "unclear" and not verdict.listed
            may_be_ours = (not self.is_sure(sending) or bool(self.ghosts())) and not blind
            if not (may_be_ours or sending.replaces):
                break
            yield from self.ask(Pause())
            if sending.replaces and self.is_sure(sending):
                sending, answer = yield from self.attempt(sending)
                if not isinstance(answer, Taken):
                    return sending, answer, None
            verdict = yield from self.look_up(hint)
        return sending, answer, verdict

    def ghosts(self) -> list[Row]:
        """Earlier operations that may have come true since."""
        return [
            r
            for r in sorted(self.known.values())
            if r.own is Own.LATE_CREATE_POSSIBLE and r.ambiguous
        ]

    def give_way(self, row: Row, verdict: Verdict) -> Steps[End]:
        """The name is taken, nobody can tell by whom, and every send of this one was answered."""
        ghosts = self.ghosts()
        if not ghosts and verdict.word == "unclear":
            return (yield from self.suspect(row, Evidence.NAME_TAKEN))
        yield from self.commit(self.end(row, Evidence.CONFIRMED_GONE))
        for ghost in ghosts:
            yield from self.move(ghost, Evidence.UNPROVEN)
        return End(DOUBTFUL if ghosts else FAILED)

    def adopt(self, sending: Sending, verdict: Verdict) -> Steps[End]:
        """Take over what an earlier request made."""
        found, row = verdict.found, sending.row
        assert found is not None
        if found.op == row.op:
            evidence = Evidence.MATCHED_ONLY_SEND if self.is_traced(sending) else Evidence.FOUND
            return (yield from self.take(self.accept(row, found.id, LastSeen.SYNCED, evidence)))
        known = self.known.get(found.op)
        if known and known.own is Own.DELETING:
            if row.attempts:
                return (yield from self.suspect(row, Evidence.UNPROVEN))
            return End(FAILED)
        if row.attempts:
            yield from self.commit(self.superseded(row, verdict.asked))
        if known is None:
            return (yield from self.take(self.row_of_stranger(found)))
        known = yield from self.free(known, found.id)
        known = self.accept(known, found.id, LastSeen.SYNCED, Evidence.FOUND)
        return (yield from self.take(known))

    def suspect(self, row: Row, evidence: Evidence) -> Steps[End]:
        """Listed until it is settled."""
        yield from self.move(row, evidence)
        return End(DOUBTFUL)

    def supersede(self, row: Row) -> Steps[End]:
        """Settle a create whose spec has changed since, and make what is wanted now."""
        try:
            verdict = yield from self.look_up()
        except HaltedError:
            return End(DOUBTFUL)
        row = self.advance(row, Evidence.RESUMED)
        if verdict.word == "ours":
            return (yield from self.conclude_settling(row, verdict))
        evidence = Evidence.SUPERSEDED
        if verdict.word == "nobody":
            evidence = self.succession(row, verdict.asked)
        yield from self.move(row, evidence, purpose=Purpose.SUPERSEDED)
        return (yield from self.carry_out(self.new_sending()))
