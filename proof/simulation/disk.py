"""A state in memory, and whom it belongs to: it outlives the processes that write to it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.core.protocol.marker import Marker
from reconciler.state.memory import MemoryStore

LINEAGE = "11111111-2222-4333-8444-555555555555"
STACK = "blue"
URL = "https://control-plane.example"
ISSUER = "https://control-plane.example/issuer"


class Disk(MemoryStore):
    """A state that outlives its processes; `durable` holds every row, the latest of each.

    `holder` is the number of the process that took its lock last.
    """

    def __init__(self, rows: Sequence[Recorded] = (), name: str = "state") -> None:
        target = Target(url=URL, stack=STACK, issuer=ISSUER)
        super().__init__(Header(lineage=LINEAGE, serial=0, target=target), rows)
        self.name = name
        self.holder: int | None = None
        self.durable = {row.op: row for row in rows}

    def write(self, rows: Sequence[Recorded]) -> None:
        """Write rows."""
        super().write(rows)
        for row in rows:
            self.durable[row.op] = row

    def copy(self, name: str) -> Disk:
        """What a backup of this moment holds."""
        return Disk([r for r in self.durable.values() if r.own is not Own.GONE], name)


class Shelf:
    """The states of one history: the one in use is the last, and backups of all of them.

    A backup is taken whenever a run has ended or died.
    """

    MOST_BACKUPS = 8

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._disks = [Disk()]
        self._backups = [self._disks[0].copy("backup 0")]
        self._count = 1

    @property
    def newest(self) -> Disk:
        """The state that was put into use last."""
        return self._disks[-1]

    def take(self) -> Disk:
        """A state as a careless machine has it: an older copy, a sibling, or the newest one."""
        luck = self._rng.random()
        if luck < 0.4:
            return self.restore()
        return self._rng.choice(self._disks) if luck < 0.7 else self.newest

    def restore(self) -> Disk:
        """Put some backup into use."""
        backup = self._rng.choice(self._backups)
        self._disks.append(backup.copy(f"disk {len(self._disks)} from {backup.name}"))
        return self.newest

    def back_up(self, disk: Disk) -> None:
        """Keep what a state holds now; some older backup has to go one day."""
        self._backups.append(disk.copy(f"backup {self._count}"))
        self._count += 1
        if len(self._backups) > self.MOST_BACKUPS:
            del self._backups[self._rng.randrange(len(self._backups))]


def ours(marker: Marker) -> bool:
    """Whether a workload carries the mark of the state under test."""
    return (marker.lineage, marker.stack) == (LINEAGE, STACK)
