"""What becomes of a workload that was accepted once: one rule after the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from reconciler.core.diff import ABSENT, FieldChange, is_same, value_at
from reconciler.core.digest import digest
from reconciler.core.model import (
    Desired,
    Lifecycle,
    Live,
    Missing,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
    Recorded,
    Remote,
    Seen,
    Unread,
)
from reconciler.core.plan import (
    Adopt,
    AnyAction,
    Create,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
)
from reconciler.kinds.registry import runs_to_completion


class OnDrift(StrEnum):
    """What a change made only on the server leads to."""

    REPORT = "report"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the caller decides about a plan; the defaults are the careful ones.

    `destroying` says that specs are missing because everything was asked to go.
    """

    on_drift: OnDrift = OnDrift.REPORT
    no_delete: bool = False
    no_create: bool = False
    replace: tuple[str, ...] = ()
    refreshed: bool = True
    destroying: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One workload that has a record: everything its decision may depend on.

    `renewed` says that the row is not what the state holds: it was written under other rules of
    what is a secret. `strict_changes` are the changes of the spec without what its owner reveals,
    as the drift is told; empty where nothing is revealed. `unmarked` says that what lives under its
    id has lost the marker that the record knows.
    """

    row: Recorded
    desired: Desired | None
    options: PlanOptions
    live: Live | None = None
    drift: tuple[FieldChange, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    renewed: bool = False
    unmarked: bool = False
    strict_changes: tuple[FieldChange, ...] = ()

    @property
    def is_agreed(self) -> bool:
        """Whether every change of the spec is to what the server has already.

        Values that are absent, or that our own create was not echoed with, prove nothing.
        """
        changes = self.strict_changes or self.changes
        there = {(c.pointer, digest([c.before, c.after])) for c in self.drift if _is_plain(c)}
        return bool(changes) and all(
            _is_plain(c)
            and (c.pointer, digest([c.before, c.after])) in there
            and is_same(value_at(self.row.echo, c.pointer), c.before)
            for c in changes
        )

    @property
    def lifecycle(self) -> Lifecycle:
        """What the spec says now; what it said last, once it is gone."""
        return self.desired.lifecycle if self.desired else self.row.lifecycle

    def common(self, reason: Reason, detail: str = "", **more: Any) -> dict[str, Any]:
        """The fields that every action of this case shares."""
        return {
            "address": self.row.address,
            "reason": reason,
            "detail": detail,
            "source": self.desired.source if self.desired else None,
            "wave": self.lifecycle.wave,
            **more,
        }


def judge(case: Case) -> AnyAction:
    """A workload that was accepted once."""
    live = case.live
    if is_lost(live):
        return _judge_missing(case)
    if isinstance(live, Unread):
        return _hold(case, Reason.IN_DOUBT, f"could not be read: {live.reason}")
    if case.desired is None:
        return _judge_removed(case)
    if isinstance(live, Remote) and live.is_leaving:
        detail = "somebody else is deleting it on the server; the next run sees the outcome"
        return _hold(case, Reason.MISSING_ON_SERVER, detail)
    return _judge_wanted(case, case.desired)


def is_lost(live: Live | None) -> bool:
    """Whether the server no longer has it, and says so."""
    return isinstance(live, Missing) or (isinstance(live, Remote) and live.is_gone)


def _judge_missing(case: Case) -> AnyAction:
    """The server has lost it, and it was not us."""
    reason = Reason.MISSING_ON_SERVER
    desired = case.desired
    if isinstance(case.live, Missing) and case.live.successor:
        detail = f"a later run made {case.live.successor} under its name; that is recorded instead"
        return Adopt(**case.common(reason, detail), recorded=case.row)
    if desired is None:
        return _judge_gone(case)
    policy = desired.lifecycle.on_missing
    if policy is None and runs_to_completion(desired.manifest):
        detail = (
            "no longer on the server; a finished job is not run again (set onMissing: recreate)"
        )
        return _hold(case, Reason.RUN_TO_COMPLETION, detail)
    if policy is OnMissing.HOLD:
        return _hold(case, reason, "no longer on the server; held by onMissing: hold")
    if policy is OnMissing.FAIL:
        return _hold(case, reason, "no longer on the server; onMissing: fail", fails=True)
    if case.options.no_create:
        return _hold(case, reason, "no longer on the server; held by --no-create")
    detail = "deleted on the server by somebody else"
    return Create(**case.common(reason, detail), desired=desired, lost=case.row)


def _judge_gone(case: Case) -> AnyAction:
    """Neither declared nor found: it is forgotten on proof, for nothing would point to it again."""
    if case.row.lifecycle.on_remove is OnRemove.FORGET:
        return _judge_removed(case)
    if isinstance(case.live, Missing) and not case.live.proven:
        detail = (
            "gone from the specs, and the server does not find it; no list that can be believed "
            f"shows that it is gone. Once you know: reconciler state rm {case.row.address}"
        )
        return _hold(case, Reason.UNPROVEN_ABSENCE, detail, fails=True)
    detail = "gone from the server and from the specs"
    return Forget(**case.common(Reason.MISSING_ON_SERVER, detail), recorded=case.row)


def _judge_removed(case: Case) -> AnyAction:
    """Its spec is gone, or everything is to go."""
    made = f", created by run {case.row.run}" if case.row.run else ""
    if case.row.lifecycle.on_remove is OnRemove.FORGET:
        detail = f"no spec declares it any more{made}; left on the server (onRemove: forget)"
        return Forget(**case.common(Reason.FORGOTTEN_ON_REMOVE, detail), recorded=case.row)
    reason, detail = Reason.REMOVED_FROM_SPECS, f"no spec declares it any more{made}"
    if case.options.destroying:
        reason, detail = Reason.REQUESTED, f"destroy was asked for{made}"
    if case.options.no_delete:
        return _hold(case, reason, f"{detail}; held by --no-delete")
    if case.unmarked:
        return _hold_unmarked(case, detail)
    return Delete(**case.common(reason, detail), recorded=case.row)


def _judge_wanted(case: Case, desired: Desired) -> AnyAction:
    """It is declared and there; the first rule that applies decides."""
    settings = (
        _agreed_spec(case, desired)
        or _changed_lifecycle(case, desired)
        or _renewed_row(case, desired)
    )
    for rule in (_changed_spec, _failed_sync, _asked_for, _drifted):
        action = rule(case, desired)
        if isinstance(action, Hold) and settings:
            # Protection that waits for the hold to end would be missing when the spec goes first.
            return replace(settings, detail=f"{settings.detail}; {action.detail}")
        if action is not None:
            return action
    return settings or Keep(**case.common(Reason.ALREADY_OWNED), recorded=case.row)


def _changed_spec(case: Case, desired: Desired) -> AnyAction | None:
    if not case.changes or case.is_agreed:
        return None
    fields = [change.pointer for change in case.changes]
    more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
    detail = f"{fields[0]}{more} changed; the API can only delete and create"
    if desired.lifecycle.on_change is OnChange.HOLD and not _is_asked_for(case):
        return _hold(case, Reason.SPEC_CHANGED, f"{detail}; held by onChange: hold")
    return _replace(case, desired, Reason.SPEC_CHANGED, detail, case.changes)


def _agreed_spec(case: Case, desired: Desired) -> Record | None:
    """Somebody changed the workload and the spec follows: both agree, so nothing is to be done."""
    if not case.is_agreed:
        return None
    fields = [change.pointer for change in case.changes]
    more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
    detail = f"{fields[0]}{more} is on the server as it is declared now; nothing is sent"
    agreed = tuple(replace(change, forces_replace=False) for change in case.changes)
    common = case.common(Reason.SPEC_CHANGED, detail, changes=agreed)
    return Record(
        **common, recorded=case.row, desired=desired, agreed=case.strict_changes or agreed
    )


def _failed_sync(case: Case, desired: Desired) -> AnyAction | None:
    if not (isinstance(case.live, Remote) and case.live.seen is Seen.FAILED):
        return None
    words = f"the cluster refused it: {case.live.message or 'no message'}"
    if desired.lifecycle.on_failed is OnFailed.REPLACE or _is_asked_for(case):
        return _replace(case, desired, Reason.SYNC_FAILED, words)
    return _hold(case, Reason.SYNC_FAILED, words)


def _asked_for(case: Case, desired: Desired) -> AnyAction | None:
    if not _is_asked_for(case):
        return None
    return _replace(case, desired, Reason.REQUESTED, "asked for by --replace")


def _drifted(case: Case, desired: Desired) -> AnyAction | None:
    if not case.drift or case.options.on_drift is OnDrift.REPORT:
        return None
    detail = f"{case.drift[0].pointer} was changed on the server"
    # What happened is told as drift; what will happen is its reverse.
    undone = tuple(replace(c, before=c.after, after=c.before) for c in case.drift)
    return _replace(case, desired, Reason.DRIFTED, detail, undone)


def _changed_lifecycle(case: Case, desired: Desired) -> Record | None:
    if not case.row.is_declared:
        detail = "found on the server as it is declared now; nothing is sent"
        common = case.common(Reason.ALREADY_OWNED, detail)
        return Record(**common, recorded=case.row, desired=desired)
    if desired.lifecycle == case.row.lifecycle:
        return None
    before, after = asdict(case.row.lifecycle), asdict(desired.lifecycle)
    changed = [
        f"{_camel(name)} {_worded(before[name])} → {_worded(after[name])}"
        for name in before
        if before[name] != after[name]
    ]
    detail = f"{', '.join(changed)}; nothing is sent"
    return Record(
        **case.common(Reason.LIFECYCLE_CHANGED, detail), recorded=case.row, desired=desired
    )


def _renewed_row(case: Case, desired: Desired) -> Record | None:
    if not case.renewed:
        return None
    detail = "its record follows other rules of what is a secret; it is written anew, nothing sent"
    common = case.common(Reason.ALREADY_OWNED, detail)
    return Record(**common, recorded=case.row, desired=desired)


def _is_plain(change: FieldChange) -> bool:
    return change.before is not ABSENT and change.after is not ABSENT


def _camel(name: str) -> str:
    """A setting's name as specs spell it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _worded(value: Any) -> str:
    """A setting as its author would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and value:
        return ", ".join(value)
    return "unset" if value in (None, ()) else str(value)


def _is_asked_for(case: Case) -> bool:
    return str(case.row.address) in case.options.replace


def _replace(
    case: Case,
    desired: Desired,
    reason: Reason,
    detail: str,
    changes: tuple[FieldChange, ...] = (),
) -> AnyAction:
    for flag, held in (
        ("--no-delete", case.options.no_delete),
        ("--no-create", case.options.no_create),
    ):
        if held:
            return _hold(case, reason, f"{detail}; held by {flag}")
    if case.unmarked:
        return _hold_unmarked(case, detail)
    return Replace(
        **case.common(reason, detail, changes=changes), recorded=case.row, desired=desired
    )


def _hold_unmarked(case: Case, detail: str) -> Hold:
    """Nothing shows any more that it is ours, so nothing of it is ended unseen."""
    row = case.row
    detail = (
        f"{detail}; left alone: workload {row.id} no longer carries the mark that it had, and may "
        f"be somebody else's. If it is yours: reconciler state rm {row.address}, then "
        f"reconciler state adopt {row.address} --id {row.id}"
    )
    return _hold(case, Reason.MARKER_MISSING, detail, fails=True)


def _hold(case: Case, reason: Reason, detail: str, *, fails: bool = False) -> Hold:
    return Hold(**case.common(reason, detail, changes=case.changes), recorded=case.row, fails=fails)
