"""Takes a copy of a state back: a file, or one of those that the state keeps of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.state.moving import need_fitting_target
from reconciler.app.state.state_edits import Confirm, entries
from reconciler.app.state.states import edit_state, read_state
from reconciler.core.model import Recorded
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.core.secrets.rules import RedactionRules
from reconciler.core.states.places import FilePlace, StatePlace
from reconciler.errors import RefusedError, StateError
from reconciler.ports import StateCopy, StateStore
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """What was restored, or would be: all records of the copy, and what it lacks of today's."""

    copy: str
    rows: tuple[Recorded, ...]
    dropped: tuple[Recorded, ...]


def read_copies(place: StatePlace) -> Sequence[StateCopy]:
    """The copies that a state keeps of itself, the newest first."""
    with read_state(place) as store:
        return store.copies()


def restore(
    place: StatePlace,
    source: str,
    *,
    rules: RedactionRules,
    command: str,
    confirm: Confirm,
    dry_run: bool = False,
) -> RestoreResult | None:
    """Record what a copy records, in one commit, and nothing else; the server is not asked.

    `source` is a file, or the beginning of the time of a copy. Returns None where it was not
    confirmed. Raises StateError without such a copy, RefusedError for one of another state.
    """
    with edit_state(place, command, dry_run=dry_run) as store:
        lineage = store.header.lineage
        if Path(source).is_file():
            name = source
            with read_state(FilePlace(path=Path(source))) as copy:
                lineage = _fitting_lineage(store, copy)
                copied = copy.read()
        else:
            chosen = _find_copy(store, source)
            name, copied = chosen.name, store.read_copy(chosen)
        # A copy was written by the rules of its time, which may have hidden less than today's.
        redactor = Redactor(lineage, rules)
        rows = [renew_row(row, redactor) for row in copied]
        now = {row.op: row for row in store.read()}
        in_copy = {row.op for row in rows}
        dropped = [row for op, row in now.items() if op not in in_copy]
        if not confirm(rows):
            return None
        if not dry_run:
            store.back_up()
            changed = [row for row in rows if now.get(row.op) != row]
            store.amend(
                edit_entry(command, {"restored": len(changed), "dropped": len(dropped)}),
                [
                    *entries(changed, "restore", f"from {name}"),
                    *entries(dropped, "drop", "not in the copy"),
                ],
                rows=rows,
                without=[row.op for row in dropped],
                lineage=lineage,
            )
        return RestoreResult(copy=name, rows=tuple(rows), dropped=tuple(dropped))


def _fitting_lineage(store: StateStore, copy: StateStore) -> str:
    """The lineage of a copy, if the state has that or may still take it."""
    header, own = copy.header, store.header
    need_fitting_target(store.place.title, own.target, header.target)
    if own.lineage != header.lineage and own.serial > 0:
        raise RefusedError(
            f"{copy.place.title} is a copy of another state (lineage {header.lineage})",
            hint=f"this one is of lineage {own.lineage}; nothing was changed",
        )
    return header.lineage


def _find_copy(store: StateStore, time: str) -> StateCopy:
    """The copy whose time begins like this; raises StateError where it is none or several."""
    copies = store.copies()
    beginning = time.replace(" ", "T").removesuffix("Z")
    matches = [copy for copy in copies if copy.taken_at.startswith(beginning)]
    if len(matches) == 1:
        return matches[0]
    raise StateError(
        f"there is no file {time}, and {len(matches) or 'no'} copies of the state are of that time",
        hint="'reconciler state restore' lists the copies and their times; nothing was changed",
    )
