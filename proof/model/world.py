"""One address at one instant: server, state file, wish and running client, as a value.

Time is counted in ticks of `TICK`: two of them are just more than the window in which a lost
create may come true (A4), one is more than anything may stay invisible (A3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from reconciler.core.model import Address, LastSeen, Own, Purpose, Recorded
from reconciler.core.protocol.transitions import comes_true_until

TICK = timedelta(seconds=150.2)
# A request that was sent so many ticks ago is dead (A4): 300.4 s are over.
DEAD = 2
_PROBE = Recorded(
    op="",
    address=Address(project="", name=""),
    own=Own.CREATING,
    digest="",
    spec={},
    ambiguous=True,
    last_sent_at="2026-03-02T09:00:00+00:00",
)
# Rows that are older than the product's own window are all alike.
OLD = (comes_true_until(_PROBE) - datetime.fromisoformat(_PROBE.last_sent_at or "")) // TICK + 1
IDLE = -1
FOREIGN = 0
"""The operation of a workload that somebody else made."""
NOTHING = 0
"""The body that is wanted when nothing is wanted."""


class Phase(IntEnum):
    """Where a workload on the server is in its life."""

    LIVING = 0
    DELETING = 1
    STUCK = 2


class Workload(NamedTuple):
    """The workload that holds the name; it may not be visible to a GET or in the list yet.

    `over` says that it has completed.
    """

    id: int
    op: int
    body: int
    readable: bool
    listed: bool
    phase: Phase = Phase.LIVING
    over: bool = False


class Row(NamedTuple):
    """What of a record matters for one address; `sent` is the tick of the last send.

    `former`: it is of what was deleted to be replaced, and whose successor is not there yet.
    """

    op: int
    own: Own
    body: int
    id: int | None = None
    ambiguous: bool = False
    attempts: int = 0
    sent: int | None = None
    purpose: Purpose | None = None
    seen: LastSeen = LastSeen.QUEUED
    former: bool = False


class Flight(NamedTuple):
    """A create whose sender has given up on it: it may be carried out until it is dead."""

    op: int
    body: int
    sent: int


class Blow(NamedTuple):
    """A delete whose sender has given up on it."""

    id: int
    sent: int


class Budget(NamedTuple):
    """How much may still go wrong before the world is quiet."""

    edits: int = 2
    crashes: int = 2
    faults: int = 2
    meddling: int = 1
    restores: int = 1
    ends: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change within one search.

    `control`: another workload of ours lives in the project and the list shows it; without it the
    list may as well hide everything from us. `ends`: its lifecycle deletes what has completed.
    """

    discovery: bool = True
    control: bool = True
    ends: bool = False

    def __str__(self) -> str:
        looks = "discovery" if self.control else "discovery, no control workload"
        looks = looks if self.discovery else "no discovery"
        return f"{looks}, ends" if self.ends else looks

    @property
    def shows_ends(self) -> bool:
        """Whether the list tells that something has completed."""
        return self.ends and self.discovery and self.control


class World(NamedTuple):
    """Everything that the future depends on.

    `client` is the point at which a running apply stands, `verified` the id that it has read,
    `copy` an older copy of the state. After its restoring `beyond` are the operations that have
    been sent since the copy was taken, `lost` those of them that nothing could show at that moment.
    `over` is the body of which the state knew a workload that had completed when it was deleted: as
    long as nobody edits the spec it is not made again.
    """

    rows: tuple[Row, ...] = ()
    holder: Workload | None = None
    flights: tuple[Flight, ...] = ()
    blows: tuple[Blow, ...] = ()
    desire: int = 1
    now: int = 0
    client: int = IDLE
    verified: int = 0
    ids: int = 0
    copy: tuple[Row, ...] | None = None
    beyond: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    over: int = NOTHING
    left: Budget = Budget()

    def find(self, op: int) -> Row | None:
        """The row of an operation."""
        return next((row for row in self.rows if row.op == op), None)

    def spend(self, what: str) -> World:
        """The same world with one misfortune fewer to come."""
        return self._replace(left=self.left._replace(**{what: getattr(self.left, what) - 1}))

    @property
    def fresh_op(self) -> int:
        """An operation that nothing in this world carries; later ones are greater."""
        return 1 + max(
            (
                *(row.op for row in (*self.rows, *(self.copy or ()))),
                *(flight.op for flight in self.flights),
                *self.beyond,
                self.holder.op if self.holder else 0,
            ),
            default=0,
        )


def rest(world: World) -> World:
    """The world without its client, in the one form that all alike worlds share.

    Ages count back from now, and operations and ids are numbered anew in their order: what is
    mentioned nowhere any more is nobody's past.
    """
    rows = (*world.rows, *(world.copy or ()))
    holder = world.holder
    ops = {row.op for row in rows} | {one.op for one in world.flights}
    ids = {row.id for row in rows if row.id} | {one.id for one in world.blows}
    if holder:
        ops.add(holder.op)
        ids.add(holder.id)
    ops.discard(FOREIGN)
    op_of = {op: number for number, op in enumerate(sorted(ops), 1)} | {FOREIGN: FOREIGN}
    id_of: dict[int | None, int | None] = {one: n for n, one in enumerate(sorted(ids), 1)}

    def renew(row: Row) -> Row:
        sent = None if row.sent is None else max(row.sent - world.now, -OLD)
        row = row._replace(op=op_of[row.op], id=id_of.get(row.id), sent=sent)
        if row.own in (Own.ACCEPTED, Own.DELETING, Own.ENDED) and not row.ambiguous:
            # Its sends have all been answered: only its freshness is left to know.
            return row._replace(attempts=1, sent=sent if sent == 0 else -OLD)
        return row

    return world._replace(
        rows=tuple(map(renew, world.rows)),
        copy=None if world.copy is None else tuple(map(renew, world.copy)),
        holder=holder and holder._replace(op=op_of[holder.op], id=id_of[holder.id] or 0),
        flights=tuple(
            sorted(f._replace(op=op_of[f.op], sent=f.sent - world.now) for f in world.flights)
        ),
        blows=tuple(sorted(Blow(id_of[b.id] or 0, b.sent - world.now) for b in world.blows)),
        beyond=tuple(op_of[op] for op in world.beyond if op in ops),
        lost=tuple(op_of[op] for op in world.lost if op in ops),
        now=0,
        client=IDLE,
        verified=0,
        ids=len(ids),
    )
