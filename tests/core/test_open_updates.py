"""Updates that were begun, came true late, or were made by another copy of the state."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.lifecycle import (
    Lifecycle,
    OnFailed,
    OnRemove,
)
from reconciler.core.model import (
    ChangeRecord,
    Desired,
    LastSeen,
    Live,
    OpenChange,
    Recorded,
    Remote,
    SentRev,
)
from reconciler.core.planning.actions import (
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Update,
)
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import REV, with_annotations
from reconciler.errors import Where
from tests.support.decisions import told, with_lifecycle
from tests.support.factories import (
    NOW,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
)
from tests.support.updates import (
    ROW,
    SCALED,
    SERVER_TIME,
    TEMPLATE,
    WANTED,
    decide,
    plan_of,
)

OPEN = OpenChange(
    rev="rev-2",
    base="",
    body_digest="sha256:0",
    digest=make_recorded(SCALED).digest,
    spec=SCALED.spec,
    body=SCALED.spec,
    attempts=1,
    first_sent_at=NOW,
    last_sent_at=NOW,
    ambiguous=True,
)
BEGUN = dataclasses.replace(ROW, change=ChangeRecord(open=OPEN))
LATER = SERVER_TIME + timedelta(hours=1)


def shows(rev: str, desired: Desired, row: Recorded = ROW, **fields: Any) -> Remote:
    """Return a workload that shows an update."""
    remote = make_remote(row, desired, **fields)
    annotations = {REV: rev} if rev else {}
    return dataclasses.replace(
        remote, raw_manifest=with_annotations(remote.raw_manifest, annotations)
    )


@pytest.mark.parametrize(
    ("desired", "live", "detail"),
    [
        # Not there yet, and still wanted.
        (SCALED, shows("", WANTED), "; /manifest/spec/replicas changed"),
        # There, and only to be recorded.
        (SCALED, shows("rev-2", SCALED), ""),
        # Taken back: the spec is the recorded one again.
        (WANTED, shows("", WANTED), ""),
        (WANTED, shows("rev-2", SCALED), "; /manifest/spec/replicas changed"),
        # Nobody has looked.
        (WANTED, None, ""),
    ],
)
def test_an_open_update_is_an_action(desired: Desired, live: Live | None, detail: str) -> None:
    """Whatever the spec says by now: a request of it may still come true."""
    plan = plan_of(desired, BEGUN, live, now=LATER)
    [action] = plan.actions
    assert told(action) == (
        Update,
        Reason.SPEC_CHANGED,
        f"an update of it was cut short{detail}",
    )
    assert isinstance(action, Update)
    assert (action.recorded, action.drift, plan.drift) == (BEGUN, (), ())


def test_what_runs_by_an_unproven_update_is_compared_with_that() -> None:
    """What we have sent is no drift; what somebody has changed since is."""
    live = shows("rev-2", SCALED, raw_manifest=make_manifest(replicas=2, image="theirs"))
    plan = plan_of(SCALED, BEGUN, live, now=LATER)
    assert [[c.pointer for c in each.changes] for each in plan.drift] == [[TEMPLATE]]
    assert plan.actions[0].gpus == GpuEffect(before=2, after=2)


def test_what_was_begun_may_be_held_but_not_forgotten() -> None:
    """--no-update sends nothing; and nothing of it becomes a replace."""
    assert told(decide(SCALED, BEGUN, now=LATER, no_update=True)) == (
        Hold,
        Reason.SPEC_CHANGED,
        "an update of it was cut short; /manifest/spec/replicas changed; held by --no-update",
    )
    action = decide(SCALED, BEGUN, now=LATER, can_update=CanUpdate.UNKNOWN)
    assert (type(action), action.reason) == (Hold, Reason.UPDATE_UNKNOWN)


LATE = dataclasses.replace(
    ROW,
    change=ChangeRecord(
        confirmed="rev-3",
        superseded=(SentRev(rev="rev-2", last_sent_at=NOW, spec=SCALED.spec, body=SCALED.spec),),
    ),
)


def test_an_update_that_came_true_late_is_ours_and_no_drift() -> None:
    """It is updated again, to what is declared now."""
    plan = plan_of(WANTED, LATE, shows("rev-2", SCALED, LATE), now=LATER)
    [action] = plan.actions
    assert told(action) == (
        Update,
        Reason.LATE_UPDATE,
        "an update of ours that was given up came true late; /manifest/spec/replicas changed",
    )
    assert plan.drift == ()
    assert [(c.pointer, c.before, c.after) for c in action.changes] == [
        ("/manifest/spec/replicas", 2, 1)
    ]


@pytest.mark.parametrize("row", [ROW, BEGUN, LATE])
def test_an_update_by_another_copy_of_the_state_is_recorded_first(row: Recorded) -> None:
    """Never drift, never the old one: nothing is sent before the next plan has seen it."""
    live = shows("rev-9", make_desired(manifest=make_manifest(replicas=7)), row)
    plan = plan_of(SCALED, row, live, now=LATER)
    assert plan.actions == (
        Record(
            address=make_address(),
            reason=Reason.ALREADY_OWNED,
            detail="another copy of this state has updated it; that is recorded, and nothing is "
            "sent",
            source=Where(file="llm.yaml"),
            gpus=GpuEffect(before=7, after=7),
            recorded=row,
            desired=SCALED,
            rev="rev-9",
        ),
    )
    assert plan.drift == ()


def test_what_lags_behind_a_proven_update_is_not_taken_for_drift() -> None:
    """Within a minute a replica may show what was there before, content and status (A6)."""
    confirmed = ChangeRecord(confirmed="rev-2", base="rev-1", proven_at=NOW)
    row = dataclasses.replace(make_recorded(SCALED), change=confirmed)
    old = shows("rev-1", WANTED, row, seen=LastSeen.FAILED)
    soon = plan_of(SCALED, row, old, now=SERVER_TIME + timedelta(seconds=30))
    assert ([type(a) for a in soon.actions], soon.drift) == ([Keep], ())
    # Later on it is somebody's doing.
    assert plan_of(SCALED, row, old, now=LATER).drift != ()


@pytest.mark.parametrize(("minutes", "expected"), [(1, Hold), (10, Forget)])
def test_what_may_still_change_late_is_not_forgotten(minutes: int, expected: type) -> None:
    """Nobody would know afterwards that the change was ours."""
    row = dataclasses.replace(BEGUN, lifecycle=Lifecycle(on_remove=OnRemove.FORGET))
    action = decide(None, row, make_remote(row), now=SERVER_TIME + timedelta(minutes=minutes))
    assert type(action) is expected
    if expected is Hold:
        assert (action.reason, action.detail) == (
            Reason.IN_DOUBT,
            (
                "no spec declares it any more, created by run run-1; left on the server (onRemove: "
                "forget); its record stays while the server may still carry out an update, until "
                "2026-11-20 09:06:02 UTC"
            ),
        )


def test_without_the_servers_time_any_late_update_counts() -> None:
    """--no-refresh asks nobody, and forgets nothing that may still change."""
    row = dataclasses.replace(BEGUN, lifecycle=Lifecycle(on_remove=OnRemove.FORGET))
    assert type(decide(None, row)) is Hold


def failed(change: ChangeRecord) -> tuple[Recorded, Remote]:
    """Return a record whose cluster has refused the last update, and what is read of it."""
    row = make_recorded(with_lifecycle(SCALED, on_failed=OnFailed.REPLACE), seen=LastSeen.FAILED)
    row = dataclasses.replace(row, change=change)
    live = shows(change.confirmed, SCALED, row, seen=LastSeen.FAILED, message="no image")
    return row, live


def test_an_update_that_failed_is_not_replaced_unasked() -> None:
    """What ran before may still run: onFailed: replace would end it. Three ways out are named."""
    row, live = failed(ChangeRecord(confirmed="rev-2", proven_at=NOW, was_synced=True))
    desired = with_lifecycle(SCALED, on_failed=OnFailed.REPLACE)
    plan = plan_of(desired, row, live, now=LATER)
    [action] = plan.actions
    assert told(action) == (
        Hold,
        Reason.SYNC_FAILED,
        (
            "the cluster refused it: no image; what ran before its update may still run. Take the "
            "change back and apply, or mend it and apply, or end it with --replace 4501/llm"
        ),
    )
    assert plan.failing == (action,)
    asked = decide(desired, row, live, now=LATER, replace=("4501/llm",))
    assert told(asked) == (Replace, Reason.SYNC_FAILED, "the cluster refused it: no image")
    # Taking it back is an update like any other.
    assert (
        type(decide(with_lifecycle(WANTED, on_failed=OnFailed.REPLACE), row, live, now=LATER))
        is Update
    )


def test_what_never_ran_is_replaced_as_its_author_says() -> None:
    """Nothing of it was ever synced, so an update that failed as well has ended nothing."""
    row, live = failed(ChangeRecord(confirmed="rev-2", proven_at=NOW))
    action = decide(with_lifecycle(SCALED, on_failed=OnFailed.REPLACE), row, live, now=LATER)
    assert told(action) == (Replace, Reason.SYNC_FAILED, "the cluster refused it: no image")


def test_a_stale_failure_is_not_believed() -> None:
    """For ten seconds it may speak about the content before the update (A7)."""
    row, live = failed(ChangeRecord(confirmed="rev-2", proven_at=NOW))
    desired = with_lifecycle(SCALED, on_failed=OnFailed.REPLACE)
    assert type(decide(desired, row, live, now=SERVER_TIME + timedelta(seconds=5))) is Keep


def test_a_failure_that_an_apply_has_told_is_told_at_once_again() -> None:
    """It has waited until the word was about the update; until then nothing is recorded of it."""
    row, live = failed(ChangeRecord(confirmed="rev-2", proven_at=NOW, was_synced=True))
    desired = with_lifecycle(SCALED, on_failed=OnFailed.REPLACE)
    soon = SERVER_TIME + timedelta(seconds=5)
    assert told(decide(desired, row, live, now=soon))[:2] == (Hold, Reason.SYNC_FAILED)
    unwaited = dataclasses.replace(row, seen=LastSeen.QUEUED)
    assert type(decide(desired, unwaited, live, now=soon)) is Keep


def test_a_server_that_drops_our_annotations_gets_no_further_update() -> None:
    """None could be proven; the way out is named."""
    row = dataclasses.replace(ROW, change=ChangeRecord(drops_annotations=True))
    action = decide(SCALED, row)
    assert told(action) == (
        Hold,
        Reason.MARKER_MISSING,
        (
            "/manifest/spec/replicas changed; this server drops our annotations with an update, so "
            "none can be proven; to end it: --replace 4501/llm"
        ),
    )


def test_what_another_owner_has_marked_is_left_to_that_one() -> None:
    """A former owner sees who took it over, and touches nothing."""
    taken = with_annotations(
        make_manifest(),
        {"workload-reconciler/op": "another/op", "workload-reconciler/stack": "green"},
    )
    live = make_remote(ROW, raw_manifest=taken)
    action = decide(SCALED, ROW, live)
    assert told(action) == (
        Hold,
        Reason.TAKEN_OVER,
        (
            "taken over by stack 'green'; left alone. If that is meant, remove its spec here and "
            "run: reconciler state rm 4501/llm"
        ),
    )
    # Nor is it deleted once its spec is gone; only its record may go.
    removed = decide(None, ROW, live)
    assert isinstance(removed, Hold)
    assert (told(removed), removed.fails) == (told(action), True)
    forgotten = dataclasses.replace(ROW, lifecycle=Lifecycle(on_remove=OnRemove.FORGET))
    assert type(decide(None, forgotten, live)) is Forget
