"""What runs beside the workloads of a state: live workloads that it does not record."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler.core.model import Recorded
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.protocol.marker import Marker
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmanagedWorkload:
    """A live workload that a state does not record, and the mark of the stack that made it.

    Only a workload of Workloads V2 shows marks. `unread` says why one could not be looked at.
    """

    listed: LiveWorkload
    marker: Marker | None = None
    unread: str = ""

    @property
    def origin(self) -> str:
        """By which way it was submitted."""
        return "v2" if self.listed.is_v2 else "native"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedKeys:
    """By what a workload on the server is known to be recorded: its id, or its operation."""

    ids: Collection[str]
    ops: Collection[str]
    lineage: str

    @classmethod
    def of(cls, rows: Iterable[Recorded], lineage: str) -> RecordedKeys:
        """The keys of all records of a state."""
        recorded = list(rows)
        return cls(
            ids={row.id for row in recorded if row.id},
            ops={row.op for row in recorded},
            lineage=lineage,
        )

    def hold(self, marker: Marker | None) -> bool:
        """Whether a mark is that of a recorded operation, whose create was not answered yet."""
        return marker is not None and marker.lineage == self.lineage and marker.op in self.ops
