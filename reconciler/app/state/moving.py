"""Moves records from one state to another, for a repository that is split.

Two things tie a workload to its state: the marker on the server, and the digests of its secrets.
Both are made with the state's lineage, and neither can be made again without replacing the
workload. So what is moved keeps its lineage, and the state that receives it has the same one: it
takes it over when it is new, before anything of its own carries another. The two are then what a
state and a copy of it are, with every workload recorded in one of them only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.state.state_edits import Confirm, entries, refuse_doubt
from reconciler.app.state.states import (
    NO_IDS,
    choose_records,
    edit_state,
    merge_targets,
    project_ids,
    sweep,
)
from reconciler.core.model import Address, Header, Recorded, Target
from reconciler.core.states.places import FilePlace, StatePlace
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import StateStore
from reconciler.state.places import create_state, is_there
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """What was moved, or would be.

    `present` were in the other state already, by a move that was cut short.
    """

    rows: tuple[Recorded, ...] = ()
    present: tuple[Recorded, ...] = ()


def move(
    place: StatePlace,
    patterns: Sequence[str],
    to: StatePlace,
    *,
    command: str,
    confirm: Confirm,
    aliases: Mapping[str, str] = NO_IDS,
    init: bool = False,
    dry_run: bool = False,
) -> MoveResult:
    """Move the records whose addresses match to another state, which `init` makes if need be.

    `aliases` are ids of projects by name, beside those that the state knows. Both states are held.
    The records are durable there before they are taken out here, so that a kill in between leaves
    them in both, and the same move again mends that. Raises RefusedError for records in doubt and
    for a state that cannot take them, StateError, LockedError.
    """
    if not is_there(to) and not init:
        raise StateError(
            f"there is no state {'at ' if isinstance(to, FilePlace) else ''}{to.title}",
            hint="check --to; --init makes a state there",
        )
    if is_same_place(place, to):
        raise UsageError(f"{to} is the state that the records are in", hint="give another --to")
    with ExitStack() as states:
        giver = states.enter_context(edit_state(place, command, dry_run=dry_run))
        rows = choose_records(giver.read(), patterns, project_ids(giver, aliases))
        refuse_doubt(rows)
        receiver, new = None, rows
        if is_there(to):
            receiver = states.enter_context(edit_state(to, command, dry_run=dry_run))
            new = _new_to(receiver, giver.header, rows)
        if not confirm(rows):
            return MoveResult()
        if not dry_run:
            if receiver is None:
                create_state(to, giver.header.target).close()
                receiver = states.enter_context(edit_state(to, command, dry_run=False))
            _carry(giver, receiver, rows, new, command)
            if init:
                # A move that was killed while it made the other state may have left a file there.
                sweep(to)
        return MoveResult(rows=tuple(rows), present=tuple(row for row in rows if row not in new))


def is_same_place(first: StatePlace, other: StatePlace) -> bool:
    """Whether two places are one state, which cannot be held twice."""
    match first, other:
        case FilePlace(path=path), FilePlace(path=to):
            # By the file and not by the name: there may be links.
            return path.exists() and to.exists() and path.samefile(to)
        case _:
            return first == other


def _new_to(receiver: StateStore, giver: Header, rows: Sequence[Recorded]) -> list[Recorded]:
    """The records that the other state has not got yet; raises RefusedError if it cannot have them.

    One that it has is left as it is there: a run may have used it since the move was cut short.
    """
    _check_fits(receiver, giver)
    present: dict[Address, set[str]] = {}
    for row in receiver.read():
        present.setdefault(row.address, set()).add(row.op)
    for row in rows:
        if present.get(row.address, {row.op}).isdisjoint({row.op}):
            raise RefusedError(
                f"{receiver.place.title} records {row.address} too, under another operation: "
                "one of the two is out of date",
                hint=f"compare the ids: reconciler state show {row.address}; and forget the wrong "
                f"one: reconciler state rm {row.address}",
            )
    return [row for row in rows if row.address not in present]


def _check_fits(receiver: StateStore, giver: Header) -> None:
    """Its workloads would be missing on another server, and foreign under another mark."""
    header = receiver.header
    need_fitting_target(receiver.place.title, header.target, giver.target)
    if header.lineage != giver.lineage and header.serial > 0:
        raise RefusedError(
            f"{receiver.place.title} records workloads of another lineage: the markers of the "
            "moved records would not match it",
            hint="move to a new state (--init), or to one that got its records by a move from here",
        )


def need_fitting_target(title: str, own: Target, other: Target) -> None:
    """Raise RefusedError where records for `other` cannot be in a state that is for `own`."""
    for field, mine, theirs in (
        ("server", other.url, own.url),
        ("stack", other.stack, own.stack),
        ("token issuer", other.issuer, own.issuer),
        ("tenant", other.tenant_id, own.tenant_id),
    ):
        # What one of the two does not know yet is no contradiction.
        if mine != theirs and None not in (mine, theirs):
            raise RefusedError(
                f"{title} belongs to another {field} ({theirs}, not {mine})",
                hint="records can only go to a state of the same server and stack",
            )


def _carry(
    giver: StateStore,
    receiver: StateStore,
    rows: Sequence[Recorded],
    new: Sequence[Recorded],
    command: str,
) -> None:
    # Both are copied first: this is the one edit that changes two states.
    giver.back_up()
    # There before it goes here: a kill in between leaves records in both, and never in neither.
    if new:
        receiver.back_up()
        receiver.amend(
            edit_entry(f"{command} (from {giver.place.title})", {"moved": len(new)}),
            entries(new, "move", f"from {giver.place.title}"),
            rows=new,
            target=merge_targets(receiver.header.target, giver.header.target),
            lineage=giver.header.lineage,
        )
    try:
        giver.amend(
            edit_entry(command, {"moved": len(rows)}),
            entries(rows, "move", f"to {receiver.place.title}"),
            without=[row.op for row in rows],
        )
    except StateError as error:
        raise StateError(
            f"the records are in {receiver.place.title} now, and still in {giver.place.title}: "
            f"{error.message}",
            hint="repeat the same move before the next apply of either",
        ) from error
