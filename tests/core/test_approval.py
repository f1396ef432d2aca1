from __future__ import annotations

import dataclasses

import pytest
from hypothesis import event, given

from reconciler.core.model import Desired, LastSeen, Live, Recorded
from reconciler.core.planning.actions import Hold, gist
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.review.approval import Approval, Binding, bind, recheck_approval
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.plans import plan_of
from tests.support.strategies import World, plan_options, worlds

A = make_desired("4501/a")
B = make_desired("4501/b")
CHANGED = make_desired("4501/a", manifest=make_manifest(replicas=7))
ROW = make_recorded(A)


def approve(plan: Plan, *, refreshed: bool = True) -> Approval:
    """A plan as it is kept until its apply."""
    return Approval(id="1", plan=plan, bindings=bind(plan, refreshed=refreshed))


def told(plan: Plan) -> list[str]:
    """What would be done and what is refused."""
    return [f"{a.kind} {a.address}: {a.detail}" for a in (*plan.changes, *plan.holds)]


@given(worlds(), plan_options)
def test_nothing_is_refused_where_nothing_has_changed(world: World, options: PlanOptions) -> None:
    """The plan of the same specs, records and answers is the one that was approved."""
    plan = plan_of(world, options)
    checked = recheck_approval(approve(plan), plan)
    assert (checked.plan, checked.refused, checked.beyond) == (plan, (), 0)


@given(worlds(), worlds())
def test_nothing_is_done_that_was_not_approved(before: World, now: World) -> None:
    """Whatever has happened in between: each action is one of the approved, to the letter."""
    plan, fresh = plan_of(before), plan_of(now)
    checked = recheck_approval(approve(plan), fresh)
    approved = {action.address: gist(action) for action in plan.changes}
    event(f"{len(checked.plan.changes)} kept, {len(checked.refused)} refused")
    for action in checked.plan.changes:
        assert gist(action) == approved[action.address]
    done = {action.address for action in checked.plan.changes}
    assert done | {hold.address for hold in checked.refused} == approved.keys()
    assert all(hold.fails for hold in checked.refused)
    assert len(done) + checked.beyond <= len(fresh.changes)


def _fresh(row: Recorded | None, desired: Desired | None, live: Live | None = None) -> Plan:
    rows = [row] if row else []
    answers: dict[str, Live] = {}
    if row and row.id:
        answers[row.id] = live or make_remote(row)
    return plan_for([desired] if desired else [], rows, answers)


GONE = make_remote(ROW, seen=LastSeen.DELETED)
DRIFTED = make_remote(ROW, dataclasses.replace(A, manifest=make_manifest(replicas=5)))


@pytest.mark.parametrize(
    ("approved", "fresh", "words"),
    [
        (
            _fresh(None, A),
            _fresh(ROW, A),
            "nothing is left to do",
        ),
        (_fresh(ROW, None), _fresh(ROW, CHANGED), "the action is now replace"),
        (_fresh(None, A), _fresh(None, CHANGED), "its spec has changed since"),
        (
            _fresh(ROW, None),
            _fresh(dataclasses.replace(ROW, protected=True), None),
            "its record in the state has changed since",
        ),
        (_fresh(ROW, CHANGED), _fresh(ROW, CHANGED, DRIFTED), "it was changed on the server since"),
        (
            _fresh(None, A),
            plan_for([A], [ROW], {str(ROW.id): GONE}),
            "its record in the state has changed since",
        ),
    ],
)
def test_what_has_changed_is_refused_by_name(approved: Plan, fresh: Plan, words: str) -> None:
    """Each way in which an entry can have changed has its words."""
    (refused,) = recheck_approval(approve(approved), fresh).refused
    assert refused.detail == f"not as it was approved: {words}; plan again"
    assert refused.gpus.before == refused.gpus.after == approved.changes[0].gpus.before


def _on_server(can_update: CanUpdate) -> Plan:
    """A plan for a server that can, cannot, or may change workloads in place."""
    plan = plan_for([CHANGED], [ROW], {ROW.id or "": make_remote(ROW)}, can_update=can_update)
    return dataclasses.replace(plan, target=dataclasses.replace(plan.target, can_update=can_update))


@pytest.mark.parametrize(
    ("approved", "fresh", "words"),
    [
        (CanUpdate.YES, CanUpdate.NO, "what the server can do has changed since"),
        (CanUpdate.NO, CanUpdate.YES, "what the server can do has changed since"),
        (
            CanUpdate.YES,
            CanUpdate.UNKNOWN,
            (
                "it is held now: /manifest/spec/replicas changed; it is not known whether "
                "API 2.23 can change it in place: set api_version to the server's, "
                "or end it with --replace 4501/a"
            ),
        ),
    ],
)
def test_another_capability_of_the_server_is_another_plan(
    approved: CanUpdate, fresh: CanUpdate, words: str
) -> None:
    """What was approved as an update is never carried out as a replace, nor the other way round."""
    before, now = _on_server(approved), _on_server(fresh)
    assert before.digest != now.digest
    checked = recheck_approval(approve(before), now)
    assert checked.plan.changes == ()
    [refused] = checked.refused
    assert refused.detail == f"not as it was approved: {words}; plan again"


def test_an_update_is_bound_to_what_others_have_changed() -> None:
    """One that was planned on their change is not sent over another one."""
    rows = {ROW.id or "": DRIFTED}
    plan = plan_for([CHANGED], [ROW], rows, can_update=CanUpdate.YES)
    assert recheck_approval(approve(plan), plan).refused == ()
    [refused] = recheck_approval(approve(_on_server(CanUpdate.YES)), plan).refused
    assert refused.detail == (
        "not as it was approved: it was changed on the server since; plan again"
    )


def test_drift_is_no_change_to_a_plan_that_did_not_look() -> None:
    """With --no-refresh nobody claimed to know what the server has."""
    approval = approve(_fresh(ROW, CHANGED), refreshed=False)
    assert recheck_approval(approval, _fresh(ROW, CHANGED, DRIFTED)).refused == ()


def test_another_value_of_an_ignored_field_is_another_body() -> None:
    """What a replace keeps of what runs is approved with it, and names another plan."""
    pattern = "/manifest/spec/replicas"
    row = make_recorded(make_desired("4501/a", ignore_changes=(pattern,)))
    manifest = make_manifest(image="b")
    wanted = make_desired("4501/a", manifest=manifest, ignore_changes=(pattern,))
    plan, other = (
        _fresh(row, wanted, make_remote(row, raw_manifest=make_manifest(replicas=count)))
        for count in (4, 5)
    )
    assert plan.digest != other.digest
    assert recheck_approval(approve(plan), plan).refused == ()
    [refused] = recheck_approval(approve(plan), other).refused
    assert refused.detail == (
        "not as it was approved: what is sent, or the reason for it, has changed since; plan again"
    )


def test_what_nobody_approved_is_left() -> None:
    """The rest of the plan is carried out, what came after it is counted."""
    checked = recheck_approval(approve(plan_for([A], [])), plan_for([A, B], []))
    assert (told(checked.plan), checked.beyond) == (
        ["create 4501/a: declared, and not in the state yet"],
        1,
    )


def test_later_waves_wait_for_a_refused_entry() -> None:
    """Builds go up and deletes go down, so what comes after differs."""
    waves = [make_desired(f"4501/w{n}", wave=n) for n in range(3)]
    other = dataclasses.replace(waves[1], manifest=make_manifest(replicas=9))
    built = recheck_approval(
        approve(plan_for(waves, [])), plan_for([waves[0], other, waves[2]], [])
    )
    rows = [make_recorded(one) for one in waves]
    live: dict[str, Live] = {str(row.id): make_remote(row) for row in rows}
    kept = [rows[0], dataclasses.replace(rows[1], protected=True), rows[2]]
    removed = recheck_approval(approve(plan_for([], rows, live)), plan_for([], kept, live))

    assert [(str(a.address), isinstance(a, Hold)) for a in built.plan.actions] == [
        ("4501/w0", False),
        ("4501/w1", True),
        ("4501/w2", True),
    ]
    assert [(str(a.address), isinstance(a, Hold)) for a in removed.plan.actions] == [
        ("4501/w0", True),
        ("4501/w1", True),
        ("4501/w2", False),
    ]
    assert built.refused[1].detail == (
        "not as it was approved: wave 1 before it has changed since; plan again"
    )


def test_a_binding_forgets_what_the_server_says_in_passing() -> None:
    """From Queued to Synced is no change of what was decided."""
    late = dataclasses.replace(ROW, attempts=4, message="m", last_sent_at="2026-03-01T00:00:00Z")
    (before,), (after,) = (bind(_fresh(row, CHANGED), refreshed=True) for row in (ROW, late))
    assert isinstance(before, Binding)
    assert before == after
