"""What every procedure of the engine is made of: requests, durable rows, and the look-up."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple, TypeVar

from proof.model import rows
from proof.model.messages import (
    Absent,
    Command,
    Commit,
    Control,
    Find,
    Found,
    Listed,
    Read,
    Stopped,
)
from proof.model.world import FOREIGN, Row, Settings, Workload
from reconciler.core.model import LastSeen, Own, Purpose
from reconciler.core.protocol.transitions import Evidence

# The engine sends an unclear create three times; the second repetition adds nothing but size.
SENDS = 2
LOOKS = 2

OUTLIVED = frozenset({Own.ACCEPTED, Own.UNCONFIRMED, Own.ENDED})

T = TypeVar("T")
Steps = Generator[Command, Any, T]

DONE, FAILED, DOUBTFUL, SKIPPED = "done", "failed", "doubtful", "skipped"


class HaltedError(Exception):
    """The run is ending: this request was not sent."""


class Verdict(NamedTuple):
    """Whose workload lives under the name: "ours", "theirs", "nobody" or "unclear".

    It is about the moment at which the first question was `asked`: what has come true since then
    the answers need not show.
    """

    word: str
    asked: int
    found: Workload | None = None
    listed: bool = False


class Sending(NamedTuple):
    """One create: its row, how many sends may still be carried out, and when the last of them was.

    The same variables as the engine's Creation: `in_doubt` where a send is known that nobody has
    answered, `replaces` where this run has deleted what had the name.
    """

    row: Row
    unanswered: int
    unclear_at: int | None
    resumed: bool = False
    in_doubt: bool = False
    replaces: bool = False


class Work:
    """One apply for one address, and what it knows; the engine's Run and Work."""

    def __init__(
        self, settings: Settings, known: Iterable[Row], desire: int, fresh_op: int
    ) -> None:
        self.settings = settings
        self.known = {row.op: row for row in known}
        self.desire = desire
        self.fresh_op = fresh_op
        self.halted = False
        # Whether the delete under way makes room for a successor.
        self.makes_room = False
        # The server's clock, set anew before each step.
        self.now = 0

    # The rules, one by one, so that a mutant can break one of them.
    def advance(self, row: Row, evidence: Evidence, **facts: Any) -> Row:
        """The table."""
        return rows.advance(row, evidence, **facts)

    def may_come_true(self, row: Row, at: int) -> bool:
        """Whether a create might still be carried out unseen at that time."""
        return rows.may_come_true(row, at)

    def absence(self, row: Row, held_until: int | None) -> Evidence:
        """What it proves that a workload is gone which had its name until then."""
        return rows.absence(row, held_until)

    def vacancy(self, row: Row, at: int) -> Evidence:
        """What it proves that nothing of it had the name at that time."""
        return rows.vacancy(row, at)

    def succession(self, row: Row, at: int) -> Evidence:
        """What it proves that another operation had the name at that time."""
        return rows.succession(row, at)

    def is_fresh(self, row: Row) -> bool:
        """Whether a 404 says nothing yet."""
        return rows.is_fresh(row, self.now)

    def is_traced(self, sending: Sending) -> bool:
        """Whether a workload that was found leaves nothing in doubt: there was one open send.

        A record may be an older copy and know of too few sends: only what this run sent counts.
        """
        return sending.row.ambiguous and sending.unanswered == 1 and not sending.resumed

    def is_sure(self, sending: Sending) -> bool:
        """Whether a 409 says for certain that this operation has made nothing."""
        return not sending.in_doubt

    def is_ours(self, found: Workload) -> bool:
        """Whether its marker is of our lineage and stack."""
        return found.op != FOREIGN

    def ask(self, command: Command) -> Steps[Any]:
        """Send one request; raises HaltedError."""
        if self.halted:
            raise HaltedError
        answer = yield command
        if isinstance(answer, Stopped):
            self.halted = True
            raise HaltedError
        return answer

    def commit(self, row: Row, *ended: Row) -> Steps[None]:
        """Make rows durable at one instant, then remember them."""
        yield Commit(row, ended)
        for written in (row, *ended):
            if written.own is Own.GONE:
                self.known.pop(written.op, None)
            else:
                self.known[written.op] = written

    def install(self, row: Row) -> Steps[None]:
        """Record a workload by its id, and at the same instant the end of what it has outlived."""
        yield from self.commit(row, *self.outlived_by(row))

    def outlived_by(self, row: Row) -> list[Row]:
        """The rows of other workloads that cannot live beside this one."""
        return [
            self.superseded(other, self.now)
            for other in sorted(self.known.values())
            if other.op != row.op and (other.former or other.own in OUTLIVED)
        ]

    def superseded(self, row: Row, at: int) -> Row:
        """The row of an operation whose name another one of ours has."""
        facts = {"purpose": Purpose.SUPERSEDED, "former": False}
        return self.advance(row, self.succession(row, at), **facts)

    def end(self, row: Row, evidence: Evidence) -> Row:
        """The row of an operation of which nothing can come true any more."""
        if row.former:
            return self.advance(row, Evidence.DELETED_FOR_REPLACE)
        return self.advance(row, evidence)

    def move(self, row: Row, evidence: Evidence, **facts: Any) -> Steps[Row]:
        """Make what the evidence does to a row durable."""
        moved = self.advance(row, evidence, **facts)
        yield from self.commit(moved)
        return moved

    def accept(self, row: Row, id_: int, seen: LastSeen, evidence: Evidence) -> Row:
        """The row of a workload that the server has."""
        return self.advance(row, evidence, id=id_, seen=seen, purpose=None, former=False)

    def free(self, row: Row, id_: int) -> Steps[Row]:
        """What an operation had made before is gone where it has made something else."""
        if row.id not in (None, id_):
            row = yield from self.move(row, Evidence.ABSENT)
        return row

    def row_of_stranger(self, found: Workload) -> Row:
        """A workload of ours that this state does not know."""
        return Row(
            op=found.op,
            own=Own.ACCEPTED,
            body=found.body,
            id=found.id,
            ambiguous=True,
            sent=self.now,
            seen=LastSeen.SYNCED,
        )

    def look_up(self, hint: int | None = None) -> Steps[Verdict]:
        """Ask for the name; an id in a 409 is a hint, never a proof."""
        asked = self.now
        listed = False
        listed_ids: tuple[int, ...] = ()
        if self.settings.discovery:
            answer = yield from self.ask(Find())
            listed = isinstance(answer, Listed)
            listed_ids = answer.ids if isinstance(answer, Listed) else ()
        names = (*(() if hint is None else (hint,)), *listed_ids)
        recorded = {r.id for r in self.known.values() if r.own is Own.ACCEPTED and r.id}
        theirs: Workload | None = None
        for name in dict.fromkeys((*names, *sorted(recorded))):
            answer = yield from self.ask(Read(name))
            if isinstance(answer, Absent) and name in recorded and name not in listed_ids:
                continue
            if name == hint and name not in listed_ids and not isinstance(answer, Found):
                continue
            if not isinstance(answer, Found):
                return Verdict("unclear", asked, listed=listed)
            if self.is_ours(answer.workload):
                return Verdict("ours", asked, answer.workload)
            theirs = theirs or answer.workload
        if theirs:
            return Verdict("theirs", asked, theirs)
        if listed and (yield from self.is_believable()):
            return Verdict("nobody", asked)
        return Verdict("unclear", asked, listed=listed)

    def is_believable(self) -> Steps[bool]:
        """An empty list proves absence only if it shows something that we know lives."""
        if not self.settings.control:
            return False
        answer = yield from self.ask(Control())
        return isinstance(answer, Listed)
