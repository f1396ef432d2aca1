"""make_plan: what is wanted, what is recorded and what is live, to what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, assert_never

from reconciler.core.diagnostics import Diagnostic, sort_diagnostics
from reconciler.core.diff import FieldChange, Origin, find_changes, is_ignored, project
from reconciler.core.digest import digest
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.kinds import runs_to_completion
from reconciler.core.marker import unmark
from reconciler.core.model import (
    Address,
    Desired,
    Lifecycle,
    Live,
    Missing,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
    Own,
    Purpose,
    Recorded,
    Remote,
    Seen,
    Unread,
)
from reconciler.core.plan import (
    AnyAction,
    Create,
    Delete,
    Drift,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Plan,
    PlanTarget,
    Reason,
    Record,
    Replace,
    Resolve,
)
from reconciler.core.redact import Redactor


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
class _World:
    """What every decision of one plan may look at."""

    live: Mapping[str, Live]
    options: PlanOptions
    redactor: Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One workload that has a record: everything its decision may depend on."""

    row: Recorded
    desired: Desired | None
    options: PlanOptions
    live: Live | None = None
    drift: tuple[FieldChange, ...] = ()
    changes: tuple[FieldChange, ...] = ()

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


def make_plan(
    desired: Iterable[Desired],
    recorded: Iterable[Recorded],
    live: Mapping[str, Live],
    *,
    target: PlanTarget,
    lineage: str,
    serial: int = 0,
    options: PlanOptions | None = None,
    diagnostics: Iterable[Diagnostic] = (),
) -> Plan:
    """Decide about every workload that is wanted or recorded.

    `live` maps ids to what the server said of them; a recorded id that is not in it counts as
    unchanged (`--no-refresh`). Pure: the order of the inputs does not matter.
    """
    options = options or PlanOptions()
    world = _World(live=live, options=options, redactor=Redactor(lineage))
    wanted = {d.address: d for d in desired}
    rows = _group(recorded)
    actions: list[AnyAction] = []
    drift: list[Drift] = []
    for address in sorted({*wanted, *rows}):
        action, drifted = _decide(wanted.get(address), rows.get(address, []), world)
        actions.append(action)
        if drifted:
            drift.append(Drift(address=address, changes=drifted))
    return Plan(
        target=target,
        lineage=lineage or None,
        serial=serial,
        actions=tuple(sorted(actions, key=lambda a: (a.wave, a.address, a.kind))),
        drift=tuple(drift),
        diagnostics=sort_diagnostics(diagnostics),
        complete=options.refreshed and not any(isinstance(x, Unread) for x in live.values()),
    )


def _group(recorded: Iterable[Recorded]) -> dict[Address, list[Recorded]]:
    groups: dict[Address, list[Recorded]] = {}
    for row in sorted(recorded, key=lambda r: r.op):
        if row.own is not Own.GONE:
            groups.setdefault(row.address, []).append(row)
    return groups


def _decide(
    desired: Desired | None, rows: Sequence[Recorded], world: _World
) -> tuple[AnyAction, tuple[FieldChange, ...]]:
    """One workload and its drift: first what has been begun is finished, then what is wanted."""
    for row in rows:
        if row.own is Own.DELETING:
            lost = row.id is not None and _is_lost(world.live.get(row.id))
            action = _finish_delete(row, desired, world)
            return _with_gpus(action, None if lost else row, desired), ()
    for row in rows:
        if row.own in (Own.CREATING, Own.SUSPECT):
            return _with_gpus(_settle(row, desired, world), None, desired), ()
    for row in rows:
        if row.own is Own.ACCEPTED:
            case = _examine(row, desired, world)
            running = None if _is_lost(case.live) else row
            return _with_gpus(_judge(case), running, desired), case.drift
    if desired is None:
        return _with_gpus(_settle(rows[0], None, world), None, None), ()
    return _with_gpus(_make(desired, world.options), None, desired), ()


def _make(desired: Desired, options: PlanOptions) -> AnyAction:
    here: dict[str, Any] = {
        "address": desired.address,
        "reason": Reason.NEW,
        "source": desired.source,
        "wave": desired.lifecycle.wave,
    }
    if options.no_create:
        return Hold(**here, detail="not created yet; held by --no-create")
    return Create(**here, detail="declared, and not in the state yet", desired=desired)


def _finish_delete(row: Recorded, desired: Desired | None, world: _World) -> AnyAction:
    """A delete that was begun is always finished: a late one would kill what we decided to keep."""
    case = _Case(row=row, desired=desired, options=world.options)
    if desired is None or world.options.no_create:
        detail = "its deletion has begun and is finished first"
        return Delete(**case.common(Reason.REMOVED_FROM_SPECS, detail), recorded=row)
    if row.purpose is Purpose.REPLACE:
        detail = "its replacement was cut short and is finished"
        return Replace(**case.common(Reason.SPEC_CHANGED, detail), recorded=row, desired=desired)
    detail = "its deletion has begun and is finished first; it is wanted again"
    return Replace(**case.common(Reason.REMOVED_FROM_SPECS, detail), recorded=row, desired=desired)


def _settle(row: Recorded, desired: Desired | None, world: _World) -> AnyAction:
    """A create whose outcome is unknown: send the same again, or read, but never forget it."""
    same = desired is not None and body_digest(desired, world.redactor) == row.digest
    again = same and not world.options.no_create
    if again:
        detail = "a create was cut short; the same request is sent again"
    elif same:
        detail = "a create was cut short; looked up, and not sent again because of --no-create"
    elif desired is not None:
        detail = "a create was cut short and the spec has changed since; it is looked up first"
    else:
        detail = "a create was cut short and is no longer wanted; it is looked up, not repeated"
    case = _Case(row=row, desired=desired, options=world.options)
    return Resolve(
        **case.common(Reason.IN_DOUBT, detail), recorded=row, desired=desired if again else None
    )


def _examine(row: Recorded, desired: Desired | None, world: _World) -> _Case:
    """Compare three ways: the spec with what was applied, the echo with what was echoed then."""
    redactor = world.redactor
    seen = world.live.get(row.id) if row.id else None
    ignored = (desired.lifecycle if desired else row.lifecycle).ignore_changes
    changes: list[FieldChange] = []
    if desired and body_digest(desired, redactor) != row.digest:
        found = find_changes(row.spec, redactor.redact(desired.spec))
        changes = [_forcing(c) for c in found if not is_ignored(c.pointer, ignored)]
    drift: list[FieldChange] = []
    if isinstance(seen, Remote) and not seen.is_gone:
        found = find_drift(row, seen, redactor)
        drift = [c for c in found if not is_ignored(c.pointer, ignored)]
    return _Case(
        row=row,
        desired=desired,
        live=seen,
        options=world.options,
        drift=tuple(drift),
        changes=tuple(changes),
    )


def _forcing(change: FieldChange) -> FieldChange:
    """The base version of the API has no update, so every changed field forces a replace."""
    return replace(change, forces_replace=True)


def find_drift(row: Recorded, remote: Remote, redactor: Redactor) -> list[FieldChange]:
    """Declared fields that differ between the server's echo now and its echo of our create."""
    now = redactor.redact(echo_of(remote))
    before = row.echo if row.echo is not None else row.spec
    return find_changes(project(before, row.spec), project(now, row.spec), origin=Origin.REMOTE)


def echo_of(remote: Remote) -> dict[str, Any]:
    """What the server says of a workload, without the marker that we put there."""
    return {**remote.echo, "manifest": unmark(remote.raw_manifest)}


def body_digest(desired: Desired, redactor: Redactor) -> str:
    """Names the content of a spec; secrets enter it only as keyed digests."""
    return digest(redactor.redact(desired.spec))


def _judge(case: _Case) -> AnyAction:
    """A workload that was accepted once."""
    live = case.live
    if _is_lost(live):
        return _judge_missing(case)
    if isinstance(live, Unread):
        return _hold(case, Reason.IN_DOUBT, f"could not be read: {live.reason}")
    if case.desired is None:
        return _judge_removed(case)
    if isinstance(live, Remote) and _is_leaving(live):
        detail = "somebody else is deleting it on the server; the next run sees the outcome"
        return _hold(case, Reason.MISSING_ON_SERVER, detail)
    return _judge_wanted(case, case.desired)


def _is_lost(live: Live | None) -> bool:
    return isinstance(live, Missing) or (isinstance(live, Remote) and live.is_gone)


def _is_leaving(live: Remote) -> bool:
    return (
        live.seen is Seen.DELETING or live.desired_phase == "Deleted" or live.deleted_at is not None
    )


def _judge_missing(case: _Case) -> AnyAction:
    """The server has lost it, and it was not us."""
    reason = Reason.MISSING_ON_SERVER
    desired = case.desired
    if desired is None:
        detail = "gone from the server and from the specs"
        return Forget(**case.common(reason, detail), recorded=case.row)
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


def _judge_removed(case: _Case) -> AnyAction:
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
    return Delete(**case.common(reason, detail), recorded=case.row)


def _judge_wanted(case: _Case, desired: Desired) -> AnyAction:
    """It is declared and there; the first rule that applies decides."""
    settings = _changed_lifecycle(case, desired)
    for rule in (_changed_spec, _failed_sync, _asked_for, _drifted):
        action = rule(case, desired)
        if isinstance(action, Hold) and settings:
            # Protection that waits for the hold to end would be missing when the spec goes first.
            return replace(settings, detail=f"{settings.detail}; {action.detail}")
        if action is not None:
            return action
    return settings or Keep(**case.common(Reason.ALREADY_OWNED), recorded=case.row)


def _changed_spec(case: _Case, desired: Desired) -> AnyAction | None:
    if not case.changes:
        return None
    fields = [change.pointer for change in case.changes]
    more = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
    detail = f"{fields[0]}{more} changed; the API can only delete and create"
    if desired.lifecycle.on_change is OnChange.HOLD and not _is_asked_for(case):
        return _hold(case, Reason.SPEC_CHANGED, f"{detail}; held by onChange: hold")
    return _replace(case, desired, Reason.SPEC_CHANGED, detail, case.changes)


def _failed_sync(case: _Case, desired: Desired) -> AnyAction | None:
    if not (isinstance(case.live, Remote) and case.live.seen is Seen.FAILED):
        return None
    words = f"the cluster refused it: {case.live.message or 'no message'}"
    if desired.lifecycle.on_failed is OnFailed.REPLACE or _is_asked_for(case):
        return _replace(case, desired, Reason.SYNC_FAILED, words)
    return _hold(case, Reason.SYNC_FAILED, words)


def _asked_for(case: _Case, desired: Desired) -> AnyAction | None:
    if not _is_asked_for(case):
        return None
    return _replace(case, desired, Reason.REQUESTED, "asked for by --replace")


def _drifted(case: _Case, desired: Desired) -> AnyAction | None:
    if not case.drift or case.options.on_drift is OnDrift.REPORT:
        return None
    detail = f"{case.drift[0].pointer} was changed on the server"
    return _replace(case, desired, Reason.DRIFTED, detail, case.drift)


def _changed_lifecycle(case: _Case, desired: Desired) -> Record | None:
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


def _camel(name: str) -> str:
    """A setting's name as specs spell it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _worded(value: Any) -> str:
    """A setting as its author would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value in (None, ()) else str(value)


def _is_asked_for(case: _Case) -> bool:
    return str(case.row.address) in case.options.replace


def _replace(
    case: _Case,
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
    return Replace(
        **case.common(reason, detail, changes=changes), recorded=case.row, desired=desired
    )


def _hold(case: _Case, reason: Reason, detail: str, *, fails: bool = False) -> Hold:
    return Hold(**case.common(reason, detail, changes=case.changes), recorded=case.row, fails=fails)


def _with_gpus(action: AnyAction, row: Recorded | None, desired: Desired | None) -> AnyAction:
    """Say what the action does to the GPUs that this workload asks for."""
    nothing = GpuRequest()
    before = count_gpus(row.spec.get("manifest", {})) if row else nothing
    wanted = count_gpus(desired.manifest) if desired else nothing
    after = _gpus_after(action, before, wanted)
    known = before.known and after.known
    return replace(action, gpus=GpuEffect(before=before.gpus, after=after.gpus, known=known))


def _gpus_after(action: AnyAction, before: GpuRequest, wanted: GpuRequest) -> GpuRequest:
    match action:
        case Create() | Replace() | Resolve():
            return wanted
        case Delete():
            return GpuRequest()
        case Forget() | Record() | Hold() | Keep():
            return before
        case _:
            assert_never(action)
