"""The engine's procedures that end a workload."""

from __future__ import annotations

from proof.model.messages import (
    Absent,
    End,
    Found,
    Garbled,
    Going,
    Pause,
    Read,
    Remove,
    Unclear,
    Unsent,
)
from proof.model.settling import Settling
from proof.model.work import DONE, FAILED, LOOKS, SENDS, SKIPPED, HaltedError, Steps
from proof.model.world import Phase, Row
from reconciler.core.model import ENDS, Own, Purpose
from reconciler.core.protocol.transitions import Evidence


class Removing(Settling):
    """One delete from verification to trusted absence."""

    def delete(self, row: Row, purpose: Purpose) -> Steps[End]:
        """End a workload that nobody wants, then look for what may have come true in its place."""
        ended = yield from self.remove(row, purpose)
        if ended.outcome != DONE:
            return ended
        for ghost in sorted(self.known.values()):
            late = ghost.own is Own.LATE_CREATE_POSSIBLE and ghost.ambiguous
            if late and not self.may_come_true(ghost, self.now):
                return (yield from self.settle(ghost))
        return ended

    def remove(self, row: Row, purpose: Purpose, *, successor: bool = False) -> Steps[End]:
        """One delete from verification to trusted absence; a `successor` may follow."""
        self.makes_room = successor
        resumed = row.own is Own.DELETING
        if resumed and not successor and row.purpose and row.purpose not in ENDS:
            purpose = row.purpose
        try:
            verified, alive_at = yield from self.verify(row, purpose)
            if verified is not None:
                return verified
            if not resumed:
                intended = Evidence.END_INTENDED if purpose in ENDS else Evidence.DELETE_INTENDED
                row = yield from self.move(row, intended, purpose=self.noted(purpose))
        except HaltedError:
            return End(SKIPPED)
        may_be_sent = resumed
        for _ in range(SENDS):
            try:
                answer = yield from self.ask(Remove(row.id or 0))
            except HaltedError:
                break
            may_be_sent = may_be_sent or not isinstance(answer, Unsent)
            if not (isinstance(answer, Unclear | Unsent) and answer.again):
                break
        if not self.halted and isinstance(answer, Absent):
            return (yield from self.gone(row, purpose, alive_at))
        if not self.halted and isinstance(answer, Going):
            return (yield from self.wait_for_absence(row, purpose, alive_at))
        if not may_be_sent:
            yield from self.move(row, Evidence.DELETE_REJECTED, purpose=None)
        return End(FAILED)

    def verify(self, row: Row, purpose: Purpose) -> Steps[tuple[End | None, int | None]]:
        """Read by id first: a delete must hit the workload that we made and nothing else.

        Also returns when it was seen alive.
        """
        answer = yield from self.ask(Read(row.id or 0))
        match answer:
            case Absent() if row.own is not Own.DELETING and self.is_fresh(row):
                return End(FAILED), None
            case Absent():
                return (yield from self.gone(row, purpose, None)), None
            case Found(workload=found) if self.is_ours(found):
                return None, None if found.phase is Phase.DELETING else self.now
            case _:
                return End(FAILED), None

    def wait_for_absence(self, row: Row, purpose: Purpose, alive_at: int | None) -> Steps[End]:
        """Poll until it is gone."""
        for look in range(LOOKS):
            try:
                answer = yield from self.ask(Read(row.id or 0))
                if isinstance(answer, Absent):
                    return (yield from self.gone(row, purpose, alive_at))
                if isinstance(answer, Garbled) or answer.workload.phase is Phase.STUCK:
                    break
                if look + 1 < LOOKS:
                    yield from self.ask(Pause())
            except HaltedError:
                break
        return End(FAILED)

    def gone(self, row: Row, purpose: Purpose, alive_at: int | None) -> Steps[End]:
        """Its id names nothing any more; `alive_at` is when this run saw it living, if it did."""
        if purpose in ENDS:
            yield from self.end_for_good(row, purpose)
            return End(DONE)
        evidence = self.absence(row, alive_at)
        if self.makes_room and evidence is Evidence.CONFIRMED_GONE:
            evidence = Evidence.DELETED_FOR_REPLACE
        yield from self.move(row, evidence, purpose=purpose, former=self.makes_room)
        return End(DONE)

    def noted(self, purpose: Purpose) -> Purpose:
        """What the intent of a delete says of why it is sent."""
        return purpose

    def end_for_good(self, row: Row, purpose: Purpose) -> Steps[None]:
        """Its end stays on record."""
        yield from self.move(row, Evidence.ENDED, purpose=purpose)
