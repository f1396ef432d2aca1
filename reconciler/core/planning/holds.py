"""Holds a workload back: nothing is sent, and the plan says what would free it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import FieldChange, is_same
from reconciler.core.model import Address, Desired, Recorded
from reconciler.core.planning.actions import AnyAction, Hold, Reason
from reconciler.core.planning.case import DecisionInputs

READ_ANEW = "number-read-anew"


def name_fields(changes: Sequence[FieldChange]) -> str:
    """The first field that differs, and how many more do."""
    others = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"{changes[0].pointer}{others}"


def explain_read_anew(case: DecisionInputs) -> str:
    """Why a spec that nobody has changed differs, and what moves it."""
    return (
        f"{name_fields(case.changes)} is read otherwise than when it was applied, as Kubernetes "
        f"reads it; held until the number is written in decimal, or --replace {case.row.address}"
    )


def warn_of_read_anew(
    actions: Iterable[AnyAction], specs: Mapping[Address, Desired]
) -> Iterator[Diagnostic]:
    """Name each number that is read otherwise than when it was applied."""
    for action in actions:
        desired = specs.get(action.address)
        if desired is None:
            continue
        for change in action.changes:
            then = desired.older_readings.get(change.pointer)
            # Another number than the one of then is a change by its author.
            if then is not None and is_same(change.before, then):
                yield Diagnostic(
                    severity=Severity.WARNING,
                    code=READ_ANEW,
                    message=f"{change.pointer} was applied as {change.before}, and is read as "
                    f"{change.after} now, as Kubernetes reads it",
                    where=desired.source,
                    hint=f"write {change.after} to have it changed, or {change.before} to keep it",
                    pointer=change.pointer,
                    address=str(action.address),
                )


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
