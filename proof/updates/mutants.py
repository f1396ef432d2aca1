"""Mistakes in the protocol of updates, each put into the real engine for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from proof.mutant import Mutant, Patch
from proof.simulation import line
from reconciler.core.diff.comparison import LiveContent, echo_of
from reconciler.core.diff.update import UpdateContent
from reconciler.core.history.outcome import Failed, Outcome, Succeeded
from reconciler.core.model import ChangeRecord, Desired, Json, OpenChange, Purpose, Recorded, Remote
from reconciler.core.planning import changing, examining
from reconciler.core.planning.actions import AnyAction, Reason, Update
from reconciler.core.planning.case import DecisionInputs
from reconciler.core.planning.changing import replace_workload
from reconciler.core.protocol import changes
from reconciler.core.protocol.changes import ShownRev, classify_rev
from reconciler.core.protocol.marker import REV, with_annotations
from reconciler.core.redact import Redactor
from reconciler.engine import apply, recognition, records, update
from reconciler.engine.create import CreateTask
from reconciler.engine.records import confirm_update, open_update
from reconciler.engine.remove import DeleteTask
from reconciler.engine.run import ActionContext
from reconciler.engine.update import UpdateTask
from reconciler.engine.update_comparison import UpdateComparison
from reconciler.engine.waiting import wait


def _repeat_under_a_new_rev() -> list[Patch]:
    return [(UpdateTask, "_is_same", lambda *_: False)]


def _give_one_rev_two_bodies() -> list[Patch]:
    def is_same(self: UpdateTask, _: UpdateContent) -> bool:
        return self._row.change.open is not None

    return [(UpdateTask, "_is_same", is_same)]


def _replace_where_an_update_failed() -> list[Patch]:
    act = apply._act

    async def fall_back(action: AnyAction, work: ActionContext) -> Outcome:
        outcome = await act(action, work)
        if not (isinstance(action, Update) and isinstance(outcome, Failed)):
            return outcome
        removed = await DeleteTask(work, action.recorded, Purpose.REPLACE).carry_out(wait=True)
        if not isinstance(removed, Succeeded):
            return removed
        return await CreateTask(work, action.desired, replaces=True).carry_out()

    return [(apply, "_act", fall_back)]


def _believe_a_stale_status() -> list[Patch]:
    return [(wait, "is_status_stale", lambda *_: False)]


def _compare_with_a_stale_word() -> list[Patch]:
    return [(update, name, lambda *_: False) for name in ("is_status_stale", "may_land")]


def _keep_a_late_update_late() -> list[Patch]:
    def follow(row: Recorded, live: Remote, echo: Json, _: datetime) -> Recorded:
        change = changes.close_unsent(row.change)
        return replace(row, echo=echo, change=change, seen=live.seen, message=live.message)

    return [(update, "follow_live", follow)]


def _replace_for_a_stale_failed() -> list[Patch]:
    return [(examining, "is_status_stale", lambda *_: False)]


def _replace_what_an_update_made_fail() -> list[Patch]:
    def forget(row: Recorded, live: Remote, opened: OpenChange) -> Recorded:
        row = open_update(row, live, opened)
        return replace(row, change=replace(row.change, was_synced=False))

    return [(update, "open_update", forget)]


def _replace_where_an_update_is_open() -> list[Patch]:
    def fall_back(case: DecisionInputs, desired: Desired, reason: Reason, detail: str) -> AnyAction:
        if case.stored.change.open is not None:
            return replace_workload(case, Reason.SPEC_CHANGED, detail)
        return changing_update(case, desired, reason, detail)

    changing_update = changing.update
    return [(changing, "update", fall_back)]


def _drop_the_marker() -> list[Patch]:
    def only_rev(manifest: Json, annotations: Mapping[str, str]) -> Json:
        return with_annotations(manifest, {REV: annotations[REV]})

    return [(update, "with_annotations", only_rev)]


def _send_before_the_change_is_durable() -> list[Patch]:
    async def remember_only(self: UpdateTask, move: Any) -> None:
        under_way = self._row.change.open
        assert under_way is not None
        change = replace(self._row.change, open=move(under_way))
        self._row = replace(self._row, change=change)

    return [(UpdateTask, "_commit_open", remember_only)]


def _forget_superseded_revs() -> list[Patch]:
    def forget(change: ChangeRecord) -> ChangeRecord:
        return replace(change, open=None)

    return [(changes, "_give_up", forget)]


def _swallow_the_echo() -> list[Patch]:
    def swallow(row: Recorded, live: Remote, asked_at: datetime) -> Recorded:
        confirmed = confirm_update(row, live, asked_at)
        # As a create takes over its answer: what an update has left to others is lost with it.
        return replace(confirmed, echo=Redactor(records_key(row)).strict.redact(echo_of(live)))

    return [(update, "confirm_update", swallow)]


def records_key(row: Recorded) -> str:
    """The lineage under which a row was written."""
    return row.marker.partition("/")[0]


def _take_an_unknown_rev_for_drift() -> list[Patch]:
    def ignore(change: ChangeRecord, rev: str) -> ShownRev:
        shown = classify_rev(change, rev)
        return ShownRev.NONE if shown is ShownRev.FOREIGN else shown

    return [(module, "classify_rev", ignore) for module in (update, records, examining)]


def _send_stand_ins_of_secrets() -> list[Patch]:
    honest = UpdateComparison.compose

    def compose(self: UpdateComparison, row: Recorded, live: LiveContent) -> UpdateContent:
        content = honest(self, row, live)
        return replace(content, manifest=content.sent["manifest"])

    def look_away(*_: Any) -> frozenset[str]:
        return frozenset()

    return [
        (UpdateComparison, "compose", compose),
        (recognition, "find_marks", look_away),
        (line, "find_marks", look_away),
    ]


UPDATE_MUTANTS: Mapping[str, Mutant] = {
    "new-rev": Mutant(
        mistake="a repetition of an update has a new rev",
        patches=_repeat_under_a_new_rev,
    ),
    "two-bodies": Mutant(
        mistake="one rev has two bodies",
        patches=_give_one_rev_two_bodies,
    ),
    "fallback": Mutant(
        mistake="a failed update becomes a replace",
        patches=_replace_where_an_update_failed,
    ),
    "fallback-later": Mutant(
        mistake="an open update becomes a replace in the next run",
        patches=_replace_where_an_update_is_open,
    ),
    "stale-failed": Mutant(
        mistake="a Failed of the content before is replaced",
        patches=_replace_for_a_stale_failed,
    ),
    "failed-update": Mutant(
        mistake="onFailed replaces what failed after an update",
        patches=_replace_what_an_update_made_fail,
    ),
    "stale-status": Mutant(
        mistake="a word about the content before is believed",
        patches=_believe_a_stale_status,
    ),
    "stale-before": Mutant(
        mistake="a word before an update is taken for its content's",
        patches=_compare_with_a_stale_word,
    ),
    "late-kept": Mutant(
        mistake="a late update that is wanted stays late",
        patches=_keep_a_late_update_late,
    ),
    "marker-dropped": Mutant(
        mistake="an update drops the marker",
        patches=_drop_the_marker,
    ),
    "no-change": Mutant(
        mistake="an update is sent before it is durable",
        patches=_send_before_the_change_is_durable,
    ),
    "rev-forgotten": Mutant(
        mistake="a superseded rev is forgotten",
        patches=_forget_superseded_revs,
    ),
    "echo-swallowed": Mutant(
        mistake="drift that an update left is swallowed",
        patches=_swallow_the_echo,
    ),
    "rev-unknown": Mutant(
        mistake="an unknown rev is taken for drift",
        patches=_take_an_unknown_rev_for_drift,
    ),
    "stand-in": Mutant(
        mistake="the stand-in of a secret is sent",
        patches=_send_stand_ins_of_secrets,
    ),
}
