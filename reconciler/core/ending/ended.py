"""Ends what is over by its lifecycle, and leaves it ended as long as its spec stays the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.diff.diff import without_replacement
from reconciler.core.ending.lifetime import Ending, find_ending, read_time
from reconciler.core.lifecycle import Lifecycle, OnChange
from reconciler.core.model import Desired, Purpose, Remote, ended_text
from reconciler.core.planning.actions import AnyAction, Create, Delete, Forget, Reason
from reconciler.core.planning.changing import is_update_open
from reconciler.core.planning.holds import hold, hold_unmarked, name_fields
from reconciler.core.protocol.transitions import may_come_true

if TYPE_CHECKING:
    from reconciler.core.planning.case import DecisionInputs


def end_by_lifecycle(case: DecisionInputs, desired: Desired) -> AnyAction | None:
    """End a workload that has completed or run for too long; None where it goes on."""
    ending = _find(case, desired.lifecycle)
    if ending is None:
        return None
    reason = Reason(ending.purpose.value)
    if ending.forgets:
        detail = f"{ending.detail}; left on the server"
        return Forget(**case.common(reason, detail), recorded=case.stored, ends=True)
    if case.stored.protected or desired.lifecycle.protect:
        return hold(case, reason, f"{ending.detail}; kept, because it is protected")
    if case.options.no_delete:
        return hold(case, reason, f"{ending.detail}; held by --no-delete", forbidden=True)
    if case.unmarked:
        return hold_unmarked(case, ending.detail)
    return Delete(
        **case.common(reason, ending.detail),
        recorded=case.stored,
        purpose=ending.purpose,
        is_foreseen=_find(case, case.stored.lifecycle) is not None,
    )


def _find(case: DecisionInputs, lifecycle: Lifecycle) -> Ending | None:
    """The ending of what is known for sure: what was read, as it was recorded."""
    row, now = case.stored, case.now
    if case.listed is None or now is None or not isinstance(case.live, Remote):
        return None
    # Its record would be that of another spec than the one that is declared.
    if not row.is_declared or (case.changes and not case.is_only_read_anew):
        return None
    # Nothing may be on its way that could bring it back after its end.
    if is_update_open(case) or row.change.superseded or may_come_true(row, now):
        return None
    updated_at = read_time(row.change.proven_at) if row.change.proven_at else None
    return find_ending(lifecycle, case.listed, now=now, updated_at=updated_at)


def judge_ended(case: DecisionInputs) -> AnyAction:
    """A workload that its lifecycle has ended: made again only as another one, or when asked for.

    The case is that of its record, compared with the spec if there is one.
    """
    row, desired = case.row, case.desired
    if desired is None:
        detail = f"{ended_text(row)}, and no spec declares it any more"
        return Forget(**case.common(Reason.REMOVED_FROM_SPECS, detail), recorded=row)
    if is_another(case):
        reason, detail = Reason.SPEC_CHANGED, f"{name_fields(case.changes)} changed since it ended"
        if desired.lifecycle.on_change is OnChange.HOLD and not case.is_asked_for:
            return hold(case, reason, f"{detail}; held by onChange: hold")
    elif case.is_asked_for:
        reason, detail = Reason.REQUESTED, f"{ended_text(row)}; asked for again by --replace"
    else:
        detail = (
            f"{ended_text(row)}; not made again before its spec changes (--replace {row.address})"
        )
        return hold(case, Reason((row.purpose or Purpose.FINISHED).value), detail)
    if case.options.no_create:
        return hold(case, reason, f"{detail}; held by --no-create", forbidden=True)
    changes = without_replacement(case.changes)
    return Create(**case.common(reason, detail, changes=changes), desired=desired)


def is_another(case: DecisionInputs) -> bool:
    """Whether the spec declares another content than that of the record."""
    return bool(case.changes) and not case.is_only_read_anew
