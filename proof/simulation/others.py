"""What people and other programs do to the workloads and to the state between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from proof.simulation.disk import Disk
from proof.simulation.forms import FOREIGN
from proof.simulation.repository import PROJECTS
from proof.simulation.server import Server, date_at
from proof.simulation.weather import LONGEST_LAG
from reconciler.app.state import claiming
from reconciler.core.model import Address, LastSeen, Own, Purpose, Recorded


class Others:
    """They have dice of their own, so that the rest of a history does not depend on them."""

    def __init__(self, seed: int, server: Server) -> None:
        self.rng = Random(f"others {seed}")
        self._server = server
        self._written = 0

    def overwrite(self, disk: Disk) -> None:
        """Now and then a workload that is known by its id is overwritten, and its mark with it.

        One of which only its mark tells whose it is would be lost by that (assumption A2).
        """
        if self.rng.random() < 0.3:
            for row in _accepted(disk):
                if self.rng.random() < 0.1:
                    self._server.strip(row.address, row.id or "")

    def edit(self, disk: Disk, *, within: float) -> None:
        """Some workloads are changed on the server, at any instant of the next so many seconds.

        What nobody declares has to survive every update, and what a spec declares is drift.
        """
        for row in _accepted(disk):
            if self.rng.random() < 0.2:
                declared = self.rng.random() < 0.3
                name = "replicas" if declared else FOREIGN
                when = self._server.timeline.now + self.rng.random() * within
                self._server.at(when, _Edit(self._server, row.address, name, self._next_value()))

    def _next_value(self) -> int:
        self._written += 1
        return 100 + self._written

    def give_up(self, disk: Disk) -> Iterator[Recorded]:
        """Now and then somebody gives up a delete that does not end: what that writes down."""
        if self.rng.random() < 0.3:
            for row in disk.read():
                if row.own is Own.DELETING and row.purpose is not Purpose.GIVEN_UP:
                    yield claiming.abandoned_record(row)

    def draw_hidden(self, disk: Disk) -> str:
        """Now and then a project that will stand empty for a while, of two workloads at least.

        What was accepted a moment ago may be late, and is no sign of anything.
        """
        if self.rng.random() >= 0.3:
            return ""
        now = self._server.timeline.now
        old = date_at(int(now - LONGEST_LAG - 2.0))
        settled = [
            row.address.project
            for row in _accepted(disk)
            if row.seen is not LastSeen.MISSING and (row.last_sent_at or "") < old
        ]
        choice = [project for project in PROJECTS if settled.count(project) >= 2]
        return self.rng.choice(choice) if choice else ""

    def without_mark(self) -> set[Address]:
        """Where something of ours lives that nothing shows to be ours any more."""
        return {w.address for w in self._server.live() if w.ours and not w.has_mark}

    def end_given_up(self, disk: Disk) -> None:
        """Somebody removes what the deletes that were given up have left."""
        for row in disk.read():
            held = self._server.holder(row.address, self._server.timeline.now)
            if row.purpose is Purpose.GIVEN_UP and held is not None and held.id == row.id:
                self._server.vanish(row.address, self._server.timeline.now)


@dataclass(frozen=True, slots=True)
class _Edit:
    server: Server
    address: Address
    name: str
    value: int

    def __call__(self, now: float) -> None:
        held = self.server.holder(self.address, now)
        if held is not None and held.ours and held.visible <= now < held.delete_at:
            spec = {**held.manifest["spec"], self.name: self.value}
            held.edit(now, manifest={**held.manifest, "spec": spec})


def _accepted(disk: Disk) -> list[Recorded]:
    return [row for row in disk.read() if row.own is Own.ACCEPTED and row.id]
