"""What one write of a shared state makes durable, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any

from reconciler.ports import ActionEntry, RunEntry
from reconciler.values import dataclass

MAX_COPIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything that becomes durable at one instant.

    `rows` are values of records, `header` what the state says of itself, by name. `actions` are
    entries with the id of their run and their number in it, which `messages` replace the texts of.
    Runs that began before `oldest`, and records that ended and were last sent before it, are
    deleted (RFC 3339). `copy` is when it was taken, of which serial, and its content.
    """

    rows: Sequence[tuple[Any, ...]] = ()
    without: Sequence[str] = ()
    header: Mapping[str, Any] = field(default_factory=dict)
    runs: Sequence[RunEntry] = ()
    actions: Sequence[tuple[str, int, ActionEntry]] = ()
    messages: Sequence[tuple[str, int, str]] = ()
    oldest: str | None = None
    copy: tuple[datetime, int, bytes] | None = None
