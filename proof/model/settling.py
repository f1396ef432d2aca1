"""The engine's procedures that settle doubts by reading."""

from __future__ import annotations

from proof.model.messages import End
from proof.model.work import (
    DONE,
    DOUBTFUL,
    FAILED,
    SKIPPED,
    HaltedError,
    Sending,
    Steps,
    Verdict,
    Work,
)
from proof.model.world import Row, Workload
from reconciler.core.model import LastSeen, Own
from reconciler.core.protocol.transitions import Evidence


class Settling(Work):
    """What became of a create that is not sent again."""

    def settle(self, row: Row) -> Steps[End]:
        """Find out what became of a create that nobody wants as it was; never by a POST."""
        try:
            verdict = yield from self.look_up()
        except HaltedError:
            return End(DOUBTFUL)
        resumed = self.advance(row, Evidence.RESUMED)
        ended = yield from self.conclude_settling(resumed, verdict)
        yield from self.settle_ghosts(row, verdict)
        return ended

    def settle_ghosts(self, row: Row, verdict: Verdict) -> Steps[None]:
        """What one look at a name has shown holds for every older operation under it."""
        if verdict.word == "unclear":
            return
        for other in sorted(self.known.values()):
            if other.own is Own.LATE_CREATE_POSSIBLE and other.op != row.op:
                yield from self.conclude_settling(other, verdict)

    def conclude_settling(self, row: Row, verdict: Verdict) -> Steps[End]:
        """What the look-up proves of a create that is not sent again."""
        found = verdict.found
        match verdict.word:
            case "ours" if found and found.op == row.op:
                sending = Sending(row, row.attempts, row.sent, resumed=True)
                evidence = Evidence.MATCHED_ONLY_SEND if self.is_traced(sending) else Evidence.FOUND
                yield from self.install(self.accept(row, found.id, LastSeen.SYNCED, evidence))
                return End(DONE, found.id)
            case "ours":
                yield from self.take_over(found)
                yield from self.commit(self.superseded(row, verdict.asked))
                return End(DONE)
            case "theirs" | "nobody" if not self.may_come_true(row, verdict.asked):
                yield from self.commit(self.end(row, Evidence.CONFIRMED_GONE))
                return End(DONE)
            case "theirs" | "nobody":
                yield from self.move(row, Evidence.ABSENT)
                return End(DOUBTFUL)
            case _:
                yield from self.move(row, Evidence.UNPROVEN)
                return End(DOUBTFUL)

    def forget_missing(self, row: Row) -> Steps[End]:
        """Drop the record of a workload that the server lost."""
        try:
            verdict = yield from self.look_up()
        except HaltedError:
            return End(SKIPPED)
        if verdict.word == "ours":
            return (yield from self.hand_over(row, verdict))
        if not self.is_proof(verdict):
            yield from self.commit(row._replace(seen=LastSeen.SYNCED))
            return End(FAILED)
        yield from self.lose(row, verdict)
        yield from self.settle_ghosts(row, verdict)
        return End(DONE)

    def is_proof(self, verdict: Verdict) -> bool:
        """Whether what was looked up shows that a workload is gone."""
        return verdict.word != "unclear"

    def hand_over(self, row: Row, verdict: Verdict) -> Steps[End]:
        """Record what has the name of a lost workload, and only then give up what was recorded."""
        found = verdict.found
        assert found is not None
        if found.op == row.op:
            row = yield from self.free(row, found.id)
            yield from self.install(self.accept(row, found.id, LastSeen.SYNCED, Evidence.FOUND))
            return End(DONE, found.id)
        yield from self.take_over(found)
        return End(DONE, found.id)

    def lose(self, row: Row, verdict: Verdict) -> Steps[None]:
        """The server no longer has a workload that nobody here deleted."""
        if verdict.word == "unclear":
            evidence = self.absence(row, None)
        else:
            evidence = self.vacancy(row, verdict.asked)
        yield from self.move(row, evidence, seen=LastSeen.MISSING)

    def take_over(self, found: Workload | None) -> Steps[None]:
        """A workload of ours that no row has by its id is taken into the state."""
        if found is None:
            return
        known = self.known.get(found.op)
        if known is None:
            yield from self.install(self.row_of_stranger(found))
        elif known.id is None:
            yield from self.install(self.accept(known, found.id, LastSeen.SYNCED, Evidence.FOUND))
        else:
            for ended in self.outlived_by(known):
                yield from self.commit(ended)
