"""make_plan: what is wanted, what is recorded and what is live, to what is to be done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from reconciler.core.diagnostics import Diagnostic, sort_diagnostics
from reconciler.core.diff.comparison import Compared, body_digest, compare_spec
from reconciler.core.diff.diff import FieldChange, without_replacement
from reconciler.core.ending.deletion import finish_delete, is_found_lost, succeed
from reconciler.core.ending.ended import judge_ended
from reconciler.core.gpus import count_gpus
from reconciler.core.model import (
    ENDS,
    Address,
    Desired,
    Json,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Remote,
    Unread,
    join_reasons,
)
from reconciler.core.planning.actions import (
    AnyAction,
    Create,
    Delete,
    Forget,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
)
from reconciler.core.planning.case import DecisionInputs, PlanOptions
from reconciler.core.planning.decisions import decide, is_lost
from reconciler.core.planning.effects import lasting, with_gpus
from reconciler.core.planning.examining import (
    World,
    bare_case,
    compared_case,
    gather_inputs,
    is_as_recorded,
)
from reconciler.core.planning.holds import warn_of_read_anew
from reconciler.core.planning.in_place import warn_of_unproven
from reconciler.core.planning.plan import Drift, Plan, PlanTarget
from reconciler.core.planning.renames import find_renames, warn_of
from reconciler.core.planning.submission import submit
from reconciler.core.protocol.changes import lands_until, may_land
from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.protocol.transitions import comes_true_until, may_come_true
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew_row
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.core.states.address_records import find_replaced


def make_plan(
    desired: Iterable[Desired],
    recorded: Iterable[Recorded],
    live: Mapping[str, Live],
    *,
    target: PlanTarget,
    lineage: str,
    serial: int = 0,
    options: PlanOptions | None = None,
    listed: Mapping[str, LiveWorkload] = MappingProxyType({}),
    now: datetime | None = None,
    diagnostics: Iterable[Diagnostic] = (),
    rules: RedactionRules = BUILT_IN,
    at_work: str = "",
) -> Plan:
    """Decide about every workload that is wanted or recorded.

    `live` maps ids to what the server said of them, compared already or not; a recorded id that is
    not in it counts as unchanged (`--no-refresh`). `listed` is what the lists of v1 say of them,
    among what lives and what was deleted of late: without it nothing counts as over. `now` is the
    server's time; without it no lost request counts as too old to come true. `rules` say what is a
    secret; a row that was written under others is taken as these would have written it. `at_work`
    is another run that writes to the state now. Pure: the order of the inputs does not matter.
    """
    options = options or PlanOptions()
    redactor = Redactor(lineage, rules)
    world = World(
        live=live,
        listed=listed,
        options=options,
        redactor=redactor,
        lineage=lineage,
        now=now,
        at_work=bool(at_work),
        target=target,
    )
    specs = {d.address: d for d in desired}
    rows: dict[Address, list[Recorded]] = {}
    # Ids of operations sort by age, so the oldest of an address comes first.
    for row in sorted(recorded, key=lambda r: r.op):
        if row.own is not Own.GONE:
            rows.setdefault(row.address, []).append(row)
    actions: list[AnyAction] = []
    drift: list[Drift] = []
    for address in sorted({*specs, *rows}, key=lambda a: (a.project, a.name)):
        action, drifted = _decide(specs.get(address), rows.get(address, []), world)
        if isinstance(action, Create | Replace | Resolve) and action.desired is not None:
            # A plan goes to logs and reviewers, so it has what is sent without its secrets.
            action = replace(action, document=redactor.redact(action.desired.spec))
        actions.append(action)
        if drifted is not None:
            drift.append(drifted)
    warnings = (
        *warn_of(find_renames(actions, redactor)),
        *warn_of_unproven(actions),
        *warn_of_read_anew(actions, specs),
    )
    return Plan(
        target=target,
        lineage=lineage or None,
        serial=serial,
        # There is one action for each address, and they are in that order already.
        actions=tuple(sorted(actions, key=lambda action: action.wave)),
        drift=tuple(drift),
        diagnostics=sort_diagnostics((*diagnostics, *warnings)),
        complete=options.refreshed and not any(isinstance(x, Unread) for x in live.values()),
        at_work=at_work,
    )


def _decide(
    desired: Desired | None, rows: Sequence[Recorded], world: World
) -> tuple[AnyAction, Drift | None]:
    """One workload and its drift: first what has been begun is finished, then what is wanted."""
    if desired is not None and len(rows) == 1 and rows[0].own is Own.ACCEPTED:
        row, seen = rows[0], world.live.get(rows[0].id or "")
        if isinstance(seen, Compared) and is_as_recorded(row, desired, seen, world):
            return _keep(row, desired, seen), None
    if world.at_work:
        # The run that is at work may be about to go on with what is half done.
        for row in rows:
            is_begun = row.own in (Own.CREATING, Own.DELETING) or row.is_down
            if is_begun or row.change.open is not None:
                return _leave_to_run(row, desired, world), None
    plain = desired.spec if desired and rows else None
    # An accepted row with a spec is renewed with the comparison, which needs it as it was written.
    rows = [
        row
        if row.own is Own.ACCEPTED and desired is not None
        else renew_row(row, world.redactor, plain=plain)
        for row in rows
    ]
    # A delete goes before all else: the name is not free before it is through.
    for row in rows:
        if row.own is Own.DELETING:
            lost = is_found_lost(row, world)
            action = finish_delete(row, desired, world)
            return with_gpus(action, None if lost else row.spec, desired), None
    # Then what is in doubt: a second create beside it could make what nobody would find again.
    for row in rows:
        if row.own in (Own.CREATING, Own.UNCONFIRMED):
            return with_gpus(_settle(row, find_replaced(rows), desired, world), None, desired), None
    for row in rows:
        if row.own is Own.ACCEPTED:
            case = gather_inputs(row, desired, world)
            late = [other for other in rows if other.own is Own.LATE_CREATE_POSSIBLE]
            if not all(_is_past(other, world) for other in late):
                # An older create could make it again after its end: it is ended once that is past.
                case = replace(case, listed=None)
            action = with_gpus(decide(case), _find_running(case), desired)
            return _with_late_creates(action, case, late, world), _open_drift(action, case)
    return _judge_absent(desired, rows, world), None


def _keep(row: Recorded, desired: Desired, live: Compared) -> Keep:
    """What stays as it is, as its spec and its record are."""
    return Keep(
        address=row.address,
        reason=Reason.ALREADY_OWNED,
        source=desired.source,
        wave=desired.lifecycle.wave,
        gpus=lasting(count_gpus(desired.manifest) if live.gpus is None else live.gpus),
        recorded=row,
    )


def _judge_absent(desired: Desired | None, rows: Sequence[Recorded], world: World) -> AnyAction:
    """An address under which nothing of ours is known to run or to be on its way."""
    late = [row for row in rows if row.own is Own.LATE_CREATE_POSSIBLE]
    ended = next((row for row in rows if row.own is Own.ENDED), None)
    # A spec does not wait for a late create: its own create would be answered with 409, which leads
    # to whatever has the name. What has ended is not made, and so waits.
    if late and (desired is None or ended is not None):
        return with_gpus(_watch(late[0], world), None, None)
    if ended is not None:
        return with_gpus(judge_ended(compared_case(ended, desired, world)), None, desired)
    if desired is None:
        raise AssertionError("an address has a spec or a record")
    down = next((row for row in late if row.is_down), None)
    return with_gpus(_make(desired, down, world), None, desired)


def _leave_to_run(row: Recorded, desired: Desired | None, world: World) -> AnyAction:
    """What another run has begun is no doubt of ours, and nothing that we would do.

    Its GPUs count as what that run is about to leave.
    """
    under_way = row.change.open
    left: Json | None = row.spec
    if row.own is Own.CREATING:
        step = "its create"
    elif row.purpose is Purpose.REPLACE:
        step = "its replacement"
    elif row.own is Own.ACCEPTED and under_way is not None:
        step, left = "its update", under_way.spec
    else:
        step, left = "its deletion", None
    case = bare_case(row, desired, world)
    detail = f"{step} is under way: another run is at work on it"
    held = Hold(**case.common(Reason.IN_DOUBT, detail), recorded=row)
    return with_gpus(held, left, desired)


def _find_running(case: DecisionInputs) -> Json | None:
    """What runs under the name, for the count of its GPUs: a successor is not what was lost."""
    if not is_lost(case.live):
        is_changed = isinstance(case.live, Compared) and case.live.answer is not None
        if is_changed:
            # Somebody may have scaled it since, and what is given back is what runs.
            return case.running
        # Of two that are the same, the one that need not be decoded first.
        is_same = case.since is not None and case.since.is_same
        return case.desired.spec if case.desired and is_same else case.row.spec
    if isinstance(case.live, Missing) and case.live.manifest is not None:
        return {"manifest": case.live.manifest}
    return None


def _make(desired: Desired, down: Recorded | None, world: World) -> AnyAction:
    """A workload that does not run; `down` is what was deleted to make room for it."""
    common: dict[str, Any] = {
        "address": desired.address,
        "reason": Reason.DOWN if down else Reason.NEW,
        "source": desired.source,
        "wave": desired.lifecycle.wave,
    }
    detail = (
        join_reasons(down.reason, f"{down.ending}; nothing of ours runs there now") if down else ""
    )
    if world.options.no_create:
        held = f"{detail or 'not created yet'}; held by --no-create"
        # Something ran there: a run that leaves the place empty is no success.
        fails = down is not None
        return Hold(**common, detail=held, recorded=down, fails=fails, forbidden=True)
    if down is None:
        return Create(**common, detail="declared, and not in the state yet", desired=desired)
    submission = succeed(down, desired, world)
    changes = without_replacement(submission.changes)
    detail = join_reasons(detail, submission.exposed_text)
    return Create(**common, detail=detail, changes=changes, desired=submission.desired)


def _settle(
    row: Recorded, replaced: Recorded | None, desired: Desired | None, world: World
) -> AnyAction:
    """A create whose outcome is unknown: send the same again, or read, but never forget it.

    `replaced` is what had the name before: what differs from that is shown.
    """
    sent, changes = desired, tuple[FieldChange, ...]()
    if desired is not None and body_digest(desired, world.redactor) != row.digest:
        # What was sent held values of ignored fields that were kept of its predecessor.
        since = compare_spec(row, desired, world.redactor)
        submission = submit(desired, since, since.row.spec, world.redactor, keeps=True)
        sent, changes = submission.desired, submission.changes
    # One operation has one body: another one is another operation, after this one is settled.
    same = sent is not None and body_digest(sent, world.redactor) == row.digest
    if same and not world.options.no_create:
        remedy = "the same request is sent again"
    elif same:
        remedy = "looked up, and not sent again because of --no-create"
    elif desired is not None:
        remedy = "the spec has changed since, so it is looked up before anything is sent"
    else:
        remedy = "no spec declares it any more, so it is looked up and not sent again"
    emptied = ""
    if replaced is not None:
        emptied = f"{replaced.ending}, and nothing of ours is known to run there now"
        if replaced is not row and desired is not None:
            changes = without_replacement(succeed(replaced, desired, world).changes)
    detail = join_reasons(_doubt(row), emptied, remedy)
    case = bare_case(row, desired, world)
    # Whose create was answered with a no is sure of it: only who has its name is not known.
    unowned = row.own is Own.UNCONFIRMED and not row.ambiguous
    reason = Reason.OWNER_UNKNOWN if unowned else Reason.IN_DOUBT
    return Resolve(
        **case.common(reason, detail, changes=changes),
        recorded=row,
        # Without a spec an apply only reads: a POST would start what must not be created.
        desired=None if world.options.no_create else sent,
        same=same,
    )


def _doubt(row: Recorded) -> str:
    """What is not known: in the server's words where it had any, and since when."""
    sent = datetime.fromisoformat(row.last_sent_at) if row.last_sent_at else None
    when = f" of {sent:%Y-%m-%d %H:%M:%S} UTC" if sent else ""
    if row.own is Own.UNCONFIRMED and row.reason:
        return f"{row.reason}: a create{when} is in doubt"
    return join_reasons(row.refusal, f"a create{when} was cut short")


def _watch(row: Recorded, world: World) -> AnyAction:
    """A workload is gone, but a create of it whose answer was lost may not have been."""
    case = bare_case(row, None, world)
    # It waited for a successor, and nobody wants one any more.
    if not row.ambiguous:
        end = "nothing runs there, and no spec declares it any more"
        detail = join_reasons(row.reason, row.ending, end)
        return Forget(**case.common(Reason.REMOVED_FROM_SPECS, detail), recorded=row)
    if _is_past(row, world):
        detail = "an unanswered create may have made it after its deletion; it is looked up"
        return Resolve(**case.common(Reason.IN_DOUBT, detail), recorded=row)
    # A look before that proves nothing: it could come true right after it.
    until = comes_true_until(row)
    detail = (
        "gone, but the server may still carry out an unanswered create until "
        f"{until:%Y-%m-%d %H:%M:%S} UTC"
    )
    return Hold(**case.common(Reason.IN_DOUBT, detail), recorded=row)


def _open_drift(action: AnyAction, case: DecisionInputs) -> Drift | None:
    """What somebody changed and the spec has not followed."""
    agreed = {c.pointer for c in action.agreed} if isinstance(action, Record) else set()
    changes = tuple(c for c in case.drift if c.pointer not in agreed)
    if not changes:
        return None
    returned = case.has_returned(changes)
    return Drift(address=case.row.address, changes=changes, returned=returned)


def _with_late_creates(
    action: AnyAction, case: DecisionInputs, late: Sequence[Recorded], world: World
) -> AnyAction:
    """While one workload has the name, no older request can take it (assumption A1)."""
    lives = isinstance(case.live, Remote) and not is_lost(case.live)
    past = tuple(row for row in late if lives and _is_past(row, world))
    change = case.stored.change
    # Without the server's time nothing that is open counts as too old.
    unproven = change.open is not None or bool(change.superseded)
    lands_late = unproven if world.now is None else may_land(change, world.now)
    if action.reason is Reason.FORGOTTEN_ON_REMOVE and lands_late:
        # Once it is forgotten, nobody would know that a late change of it was ours.
        until = lands_until(change)
        detail = (
            f"{action.detail}; its record stays while the server may still carry out an "
            f"update, until {until:%Y-%m-%d %H:%M:%S} UTC"
        )
        return Hold(**case.common(Reason.IN_DOUBT, detail), recorded=case.stored)
    if action.reason is Reason.FORGOTTEN_ON_REMOVE and len(past) < len(late):
        # Once it is forgotten, nothing would tell it from what the older request may have made.
        detail = (
            f"{action.detail}; its record stays while the server may still carry out an "
            "older create"
        )
        return Hold(**case.common(Reason.IN_DOUBT, detail), recorded=case.stored)
    if past and isinstance(action, Keep | Hold | Forget):
        return replace(action, outlived=past)
    if past and isinstance(action, Delete) and action.purpose in ENDS:
        return replace(action, outlived=past)
    return action


def _is_past(row: Recorded, world: World) -> bool:
    return world.now is not None and not may_come_true(row, world.now)
