"""What a person may do to the record by hand; nothing here talks to the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.app.runlog import surgery_entry
from reconciler.app.states import find_records, read_state
from reconciler.core.model import Own, Recorded
from reconciler.core.transitions import Evidence, advance, comes_true_until, may_come_true
from reconciler.errors import RefusedError
from reconciler.ports import ActionEntry
from reconciler.state.backups import next_backup
from reconciler.state.sqlite import SqliteStore

Confirm = Callable[[Sequence[Recorded]], bool]
"""Shown what is about to be done; False leaves everything as it is."""

_PAST = {
    "abandon": "abandoned",
    "adopt": "adopted",
    "forget": "forgotten",
    "protect": "protected",
    "recover": "recovered",
    "resolve": "resolved",
    "unprotect": "unprotected",
}


def back_up(path: Path, to: Path | None, *, dry_run: bool) -> Path:
    """Copy a state, by default to its backups; returns where the copy is, or would be."""
    with read_state(path) as store:
        if dry_run:
            return to or next_backup(path, store.header.serial)
        return store.back_up(to)


def set_protection(
    path: Path, text: str, *, protect: bool, command: str, dry_run: bool = False
) -> bool:
    """Protect a workload against deletes and replaces, or lift that; False when it was so already.

    Raises StateError and LockedError.
    """
    with read_state(path) as store:
        if not dry_run:
            store.hold(command)
        row = find_records(store.read(), text)[-1]
        if (row.protected or row.lifecycle.protect) is protect:
            return False
        if not dry_run:
            lifecycle = row.lifecycle
            if not protect:
                lifecycle = dataclasses.replace(lifecycle, protect=False)
            changed = dataclasses.replace(row, protected=protect, lifecycle=lifecycle)
            amend(store, command, "protect" if protect else "unprotect", [changed])
        return True


def forget(
    path: Path, text: str, *, command: str, confirm: Confirm, dry_run: bool = False
) -> list[Recorded]:
    """Drop the record of a workload; the server is not asked, and keeps the workload.

    Returns what was, or would be, forgotten; nothing where it was not confirmed. Raises
    RefusedError for a workload in doubt: its record is all that is known of it.
    """
    with read_state(path) as store:
        if not dry_run:
            store.hold(command)
        rows = find_records(store.read(), text)
        refuse_doubt(rows)
        if not confirm(rows):
            return []
        if not dry_run:
            message = "forgotten by hand"
            forgotten = [advance(row, Evidence.RELEASED, message=message) for row in rows]
            amend(store, command, "forget", forgotten)
        return rows


def refuse_doubt(rows: Sequence[Recorded]) -> None:
    """Raise RefusedError for records without which a workload could be lost or doubled."""
    now = datetime.now(UTC)
    for row in rows:
        if row.own is not Own.ACCEPTED:
            raise RefusedError(
                f"{row.address} is in doubt ({row.own.value}): what the server has of it is not "
                "settled",
                hint=f"apply again, or settle it: reconciler state resolve {row.address} --recheck",
            )
        if may_come_true(row, now):
            until = comes_true_until(row).isoformat(timespec="seconds")
            raise RefusedError(
                f"{row.address} is in doubt: one of its creates was never answered, and may be "
                f"carried out until {until}",
                hint="wait until then and try again",
            )


def entries(rows: Sequence[Recorded], action: str, message: str = "") -> list[ActionEntry]:
    """What a surgery did to each record, for the history."""
    return [
        ActionEntry(
            address=str(row.address),
            action=action,
            outcome="done",
            reason="requested",
            message=message,
            id=row.id,
        )
        for row in rows
    ]


def amend(
    store: SqliteStore,
    command: str,
    action: str,
    rows: Sequence[Recorded],
    *,
    lineage: str | None = None,
) -> None:
    """Write records changed by hand, a copy of the state first, and the history of it.

    `lineage` is the state's own from now on, if given. Raises StateError.
    """
    store.back_up()
    run = surgery_entry(command, {_PAST[action]: len(rows)})
    store.amend(run, entries(rows, action), rows=rows, lineage=lineage)
