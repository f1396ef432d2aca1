"""Runs as a state remembers them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reconciler.ports import ActionEntry, RunEntry

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def begun(run_id: str, at: datetime = NOW) -> RunEntry:
    """Return a run that has just begun."""
    return RunEntry(
        id=run_id,
        command="reconciler apply",
        user="anna",
        host="ci",
        started=at.isoformat(timespec="milliseconds"),
    )


def done(address: str, **fields: Any) -> ActionEntry:
    """Return what became of one workload."""
    return ActionEntry(address=address, action="create", outcome="done", **fields)
