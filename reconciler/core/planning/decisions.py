"""What becomes of a workload that was accepted once: one rule after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.core.diff.comparison import Compared
from reconciler.core.diff.diff import (
    ABSENT,
    is_same,
    value_at,
    with_value,
    without_replacement,
)
from reconciler.core.diff.equality import reword
from reconciler.core.ending.ended import end_by_lifecycle
from reconciler.core.ending.lifetime import is_finished
from reconciler.core.ending.missing import judge_missing
from reconciler.core.lifecycle import (
    OnFailed,
    OnRemove,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Live,
    Missing,
    Remote,
    Unread,
)
from reconciler.core.planning.actions import (
    Adopt,
    AnyAction,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Record,
)
from reconciler.core.planning.case import DecisionInputs, OnDrift
from reconciler.core.planning.changing import (
    change_spec,
    is_update_open,
    replace_workload,
    undo_by_update,
)
from reconciler.core.planning.holds import hold, hold_taken_over, hold_unmarked, name_fields
from reconciler.core.protocol.changes import ShownRev
from reconciler.core.renewal import renew


def decide(case: DecisionInputs) -> AnyAction:
    """A workload that was accepted once."""
    live = case.live
    # First whether it is there at all: the rules below take for granted that it was read.
    if is_lost(live):
        return _judge_lost(case)
    if isinstance(live, Unread):
        return hold(case, Reason.IN_DOUBT, f"could not be read: {live.reason}")
    if case.desired is None:
        return _judge_removed(case)
    if case.taken_by:
        return hold_taken_over(case)
    if isinstance(live, Remote) and live.is_leaving:
        detail = "somebody else is deleting it on the server; the next run sees the outcome"
        return hold(case, Reason.MISSING_ON_SERVER, detail)
    return _judge_wanted(case, case.desired)


def is_lost(live: Live | None) -> bool:
    """Whether the server no longer has it, and says so."""
    return isinstance(live, Missing) or (isinstance(live, Remote) and live.is_gone)


def _judge_lost(case: DecisionInputs) -> AnyAction:
    """The server has lost it, and it was not us."""
    # The state may be older than the world: CI restores copies of it.
    if isinstance(case.live, Missing) and case.live.replacement:
        detail = (
            f"a later run made {case.live.replacement} under its name; that is recorded instead"
        )
        return Adopt(**case.common(Reason.MISSING_ON_SERVER, detail), recorded=case.stored)
    return _judge_gone(case) if case.desired is None else judge_missing(case, case.desired)


def _judge_gone(case: DecisionInputs) -> AnyAction:
    """Neither declared nor found: it is forgotten on proof, for nothing would point to it again."""
    if case.row.lifecycle.on_remove is OnRemove.FORGET:
        return _judge_removed(case)
    if is_finished(case.row, case.listed):
        detail = "it had ended and was removed from the server, and no spec declares it any more"
        return Forget(**case.common(Reason.FINISHED, detail), recorded=case.stored)
    if isinstance(case.live, Missing) and not case.live.proven:
        remedy = f". If it is gone: reconciler state rm {case.row.address}"
        detail = (
            "no spec declares it, and the server does not find it; no list confirms that it "
            f"is gone{remedy}"
        )
        held = hold(case, Reason.UNPROVEN_ABSENCE, detail, fails=True)
        return replace(held, remedy=remedy)
    detail = "gone from the server and from the specs"
    return Forget(**case.common(Reason.MISSING_ON_SERVER, detail), recorded=case.stored)


def _judge_removed(case: DecisionInputs) -> AnyAction:
    """Its spec is gone, or everything is to go."""
    if case.row.awaits_spec:
        detail = (
            "imported, and no apply has seen the spec that declares it; left alone until one does. "
            f"To give it up: reconciler state rm {case.row.address}"
        )
        return hold(case, Reason.NOT_DECLARED_YET, detail)
    origin = f", created by run {case.row.run}" if case.row.run else ""
    # The spec that had this setting is gone: what it said last counts.
    if case.row.lifecycle.on_remove is OnRemove.FORGET:
        detail = f"no spec declares it any more{origin}; left on the server (onRemove: forget)"
        return Forget(**case.common(Reason.FORGOTTEN_ON_REMOVE, detail), recorded=case.stored)
    reason, detail = Reason.REMOVED_FROM_SPECS, f"no spec declares it any more{origin}"
    if case.options.destroying:
        reason, detail = Reason.REQUESTED, f"destroy was asked for{origin}"
    if case.taken_by:
        return hold_taken_over(case)
    if case.options.no_delete:
        return hold(case, reason, f"{detail}; held by --no-delete", forbidden=True)
    if case.unmarked:
        return hold_unmarked(case, detail)
    return Delete(**case.common(reason, detail), recorded=case.stored)


def _judge_wanted(case: DecisionInputs, desired: Desired) -> AnyAction:
    """It is declared and there; the first rule that applies decides."""
    if case.shown_rev is ShownRev.FOREIGN:
        return _take_over(case, desired)
    agreed = _agreed_spec(case, desired)
    # What its author has changed goes before what has happened to it: that may be the remedy.
    rules = (change_spec, _failed_sync, _asked_for, end_by_lifecycle, _drifted)
    settings = agreed or _restated_spec(case, desired) or _changed_lifecycle(case, desired)
    if settings is None and case.renewed:
        # Whatever else is recorded is written under today's rules as well.
        detail = "the rules for secrets have changed; its record is rewritten, and nothing is sent"
        common = case.common(Reason.ALREADY_OWNED, detail)
        settings = Record(**common, recorded=case.stored, desired=desired)
    for rule in rules[1:] if agreed else rules:
        action = rule(case, desired)
        if isinstance(action, Hold) and not action.is_due:
            # A change that waits by its author's wish does not make a refusal any better.
            refused = _failed_sync(case, desired)
            action = refused if isinstance(refused, Hold) else action
        if isinstance(action, Hold) and settings:
            # Protection that waits for the hold to end would be missing when the spec goes first.
            if action.fails or action.forbidden:
                others = [change for change in action.changes if change not in case.settings]
                return replace(
                    action, lifecycle=desired.lifecycle, changes=(*others, *case.settings)
                )
            return replace(settings, detail=f"{settings.detail}; {action.detail}")
        if action is not None:
            return action
    return settings or Keep(**case.common(Reason.ALREADY_OWNED), recorded=case.stored)


def _take_over(case: DecisionInputs, desired: Desired) -> Record:
    """What another copy of this state has made of it is what runs, and nothing is undone unseen.

    Our own update was overtaken or is late: either way the next plan decides on what is there.
    """
    if not isinstance(case.live, Compared):
        raise AssertionError("only a workload that was read shows a rev")
    detail = "another copy of this state has updated it; that is recorded, and nothing is sent"
    return Record(
        **case.common(Reason.ALREADY_OWNED, detail, changes=case.settings),
        recorded=case.stored,
        desired=desired,
        rev=case.live.rev,
    )


def _agreed_spec(case: DecisionInputs, desired: Desired) -> Record | None:
    """The spec has followed what is on the server already, so nothing is to be done.

    A value that our own create was not echoed with proves nothing: a server that has rewritten it
    once may do so again.
    """
    if not case.changes or is_update_open(case):
        return None
    ours = {change.pointer for change in case.changes}
    drifted = {change.pointer for change in case.drift} - ours
    differences = [change for change in case.submission.changes if not change.ignored]
    # What is still different may only be what others changed: that is drift, and stays so.
    if not {change.pointer for change in differences} <= drifted:
        return None
    recorded, spec = case.row, case.redactor.redact(desired.spec)
    echo = recorded.spec if recorded.echo is None else recorded.echo
    echo = reword(renew(echo, case.redactor, plain=recorded.spec), like=spec)
    answer = case.live.answer if isinstance(case.live, Compared) else None
    now = echo if answer is None else reword(answer, like=spec)
    for change in case.changes:
        if change.before is not ABSENT and not is_same(
            value_at(echo, change.pointer), change.before
        ):
            return None
    for change in case.changes:
        # What the platform filled in is in no manifest that the server repeats.
        echo = with_value(echo, change.pointer, value_at(now, change.pointer))
    agreed = without_replacement(case.changes)
    detail = f"{name_fields(agreed)} is on the server as it is declared now; nothing is sent"
    return Record(
        **case.common(Reason.SPEC_CHANGED, detail, changes=(*agreed, *case.settings)),
        recorded=case.stored,
        desired=desired,
        follows=True,
        agreed=agreed,
        echo=case.redactor.strict.redact(echo),
    )


def _restated_spec(case: DecisionInputs, desired: Desired) -> Record | None:
    """The spec's text has changed, and what it says has not."""
    restated = case.restated
    if not restated or not case.row.is_declared:
        return None
    detail = f"{name_fields(restated)} is written differently and means the same; nothing is sent"
    return Record(
        **case.common(Reason.SPEC_CHANGED, detail, changes=(*restated, *case.settings)),
        recorded=case.stored,
        desired=desired,
        follows=True,
    )


def _failed_sync(case: DecisionInputs, desired: Desired) -> AnyAction | None:
    # Where nobody looks (--no-refresh) the last look counts, and ends nothing.
    look = case.live if isinstance(case.live, Remote) else case.stored
    if look.seen is not LastSeen.FAILED:
        return None
    change = case.stored.change
    runs_on = bool(change.confirmed) and change.was_synced
    # An apply that has waited recorded it only once it could not be a stale word.
    was_told = runs_on and change.open is None and case.stored.seen is LastSeen.FAILED
    if case.is_status_stale and not was_told:
        # It may still speak about the content before the update (assumption A7).
        return None
    message = f"the cluster refused it: {look.message or 'no message'}"
    on_failed = desired.lifecycle.on_failed
    may_replace = isinstance(case.live, Remote) and not runs_on
    is_retried = on_failed is OnFailed.REPLACE or case.options.retry_failed
    if case.is_asked_for or (is_retried and may_replace):
        return replace_workload(case, Reason.SYNC_FAILED, message)
    if runs_on:
        # The pods from before the update may still do their work: only a person ends them.
        ways = (
            "what ran before its update may still run. Take the change back and apply, or mend it "
            f"and apply, or end it with --replace {case.row.address}"
        )
        message = f"{message}; {ways}"
    return hold(case, Reason.SYNC_FAILED, message, fails=on_failed is not OnFailed.IGNORE)


def _asked_for(case: DecisionInputs, _: Desired) -> AnyAction | None:
    if not case.is_asked_for:
        return None
    return replace_workload(case, Reason.REQUESTED, "asked for by --replace")


def _drifted(case: DecisionInputs, desired: Desired) -> AnyAction | None:
    drift = case.open_drift
    if not drift or case.options.on_drift is OnDrift.REPORT:
        return None
    fresh = case.fresh_drift
    if not fresh:
        # Whoever makes this change makes it again: to replace it in every run would only kill work.
        detail = (
            f"{name_fields(drift)} was changed on the server again after an apply had "
            "undone it; it is not undone a second time (--replace does)"
        )
        return hold(case, Reason.DRIFTED, detail)
    if case.options.on_drift is OnDrift.UPDATE:
        return undo_by_update(case, desired, fresh)
    detail = f"{fresh[0].pointer} was changed on the server"
    return replace_workload(case, Reason.DRIFTED, detail)


def _changed_lifecycle(case: DecisionInputs, desired: Desired) -> Record | None:
    # Adopted without a spec: from now on only what the spec declares of it counts.
    if not case.row.is_declared:
        detail = "found on the server as it is declared now; nothing is sent"
        common = case.common(Reason.ALREADY_OWNED, detail)
        follows = bool(case.restated)
        return Record(**common, recorded=case.stored, desired=desired, follows=follows)
    if not case.settings:
        return None
    changes = (*case.settings, *case.ignored)
    changed = [
        f"{change.pointer.rpartition('/')[2]} {_worded(change.before)} → {_worded(change.after)}"
        for change in case.settings
    ]
    detail = f"{', '.join(changed)}; nothing is sent"
    return Record(
        **case.common(Reason.LIFECYCLE_CHANGED, detail, changes=changes),
        recorded=case.stored,
        desired=desired,
    )


def _worded(value: Any) -> str:
    """A setting as its author would write it."""
    if value is ABSENT:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) else str(value)
