"""Whose workload it is decides what may be done to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.app.refused import GuardError
from reconciler.core.lifecycle import (
    OnMissing,
)
from reconciler.core.model import (
    Own,
)
from reconciler.core.planning.actions import Reason
from tests.support.worlds import World, wish

ALLOW = PlanRequest(allow_empty=True)
TAKEN = "workload with name 'a' already exists in this project"


def _plant(world: World, name: str, **annotations: str) -> str:
    spec = wish(name)
    manifest = {**spec.manifest, "metadata": {"annotations": annotations}}
    return world.sandbox.store.plant({"metadata": spec.metadata, "manifest": manifest}).id


def _mark(lineage: str, stack: str) -> dict[str, str]:
    return {"workload-reconciler/op": f"{lineage}/op", "workload-reconciler/stack": stack}


def test_a_workload_made_by_hand_is_never_touched() -> None:
    """Its name is taken since the plan: one workload fails and says why, the others go on."""
    world = World()

    ran = world.apply(wish("a"), wish("b"), meanwhile=lambda _: _plant(world, "a"))

    theirs = world.id_of("a")
    failed = (
        f"create 4501/a: {TAKEN}; workload {theirs} has this name and was not made by this tool"
    )
    assert ran.told == [f"failed: {failed}", "done: create 4501/b"]
    assert ran.exit_code == 4
    assert world.ledger("DELETE") == []
    assert world.state() == ["b ACCEPTED Synced"]
    assert world.id_of("a") == theirs


def test_a_workload_of_another_stack_is_named_by_its_owner() -> None:
    """Its marker says whose it is, also where it was made since the plan."""
    world = World()
    marks = _mark("some-lineage", "green")

    ran = world.apply(wish("a"), meanwhile=lambda _: _plant(world, "a", **marks))

    theirs = world.id_of("a")
    (told,) = ran.told
    assert told == (
        f"failed: create 4501/a: {TAKEN}; workload {theirs} has this name and belongs to stack "
        "'green' (state some-lineage)"
    )
    assert (world.changes(), world.state()) == ([], [])


def test_a_stranger_whose_list_is_hidden_is_an_unknown_owner() -> None:
    """Without a list nobody can tell who has the name: it is listed in every run, not touched."""
    world = World(listing=False)
    _plant(world, "a")

    runs = [world.apply(wish("a")) for _ in range(3)]
    (planned,) = world.plan(wish("a")).plan.changes

    words = f"{TAKEN}; its owner is unknown: the server's list cannot be used ("
    assert [ran.exit_code for ran in runs] == [8, 8, 8]
    assert runs[0].told[0].startswith(f"in doubt: create 4501/a: {words}")
    assert runs[2].told[0].startswith(f"in doubt: resolve 4501/a: {words}")
    assert (planned.reason, planned.detail[: len(words)]) == (Reason.OWNER_UNKNOWN, words)
    assert world.state() == ["a UNCONFIRMED unknown"]
    assert (world.changes(), world.live()) == ([], ["a"])
    # Whoever has the name goes: the same operation is sent again and settles it.
    world.sandbox.store.vanish(world.id_of("a"))
    assert world.apply(wish("a")).exit_code == 0
    assert world.state() == ["a ACCEPTED Synced"]


def test_an_id_in_the_words_of_a_conflict_is_enough_to_recognise_our_own() -> None:
    """Where there is no list, a server that names the holder lets us read and prove it."""
    world = World("lost on=POST times=1", listing=False, conflict_names_id=True)

    ran = world.apply(wish("a"))

    assert ran.summary == {"created": 1}
    assert world.changes() == ["created a"]


def test_a_lost_answer_without_any_list_stays_in_doubt_and_is_not_repeated() -> None:
    """It is sent with the same operation by every run, so nothing is ever created twice."""
    world = World("lost on=POST times=1", listing=False)

    first = world.apply(wish("a"))
    second = world.apply(wish("a"))

    assert (first.exit_code, second.exit_code) == (8, 8)
    assert world.changes() == ["created a"]
    assert world.state() == ["a UNCONFIRMED unknown"]


def test_a_marked_workload_of_another_stack_is_not_deleted_even_by_its_id() -> None:
    """The state may be wrong about an id; what is read on the server decides."""
    world = World()
    world.apply(wish("a"))
    manifest = world.sandbox.store.manifest(world.id_of("a"))
    manifest["metadata"]["annotations"] = _mark("another", "green")
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)

    ran = world.apply(request=ALLOW)

    assert ran.told == [
        (
            "failed: hold 4501/a: taken over by stack 'green'; left alone. If that is meant, "
            "remove its spec here and run: reconciler state rm 4501/a"
        )
    ]
    assert world.ledger("DELETE") == []
    assert world.live() == ["a"]


def test_an_id_that_names_another_workload_is_not_deleted() -> None:
    """A record whose id leads to another name is left alone, and so is what it leads to."""
    world = World()
    world.apply(wish("a"), wish("b"))
    row = world.row("a")
    world.record(replace(row, id=world.id_of("b")))

    ran = world.apply(wish("b"))

    assert ran.told == [
        f"failed: delete 4501/a: workload {world.id_of('b')} is 4501/b on the server; left alone"
    ]
    assert world.ledger("DELETE") == []
    assert world.live() == ["a", "b"]


def test_a_delete_that_was_begun_is_verified_again_before_it_is_sent() -> None:
    """Every DELETE is preceded by a read in the same run, also one that an old run had begun."""
    world = World()
    world.apply(wish("a"))
    manifest = world.sandbox.store.manifest(world.id_of("a"))
    manifest["metadata"]["annotations"] = _mark("another", "green")
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)
    world.record(replace(world.row("a"), own=Own.DELETING))

    ran = world.apply(request=ALLOW)

    assert ran.exit_code == 4
    assert world.ledger("DELETE") == []


def test_what_is_missing_is_looked_up_by_name_before_it_is_created_again() -> None:
    """An old copy of the state knows a dead id; the successor that it never saw is adopted."""
    world = World()
    world.apply(wish("a"), wish("b"))
    old = world.row("a")
    edited = (wish("a", image="nginx:2"), wish("b"))
    world.apply(*edited)
    new = world.row("a")
    world.record(replace(new, own=Own.GONE), old)
    world.timeline.skip(3600.0)
    before = world.ledger()

    ran = world.apply(*edited)

    assert ran.told == [
        "done: adopt 4501/a: a newer workload of ours has its name; the next plan shows what to do"
    ]
    assert world.ledger() == before
    assert (world.row("a").op, world.row("a").id) == (new.op, new.id)
    assert world.apply(*edited).summary == {"recorded": 1}
    assert world.apply(*edited).summary == {}


def test_what_is_missing_and_unwanted_is_looked_up_before_it_is_forgotten() -> None:
    """An old copy of the state would otherwise leave the successor behind for ever."""
    world = World()
    world.apply(wish("a"), wish("b"))
    old = world.row("a")
    world.apply(wish("a", image="nginx:2"), wish("b"))
    new = world.row("a")
    world.record(replace(new, own=Own.GONE), old)
    world.timeline.skip(3600.0)

    found = world.apply(wish("b"))
    deleted = world.apply(wish("b"))

    assert found.told == [
        "done: adopt 4501/a: a newer workload of ours has its name; the next plan shows what to do"
    ]
    assert deleted.summary == {"deleted": 1}
    assert (world.live(), world.state()) == (
        ["b"],
        ["a LATE_CREATE_POSSIBLE Deleted", "b ACCEPTED Synced"],
    )
    world.timeline.skip(364.0)
    assert world.apply(wish("b")).told == ["done: resolve 4501/a: nothing of it is left"]
    assert world.state() == ["b ACCEPTED Synced"]


def test_a_second_life_of_the_same_operation_is_known_again() -> None:
    """Somebody deleted the workload, and a late repetition of its own request brought it back."""
    world = World("late=20s hangup on=POST times=1")
    world.apply(wish("a"), wish("b"))
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)

    for _ in range(3):
        world.apply(wish("b"))
        world.timeline.skip(364.0)

    assert (world.live(), world.state()) == (["b"], ["b ACCEPTED Synced"])


def test_a_workload_that_was_only_out_of_sight_is_kept() -> None:
    """Its id answers 404 for a while, the list still shows it: nothing is made twice."""
    world = World()
    world.apply(wish("a"), wish("b"))
    row = world.row("a")
    world.timeline.skip(3600.0)
    world.sandbox.set_faults("404 on=GET name=a times=1")

    ran = world.apply(wish("a"), wish("b"))

    assert ran.told == [
        "done: create 4501/a: it is there after all; the next plan shows what to do"
    ]
    assert ran.summary == {"recorded": 1}
    assert world.changes() == ["created a", "created b"]
    assert (world.row("a").op, world.row("a").id) == (row.op, row.id)


def test_what_was_deleted_behind_our_back_is_made_again() -> None:
    """Nothing lives under the name: it is created as a new operation."""
    world = World()
    world.apply(wish("a"), wish("b"))
    old = world.row("a")
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)

    ran = world.apply(wish("a"), wish("b"))

    assert ran.summary == {"created": 1}
    assert world.row("a").op != old.op
    assert world.apply(wish("a"), wish("b")).summary == {}


def test_a_fresh_absence_is_not_believed() -> None:
    """A workload that cannot be read within a minute of its creation is only late."""
    world = World("lag=45s name=a")
    first = world.apply(wish("a"), wish("b"), wait=False)
    world.timeline.skip(10.0)

    early = world.plan(wish("a"), wish("b")).plan
    second = world.apply(wish("a"), wish("b"))
    world.timeline.skip(60.0)
    third = world.apply(wish("a"), wish("b"))

    assert first.summary == {"created": 2}
    assert [(action.kind, action.detail) for action in early.holds] == [
        ("hold", "could not be read: it was accepted just now and is not visible yet")
    ]
    assert not early.complete
    assert (second.summary, third.summary) == ({}, {})
    assert world.changes() == ["created a", "created b"]


def test_a_fresh_workload_is_not_taken_for_deleted() -> None:
    """A delete whose verification finds nothing within a minute of the creation does nothing."""
    world = World("lag=45s name=a")
    world.apply(wish("a"), wish("b"), wait=False)

    early = world.apply(wish("b"))
    world.timeline.skip(60.0)
    late = world.apply(wish("b"))

    assert early.summary == {}
    assert late.summary == {"deleted": 1}
    assert world.live() == ["b"]


def test_many_missing_at_once_stop_the_run_before_anything_is_sent() -> None:
    """It looks like a wrong server; stating the number goes on."""
    world = World()
    names = [f"w{number}" for number in range(6)]
    specs = [wish(name) for name in names]
    world.apply(*specs)
    world.timeline.skip(3600.0)
    for name in names[:4]:
        world.sandbox.store.vanish(world.id_of(name))
    before = world.ledger()

    with pytest.raises(GuardError) as refused:
        world.apply(*specs)

    assert [refusal.guard for refusal in refused.value.refusals] == ["mass-missing"]
    assert world.ledger() == before
    assert world.apply(*specs, request=PlanRequest(allow_missing=4)).summary == {"created": 4}


def test_what_is_missing_and_meant_to_fail_fails() -> None:
    """onMissing: fail counts as a failure of the run and changes nothing."""
    world = World()
    specs = (wish("a", on_missing=OnMissing.FAIL), wish("b"))
    world.apply(*specs)
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)

    ran = world.apply(*specs)

    assert ran.told == ["failed: hold 4501/a: no longer on the server; onMissing: fail"]
    assert ran.exit_code == 4
    assert world.live() == ["b"]


def test_a_finished_job_is_not_run_again() -> None:
    """A job that the server no longer has is held, unless its spec says otherwise."""
    world = World()
    world.apply(wish("a", kind="Job"), wish("b"))
    world.sandbox.store.vanish(world.id_of("a"))
    world.timeline.skip(3600.0)

    assert world.apply(wish("a", kind="Job"), wish("b")).summary == {}
    again = wish("a", kind="Job", on_missing=OnMissing.RECREATE)
    assert world.apply(again, wish("b")).summary == {"created": 1}


def test_a_state_that_lost_its_row_while_the_name_was_reused_does_not_adopt_a_stranger() -> None:
    """Ours means our lineage and our stack: the same stack of another state is not ours."""
    world = World()
    theirs = _plant(world, "a", **_mark("another-lineage", "blue"))

    ran = world.apply(wish("a"))

    assert ran.exit_code == 4
    assert world.id_of("a") == theirs
    assert world.changes() == []


def test_discovery_that_is_switched_off_asks_no_list() -> None:
    """What a conflict is about is then told, not looked up."""
    world = World()
    _plant(world, "a")

    ran = world.apply(wish("a"), discovery=False)

    assert ran.exit_code == 8
    assert [e.path for e in world.entries() if e.path == "/api/v1/workloads"] == []


def test_a_server_that_strips_our_marker_makes_no_second_workload() -> None:
    """Without its proof a workload whose answer was lost is nobody's: told, never repeated."""
    world = World("lost on=POST times=1", "strip-annotations")

    codes = [world.apply(wish("a")).exit_code for _ in range(2)]

    assert codes[0] == 8
    assert world.changes() == ["created a"]
    assert world.live() == ["a"]


def test_every_delete_targets_an_id_that_was_given_to_us() -> None:
    """Through faults as well: what is deleted was created by this state."""
    world = World("503 p=30%", "lost p=20% on=POST,DELETE")
    world.apply(*(wish(name) for name in "abc"))
    given = {e.id for e in world.entries() if e.method == "POST" and e.effect}
    world.apply(wish("a", image="nginx:2"), wish("b"))
    deleted = {e.path.rpartition("/")[2] for e in world.entries() if e.method == "DELETE"}

    assert len(deleted) == 2
    assert deleted <= given


def test_an_old_copy_of_a_whole_state_converges() -> None:
    """Every id in it is dead, and every name has a successor: that is no wrong server."""
    world = World()
    names = ("a", "b", "c", "d")
    world.apply(*(wish(name) for name in names))
    old = world.rows()
    edited = [wish(name, image="nginx:2") for name in names]
    world.apply(*edited, request=PlanRequest(allow_deletes=4))
    world.record(*(replace(row, own=Own.GONE) for row in world.rows()), *old)
    world.timeline.skip(3600.0)

    plan = world.plan(*edited).plan
    ran = world.apply(*edited)

    assert [action.kind for action in plan.changes] == ["adopt"] * 4
    assert "a later run made " in plan.changes[0].detail
    assert ran.summary == {"adopted": 4}
    assert world.apply(*edited).summary == {"recorded": 4}
    assert not world.plan(*edited).plan.changes
    assert sorted(row.id or "" for row in world.rows()) == sorted(map(world.id_of, names))


def test_a_held_job_is_looked_up_too() -> None:
    """What an old state holds as finished may have been replaced since."""
    world = World()
    world.apply(wish("a", kind="Job"), wish("z"))
    old = world.row("a")
    edited = (wish("a", kind="Job", image="nginx:2"), wish("z"))
    world.apply(*edited)
    world.record(replace(world.row("a"), own=Own.GONE), old)
    world.timeline.skip(3600.0)

    world.apply(*edited)
    world.apply(*edited)

    assert world.row("a").id == world.id_of("a")
    assert not world.plan(*edited).plan.changes


def test_what_was_accepted_as_missing_is_no_news_to_the_next_run() -> None:
    """A cluster that cleans up its finished jobs refuses one run, and not every run after it."""
    world = World()
    jobs = [wish(name, kind="Job") for name in ("a", "b", "c", "d")]
    world.apply(*jobs)
    for name in ("a", "b", "c"):
        world.sandbox.store.vanish(world.id_of(name))
    world.timeline.skip(3600.0)

    refused = world.plan(*jobs).refusals
    accepted = world.apply(*jobs, request=PlanRequest(allow_missing=3))
    after = world.plan(*jobs)

    assert [refusal.guard for refusal in refused] == ["mass-missing"]
    assert accepted.summary == {}
    assert (after.refusals, after.plan.count("hold")) == ((), 3)


@pytest.mark.parametrize("edited", [False, True])
def test_an_older_copy_without_a_list_ends_in_a_doubt_that_is_listed(edited: bool) -> None:
    """The copy knows nothing of what has the name: a person decides, and until then it is said."""
    world = World(listing=False)
    world.apply(wish("a"), wish("z"))
    older = world.row("a")
    wanted = (wish("a", image="nginx:2"), wish("z")) if edited else (wish("a"), wish("z"))
    if edited:
        world.apply(*wanted)
        world.record(replace(world.row("a"), own=Own.GONE), older)
    else:
        world.record(replace(older, own=Own.GONE))
    world.timeline.skip(600.0)

    codes = [world.apply(*wanted).exit_code for _ in range(3)]
    (doubt,) = world.plan(*wanted).plan.changes
    listed = world.state()

    assert codes == [8, 8, 8]
    assert (doubt.address.name, doubt.reason) == ("a", Reason.OWNER_UNKNOWN)
    # Nothing proves that what the copy knows is gone.
    old = ["a ACCEPTED missing"] if edited else []
    assert listed == [*old, "a UNCONFIRMED unknown", "z ACCEPTED Synced"]
    assert world.live() == ["a", "z"]
