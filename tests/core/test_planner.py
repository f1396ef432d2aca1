from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.diff.diff import ABSENT, FieldChange, Origin
from reconciler.core.digest import digest
from reconciler.core.lifecycle import (
    Lifecycle,
    OnChange,
    OnFailed,
    OnMissing,
    OnRemove,
)
from reconciler.core.model import (
    Desired,
    LastSeen,
    Live,
    Missing,
    Own,
    Purpose,
    Recorded,
    Unread,
)
from reconciler.core.planning.actions import (
    Create,
    Delete,
    Forget,
    GpuEffect,
    Hold,
    Keep,
    Reason,
    Record,
    Replace,
    Resolve,
)
from reconciler.core.planning.case import OnDrift
from reconciler.core.planning.plan import Plan
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.engine.records import follow_spec
from reconciler.errors import Where
from tests.support.decisions import decide, plan_of, told, with_lifecycle
from tests.support.factories import (
    LINEAGE,
    NOW,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)

WANTED = make_desired()
CHANGED = make_desired(manifest=make_manifest(replicas=2))
ROW = make_recorded(WANTED)
JOB = make_desired(manifest=make_manifest("Job"))
DRIFTED = make_manifest(image="somebody/else:1")
IMAGE = "/manifest/spec/template/spec/containers/0/image"
REPLICAS = FieldChange(pointer="/manifest/spec/replicas", before=1, after=2, forces_replace=True)
API = "API 2.23 can only delete and create"


def test_what_is_new_is_created() -> None:
    """A declared workload that the state does not know is made, from the line that declares it."""
    desired = make_desired(file="team-a/llm.yaml", line=3, wave=2)
    assert decide(desired, None) == Create(
        address=make_address(),
        reason=Reason.NEW,
        detail="declared, and not in the state yet",
        source=Where(file="team-a/llm.yaml", line=3),
        wave=2,
        gpus=GpuEffect(before=0, after=1),
        desired=desired,
        document=desired.spec,
    )


def test_what_is_as_declared_is_kept() -> None:
    """A workload that is wanted and there is quiet."""
    assert decide(WANTED, ROW, make_remote(ROW)) == Keep(
        address=make_address(),
        reason=Reason.ALREADY_OWNED,
        source=Where(file="llm.yaml"),
        gpus=GpuEffect(before=1, after=1),
        recorded=ROW,
    )


def test_a_changed_spec_is_replaced() -> None:
    """The API has no update: every changed field forces a delete and a create."""
    assert decide(CHANGED, ROW, make_remote(ROW)) == Replace(
        address=make_address(),
        reason=Reason.SPEC_CHANGED,
        detail=f"/manifest/spec/replicas changed; {API}",
        source=Where(file="llm.yaml"),
        gpus=GpuEffect(before=1, after=2, since=NOW),
        changes=(REPLICAS,),
        recorded=ROW,
        desired=CHANGED,
        document=CHANGED.spec,
    )


def test_a_replace_names_the_first_field_and_counts_the_others() -> None:
    """The reason fits on a line however much has changed."""
    desired = make_desired(manifest=make_manifest(replicas=2, gpus=4, image="b"))
    detail = f"/manifest/spec/replicas and 2 more changed; {API}"
    assert told(decide(desired, ROW)) == (Replace, Reason.SPEC_CHANGED, detail)


def test_a_replace_names_the_field_that_needs_it() -> None:
    """What the spec only writes down as it runs is no reason, whatever comes first."""
    desired = make_desired(metadata={"priority": "high"}, manifest=make_manifest(replicas=2))
    desired.manifest["metadata"]["namespace"] = "runai-a"
    live = make_remote(
        ROW,
        metadata={**WANTED.metadata, "priority": "high"},
        raw_manifest=with_namespace(make_manifest()),
    )
    detail = f"/manifest/spec/replicas changed; {API}"
    assert told(decide(desired, ROW, live)) == (Replace, Reason.SPEC_CHANGED, detail)


def with_namespace(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a server answers that has put a workload into the namespace of its project."""
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "runai-a"}}


def test_what_was_removed_is_deleted() -> None:
    """A delete names the run that created the workload, and carries the recorded wave."""
    row = make_recorded(make_desired(wave=3))
    assert decide(None, row, make_remote(row)) == Delete(
        address=make_address(),
        reason=Reason.REMOVED_FROM_SPECS,
        detail="no spec declares it any more, created by run run-1",
        wave=3,
        gpus=GpuEffect(before=1, after=0, since=NOW),
        recorded=row,
    )


def test_what_was_removed_may_be_forgotten() -> None:
    """The recorded onRemove decides, since the spec is gone; the GPUs stay in use."""
    row = make_recorded(make_desired(on_remove=OnRemove.FORGET), run="")
    assert decide(None, row, make_remote(row)) == Forget(
        address=make_address(),
        reason=Reason.FORGOTTEN_ON_REMOVE,
        detail="no spec declares it any more; left on the server (onRemove: forget)",
        gpus=GpuEffect(before=1, after=1),
        recorded=row,
    )


def test_what_is_destroyed_was_asked_for() -> None:
    """`destroy` says why; onRemove: forget still forgets, --no-delete still holds."""
    detail = "destroy was asked for, created by run run-1"
    assert told(decide(None, ROW, destroying=True)) == (Delete, Reason.REQUESTED, detail)
    held = decide(None, ROW, destroying=True, no_delete=True)
    assert told(held) == (Hold, Reason.REQUESTED, f"{detail}; held by --no-delete")
    row = make_recorded(make_desired(on_remove=OnRemove.FORGET))
    assert type(decide(None, row, destroying=True)) is Forget


FINISHED = "no longer on the server; a finished job is not run again (set onMissing: recreate)"
MISSING = Missing(message="not found", proven=True)
GONE = make_remote(ROW, seen=LastSeen.DELETED)


@pytest.mark.parametrize("live", [MISSING, GONE])
@pytest.mark.parametrize(
    ("desired", "expected"),
    [
        (WANTED, (Create, Reason.MISSING_ON_SERVER, "deleted on the server by somebody else")),
        (
            with_lifecycle(WANTED, on_missing=OnMissing.RECREATE),
            (Create, Reason.MISSING_ON_SERVER, "deleted on the server by somebody else"),
        ),
        (
            with_lifecycle(WANTED, on_missing=OnMissing.HOLD),
            (Hold, Reason.MISSING_ON_SERVER, "no longer on the server; held by onMissing: hold"),
        ),
        (
            with_lifecycle(WANTED, on_missing=OnMissing.FAIL),
            (Hold, Reason.MISSING_ON_SERVER, "no longer on the server; onMissing: fail"),
        ),
        (
            JOB,
            (
                Hold,
                Reason.RUN_TO_COMPLETION,
                FINISHED,
            ),
        ),
        (
            with_lifecycle(JOB, on_missing=OnMissing.RECREATE),
            (Create, Reason.MISSING_ON_SERVER, "deleted on the server by somebody else"),
        ),
        (None, (Forget, Reason.MISSING_ON_SERVER, "gone from the server and from the specs")),
    ],
)
def test_what_is_missing(desired: Desired | None, live: Live, expected: Any) -> None:
    """onMissing decides; without it, what finishes by itself is not run again by surprise."""
    row = make_recorded(desired or WANTED)
    action = decide(desired, row, live)
    assert told(action) == expected
    assert action.gpus.before == 0
    assert isinstance(action, Create) is (action.gpus.after == 1)


def test_only_on_missing_fail_makes_an_apply_fail() -> None:
    """A hold is no failure unless the author said so."""
    for policy in (OnMissing.HOLD, OnMissing.FAIL):
        action = decide(with_lifecycle(WANTED, on_missing=policy), ROW, MISSING)
        assert isinstance(action, Hold)
        assert action.fails is (policy is OnMissing.FAIL)


def test_what_is_recreated_remembers_what_was_lost() -> None:
    """The engine looks the lost one up by name before it makes another."""
    action = decide(WANTED, ROW, MISSING)
    assert isinstance(action, Create)
    assert (action.lost, action.desired, action.id) == (ROW, WANTED, None)


FAILED = make_remote(ROW, seen=LastSeen.FAILED, message="no such image")
REFUSED = "the cluster refused it: no such image"


@pytest.mark.parametrize(
    ("desired", "live", "options", "expected"),
    [
        (WANTED, FAILED, {}, (Hold, Reason.SYNC_FAILED, REFUSED)),
        (
            WANTED,
            make_remote(ROW, seen=LastSeen.FAILED),
            {},
            (Hold, Reason.SYNC_FAILED, "the cluster refused it: no message"),
        ),
        (WANTED, FAILED, {"replace": ("4501/llm",)}, (Replace, Reason.SYNC_FAILED, REFUSED)),
        (WANTED, FAILED, {"replace": ("4501/l*",)}, (Replace, Reason.SYNC_FAILED, REFUSED)),
        (WANTED, FAILED, {"replace": ("4502/*",)}, (Hold, Reason.SYNC_FAILED, REFUSED)),
        (WANTED, FAILED, {"retry_failed": True}, (Replace, Reason.SYNC_FAILED, REFUSED)),
        (
            make_desired(on_failed=OnFailed.REPLACE),
            FAILED,
            {},
            (Replace, Reason.SYNC_FAILED, REFUSED),
        ),
        (
            CHANGED,
            FAILED,
            {},
            (Replace, Reason.SPEC_CHANGED, f"/manifest/spec/replicas changed; {API}"),
        ),
    ],
)
def test_what_the_cluster_refused(
    desired: Desired, live: Live, options: dict[str, Any], expected: Any
) -> None:
    """It is reported and kept unless onFailed, --replace or a new spec says otherwise."""
    row = make_recorded(with_lifecycle(WANTED, on_failed=desired.lifecycle.on_failed))
    assert told(decide(desired, row, live, **options)) == expected


@pytest.mark.parametrize(
    ("desired", "lifecycle", "live", "fails"),
    [
        (WANTED, {}, FAILED, True),
        (WANTED, {"on_failed": OnFailed.IGNORE}, FAILED, False),
        (CHANGED, {"on_change": OnChange.HOLD}, FAILED, True),
        (CHANGED, {"on_change": OnChange.HOLD, "on_failed": OnFailed.IGNORE}, FAILED, False),
        (WANTED, {}, None, True),
        (WANTED, {"on_failed": OnFailed.REPLACE}, None, True),
    ],
)
def test_what_the_cluster_refused_fails_every_apply(
    desired: Desired, lifecycle: dict[str, Any], live: Live | None, fails: bool
) -> None:
    """Also beside a change that waits, and unread; only onFailed: ignore makes it no failure."""
    row = dataclasses.replace(
        make_recorded(with_lifecycle(WANTED, **lifecycle)), seen=LastSeen.FAILED
    )
    plan = plan_of(with_lifecycle(desired, **lifecycle), row, live, refreshed=live is not None)
    assert [type(action) for action in plan.actions] == [Hold]
    assert plan.has_changes is bool(plan.due_holds) is fails


def test_a_change_may_be_held_until_it_is_asked_for() -> None:
    """onChange: hold waits for --replace with this address, and shows what waits."""
    desired = with_lifecycle(CHANGED, on_change=OnChange.HOLD)
    row = make_recorded(with_lifecycle(WANTED, on_change=OnChange.HOLD))
    detail = f"/manifest/spec/replicas changed; {API}"
    held = decide(desired, row, replace=("4501/other",))
    assert told(held) == (Hold, Reason.SPEC_CHANGED, f"{detail}; held by onChange: hold")
    assert held.changes == (REPLICAS,)
    asked = decide(desired, row, replace=("4501/llm",))
    assert told(asked) == (Replace, Reason.SPEC_CHANGED, detail)


def test_a_replace_can_be_asked_for() -> None:
    """--replace carries out a replace that nothing else would lead to."""
    action = decide(WANTED, ROW, make_remote(ROW), replace=("4501/llm",))
    assert told(action) == (Replace, Reason.REQUESTED, "asked for by --replace")


def test_drift_is_reported_and_by_wish_replaced() -> None:
    """A remote-only change is shown, not undone, unless --on-drift replace is given."""
    live = make_remote(ROW, raw_manifest=DRIFTED)
    change = FieldChange(
        pointer=IMAGE, before="nvcr.io/llm:1", after="somebody/else:1", origin=Origin.REMOTE
    )
    reported = plan_of(WANTED, ROW, live)
    assert told(reported.actions[0]) == (Keep, Reason.ALREADY_OWNED, "")
    assert [(str(d.address), d.changes) for d in reported.drift] == [("4501/llm", (change,))]
    assert reported.has_changes
    assert reported.changes == ()
    replaced = plan_of(WANTED, ROW, live, on_drift=OnDrift.REPLACE)
    [action] = replaced.actions
    assert told(action) == (Replace, Reason.DRIFTED, f"{IMAGE} was changed on the server")
    undone = dataclasses.replace(change, before=change.after, after=change.before)
    assert action.changes == (undone,)


def test_a_spec_that_follows_the_server_sends_nothing() -> None:
    """Somebody changed the workload by hand, its author accepts that: it must not be stopped."""
    live = make_remote(ROW, CHANGED)
    following = plan_of(CHANGED, ROW, live)
    [action] = following.actions
    assert following.drift == ()
    agreed = dataclasses.replace(REPLICAS, forces_replace=False)
    assert told(action) == (
        Record,
        Reason.SPEC_CHANGED,
        "/manifest/spec/replicas is on the server as it is declared now; nothing is sent",
    )
    assert isinstance(action, Record)
    assert action.agreed == action.changes == (agreed,)
    row = follow_spec(ROW, CHANGED, action.echo, Redactor(LINEAGE))
    plan = plan_of(CHANGED, row, live)
    assert (plan.changes, plan.drift) == ((), ())


@pytest.mark.parametrize(
    "desired",
    [
        make_desired(manifest=make_manifest(replicas=3)),
        make_desired(manifest=make_manifest(replicas=2, gpus=2)),
        make_desired(manifest=make_manifest(replicas=2) | {"extra": {}}),
    ],
)
def test_a_spec_that_asks_for_more_than_the_server_has_is_a_change(desired: Desired) -> None:
    """Agreement in part is none."""
    assert isinstance(decide(desired, ROW, make_remote(ROW, CHANGED)), Replace)


def test_agreement_needs_an_echo_that_says_what_the_spec_said() -> None:
    """A server that had rewritten the value may do so again; nobody can tell what it would be."""
    echo = {**ROW.spec, "manifest": make_manifest(replicas=7)}
    row = dataclasses.replace(ROW, echo=echo)
    assert isinstance(decide(CHANGED, row, make_remote(row, CHANGED)), Replace)


def test_a_changed_spec_wins_over_drift() -> None:
    """The action shows both, each as whose it is: what is sent overwrites the other one."""
    plan = plan_of(CHANGED, ROW, make_remote(ROW, raw_manifest=DRIFTED), on_drift=OnDrift.REPLACE)
    overwritten = FieldChange(
        pointer=IMAGE, before="somebody/else:1", after="nvcr.io/llm:1", origin=Origin.REMOTE
    )
    assert [(a.reason, a.changes) for a in plan.actions] == [
        (Reason.SPEC_CHANGED, (REPLICAS, overwritten))
    ]
    assert [c.origin for d in plan.drift for c in d.changes] == [Origin.REMOTE]


@pytest.mark.parametrize(
    ("patterns", "kind"),
    [
        ((), Replace),
        (("/manifest/spec/replicas",), Keep),
        (("/manifest/*/replicas",), Keep),
        (("/manifest/spec",), Keep),
        (("/manifest/spec/replica",), Replace),
        (("/*/replicas",), Replace),
        (("/metadata",), Replace),
    ],
)
def test_ignored_fields_lead_to_nothing(patterns: tuple[str, ...], kind: type) -> None:
    """ignoreChanges covers the author's changes and those on the server alike."""
    row = make_recorded(with_lifecycle(WANTED, ignore_changes=patterns))
    assert type(decide(with_lifecycle(CHANGED, ignore_changes=patterns), row)) is kind
    remote = make_remote(row, raw_manifest=CHANGED.manifest)
    drifted = plan_of(with_lifecycle(WANTED, ignore_changes=patterns), row, remote).drift
    assert bool(drifted) is (kind is Replace)
    removed = plan_of(None, row, remote).drift
    assert bool(removed) is (kind is Replace)


def test_changed_settings_are_recorded_and_nothing_is_sent() -> None:
    """A change of lifecycle alone is remembered in the state."""
    desired = make_desired(protect=True)
    assert decide(desired, ROW, make_remote(ROW)) == Record(
        address=make_address(),
        reason=Reason.LIFECYCLE_CHANGED,
        detail="protect false → true; nothing is sent",
        source=Where(file="llm.yaml"),
        gpus=GpuEffect(before=1, after=1),
        changes=(FieldChange(pointer="/lifecycle/protect", before=False, after=True),),
        recorded=ROW,
        desired=desired,
    )


@pytest.mark.parametrize(
    ("desired", "live", "options", "changed", "held"),
    [
        (
            with_lifecycle(WANTED, on_failed=OnFailed.IGNORE),
            FAILED,
            {},
            "protect false → true, onFailed report → ignore",
            REFUSED,
        ),
        (
            with_lifecycle(CHANGED, on_change=OnChange.HOLD),
            None,
            {},
            "protect false → true, onChange update-or-replace → hold",
            f"/manifest/spec/replicas changed; {API}; held by onChange: hold",
        ),
    ],
)
def test_protection_does_not_wait_for_what_is_held(
    desired: Desired, live: Live | None, options: dict[str, Any], changed: str, held: str
) -> None:
    """A new setting is remembered although its workload is held: the spec may be gone next time."""
    settings = dataclasses.replace(desired.lifecycle, protect=True)
    action = decide(dataclasses.replace(desired, lifecycle=settings), ROW, live, **options)
    assert told(action) == (
        Record,
        Reason.LIFECYCLE_CHANGED,
        f"{changed}; nothing is sent; {held}",
    )


def test_protection_is_remembered_with_what_is_forbidden() -> None:
    """What waits is due, so it is what the plan shows; the setting is written down beside it."""
    action = decide(with_lifecycle(CHANGED, protect=True), ROW, None, no_delete=True)
    protect = FieldChange(pointer="/lifecycle/protect", before=False, after=True)
    assert told(action) == (
        Hold,
        Reason.SPEC_CHANGED,
        f"/manifest/spec/replicas changed; {API}; held by --no-delete",
    )
    assert isinstance(action, Hold)
    assert (action.lifecycle, action.forbidden) == (Lifecycle(protect=True), True)
    assert action.changes == (REPLICAS, protect)


UNREAD = Unread(reason="503 after 10 tries")


@pytest.mark.parametrize("desired", [WANTED, CHANGED, None])
def test_nothing_is_concluded_from_what_could_not_be_read(desired: Desired | None) -> None:
    """It is held, and the plan says that it is not complete."""
    plan = plan_of(desired, ROW, UNREAD)
    assert [told(a) for a in plan.actions] == [
        (Hold, Reason.IN_DOUBT, "could not be read: 503 after 10 tries")
    ]
    assert not plan.complete
    assert not plan.has_changes


def test_a_plan_without_reading_is_not_complete() -> None:
    """--no-refresh counts what is recorded as unchanged, and says so."""
    plan = plan_of(WANTED, ROW, refreshed=False)
    assert [type(a) for a in plan.actions] == [Keep]
    assert not plan.complete
    assert plan_of(WANTED, ROW, make_remote(ROW)).complete


@pytest.mark.parametrize(
    "fields",
    [
        {"seen": LastSeen.DELETING},
        {"desired_phase": "Deleted"},
        {"deleted_at": "2026-11-20T09:00:00Z"},
        {"deleted_at": "2026-11-20T09:00:00Z", "seen": LastSeen.FAILED},
    ],
)
def test_what_somebody_else_is_deleting_waits(fields: dict[str, Any]) -> None:
    """Neither absent nor there: the next run sees how it ended. What is unwanted is deleted."""
    live = make_remote(ROW, **fields)
    assert told(decide(CHANGED, ROW, live)) == (
        Hold,
        Reason.MISSING_ON_SERVER,
        "somebody else is deleting it on the server; the next run sees the outcome",
    )
    assert type(decide(None, ROW, live)) is Delete


@pytest.mark.parametrize("live", [None, make_remote(ROW), MISSING, UNREAD])
@pytest.mark.parametrize(
    ("desired", "purpose", "options", "expected"),
    [
        (
            None,
            Purpose.REMOVED,
            {"no_delete": True},
            (
                Delete,
                Reason.REMOVED_FROM_SPECS,
                "its deletion has begun and is finished first",
            ),
        ),
        (
            WANTED,
            Purpose.REPLACE,
            {},
            (Replace, Reason.SPEC_CHANGED, "its replacement was cut short and is finished"),
        ),
        (
            WANTED,
            Purpose.REMOVED,
            {"no_delete": True},
            (
                Replace,
                Reason.REMOVED_FROM_SPECS,
                "its deletion has begun and is finished first; a spec declares it again",
            ),
        ),
        (
            WANTED,
            Purpose.REPLACE,
            {"no_create": True},
            (Delete, Reason.REMOVED_FROM_SPECS, "its deletion has begun and is finished first"),
        ),
    ],
)
def test_a_deletion_that_has_begun_is_finished_first(
    desired: Desired | None,
    purpose: Purpose,
    options: dict[str, Any],
    expected: Any,
    live: Live | None,
) -> None:
    """Whatever the specs say now: a late DELETE would end what we had decided to keep."""
    row = make_recorded(WANTED, own=Own.DELETING, purpose=purpose)
    action = decide(desired, row, live, **options)
    kind, reason, detail = expected
    if live is MISSING and (kind, purpose) == (Replace, Purpose.REPLACE):
        # The delete is through, which nobody had seen.
        end = f"workload {row.id} was deleted to be replaced, and nothing of ours runs there now"
        detail = f"{end}; {detail}"
    assert told(action) == (kind, reason, detail)
    assert action.gpus.before == (0 if live is MISSING else 1)


CUT_SHORT = "a create of 2026-11-20 09:00:00 UTC was cut short"
AGAIN = f"{CUT_SHORT}; the same request is sent again"


@pytest.mark.parametrize("own", [Own.CREATING, Own.UNCONFIRMED])
@pytest.mark.parametrize(
    ("desired", "options", "sent", "detail"),
    [
        (WANTED, {}, True, AGAIN),
        (with_lifecycle(WANTED, protect=True), {}, True, AGAIN),
        (dataclasses.replace(WANTED, encoded=True), {}, True, AGAIN),
        (
            WANTED,
            {"no_create": True},
            False,
            f"{CUT_SHORT}; looked up, and not sent again because of --no-create",
        ),
        (
            CHANGED,
            {},
            True,
            f"{CUT_SHORT}; the spec has changed since, so it is looked up before anything is sent",
        ),
        (
            CHANGED,
            {"no_create": True},
            False,
            f"{CUT_SHORT}; the spec has changed since, so it is looked up before anything is sent",
        ),
        (
            None,
            {},
            False,
            f"{CUT_SHORT}; no spec declares it any more, so it is looked up and not sent again",
        ),
    ],
)
def test_a_create_that_was_cut_short_is_settled(
    own: Own, desired: Desired | None, options: dict[str, Any], sent: bool, detail: str
) -> None:
    """What is wanted may be sent, the same operation or a new one; nothing is ever forgotten."""
    row = make_recorded(WANTED, own=own, ambiguous=True)
    action = decide(desired, row, **options)
    assert isinstance(action, Resolve)
    assert told(action) == (Resolve, Reason.IN_DOUBT, detail)
    assert action.desired == (desired if sent else None)
    assert action.same == (desired not in (None, CHANGED))
    assert action.recorded == row


@pytest.mark.parametrize(
    ("desired", "row", "live", "options", "expected"),
    [
        (
            None,
            ROW,
            None,
            {"no_delete": True},
            (
                Reason.REMOVED_FROM_SPECS,
                "no spec declares it any more, created by run run-1; held by --no-delete",
            ),
        ),
        (
            CHANGED,
            ROW,
            None,
            {"no_delete": True},
            (
                Reason.SPEC_CHANGED,
                f"/manifest/spec/replicas changed; {API}; held by --no-delete",
            ),
        ),
        (
            CHANGED,
            ROW,
            None,
            {"no_create": True},
            (
                Reason.SPEC_CHANGED,
                f"/manifest/spec/replicas changed; {API}; held by --no-create",
            ),
        ),
        (
            WANTED,
            None,
            None,
            {"no_create": True},
            (Reason.NEW, "not created yet; held by --no-create"),
        ),
        (
            WANTED,
            ROW,
            MISSING,
            {"no_create": True},
            (Reason.MISSING_ON_SERVER, "no longer on the server; held by --no-create"),
        ),
    ],
)
def test_what_a_flag_holds_back(
    desired: Desired | None,
    row: Recorded | None,
    live: Live | None,
    options: dict[str, Any],
    expected: Any,
) -> None:
    """--no-delete and --no-create hold back replaces as well; what is held has no effect."""
    action = decide(desired, row, live, **options)
    assert isinstance(action, Hold)
    assert (action.reason, action.detail) == expected
    assert action.gpus.before == action.gpus.after
    assert action.id == (row.id if row else None)


def test_a_doubt_says_which_evidence_is_missing() -> None:
    """Whoever has to decide sees what the last run looked for in vain."""
    words = "the server's list does not show it"
    row = make_recorded(
        WANTED, own=Own.UNCONFIRMED, ambiguous=True, message=words, last_sent_at=None
    )
    assert told(decide(WANTED, row))[2] == (
        f"{words}: a create is in doubt; the same request is sent again"
    )


def test_a_create_that_was_answered_with_a_no_is_told_as_an_unknown_owner() -> None:
    """Nothing of ours can come true: the only question is who has the name."""
    row = make_recorded(WANTED, own=Own.UNCONFIRMED, message="name taken", last_sent_at=None)
    assert told(decide(WANTED, row)) == (
        Resolve,
        Reason.OWNER_UNKNOWN,
        "name taken: a create is in doubt; the same request is sent again",
    )


SENT = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
GHOST = make_recorded(
    WANTED,
    op="op-0",
    own=Own.LATE_CREATE_POSSIBLE,
    id=None,
    ambiguous=True,
    last_sent_at=SENT.isoformat(),
)


def _plan_later(seconds: int, rows: list[Recorded], *desired: Desired) -> Plan:
    live = {row.id: make_remote(row) for row in rows if row.id}
    return plan_for(list(desired), rows, live, now=SENT + timedelta(seconds=seconds))


def test_a_haunted_name_can_be_used_at_once() -> None:
    """The new workload keeps the late one out: two cannot have one name."""
    (action,) = _plan_later(10, [GHOST], WANTED).actions
    assert told(action) == (Create, Reason.NEW, "declared, and not in the state yet")


def test_a_ghost_is_watched_and_then_looked_up() -> None:
    """For five minutes a lost create may still come true; after that it has or never will."""
    (early,) = _plan_later(10, [GHOST]).actions
    (late,) = _plan_later(363, [GHOST]).actions
    assert told(early) == (
        Hold,
        Reason.IN_DOUBT,
        (
            "gone, but the server may still carry out an unanswered create until "
            "2026-03-15 12:06:02 UTC"
        ),
    )
    assert told(late) == (
        Resolve,
        Reason.IN_DOUBT,
        "an unanswered create may have made it after its deletion; it is looked up",
    )


def test_a_ghost_is_outlived_by_the_workload_that_has_its_name() -> None:
    """No request is needed for that, and no change is shown."""
    (early,) = _plan_later(10, [GHOST, ROW], WANTED).actions
    (late,) = _plan_later(363, [GHOST, ROW], WANTED).actions
    assert isinstance(early, Keep)
    assert isinstance(late, Keep)
    assert (early.recorded, early.outlived) == (ROW, ())
    assert late == dataclasses.replace(early, outlived=(GHOST,))


@pytest.mark.parametrize(
    "gone", [{"seen": LastSeen.DELETED}, {"deleted_at": NOW, "seen": LastSeen.UNKNOWN}]
)
def test_the_body_of_a_deleted_workload_does_not_have_its_name(gone: dict[str, Any]) -> None:
    """The older create may have come true after that deletion: its record stays."""
    remote = dataclasses.replace(make_remote(ROW), **gone)
    for lifecycle in (Lifecycle(on_missing=OnMissing.HOLD), Lifecycle()):
        row = dataclasses.replace(ROW, lifecycle=lifecycle)
        wanted = dataclasses.replace(WANTED, lifecycle=lifecycle)
        later = SENT + timedelta(seconds=363)
        for desired in ([wanted], []):
            (action,) = plan_for(desired, [GHOST, row], {str(row.id): remote}, now=later).actions
            assert getattr(action, "outlived", ()) == ()


def test_what_is_to_be_forgotten_waits_for_its_ghosts() -> None:
    """Forgotten first, it would be found by the look for the ghost, and recorded once more."""
    row = dataclasses.replace(ROW, lifecycle=Lifecycle(on_remove=OnRemove.FORGET))
    (early,) = _plan_later(10, [GHOST, row]).actions
    (late,) = _plan_later(363, [GHOST, row]).actions
    detail = (
        "no spec declares it any more, created by run run-1; left on the server (onRemove: "
        "forget); its record stays while the server may still carry out an older create"
    )
    assert told(early) == (Hold, Reason.IN_DOUBT, detail)
    assert isinstance(late, Forget)
    assert (late.recorded, late.outlived) == (row, (GHOST,))


def test_what_has_gone_has_no_part_in_a_plan() -> None:
    """A record of something that is gone is history."""
    row = make_recorded(WANTED, own=Own.GONE)
    assert decide(WANTED, row, make_remote(ROW)) == decide(WANTED, None)
    assert plan_of(None, row).actions == ()


def test_of_several_operations_the_unfinished_ones_come_first() -> None:
    """First deletions, then creates in doubt, then what is there."""
    rows = [
        make_recorded(WANTED, op="1"),
        make_recorded(WANTED, op="2", own=Own.CREATING),
        make_recorded(WANTED, op="3", own=Own.DELETING),
        make_recorded(WANTED, op="4", own=Own.LATE_CREATE_POSSIBLE),
    ]
    for expected in ("3", "2", "1"):
        [action] = plan_for([WANTED], rows).actions
        assert isinstance(action, Replace | Resolve | Keep)
        assert action.recorded.op == expected
        rows = [row for row in rows if row.op != expected]


def test_actions_are_ordered_by_wave_and_address() -> None:
    """Lower waves first; within one, projects and names as texts."""
    desired = [
        make_desired("2/a", wave=-1),
        make_desired("10/b"),
        make_desired("10/a"),
        make_desired("1/z", wave=1),
    ]
    plan = plan_for(desired)
    assert [str(a.address) for a in plan.actions] == ["2/a", "10/a", "10/b", "1/z"]


def test_an_empty_plan_is_a_plan() -> None:
    """Nothing wanted and nothing recorded is nothing to do."""
    plan = plan_for()
    assert (plan.actions, plan.has_changes, plan.complete) == ((), False, True)


DECLARED = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {"template": {"spec": {"containers": [{"name": "main", "image": "a"}]}}},
}


def _embellished() -> dict[str, Any]:
    """The manifest as a server returns it: with all that it adds by itself."""
    container = {"name": "main", "image": "a", "imagePullPolicy": "Always"}
    pod = {"containers": [container], "schedulerName": "runai-scheduler"}
    return {
        **DECLARED,
        "metadata": {
            "name": "llm",
            "namespace": "runai-team-a",
            "labels": {"runai/queue": "team-a"},
            "annotations": {
                "workload-reconciler/op": f"{LINEAGE}/o",
                "workload-reconciler/stack": "s",
                "runai/project": "4501",
            },
        },
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod},
        },
    }


def test_what_the_server_adds_is_no_drift() -> None:
    """Injected annotations, labels and namespace, defaults, priority and category never show."""
    desired = make_desired(manifest=DECLARED)
    row = make_recorded(desired)
    metadata = {
        "id": row.id,
        "name": "llm",
        "projectId": "4501",
        "priority": "low",
        "category": "Train",
        "createdAt": "2026-11-20T09:00:00Z",
    }
    live = make_remote(row, raw_manifest=_embellished(), metadata=metadata)
    plan = plan_of(desired, row, live)
    assert (plan.drift, [type(a) for a in plan.actions]) == ((), [Keep])


def test_a_declared_field_that_the_server_defaulted_at_once_is_no_drift() -> None:
    """What counts is the echo of our own create: `priority: null` came back as `low` then."""
    desired = make_desired(manifest=DECLARED, metadata={"priority": None})
    row = make_recorded(desired)
    metadata = {"name": "llm", "projectId": "4501", "priority": "low"}
    live = make_remote(row, metadata=metadata)
    echoed = dataclasses.replace(row, echo={"metadata": metadata, "manifest": DECLARED})
    assert plan_of(desired, echoed, live).drift == ()
    later = dataclasses.replace(live, metadata={**metadata, "priority": "high"})
    assert [
        (c.pointer, c.before, c.after)
        for d in plan_of(desired, echoed, later).drift
        for c in d.changes
    ] == [("/metadata/priority", "low", "high")]


def test_without_an_echo_the_spec_itself_is_compared() -> None:
    """A record that never saw its 202 knows at least what was sent."""
    row = make_recorded(make_desired(manifest=DECLARED), echo=None)
    desired = make_desired(manifest=DECLARED)
    assert plan_of(desired, row, make_remote(row, raw_manifest=_embellished())).drift == ()
    changed = {**_embellished(), "kind": "StatefulSet"}
    assert [
        (c.pointer, c.before, c.after)
        for d in plan_of(desired, row, make_remote(row, raw_manifest=changed)).drift
        for c in d.changes
    ] == [("/manifest/kind", "Deployment", "StatefulSet")]


def test_a_declared_field_that_vanished_on_the_server_is_drift() -> None:
    """Somebody removed what the author had declared."""
    desired = make_desired(metadata={"priority": "high"})
    row = make_recorded(desired)
    live = make_remote(row, metadata={"name": "llm", "projectId": "4501"})
    [drift] = plan_of(desired, row, live).drift
    assert [(c.pointer, c.before, c.after) for c in drift.changes] == [
        ("/metadata/priority", "high", ABSENT)
    ]


def test_a_field_that_is_no_longer_declared_is_a_change() -> None:
    """Removing what was applied before is a change of the spec."""
    row = make_recorded(make_desired(metadata={"priority": "high"}))
    action = decide(WANTED, row)
    assert [(c.pointer, c.before, c.after) for c in action.changes] == [
        ("/metadata/priority", "high", ABSENT)
    ]
    assert type(action) is Replace


def test_the_form_of_a_manifest_is_no_change() -> None:
    """Base64 and inline of the same content are one spec, in whatever order its keys are."""
    manifest = dict(reversed(list(make_manifest().items())))
    assert type(decide(make_desired(manifest=manifest, encoded=True), ROW)) is Keep


def test_a_number_that_json_writes_differently_is_no_change() -> None:
    """1 and 1.0 are one number, although their digests differ."""
    same = make_desired(manifest={**make_manifest(), "x": 1.0})
    row = make_recorded(make_desired(manifest={**make_manifest(), "x": 1}))
    assert digest(same.spec) != row.digest
    assert type(decide(same, row)) is Keep


def test_a_changed_secret_is_replaced_and_not_shown() -> None:
    """Only its pointer is told."""
    old, new = (
        make_desired(manifest={**make_manifest(), "data": {"password": word}})
        for word in ("hunter1", "hunter2")
    )
    action = decide(new, make_recorded(old))
    assert [change.to_json() for change in action.changes] == [
        {
            "pointer": "/manifest/data/password",
            "before": "(sensitive, changed)",
            "after": "(sensitive, changed)",
            "forces_replace": True,
            "origin": "spec",
        }
    ]


def test_what_cannot_be_counted_is_said_of_both_sides() -> None:
    """A kind whose GPUs nobody can count makes the effect unknown, not nothing."""
    strange = make_desired(manifest={"apiVersion": "example.com/v1", "kind": "Strange"})
    assert decide(strange, ROW).gpus == GpuEffect(before=1, after=0, known=False, since=NOW)


PIN = RedactionRules(redact=("pin",))
PINNED = make_desired(manifest=make_manifest() | {"door": {"pin": "1234", "bell": 7}})
OTHER_PIN = make_desired(manifest=make_manifest() | {"door": {"pin": "4321", "bell": 7}})


def written_under(rules: RedactionRules, desired: Desired) -> Recorded:
    """The record of a workload as a state has it that was written under other rules."""
    return make_recorded(desired, redactor=Redactor(LINEAGE, rules))


@pytest.mark.parametrize(
    ("then", "now"),
    [(BUILT_IN, PIN), (PIN, BUILT_IN), (PIN, RedactionRules(redact=("pin", "bell")))],
)
def test_other_rules_of_what_is_a_secret_write_records_anew(
    then: RedactionRules, now: RedactionRules
) -> None:
    """Stricter or laxer, nobody edited a spec: nothing is sent, and the next plan is empty."""
    row = written_under(then, PINNED)
    remote = make_remote(row, PINNED)

    action = decide(PINNED, row, remote, rules=now)

    assert isinstance(action, Record)
    assert action.recorded == written_under(now, PINNED)
    assert action.changes == ()
    assert isinstance(decide(PINNED, action.recorded, remote, rules=now), Keep)


@pytest.mark.parametrize(("then", "now"), [(BUILT_IN, PIN), (PIN, BUILT_IN), (PIN, PIN)])
def test_a_changed_secret_is_a_change_under_any_rules(
    then: RedactionRules, now: RedactionRules
) -> None:
    """A mark is only equal to the text that it was made of."""
    row = written_under(then, PINNED)
    action = decide(OTHER_PIN, row, make_remote(row, PINNED), rules=now)
    assert isinstance(action, Replace)
    assert [change.pointer for change in action.changes] == ["/manifest/door/pin"]


def test_drift_is_none_under_other_rules() -> None:
    """What the server echoes is compared with what it echoed then, whoever wrote that down."""
    echoed = make_desired(manifest=make_manifest() | {"door": {"pin": "1234", "bell": 8}})
    for then, now in ((BUILT_IN, PIN), (PIN, BUILT_IN)):
        row = written_under(then, PINNED)
        plan = plan_of(PINNED, row, make_remote(row, echoed), rules=now)
        assert [c.pointer for each in plan.drift for c in each.changes] == ["/manifest/door/bell"]


def test_a_create_in_doubt_stays_the_same_under_other_rules() -> None:
    """Its body is what was sent, so the same request is sent again, and its row written anew."""
    row = make_recorded(PINNED, own=Own.CREATING, id=None, echo=None)
    action = decide(PINNED, row, rules=PIN)
    assert isinstance(action, Resolve)
    assert action.same
    assert action.recorded.spec == written_under(PIN, PINNED).spec


SHOWN = RedactionRules(reveal=("token",))
TOKEN = make_desired(manifest=make_manifest() | {"door": {"token": "one-1"}})
OTHER_TOKEN = make_desired(manifest=make_manifest() | {"door": {"token": "two-2"}})


def test_what_an_owner_reveals_is_shown_of_his_specs_and_not_of_the_server() -> None:
    """What somebody put there since is nothing that the author of a pull request knows."""
    row = make_recorded(TOKEN)
    changed = decide(OTHER_TOKEN, row, make_remote(row, TOKEN), rules=SHOWN)
    drifted = plan_of(TOKEN, row, make_remote(row, OTHER_TOKEN), rules=SHOWN)
    assert [change.after for change in changed.changes] == ["two-2"]
    assert "two-2" not in repr(drifted)
    assert [c.pointer for each in drifted.drift for c in each.changes] == ["/manifest/door/token"]


def test_a_revealed_value_that_both_sides_changed_alike_is_recorded() -> None:
    """The spec follows what somebody did on the server, and neither side has to be undone."""
    row = make_recorded(TOKEN, redactor=Redactor(LINEAGE, SHOWN))
    row = dataclasses.replace(row, echo=Redactor(LINEAGE).redact(TOKEN.spec))
    remote = make_remote(row, OTHER_TOKEN)
    action = decide(OTHER_TOKEN, row, remote, rules=SHOWN)
    assert isinstance(action, Record)
    after = follow_spec(action.recorded, OTHER_TOKEN, action.echo, Redactor(LINEAGE, SHOWN))
    assert isinstance(decide(OTHER_TOKEN, after, remote, rules=SHOWN), Keep)
