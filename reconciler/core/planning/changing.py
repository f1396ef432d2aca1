"""What becomes of a changed spec: an update where one works, a replace where it is forced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.diff.comparison import Compared
from reconciler.core.diff.diff import ABSENT, FieldChange
from reconciler.core.digest import canonical, digest
from reconciler.core.lifecycle import (
    OnChange,
)
from reconciler.core.model import (
    Desired,
    join_reasons,
)
from reconciler.core.planning.actions import AnyAction, Hold, Reason, Replace, Update
from reconciler.core.planning.case import DecisionInputs, OnDrift
from reconciler.core.planning.holds import explain_read_anew, hold, hold_unmarked, name_fields
from reconciler.core.planning.in_place import find_obstacle, update_rules
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.changes import ShownRev
from reconciler.core.secrets.marks import is_redacted


def change_spec(case: DecisionInputs, desired: Desired) -> AnyAction | None:
    """What the author has changed, and an update of ours that is not over yet."""
    if not case.changes and not is_update_open(case):
        return None
    if case.is_only_read_anew and not (case.is_asked_for or is_update_open(case)):
        return hold(case, Reason.SPEC_CHANGED, explain_read_anew(case))
    policy, can_update = desired.lifecycle.on_change, case.options.can_update
    fields = f"{name_fields(_find_deciding(case))} changed" if case.changes else ""
    forcing = [change for change in case.changes if change.forces_replace]
    if case.is_asked_for and can_update is not CanUpdate.NO:
        detail = join_reasons(fields, "asked for by --replace")
        return replace_workload(case, Reason.SPEC_CHANGED, detail)
    if policy is OnChange.REPLACE and case.changes and can_update is not CanUpdate.NO:
        detail = f"{fields}; replaced by onChange: replace"
        return replace_workload(case, Reason.SPEC_CHANGED, detail)
    if can_update is CanUpdate.NO and case.changes:
        detail = f"{fields}; {_name_server(case)} can only delete and create"
    elif forcing and can_update is CanUpdate.YES:
        others = f" (and {len(forcing) - 1} more)" if len(forcing) > 1 else ""
        detail = f"{forcing[0].pointer} {forcing[0].reason}{others}"
    elif case.options.on_drift is OnDrift.REPLACE and case.fresh_drift:
        # A replace takes back the drift and carries out the change; the rule of drift decides.
        return None
    else:
        return update(case, desired, Reason.SPEC_CHANGED, fields)
    if case.is_asked_for:
        return replace_workload(case, Reason.SPEC_CHANGED, detail)
    if policy is OnChange.HOLD:
        return hold(case, Reason.SPEC_CHANGED, f"{detail}; held by onChange: hold")
    if policy is OnChange.UPDATE:
        held = f"held by onChange: update (--replace {case.row.address} replaces it)"
        return hold(case, Reason.SPEC_CHANGED, f"{detail}; {held}", forbidden=True)
    return replace_workload(case, Reason.SPEC_CHANGED, detail)


def _find_deciding(case: DecisionInputs) -> Sequence[FieldChange]:
    """The changes that make a difference on the server; all of them where none is known to."""
    # What only writes down what runs anyway is shown as well, and is no reason for anything.
    differing = {change.pointer for change in case.submission.changes if not change.ignored}
    return [change for change in case.changes if change.pointer in differing] or case.changes


def _name_server(case: DecisionInputs) -> str:
    version = case.target.api_version
    return f"API {version}" if version else "this server"


def is_update_open(case: DecisionInputs) -> bool:
    """Whether an update of ours has to be settled, also where the spec is as recorded again."""
    change, live = case.stored.change, case.live
    is_of_former = isinstance(live, Compared) and live.marker in change.former_markers
    return change.open is not None or case.shown_rev is ShownRev.LATE or is_of_former


def update(case: DecisionInputs, desired: Desired, reason: Reason, detail: str) -> AnyAction:
    """Change it in place, or hold that: what an update could do is never done by a replace."""
    begun = is_update_open(case)
    if begun and case.stored.change.open is None:
        late = "an update of ours that was given up"
        if case.shown_rev is not ShownRev.LATE:
            late = "an update of its former owner"
        reason, detail = Reason.LATE_UPDATE, join_reasons(f"{late} came true late", detail)
    elif begun:
        detail = join_reasons("an update of it was cut short", detail)
    if held := _find_update_hold(case, desired, reason, detail, begun=begun):
        return held
    # Priority and category are the platform's, and change whatever the kind.
    is_in_manifest = any(change.pointer.startswith("/manifest") for change in case.changes)
    removed = [change for change in case.changes if change.after is ABSENT and not change.ignored]
    if removed and case.options.keeps_removed:
        kept = f"this server keeps what an update no longer has, {name_fields(removed)}"
        detail = f"{detail}; {kept}; to take it away: --replace {case.row.address}"
    if not begun and is_in_manifest and not update_rules(desired.manifest).is_proven:
        reason = Reason.UPDATE_UNPROVEN
    live = case.live if isinstance(case.live, Compared) else None
    echo = case.row.echo if case.row.echo is not None else case.row.spec
    undo_drift = case.options.on_drift is OnDrift.UPDATE
    # Only here: in most plans nothing is changed in place.
    from reconciler.core.diff.three_way import Value, merge_three_way
    from reconciler.core.diff.update import without_cluster_fields

    # On redacted documents: the engine merges with what it reads, and decides in the same way.
    now = echo if live is None or live.answer is None else live.answer
    merged = merge_three_way(
        Value(desired.spec, case.declared),
        Value(now, case.redactor.strict.redact(now)),
        before=case.declared_by_us,
        echo=echo,
        ignored=desired.lifecycle.ignore_changes,
        undo_drift=undo_drift,
    )
    # As text: a plan may hold thousands.
    document = case.redactor.record(without_cluster_fields(merged.document))[0]
    # What may still land changes what is ours to remove, what is kept leaves another echo, and of
    # secrets only digests are known here.
    change = case.stored.change
    is_settled = case.row.is_declared and change.open is None and not change.superseded
    is_final = is_settled and not merged.kept and not is_redacted(canonical(document))
    return Update(
        **case.common(reason, detail, changes=(*case.changes, *case.settings)),
        recorded=case.stored,
        desired=desired,
        drift=case.drift,
        overwrites=merged.overwritten,
        undo_drift=undo_drift,
        document=document,
        merged_with=digest(now) if is_final else "",
    )


def _find_update_hold(
    case: DecisionInputs, desired: Desired, reason: Reason, detail: str, *, begun: bool
) -> Hold | None:
    """What keeps an update from being sent: a setting, this server, or a mark that is not ours."""
    address = case.row.address
    # What was begun is finished whatever the settings say now: its PUT may land at any time (A4).
    if desired.lifecycle.on_change is OnChange.HOLD and not begun and case.changes:
        return hold(case, reason, f"{detail}; held by onChange: hold")
    if case.options.no_update:
        return hold(case, reason, f"{detail}; held by --no-update", forbidden=True)
    # An approved update never deletes, so neither a no nor a doubt turns it into a replace (I17).
    if case.options.can_update is not CanUpdate.YES:
        obstacle = f"it is not known whether {_name_server(case)} can change it in place"
        if case.options.can_update is CanUpdate.NO:
            obstacle = f"{_name_server(case)} can only delete and create"
        ways = f"set api_version to the server's, or end it with --replace {address}"
        return hold(case, Reason.UPDATE_UNKNOWN, f"{detail}; {obstacle}: {ways}", fails=True)
    if case.unmarked:
        return hold_unmarked(case, detail)
    if case.stored.change.drops_annotations:
        # Without its annotation nothing would tell an update that was made from one that was not.
        lost = "this server drops our annotations with an update, so none can be proven"
        detail = f"{detail}; {lost}; to end it: --replace {address}"
        return hold(case, Reason.MARKER_MISSING, detail, fails=True)
    return None


def undo_by_update(
    case: DecisionInputs, desired: Desired, drift: Sequence[FieldChange]
) -> AnyAction:
    """Somebody asked to take back in place what others have changed."""
    detail = f"{name_fields(drift)} was changed on the server"
    obstacles = [(c.pointer, find_obstacle(c.pointer, case.running, case.declared)) for c in drift]
    obstacle = next((f"{pointer} {reason}" for pointer, reason in obstacles if reason), "")
    if case.options.can_update is CanUpdate.NO:
        obstacle = f"{_name_server(case)} can only delete and create"
    if obstacle:
        detail = f"{detail}; {obstacle}; held: --on-drift replace takes it back"
        return hold(case, Reason.DRIFTED, detail, forbidden=True)
    return update(case, desired, Reason.DRIFTED, detail)


def replace_workload(case: DecisionInputs, reason: Reason, detail: str) -> AnyAction:
    """Delete it and create it anew, unless that is forbidden."""
    submission = case.submission
    detail = join_reasons(detail, submission.exposed_text)
    changes = submission.changes
    if all(change.ignored for change in changes):
        # The server repeats what it was sent in another form: what led to this is still to be told.
        undone = (replace(c, before=c.after, after=c.before) for c in case.drift)
        changes = (*(case.changes or undone), *changes)
    changes = (*changes, *case.settings)
    # A replace needs both: half of it would leave the name empty.
    for flag, is_given in (
        ("--no-delete", case.options.no_delete),
        ("--no-create", case.options.no_create),
    ):
        if is_given:
            held_back = hold(case, reason, f"{detail}; held by {flag}", forbidden=True)
            return replace(held_back, changes=changes)
    if case.unmarked:
        return hold_unmarked(case, detail)
    # Remembered, so that whoever makes the same change again is not fought in every run.
    overwritten = tuple(change.pointer for change in case.drift)
    before = case.row.undone if reason is Reason.DRIFTED else ()
    return Replace(
        **case.common(reason, detail, changes=changes),
        recorded=case.stored,
        desired=submission.desired,
        kept=submission.kept,
        undone=tuple(dict.fromkeys((*before, *overwritten))),
    )
