"""Holds a workload back: nothing is sent, and the plan says what would free it."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.diff.diff import FieldChange
from reconciler.core.model import Recorded
from reconciler.core.planning.actions import Hold, Reason
from reconciler.core.planning.case import DecisionInputs


def name_fields(changes: Sequence[FieldChange]) -> str:
    """The first field that differs, and how many more do."""
    others = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"{changes[0].pointer}{others}"


def commands_to_readopt(row: Recorded) -> str:
    """What a person runs who knows that a workload without its mark is theirs."""
    return (
        f"reconciler state rm {row.address}, "
        f"then reconciler state adopt {row.address} --id {row.id}"
    )


def hold_unmarked(case: DecisionInputs, detail: str) -> Hold:
    """Nothing shows any more that it is ours, so nothing of it is ended unseen."""
    row = case.row
    detail = (
        f"{detail}; left alone: workload {row.id} no longer carries the mark that it had. "
        f"If it is yours: {commands_to_readopt(row)}"
    )
    return hold(case, Reason.MARKER_MISSING, detail, fails=True)


def hold_taken_over(case: DecisionInputs) -> Hold:
    """Another owner has put its mark on it, and looks after it now."""
    row = case.row
    detail = (
        f"taken over by stack {case.taken_by!r}; left alone. If that is meant, remove its spec "
        f"here and run: reconciler state rm {row.address}"
    )
    return hold(case, Reason.TAKEN_OVER, detail, fails=True)


def hold(
    case: DecisionInputs,
    reason: Reason,
    detail: str,
    *,
    fails: bool = False,
    forbidden: bool = False,
) -> Hold:
    """Leave it as it is, and show what waits; see `Hold` for the flags."""
    return Hold(
        **case.common(reason, detail, changes=case.changes),
        recorded=case.stored,
        fails=fails,
        forbidden=forbidden,
    )
