"""Moves a whole state to another place: everything, by a way that never leaves two in use.

The other place is filled while it is not in use, read back, and taken into use only after this one
was taken out of it. Killed in between, the same command goes on: at any moment at most one of the
two is in use, and none only for the instant between the last two steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.committed import refuse_committed_journal
from reconciler.app.state.moving import is_same_place, need_fitting_target
from reconciler.app.state.state_edits import Confirm
from reconciler.app.state.states import sweep
from reconciler.core.model import Own, Recorded
from reconciler.core.states.places import FilePlace, StatePlace
from reconciler.errors import RefusedError, StateError, UsageError
from reconciler.ports import IN_USE, StateContent, StateStore, Transit
from reconciler.state.places import create_state, is_there, open_state
from reconciler.state.state_errors import refuse_transit
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """What a move of a whole state carried, or would; `finished` is the end of an earlier one."""

    rows: tuple[Recorded, ...] = ()
    runs: int = 0
    finished: bool = False


def relocate(
    place: StatePlace,
    to: StatePlace,
    *,
    command: str,
    confirm: Confirm,
    init: bool = False,
    dry_run: bool = False,
) -> Relocation | None:
    """Move all of a state, which `init` makes there if need be; None where it was not confirmed.

    Raises RefusedError where the other place has records or belongs to another server or stack,
    NotInUseError for a state that has moved elsewhere, StateError, LockedError.
    """
    if is_same_place(place, to):
        raise UsageError(f"{to} is the state that is moved", hint="give another --to")
    with ExitStack() as states:
        giver = states.enter_context(_held(place, command, dry_run=dry_run))
        if _other(giver.transit.moved_to) == _name(to):
            receiver = states.enter_context(_held(to, command, dry_run=dry_run))
            return _take_into_use(receiver, giver, dry_run=dry_run)
        refuse_transit(place.title, giver.transit)
        content = giver.content()
        _need_stack(to, content)
        exists = is_there(to)
        if not exists and not init:
            raise StateError(
                f"there is no state {to.title}", hint="check --to; --init makes a state there"
            )
        if exists:
            receiver = states.enter_context(_held(to, command, dry_run=dry_run))
            _need_room(receiver, place, content)
        rows = tuple(row for row in content.rows if row.own is not Own.GONE)
        if not confirm(rows):
            return None
        if not dry_run:
            giver.back_up()
            arriving = Transit(arriving_from=_name(place))
            if not exists:
                create_state(to, content.header.target, arriving).close()
                receiver = states.enter_context(_held(to, command, dry_run=dry_run))
                sweep(to)
            receiver.set_transit(arriving)
            entry = edit_entry(f"{command} (from {place})", {"moved": len(rows)})
            _carry(replace(content, runs=(*content.runs, (entry, ()))), giver, receiver, _name(to))
        return Relocation(rows=rows, runs=len(content.runs))


def _carry(content: StateContent, giver: StateStore, receiver: StateStore, to: str) -> None:
    receiver.fill(content)
    # Every record has a checksum, and all else is compared as it is.
    if receiver.content() != content:
        raise StateError(
            f"the state {receiver.place.title} does not read as it was written; it is not in use",
            hint=f"{giver.place.title} is unchanged, and in use as before",
        )
    day = datetime.now(UTC).date().isoformat()
    # In this order: two states in use would make everything twice.
    giver.set_transit(Transit(moved_to=f"{to} on {day}"))
    receiver.set_transit(IN_USE)


def _take_into_use(receiver: StateStore, giver: StateStore, *, dry_run: bool) -> Relocation:
    """The end of a move that was killed after this state was taken out of use."""
    if receiver.transit.arriving_from != _name(giver.place):
        refuse_transit(giver.place.title, giver.transit)
    rows = tuple(receiver.read())
    if not dry_run:
        receiver.set_transit(IN_USE)
    return Relocation(rows=rows, runs=len(receiver.runs()), finished=True)


def _need_room(receiver: StateStore, place: StatePlace, content: StateContent) -> None:
    """Raise RefusedError for a place whose records would be lost."""
    transit = receiver.transit
    # What came from here before is left of a move that was killed; what went there, of one back.
    if _name(place) in (transit.arriving_from, _other(transit.moved_to)):
        return
    refuse_transit(receiver.place.title, transit)
    need_fitting_target(receiver.place.title, receiver.header.target, content.header.target)
    if receiver.header.serial > 0 or receiver.has_records():
        raise RefusedError(
            f"the state {receiver.place.title} has records of its own",
            hint="move to a place without a state (--init), or single records: state move ADDRESS",
        )


def _need_stack(to: StatePlace, content: StateContent) -> None:
    stack = content.header.target.stack
    if not isinstance(to, FilePlace) and to.stack != stack:
        raise RefusedError(
            f"the state belongs to stack {stack}, and would become the one of stack {to.stack}",
            hint=f"give --stack {stack}; nothing was changed",
        )


@contextmanager
def _held(place: StatePlace, command: str, *, dry_run: bool) -> Iterator[StateStore]:
    """A state that may be out of use, held unless nothing will be written."""
    refuse_committed_journal(place)
    store = open_state(place, in_transit=True)
    try:
        if not dry_run:
            store.hold(command)
        yield store
    finally:
        store.close()


def _name(place: StatePlace) -> str:
    """A place as the other one remembers it, from whatever folder it is looked at."""
    return str(place.path.resolve()) if isinstance(place, FilePlace) else str(place)


def _other(moved_to: str) -> str:
    """The place of a text that names it and the day."""
    return moved_to.rpartition(" on ")[0]
