"""Where a world comes to rest: no more faults, quiet time has passed, a few applies."""

from __future__ import annotations

from proof.model import rows
from proof.model.automaton import Automaton
from proof.model.invariants import check_command, write_all
from proof.model.messages import (
    Absent,
    Answer,
    Command,
    Commit,
    Control,
    End,
    Find,
    Found,
    Going,
    Listed,
    Made,
    Nothing,
    Post,
    Read,
    Remove,
    Taken,
    describe,
)
from proof.model.server import note_end
from proof.model.work import DOUBTFUL, FAILED
from proof.model.world import (
    FOREIGN,
    NOTHING,
    OLD,
    Budget,
    Phase,
    Settings,
    Workload,
    World,
    rest,
)
from reconciler.core.model import Own

NO_MORE = Budget(0, 0, 0, 0, 0)


class Convergence:
    """Carries worlds to their rest, and remembers how each of them ended."""

    def __init__(self, settings: Settings, automaton: Automaton) -> None:
        self._settings = settings
        self._automaton = automaton
        self._known: dict[World, str] = {}
        self._suspects = 0
        # Without a list, a doubt is probed by one apply and settled by the next.
        self._applies = 2 if settings.discovery else 3

    @property
    def counts(self) -> tuple[int, int]:
        """How many worlds at rest were judged, and how many of them keep a listed suspect."""
        return len(self._known), self._suspects

    def check(self, world: World) -> str:
        """What is wrong with the end of this world once faults stop; empty where it ends well."""
        quiet = self._calm(world)
        if quiet not in self._known:
            self._known[quiet] = self._judge(quiet, [])
        return self._known[quiet]

    def tell(self, world: World) -> tuple[str, ...]:
        """The way of this world to its end, in words."""
        words = ["faults stop, requests in flight have died, quiet time has passed"]
        self._judge(self._calm(world), words)
        return tuple(words)

    def _calm(self, world: World) -> World:
        """The client has died, requests in flight have, deletions are through, all is visible."""
        holder = world.holder
        if holder and holder.phase is Phase.DELETING:
            holder = None
        if holder:
            holder = holder._replace(readable=True, listed=True)
        world = world._replace(
            now=world.now + OLD, holder=holder, flights=(), blows=(), copy=None, left=NO_MORE
        )
        return rest(world)

    def _judge(self, world: World, words: list[str]) -> str:
        ended = ""
        for number in range(1, self._applies + 1):
            words.append(f"apply {number} of {self._applies} begins")
            point = self._automaton.start(world.rows, world.desire, world.fresh_op)
            while not isinstance(command := self._automaton.command(point), End):
                broken = check_command(world, command)
                if broken:
                    return broken
                world, heard = self._answer(world, command)
                words.append(describe(command, heard))
                point = self._automaton.resume(point, heard, world.now)
            world, ended = rest(world), command.outcome
            words.append(f"the run ends: {ended}")
        broken = self._check_ends(world)
        if not broken and not self._is_over(world):
            broken = self._check_rest(world, ended)
        return broken and f"I8 after {self._applies} applies: {broken}"

    def _answer(self, world: World, command: Command) -> tuple[World, Answer]:
        holder = world.holder
        match command:
            case Commit():
                return write_all(world, command), Nothing()
            case Post() if holder:
                return world, Taken()
            case Post(op=op, body=body):
                made = Workload(world.ids + 1, op, body, readable=True, listed=True)
                return world._replace(holder=made, ids=made.id), Made(made.id)
            case Remove(id=id_) if holder and holder.id == id_:
                return note_end(world)._replace(holder=None), Going()
            case Read(id=id_) if holder and holder.id == id_:
                return world._replace(verified=id_), Found(holder)
            case Read() | Remove():
                return world, Absent()
            case Find() if holder and self._settings.control:
                return world, Listed((holder.id,))
            case Find() | Control():
                return world, Listed(())
            case _:
                return world, Nothing()

    def _check_rest(self, world: World, told: str) -> str:
        """Exactly what is declared lives, known by its id; or it is said why not."""
        holder, desire = world.holder, world.desire
        suspects = [row for row in world.rows if row.own in (Own.CREATING, Own.UNCONFIRMED)]
        if suspects:
            self._suspects += 1
            if self._settings.discovery and self._settings.control:
                return f"op {suspects[0].op} is still {suspects[0].own}"
            return "" if told == DOUBTFUL else f"op {suspects[0].op} is in doubt, told as {told}"
        if any(row.own is Own.DELETING for row in world.rows):
            return "a delete is still under way"
        owned = [row for row in world.rows if row.own is Own.ACCEPTED]
        if holder is None or holder.op == FOREIGN:
            if owned:
                if desire == NOTHING and self._may_be_unproven(told):
                    return ""
                return f"{owned[0].id} is on record and does not live"
            if desire != NOTHING and not holder:
                return "what is declared does not live"
            return "" if desire == NOTHING or told == FAILED else f"a stranger is told as {told}"
        if desire == NOTHING:
            listed = any(row.op == holder.op for row in owned) and self._may_be_unproven(told)
            fine = listed or holder.op in world.lost
            return "" if fine else f"{holder.id} lives, and nobody wants it"
        if [row.id for row in owned] == [holder.id]:
            if holder.body == desire and owned[0].body == desire:
                return ""
            return f"{holder.id} lives with body {holder.body}, declared is {desire}"
        if not self._settings.discovery and holder.op in world.beyond and told == FAILED:
            return ""
        return f"{holder.id} of op {holder.op} lives, on record are {[r.id for r in owned]}"

    def _is_over(self, world: World) -> bool:
        """Whether what is declared was ended, or is missing: another copy may have ended it."""
        met = [row for row in world.rows if row.own in (Own.ACCEPTED, Own.ENDED)]
        is_known = any(row.body == world.desire for row in met)
        holder = world.holder
        # What came to life late under the name of what is held is seen by a list alone.
        is_hidden = holder is not None and any(row.op == holder.op for row in world.rows)
        # Nothing is wanted of the name any more, whoever has it.
        gone = holder is None or holder.op == FOREIGN
        gone = gone or (is_hidden and not self._settings.shows_ends)
        return self._settings.ends and is_known and gone

    def _check_ends(self, world: World) -> str:
        """What has completed is gone, and its end is on record as long as it is declared."""
        holder, desire = world.holder, world.desire
        ends = [row for row in world.rows if row.own is Own.ENDED]
        if ends and (desire == NOTHING or any(row.own is Own.ACCEPTED for row in world.rows)):
            return f"the end of op {ends[0].op} is on record, and nothing needs it"
        if holder and holder.over and holder.body == desire and self._settings.shows_ends:
            # What was found by its mark alone may still be made once more: it is ended after that.
            sure = [row for row in world.rows if not rows.may_come_true(row, world.now)]
            known = any(row.id == holder.id for row in sure)
            return f"{holder.id} has completed, and is still there" if known else ""
        return ""

    def _may_be_unproven(self, told: str) -> bool:
        """Without a list nothing proves an absence: the row stays listed for a person to decide."""
        return told == FAILED and not (self._settings.discovery and self._settings.control)
