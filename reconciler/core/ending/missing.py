"""What becomes of a declared workload that the server has lost, though nobody here ended it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.diff.diff import without_replacement
from reconciler.core.ending.lifetime import completion_text, is_finished
from reconciler.core.lifecycle import OnChange, OnMissing
from reconciler.core.planning.actions import AnyAction, Create, Reason
from reconciler.core.planning.holds import hold, name_fields
from reconciler.kinds.registry import runs_to_completion

if TYPE_CHECKING:
    from reconciler.core.model import Desired
    from reconciler.core.planning.case import DecisionInputs


def judge_missing(case: DecisionInputs, desired: Desired) -> AnyAction:
    """Made again, unless it is over, may be over, or its author says otherwise."""
    reason = Reason.MISSING_ON_SERVER
    policy = desired.lifecycle.on_missing
    # Who has ended it may have been a run that this copy of the state does not know.
    may_have_ended = desired.lifecycle.may_end or case.row.lifecycle.may_end
    completes = runs_to_completion(desired.manifest) and policy in (None, OnMissing.HOLD)
    if completes or (may_have_ended and policy is None):
        return _judge_over(case, desired)
    if policy is OnMissing.HOLD:
        return hold(case, reason, "no longer on the server; held by onMissing: hold")
    if policy is OnMissing.FAIL:
        return hold(case, reason, "no longer on the server; onMissing: fail", fails=True)
    if is_finished(case.row, case.listed):
        detail = f"{_finish_text(case)}; made again by onMissing: recreate"
        return _recreate(case, desired, Reason.FINISHED, detail)
    return _recreate(case, desired, reason, "deleted on the server by somebody else")


def _judge_over(case: DecisionInputs, desired: Desired) -> AnyAction:
    """What is over is not run again; another spec is another workload."""
    if not case.changes or case.is_only_read_anew:
        return _hold_over(case, desired)
    detail = f"{name_fields(case.changes)} changed, so it is another job than the one that ended"
    if desired.lifecycle.on_change is OnChange.HOLD and not case.is_asked_for:
        return hold(case, Reason.SPEC_CHANGED, f"{detail}; held by onChange: hold")
    return _recreate(case, desired, Reason.SPEC_CHANGED, detail)


def _hold_over(case: DecisionInputs, desired: Desired) -> AnyAction:
    way_out = "(set onMissing: recreate)"
    if is_finished(case.row, case.listed):
        detail = f"{_finish_text(case)}; a finished job is not run again {way_out}"
        return replace(hold(case, Reason.FINISHED, detail), is_gone=True)
    if runs_to_completion(desired.manifest):
        detail = f"no longer on the server; a finished job is not run again {way_out}"
        return hold(case, Reason.RUN_TO_COMPLETION, detail)
    detail = (
        "no longer on the server; its lifecycle may have ended it, so it is not made again "
        f"{way_out}"
    )
    return hold(case, Reason.MISSING_ON_SERVER, detail)


def _finish_text(case: DecisionInputs) -> str:
    if case.listed is None:
        raise AssertionError("only what is listed is known to have finished")
    return f"{completion_text(case.listed)}, and was removed from the server since"


def _recreate(case: DecisionInputs, desired: Desired, reason: Reason, detail: str) -> AnyAction:
    if case.options.no_create:
        detail = "no longer on the server; held by --no-create"
        return hold(case, reason, detail, forbidden=True)
    # Nothing runs that a field could be kept of, and nothing has to go for it.
    changes = without_replacement((*case.submission.changes, *case.settings))
    return Create(**case.common(reason, detail, changes=changes), desired=desired, lost=case.stored)
