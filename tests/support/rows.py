"""Records as rows by the names of their columns, as tests change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.model import Recorded
from reconciler.state.rows import COLUMNS, RowWriter, from_values


def to_row(record: Recorded) -> dict[str, Any]:
    """The columns of a record by name."""
    return dict(zip(COLUMNS, RowWriter().values(record), strict=True))


def from_row(row: Mapping[str, Any]) -> Recorded:
    """Read a record back; raises StateError as `from_values` does."""
    return from_values([row.get(name) for name in COLUMNS])
