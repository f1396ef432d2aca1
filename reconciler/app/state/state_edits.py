"""What a person may do to the record by hand; nothing here talks to the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.state.states import (
    NO_IDS,
    choose_records,
    edit_state,
    find_records,
    project_ids,
)
from reconciler.core.history.outcome import NAMES, Succeeded
from reconciler.core.model import Own, Purpose, Recorded, Target
from reconciler.core.protocol.changes import lands_until, may_land
from reconciler.core.protocol.transitions import Evidence, advance, comes_true_until, may_come_true
from reconciler.core.states.places import FilePlace, StatePlace
from reconciler.errors import RefusedError, StateError
from reconciler.ports import ActionEntry, StateStore
from reconciler.state.backups import next_backup
from reconciler.values import dataclass

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


def back_up(place: StatePlace, to: Path | None, *, dry_run: bool) -> str:
    """Copy a state, by default to its backups; returns where the copy is, or would be.

    Raises StateError for a folder that is not there, and for a file that is.
    """
    # A folder made of a misspelt path would hold a backup that nobody finds again.
    if to is not None and not to.parent.is_dir():
        raise StateError(
            f"there is no folder {to.parent} for the backup", hint="make it first, or check FILE"
        )
    if to is not None and to.exists():
        raise StateError(f"there is already a file at {to}", hint="give the backup another name")
    # The copies that a database keeps are a part of the state, so they are written as all of it is.
    is_edit = to is None and not isinstance(place, FilePlace)
    with edit_state(place, "reconciler state backup", dry_run=dry_run or not is_edit) as store:
        if dry_run and to is None and isinstance(place, FilePlace):
            return str(next_backup(place.path, store.header.serial))
        if dry_run:
            return str(to or "the copies that it keeps of itself")
        return str(store.back_up(to))


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The records whose protection was changed, or would be, and those that had it so already."""

    changed: tuple[Recorded, ...] = ()
    same: tuple[Recorded, ...] = ()


def set_protections(
    place: StatePlace,
    patterns: Sequence[str],
    *,
    protect: bool,
    command: str,
    confirm: Confirm = lambda _: True,
    aliases: Mapping[str, str] = NO_IDS,
    dry_run: bool = False,
) -> Protection:
    """Protect workloads (addresses and globs) against deletes and replaces, or lift that.

    `aliases` are ids of projects by name, beside those that the state knows.
    Nothing is changed where it was not confirmed. Raises StateError, also for a pattern that
    matches nothing, UsageError and LockedError.
    """
    with edit_state(place, command, dry_run=dry_run) as store:
        # The newest of each address: what is left of older creates has nothing to protect.
        chosen = choose_records(store.read(), patterns, project_ids(store, aliases))
        newest = {row.address: row for row in chosen}
        rows = [newest[address] for address in sorted(newest)]
        same: list[Recorded] = []
        changed: list[Recorded] = []
        for row in rows:
            is_protected = row.protected or row.lifecycle.protect
            (same if is_protected is protect else changed).append(row)
        if changed and not confirm(changed):
            return Protection()
        if changed and not dry_run:
            amend(
                store,
                command,
                "protect" if protect else "unprotect",
                [
                    dataclasses.replace(
                        row,
                        protected=protect,
                        # Lifted is the spec's own protection too, until an apply renews it.
                        lifecycle=row.lifecycle
                        if protect
                        else dataclasses.replace(row.lifecycle, protect=False),
                    )
                    for row in changed
                ],
            )
        return Protection(changed=tuple(changed), same=tuple(same))


def forget(
    place: StatePlace,
    text: str,
    *,
    command: str,
    confirm: Confirm,
    aliases: Mapping[str, str] = NO_IDS,
    dry_run: bool = False,
) -> list[Recorded]:
    """Drop the record of a workload; the server is not asked, and keeps the workload.

    Returns what was, or would be, forgotten; nothing where it was not confirmed. Raises
    RefusedError for a workload in doubt: its record is all that is known of it.
    """
    with edit_state(place, command, dry_run=dry_run) as store:
        rows = find_records(store.read(), text, project_ids(store, aliases))
        refuse_doubt(rows)
        _refuse_updates_on_their_way(rows)
        if not confirm(rows):
            return []
        if not dry_run:
            message = "forgotten by hand"
            forgotten = [advance(row, Evidence.RELEASED, message=message) for row in rows]
            amend(store, command, "forget", forgotten)
        return rows


def refuse_doubt(rows: Sequence[Recorded]) -> None:
    """Raise RefusedError for records without which a workload could be lost or doubled."""
    # No server is asked here, so this machine's clock has to do.
    now = datetime.now(UTC)
    # A list shows the newest create of a workload, and has a note on what is left of older ones.
    for row in sorted(rows, key=lambda row: row.own is Own.LATE_CREATE_POSSIBLE):
        if row.own is Own.ENDED or (row.is_down and not row.ambiguous):
            continue
        if row.own is Own.DELETING:
            given_up = row.purpose is Purpose.GIVEN_UP
            raise RefusedError(
                f"the deletion of {row.address} was given up: workload {row.id} may still be there"
                if given_up
                else f"{row.address} is being deleted: workload {row.id} may still be there",
                hint=f"once it is gone: reconciler state resolve {row.address} --recheck"
                if given_up
                else f"look again: reconciler state resolve {row.address} --recheck; to wait no "
                "longer: --abandon",
            )
        if row.own is not Own.ACCEPTED:
            raise RefusedError(
                f"{row.address} is in doubt ({row.own.label}): what the server has of it is not "
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


def _refuse_updates_on_their_way(rows: Sequence[Recorded]) -> None:
    """Raise RefusedError where a late update would come as a surprise to whoever has it next."""
    now = datetime.now(UTC)
    for row in rows:
        if may_land(row.change, now):
            until = lands_until(row.change).isoformat(timespec="seconds")
            raise RefusedError(
                f"{row.address} has an update that was never answered, and may be carried out "
                f"until {until}",
                hint="wait until then and try again",
            )


def entries(
    rows: Sequence[Recorded],
    action: str,
    message: str = "",
    *,
    notes: Mapping[str, str] | None = None,
) -> list[ActionEntry]:
    """What an edit did to each record, for the history; `notes` are messages by operation."""
    return [
        ActionEntry(
            address=str(row.address),
            action=action,
            outcome=NAMES[Succeeded].word,
            reason="requested",
            message=(notes or {}).get(row.op, message),
            id=row.id,
        )
        for row in rows
    ]


def amend(
    store: StateStore,
    command: str,
    action: str,
    rows: Sequence[Recorded],
    *,
    beside: Sequence[Recorded] = (),
    lineage: str | None = None,
    target: Target | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write records changed by hand, a copy of the state first, and the history of it.

    Those `beside` are of the same workloads, and are not counted once more. `lineage` and `target`
    are the state's own from now on, if given; `notes` are messages of the history by operation.
    Raises StateError.
    """
    store.back_up()
    run = edit_entry(command, {_PAST[action]: len(rows)})
    actions = entries(rows, action, notes=notes)
    store.amend(run, actions, rows=[*rows, *beside], lineage=lineage, target=target)
