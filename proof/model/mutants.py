"""Mistakes that the search must find: the client with one rule broken each, never the product.

The first ten are the classic ones; the others were found in the engine by this search.
"""

from __future__ import annotations

from typing import Any

from proof.model.client import Client
from proof.model.messages import End, Post, Taken
from proof.model.rows import Task
from proof.model.work import DONE, Sending, Steps, Verdict
from proof.model.world import DEAD, Budget, Row, Workload
from reconciler.core.model import ENDS, Own, Purpose
from reconciler.core.protocol.transitions import Evidence


class NoIntent(Client):
    """No intent: the record is written after the create was sent."""

    def attempt(self, sending: Sending) -> Steps[tuple[Sending, Any]]:
        """Send, then write."""
        self.known[sending.row.op] = sending.row
        answer = yield from self.ask(Post(sending.row.op, sending.row.body))
        row = yield from self.move(
            sending.row, Evidence.CREATE_INTENDED, attempts=sending.row.attempts + 1, sent=self.now
        )
        return sending._replace(row=row), answer


class NewOpOnRecovery(Client):
    """A new operation on recovery: the one that was cut short is written off."""

    def act(self, task: Task) -> Steps[End]:
        """Forget what was begun, begin anew."""
        if task.kind == "resolve" and task.row and task.wanted and task.same:
            yield from self.move(task.row, Evidence.RELEASED)
            return (yield from self.carry_out(self.new_sending()))
        return (yield from super().act(task))


class ConflictAfterAmbiguity(Client):
    """A 409 after an unclear send is taken for a conflict with somebody else."""

    def resolve(self, sending: Sending, answer: Any) -> Steps[End]:
        """Whatever was sent before."""
        if isinstance(answer, Taken):
            return (yield from self.drop(sending.row, Evidence.RELEASED))
        return (yield from super().resolve(sending, answer))


class AdoptionWithoutProof(Client):
    """Whatever has the name is ours, and a delete does not look whose it is."""

    def is_ours(self, found: Workload) -> bool:
        """Everything is."""
        return True


class EarlyNotFound(Client):
    """A 404 within a minute of the create is believed."""

    def is_fresh(self, row: Row) -> bool:
        """Nothing is."""
        return False


class NoLateWindow(Client):
    """A create that was not answered is taken for one that will not be carried out."""

    def may_come_true(self, row: Row, at: int) -> bool:
        """Never."""
        return False

    def absence(self, row: Row, held_until: int | None) -> Evidence:
        """At once."""
        return Evidence.CONFIRMED_GONE

    def vacancy(self, row: Row, at: int) -> Evidence:
        """At once."""
        return Evidence.CONFIRMED_GONE

    def succession(self, row: Row, at: int) -> Evidence:
        """At once."""
        return Evidence.CONFIRMED_GONE


class ForgottenBit(Client):
    """A workload that was found has nothing in doubt any more."""

    def advance(self, row: Row, evidence: Evidence, **facts: Any) -> Row:
        """The table, with certainty wherever an id is learnt."""
        moved = super().advance(row, evidence, **facts)
        return moved._replace(ambiguous=False) if evidence is Evidence.FOUND else moved


class EmptyListAsAbsence(Client):
    """An empty list is believed without a workload that it is known to show."""

    def is_believable(self) -> Steps[bool]:
        """Always."""
        yield from ()
        return True


class DroppedIntent(Client):
    """A create that nobody wants any more is forgotten."""

    def settle(self, row: Row) -> Steps[End]:
        """Without a look."""
        yield from self.move(row, Evidence.RELEASED)
        return End(DONE)


class TombstoneOnAccept(Client):
    """A delete that the server took counts as done."""

    def wait_for_absence(self, row: Row, purpose: Purpose, alive_at: int | None) -> Steps[End]:
        """Without waiting."""
        return (yield from self.gone(row, purpose, alive_at))


class JudgedLate(Client):
    """Absence is judged by the time after the reading, when a create may have come true since."""

    def look_up(self, hint: int | None = None) -> Steps[Verdict]:
        """The same answers, dated later."""
        verdict = yield from super().look_up(hint)
        return verdict._replace(asked=self.now)


class InvisibleForgotten(Client):
    """The window of late creates ends before the last of them must be visible (A4 without A3)."""

    def may_come_true(self, row: Row, at: int) -> bool:
        """Nothing is carried out after this; some of it shows later."""
        return row.ambiguous and row.sent is not None and at - row.sent < DEAD

    def vacancy(self, row: Row, at: int) -> Evidence:
        """By that window."""
        return Evidence.ABSENT if self.may_come_true(row, at) else Evidence.CONFIRMED_GONE


class DeadIdAsDeadOp(Client):
    """An id that is gone counts for all that its operation may have made."""

    def absence(self, row: Row, held_until: int | None) -> Evidence:
        """By the clock alone."""
        return self.vacancy(row, self.now)


class LostBeforeFound(Client):
    """The record of a lost workload is dropped before its successor is on record."""

    def hand_over(self, row: Row, verdict: Verdict) -> Steps[End]:
        """In the wrong order."""
        yield from self.lose(row, verdict)
        yield from self.take_over(verdict.found)
        return End(DONE, verdict.found and verdict.found.id)


class GhostLeft(Client):
    """A ghost that is found alive under the name of a lost workload stays a ghost."""

    def take_over(self, found: Workload | None) -> Steps[None]:
        """Only what no row has."""
        if found and found.op not in self.known:
            yield from self.commit(self.row_of_stranger(found))


class ConflictUnexplained(Client):
    """A 409 that nothing explains yet does not count as a sign of life."""

    def is_explained(self, answer: Any, verdict: Verdict) -> bool:
        """Everything is."""
        return True


class GhostAfterDelete(Client):
    """A ghost that may live once a workload is deleted is left to the next run."""

    def delete(self, row: Row, purpose: Purpose) -> Steps[End]:
        """Without a look at what may have come true in its place."""
        return (yield from self.remove(row, purpose))


class TracedByCopy(Client):
    """The count of sends in a record is believed, and the record may be an older copy."""

    def is_traced(self, sending: Sending) -> bool:
        """Whoever counted."""
        return super().is_traced(sending._replace(resumed=False))


class SureOfConflict(Client):
    """A 409 says that this operation has made nothing, also where a send was never answered."""

    def is_sure(self, sending: Sending) -> bool:
        """Always."""
        return True


class EndNotRecorded(Client):
    """What its lifecycle has ended is forgotten like anything that is gone."""

    def end_for_good(self, row: Row, purpose: Purpose) -> Steps[None]:
        """Nothing of it is left."""
        yield from self.move(row, Evidence.CONFIRMED_GONE, purpose=purpose)


class EndNotExplained(Client):
    """The intent of a delete does not say that it is an end."""

    def noted(self, purpose: Purpose) -> Purpose:
        """As if its spec were gone."""
        return Purpose.REMOVED


class EndBeforeCompletion(Client):
    """What is there is taken for completed."""

    def with_end(self, found: Workload) -> Workload:
        """Whatever the list says."""
        return found._replace(over=self.settings.shows_ends)


class EndOnAccept(Client):
    """A delete that the server took ends a workload, before it has given its name back."""

    def wait_for_absence(self, row: Row, purpose: Purpose, alive_at: int | None) -> Steps[End]:
        """Without waiting, for an end."""
        if purpose in ENDS:
            return (yield from self.gone(row, purpose, alive_at))
        return (yield from super().wait_for_absence(row, purpose, alive_at))


class EndLeftBehind(Client):
    """The record of an end stays beside what was made of another spec since."""

    def outlived_by(self, row: Row) -> list[Row]:
        """All but the ends."""
        return [one for one in super().outlived_by(row) if self.known[one.op].own is not Own.ENDED]


CLASSIC: tuple[type[Client], ...] = (
    NoIntent,
    NewOpOnRecovery,
    ConflictAfterAmbiguity,
    AdoptionWithoutProof,
    EarlyNotFound,
    NoLateWindow,
    ForgottenBit,
    EmptyListAsAbsence,
    DroppedIntent,
    TombstoneOnAccept,
)
FOUND_HERE: tuple[type[Client], ...] = (
    JudgedLate,
    InvisibleForgotten,
    DeadIdAsDeadOp,
    LostBeforeFound,
    GhostLeft,
    GhostAfterDelete,
    TracedByCopy,
    ConflictUnexplained,
    SureOfConflict,
)
OF_ENDS: tuple[type[Client], ...] = (
    EndNotRecorded,
    EndNotExplained,
    EndBeforeCompletion,
    EndOnAccept,
    EndLeftBehind,
)
# Where mutants are looked for, and among how many states: most of them are close at hand.
NEAR = (
    Budget(edits=1, crashes=0, faults=0, meddling=0, restores=0),
    Budget(edits=1, crashes=1, faults=0, meddling=0, restores=0),
    Budget(edits=1, crashes=0, faults=1, meddling=1, restores=0),
    Budget(edits=1, crashes=1, faults=1, meddling=1, restores=0),
)
FAR = (
    Budget(edits=1, crashes=1, faults=0, meddling=1, restores=0),
    Budget(edits=1, crashes=1, faults=0, meddling=0, restores=1),
    Budget(edits=2, crashes=1, faults=1, meddling=0, restores=0),
)
HUNTS = ((NEAR, 4_000), (FAR, 300_000))
