"""A state that lives as long as the process: for plans without a state, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.state.rows import storable


class MemoryStore:
    """Keeps records in a dictionary; forgets them when it goes."""

    def __init__(self, header: Header, rows: Sequence[Recorded] = ()) -> None:
        self._header = header
        self._rows = {row.op: row for row in rows}
        self._written = False

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state."""
        return self._header

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, oldest first."""
        return [self._rows[op] for op in sorted(self._rows) if self._rows[op].own is not Own.GONE]

    def write(self, rows: Sequence[Recorded]) -> None:
        """Insert or replace rows by operation."""
        if not self._written:
            self._header = replace(self._header, serial=self._header.serial + 1)
            self._written = True
        self._rows |= {
            row.op: replace(row, message=storable(row.message), source=storable(row.source))
            for row in rows
        }

    def pin(self, target: Target) -> None:
        """Remember what has been learnt of the target."""
        self._header = replace(self._header, target=target)
