"""An apply that waits for more than Synced: that workloads run, or that they are over."""

from __future__ import annotations

import json
import math

import httpx
import pytest

from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.lifecycle import (
    OnFailed,
)
from reconciler.core.model import (
    Desired,
)
from reconciler.engine.run import WaitFor
from tests.support.worlds import PROJECT, Meanwhile, Ran, World, stop, wish

RUNNING, COMPLETED = WaitFor.RUNNING, WaitFor.COMPLETED


def wait_for_end(world: World, *specs: Desired, meanwhile: Meanwhile | None = None) -> Ran:
    """Apply and wait until everything is over, however long that takes."""
    return world.apply(
        *specs,
        wait_for=COMPLETED,
        wait_timeout=math.inf,
        deadline=math.inf,
        meanwhile=meanwhile,
    )


def lists(world: World) -> int:
    """How many pages of the list were asked for."""
    return sum(entry.path == "/api/v1/workloads" for entry in world.entries())


def test_a_job_that_fails_in_its_container_fails_the_apply() -> None:
    """In the server's words, at once; the apply has the exit code 4."""
    world = World("fails=10m name=train message='main: exit code 137'", "completes=1h name=other")

    ran = wait_for_end(world, wish("train", kind="Job"), wish("other", kind="Job"))

    assert ran.told == [
        "failed: create 4501/train: it failed in the cluster: main: exit code 137",
        "done: create 4501/other",
    ]
    assert (ran.exit_code, ran.summary) == (4, {"created": 1, "failed": 1})
    (failed,) = ran.ended(Failed)
    assert (failed.id, failed.cause) == (world.id_of("train"), Cause.FAILED_LATER)
    first, second = ran.of(ActionEnded)
    assert 600.0 <= first.took < 620.0
    assert 3600.0 <= second.took < 3620.0


def test_all_who_wait_share_the_list() -> None:
    """A hundred that run for an hour cost a list every ten seconds, and no look at each."""
    world = World("completes=1h")

    ran = wait_for_end(world, *(wish(f"w{number}", kind="Job") for number in range(100)))

    assert ran.summary == {"created": 100}
    assert lists(world) < 380
    assert len(world.ledger("GET")) < 1000


def test_what_serves_is_complete_once_it_runs() -> None:
    """It would be waited for until somebody ends it."""
    world = World("pending=5m")

    ran = wait_for_end(world, wish("chat"))

    assert ran.told == ["done: create 4501/chat"]
    assert 300.0 <= world.timeline.now < 330.0


def test_waiting_for_running_ends_with_it() -> None:
    """What waits for GPUs is told with its phase when the time is up, and recorded."""
    world = World(
        "pending=1m name=soon",
        "pending name=never pool=a100 reason=OverLimit "
        "message='0/3 nodes are available: insufficient GPU'",
    )

    ran = world.apply(wish("soon", kind="Job"), wish("never"), wait_for=RUNNING, wait_timeout=600.0)

    assert ran.told == [
        "done: create 4501/soon",
        (
            "failed: create 4501/never: accepted, but not running: still Pending after 600 s: "
            "0/3 nodes are available: insufficient GPU (node pool a100)"
        ),
    ]
    assert world.state() == ["never ACCEPTED Synced", "soon ACCEPTED Synced"]


def test_a_second_apply_goes_on_waiting() -> None:
    """Also for what is unchanged: what a killed run waited for is waited for again."""
    world = World("completes=1h name=good", "fails=1h name=bad message=OOMKilled")
    specs = (wish("good", kind="Job"), wish("bad", kind="Job"), wish("later", kind="Job", wave=1))
    killed = wait_for_end(world, *specs, meanwhile=stop(60.0))
    assert killed.exit_code == 130

    again = wait_for_end(world, *specs)

    assert again.told == [
        "failed: hold 4501/bad: it failed in the cluster: OOMKilled",
        "skipped: create 4501/later: wave 0 did not succeed, so this action was not started",
    ]
    assert (again.exit_code, again.summary) == (4, {"failed": 1, "skipped": 1})
    assert again.planned is not None
    assert 3600.0 <= world.timeline.now < 3630.0


def test_a_wave_begins_when_the_one_before_is_over() -> None:
    """Which is order after completion."""
    world = World("completes=10m name=prepare")

    wait_for_end(world, wish("prepare", kind="Job"), wish("train", wave=1))

    prepared, trained = (e.decided for e in world.entries() if e.effect == "created")
    assert trained - prepared >= 600.0


def test_a_second_apply_waits_for_what_is_not_synced_yet() -> None:
    """Without any --wait-for, and before it begins the next wave; what others do stays drift."""
    world = World(sync_delay=60.0)
    world.apply(wish("a"), wait=False)

    ran = world.apply(wish("a"), wish("b", wave=1))

    assert ran.told == ["done: create 4501/b"]
    (created,) = [e.decided for e in world.entries() if e.effect == "created" and e.name == "b"]
    assert created >= 60.0
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]


@pytest.mark.parametrize("failed_at", ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", None])
def test_the_end_of_what_an_update_has_changed_does_not_count(failed_at: str | None) -> None:
    """A Failed from before the PUT is not about what runs since; one that is undated may be."""
    world = World(declared="2.25")
    world.apply(wish("chat"))
    looks: list[str] = []

    async def lag(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != "/api/v1/workloads" or len(looks) == 3:
            return response
        looks.append("old")
        (row,) = json.loads(await response.aread())["workloads"]
        failed = {"phase": "Failed", "phaseMessage": "no memory", "phaseUpdatedAt": failed_at}
        old = {**row, **failed}
        return httpx.Response(200, json={"workloads": [old]})

    world.rewrite = lag
    ran = world.apply(wish("chat", image="nginx:2"), wait_for=RUNNING)

    is_new = failed_at is not None and failed_at.startswith("2999")
    ended = "failed: update 4501/chat: it failed in the cluster: no memory"
    assert ran.told == [ended if is_new else "done: update 4501/chat"]
    assert looks == ["old"] * (1 if is_new else 3)


@pytest.mark.parametrize("name", ["good", "bad"])
def test_what_is_removed_after_its_end_has_ended(name: str) -> None:
    """The list of what was deleted has its last phase."""
    world = World("completes=10m name=good", "fails=10m name=bad message=OOMKilled")

    def clean_up(_: object) -> None:
        workload = world.sandbox.store.find(PROJECT, name)
        if world.timeline.now > 603.0 and workload is not None:
            world.sandbox.store.delete(workload, "somebody")

    world.on_request = clean_up
    ran = wait_for_end(world, wish(name, kind="Job"))

    assert ran.told == [
        {
            "good": "done: create 4501/good",
            "bad": "failed: create 4501/bad: it failed in the cluster: OOMKilled",
        }[name]
    ]


def test_what_somebody_deletes_while_it_runs_fails() -> None:
    """Nothing of it is over."""
    world = World("completes=10m")

    def vanish(_: object) -> None:
        if world.timeline.now > 100.0 and world.live():
            world.sandbox.store.vanish(world.id_of("a"))

    world.on_request = vanish
    ran = wait_for_end(world, wish("a", kind="Job"))

    assert ran.told == ["failed: create 4501/a: accepted, but deleted by somebody else"]


def test_a_deadline_ends_the_wait_without_success() -> None:
    """Nobody has seen that it ran to its end."""
    world = World("completes=10h")

    ran = world.apply(
        wish("a", kind="Job"), wait_for=COMPLETED, wait_timeout=math.inf, deadline=600.0
    )

    assert ran.told == [
        "failed: create 4501/a: accepted, but not completed: still Running at the deadline"
    ]
    assert ran.exit_code == 4


def test_without_the_list_nothing_is_waited_for() -> None:
    """A server that has none says so; the workload is made and recorded."""
    world = World(listing=False)

    ran = world.apply(wish("a"), wait_for=RUNNING)

    (failed,) = ran.ended(Failed)
    assert failed.message.startswith("accepted, but its phase cannot be looked at: ")
    assert failed.hint == "--wait-for synced does without the server's list"
    assert world.state() == ["a ACCEPTED Synced"]


def test_a_refusal_that_is_ignored_is_not_waited_for() -> None:
    """Its author has said that it is no failure."""
    world = World("sync-fails name=a")
    ignored = wish("a", on_failed=OnFailed.IGNORE)
    world.apply(ignored)
    world.timeline.skip(3600.0)

    ran = world.apply(ignored, wait_for=RUNNING)

    assert (ran.told, ran.exit_code) == ([], 0)


def test_a_stale_refusal_is_not_that_of_an_update_nobody_waited_for() -> None:
    """A second apply waits for it as the first would have."""
    world = World("sync-fails name=a try=1", "stale-status=5s", declared="2.25")
    world.apply(wish("a"))
    world.timeline.skip(3600.0)
    world.apply(wish("a", image="nginx:2"), wait=False)

    ran = world.apply(wish("a", image="nginx:2"))

    assert (ran.told, ran.exit_code) == ([], 0)
    assert world.state() == ["a ACCEPTED Synced"]
