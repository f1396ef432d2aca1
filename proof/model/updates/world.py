"""One workload on a server that updates it, and its record, at one instant, as a value.

Time is counted in ticks of `TICK`: one of them is more than the time until an update is visible
(A6), two are just more than that in which an unanswered one may be carried out (A4).
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from proof.model.rows import EPOCH, at
from proof.model.world import DEAD, OLD, TICK
from reconciler.core.model import ChangeRecord, Recorded

REV = "rev-"
_NAMES = re.compile(rf"{REV}(\d+)")


class Form(NamedTuple):
    """What a workload is: what we declare, what others wrote beside it, and whose update it is."""

    replicas: int
    others: int
    rev: str = ""
    marker: str = ""


class Flight(NamedTuple):
    """An update whose sender has given up on it: it may be carried out until it is dead."""

    form: Form
    sent: int


class Budget(NamedTuple):
    """How much may still happen before the world is quiet."""

    edits: int = 2
    crashes: int = 1
    faults: int = 2
    meddling: int = 1
    restores: int = 1


class World(NamedTuple):
    """Everything that the future depends on.

    A GET shows `hidden` instead of `live` until the next tick, where there is one. `unanswered` is
    the rev that was sent last, if nobody has heard what became of it. `copy` is an older state;
    once one was `restored`, the record need not know what is on its way.
    """

    live: Form
    row: Recorded
    hidden: Form | None = None
    flights: tuple[Flight, ...] = ()
    unanswered: str = ""
    copy: Recorded | None = None
    restored: bool = False
    desire: int = 1
    now: int = 0
    left: Budget = Budget()

    def spend(self, what: str) -> World:
        """The same world with one misfortune fewer to come."""
        return self._replace(left=self.left._replace(**{what: getattr(self.left, what) - 1}))

    @property
    def shown(self) -> Form:
        """What a GET shows."""
        return self.hidden or self.live

    def fresh_rev(self) -> str:
        """A rev that nothing in this world carries."""
        return f"{REV}{1 + max(map(int, _NAMES.findall(repr(self))), default=0)}"


def tick(world: World) -> World:
    """Time passes: what was changed is visible (A6), what was sent too long ago is dead (A4)."""
    now = world.now + 1
    flights = tuple(flight for flight in world.flights if now - flight.sent < DEAD)
    return world._replace(now=now, hidden=None, flights=flights)


def rest(world: World) -> World:
    """The world between two runs in the one form that all alike worlds share.

    Times count back from now, and revs are numbered anew in their order.
    """
    names = sorted({*_NAMES.findall(repr(world))}, key=int)
    number = {f"{REV}{name}": f"{REV}{n}" for n, name in enumerate(names, 1)} | {"": ""}

    def aged(time: str | None) -> str | None:
        if time is None:
            return None
        ticks = round((datetime.fromisoformat(time) - EPOCH) / TICK) - world.now
        return at(max(ticks, -OLD)).isoformat(timespec="milliseconds")

    def renew(form: Form) -> Form:
        return form._replace(rev=number[form.rev])

    def again(row: Recorded) -> Recorded:
        change, under_way = row.change, row.change.open
        return replace(
            row,
            change=ChangeRecord(
                confirmed=number[change.confirmed],
                base=number[change.base],
                proven_at=aged(change.proven_at),
                open=under_way
                and replace(
                    under_way,
                    rev=number[under_way.rev],
                    base=number[under_way.base],
                    attempts=min(under_way.attempts, 1),
                    first_sent_at=aged(under_way.last_sent_at),
                    last_sent_at=aged(under_way.last_sent_at),
                ),
                superseded=tuple(
                    replace(s, rev=number[s.rev], last_sent_at=aged(s.last_sent_at) or "")
                    for s in change.superseded
                ),
            ),
        )

    return world._replace(
        live=renew(world.live),
        hidden=world.hidden and renew(world.hidden),
        flights=tuple(sorted(Flight(renew(f.form), f.sent - world.now) for f in world.flights)),
        unanswered=number[world.unanswered],
        row=again(world.row),
        copy=world.copy and again(world.copy),
        now=0,
    )
