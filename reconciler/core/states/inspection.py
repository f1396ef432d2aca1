"""What is found out about a whole state, and about where it is kept."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.model import Own
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFlaw:
    """One defect of a state, and the way out of it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageReport:
    """What can be told of a state's database or bucket, in one line, and what speaks against it."""

    facts: str
    flaws: tuple[StateFlaw, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of checking a whole state.

    `in_doubt` is not a flaw: the next apply looks again. `under_way` counts the operations that
    another run has begun and will settle itself.
    """

    path: str
    format: int
    # Empty where the header is damaged.
    lineage: str
    records: int
    in_doubt: int
    runs: int
    backups: int
    under_way: int = 0
    flaws: tuple[StateFlaw, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSummary:
    """What a state records: its addresses in order, each once, and its operations by ownership.

    `down` counts the addresses whose workload was deleted for a replace, and whose new one does
    not run yet; `is_held` says that another process has the lock.
    """

    addresses: tuple[str, ...]
    owned: Mapping[Own, int]
    down: int = 0
    is_held: bool = False

    @property
    def in_doubt(self) -> int:
        """How many creates have an unknown outcome."""
        # A run that has the lock settles what it has begun by itself.
        begun = 0 if self.is_held else self.owned[Own.CREATING]
        return begun + self.owned[Own.UNCONFIRMED]
