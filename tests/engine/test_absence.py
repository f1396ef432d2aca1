"""That something is gone is believed on as much evidence as that it is there."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx

from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.model import LastSeen, Own
from reconciler.core.planning.actions import Adopt, Hold, Reason
from reconciler.sandbox import AfterDelete
from tests.support.worlds import PROJECT, World, wish


def _lag(world: World) -> None:
    """From now on a replica answers that knows nothing of `a`, and lists nothing at all."""
    hidden = world.id_of("a")

    async def forget(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.method != "GET":
            return response
        if hidden in request.url.path:
            return httpx.Response(404, json={"code": 404, "message": "not found"})
        if request.url.path == "/api/v1/workloads":
            body = re.sub(rb'"workloads":\s*\[.*\]', b'"workloads":[]', await response.aread())
            return httpx.Response(200, content=body, headers={"content-type": "application/json"})
        return response

    world.rewrite = forget


def _heal(world: World) -> None:
    async def tell(_: httpx.Request, response: httpx.Response) -> httpx.Response:
        return response

    world.rewrite = tell


def _grown() -> World:
    world = World()
    world.apply(wish("a"), wish("b"))
    world.timeline.skip(3600.0)
    return world


def test_what_a_lagging_replica_does_not_show_is_not_forgotten() -> None:
    """A list that leaves out what was just read proves nothing: the record stays, and is listed."""
    world = _grown()
    row = world.row("a")
    _lag(world)

    runs = [world.apply(wish("b")) for _ in range(2)]
    (held,) = world.plan(wish("b")).plan.holds
    left = world.row("a")
    _heal(world)
    found = world.apply(wish("b"))

    assert (type(held), held.reason, held.fails) == (Hold, Reason.UNPROVEN_ABSENCE, True)
    assert held.detail.endswith("If it is gone: reconciler state rm 4501/a")
    assert [(ran.exit_code, ran.summary) for ran in runs] == [(4, {"failed": 1})] * 2
    assert (left.own, left.id, left.seen) == (Own.ACCEPTED, row.id, LastSeen.MISSING)
    assert (found.summary, world.live()) == ({"deleted": 1}, ["b"])


def test_a_replica_that_begins_to_lag_after_the_plan_proves_nothing_either() -> None:
    """The plan was sure; the look before the record is dropped is what counts."""
    world = _grown()
    hidden = world.id_of("a")
    world.sandbox.store.vanish(hidden)

    ran = world.apply(wish("b"), meanwhile=lambda _: _blind(world))

    (failed,) = ran.ended(Failed)
    assert failed.message.startswith("the record stays, because nothing proves that it is gone: ")
    assert failed.cause is Cause.UNPROVEN
    assert ran.exit_code == 4
    assert [row.address.name for row in world.rows()] == ["a", "b"]


def _blind(world: World) -> None:
    async def list_nothing(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != "/api/v1/workloads":
            return response
        return httpx.Response(200, json={"workloads": []})

    world.rewrite = list_nothing


def test_a_proven_absence_is_forgotten() -> None:
    """A list that shows the other workload and not this one is proof."""
    world = _grown()
    world.sandbox.store.vanish(world.id_of("a"))

    ran = world.apply(wish("b"))

    assert (ran.summary, ran.exit_code) == ({"forgotten": 1}, 0)
    assert world.state() == ["b ACCEPTED Synced"]


def test_without_a_list_a_deletion_that_the_server_tells_is_proof() -> None:
    """A body that says `Deleted` is about this very workload; a 404 may be about a replica."""
    told, silent = World(listing=False, after_delete=AfterDelete.BODY), World(listing=False)
    for world in (told, silent):
        world.apply(wish("a"), wish("b"))
        world.timeline.skip(3600.0)
    workload = told.sandbox.store.find(PROJECT, "a")
    assert workload is not None
    told.sandbox.store.delete(workload, caller="somebody else")
    told.timeline.skip(60.0)
    silent.sandbox.store.vanish(silent.id_of("a"))

    assert told.apply(wish("b")).summary == {"forgotten": 1}
    assert silent.apply(wish("b")).summary == {"failed": 1}
    assert silent.row("a").own is Own.ACCEPTED


def test_a_successor_is_told_as_settled_and_its_gpus_count() -> None:
    """What an old copy of the state has lost is not forgotten: another of ours has its name."""
    world = World()
    gpus = {"resources": {"limits": {"nvidia.com/gpu": 2}}}
    old, new = wish("a"), wish("a", image="nginx:2")
    for spec in (old, new):
        spec.manifest["spec"]["template"]["spec"]["containers"][0] |= gpus
    world.apply(old, wish("b"))
    row = world.row("a")
    world.apply(new, wish("b"))
    world.record(replace(world.row("a"), own=Own.GONE), row)
    world.timeline.skip(3600.0)

    plan = world.plan(new, wish("b")).plan
    ran = world.apply(new, wish("b"))

    assert [type(action) for action in plan.changes] == [Adopt]
    assert (plan.gpus.before, plan.gpus.after) == (2.0, 2.0)
    assert ran.summary == {"adopted": 1}
    (done,) = ran.of(ActionEnded)
    assert (done.action, done.outcome.counted_as) == ("adopt", "adopted")


def _strip(world: World, name: str) -> None:
    """Somebody changes a workload, and its annotations are gone."""
    manifest = world.sandbox.store.manifest(world.id_of(name))
    del manifest["metadata"]["annotations"]
    world.sandbox.store.edit(world.id_of(name), manifest=manifest)


def test_a_workload_that_has_lost_its_mark_is_held() -> None:
    """The record knows the mark, the server shows none: neither a delete nor a replace is sent."""
    world = _grown()
    _strip(world, "a")
    edited = (wish("a", image="nginx:2"), wish("b"))

    (replaced,) = world.plan(*edited).plan.holds
    removed = world.apply(wish("b"))

    assert (replaced.reason, replaced.fails) == (Reason.MARKER_MISSING, True)
    assert "no longer carries the mark that it had" in replaced.detail
    assert f"reconciler state adopt 4501/a --id {world.id_of('a')}" in replaced.detail
    assert (removed.summary, removed.exit_code) == ({"failed": 1}, 4)
    assert world.ledger("DELETE") == []
    assert world.live() == ["a", "b"]


def test_a_mark_that_is_lost_after_the_plan_stops_the_delete() -> None:
    """What is read right before the delete decides."""
    world = _grown()

    ran = world.apply(wish("b"), meanwhile=lambda _: _strip(world, "a"))

    (failed,) = ran.ended(Failed)
    assert failed.message.endswith("no longer carries the mark that it had; left alone")
    assert world.ledger("DELETE") == []


def test_a_server_that_never_showed_the_mark_is_not_asked_for_it() -> None:
    """Its 202 came without annotations, so their absence later says nothing."""
    world = World("strip-annotations")
    world.apply(wish("a"), wish("b"))
    world.timeline.skip(3600.0)

    assert world.apply(wish("b")).summary == {"deleted": 1}
