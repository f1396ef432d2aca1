"""What its lifecycle ends is ended once, and not made again before its spec changes."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.planning.endings import warn_of_deadline
from reconciler.app.planning.planning import PlanRequest
from reconciler.app.refused import GuardError
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses
from reconciler.core.lifecycle import (
    AfterCompletion,
    OnMissing,
)
from reconciler.core.model import (
    Desired,
    Own,
    Purpose,
    Recorded,
)
from reconciler.core.planning.case import PlanOptions
from reconciler.core.states.places import FilePlace
from reconciler.engine.run import WaitFor
from reconciler.report.status.table import statuses_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.tables import records_text
from reconciler.state.memory import MemoryStore
from tests.app.commands import Repository
from tests.support.timing import run
from tests.support.worlds import World, is_write, wish

HOUR = 3600.0
ENDS = "completes=10m name=job*"


def job(name: str = "job", **settings: Any) -> Desired:
    """A job, with these settings of its lifecycle."""
    return wish(name, kind="Job", **settings)


def actions(world: World, *specs: Desired) -> list[str]:
    """What a plan would do, and why."""
    return [
        f"{action.kind} {action.address.name} {action.reason}: {action.detail}"
        for action in world.plan(*specs).plan.actions
    ]


def restore(world: World, rows: Sequence[Recorded]) -> None:
    """Put back an older copy of the state."""
    world._memory = MemoryStore(world.disk.header, rows)


def test_what_completed_is_deleted_after_its_ttl_and_never_made_again() -> None:
    """Not before, once, with a record of why; also where somebody applies every day."""
    world, spec = World(ENDS), job(ttl="24h")
    world.apply(spec)
    world.timeline.skip(24 * HOUR)
    assert world.apply(spec).summary == {}
    world.timeline.skip(HOUR)
    assert world.apply(spec).summary == {"deleted": 1, "finished": 1}
    row = world.row("job")
    assert (row.own, row.purpose) == (Own.ENDED, Purpose.FINISHED)
    assert (row.id, row.digest) != (None, "")
    said = "it completed at 2026-"
    assert row.message.startswith(said)
    assert row.message.endswith("; ttl 24h is over")
    for _ in range(3):
        world.timeline.skip(24 * HOUR)
        assert world.apply(spec).summary == {}
    (told,) = actions(world, spec)
    assert told == (
        f"hold job finished: {row.message}; not made again before its spec changes "
        "(--replace 4501/job)"
    )
    assert world.changes() == ["created job", "deleted job"]


@pytest.mark.parametrize("after", ["its create", "its end"])
def test_an_older_copy_of_the_state_makes_nothing_again(after: str) -> None:
    """Whatever the copy knows, the list of what was deleted of late says that it had finished."""
    world, spec = World(ENDS), job(ttl="24h")
    world.apply(spec)
    copy = world.rows()
    world.timeline.skip(25 * HOUR)
    world.apply(spec)
    restore(world, copy if after == "its create" else world.rows())
    for _ in range(2):
        world.timeline.skip(HOUR)
        assert world.apply(spec).exit_code == 0
    assert world.changes() == ["created job", "deleted job"]
    (told,) = actions(world, spec)
    assert told.startswith("hold job finished: it completed at 2026-")


def test_what_runs_for_too_long_is_ended_by_the_next_apply() -> None:
    """Of any kind; and not made again, neither by this state nor by an older copy of it."""
    world, spec = World(), wish("web", max_runtime="1h")
    world.apply(spec)
    copy = world.rows()
    world.timeline.skip(0.9 * HOUR)
    assert world.apply(spec).summary == {}
    world.timeline.skip(0.2 * HOUR)
    assert world.apply(spec).summary == {"deleted": 1, "expired": 1}
    assert world.row("web").purpose is Purpose.EXPIRED
    (told,) = actions(world, spec)
    assert told == (
        "hold web expired: it has run for longer than maxRuntime 1h; not made again before its "
        "spec changes (--replace 4501/web)"
    )
    restore(world, copy)
    world.timeline.skip(HOUR)
    assert world.apply(spec).summary == {}
    (told,) = actions(world, spec)
    assert told == (
        "hold web missing-on-server: no longer on the server; its lifecycle may have ended it, so "
        "it is not made again (set onMissing: recreate)"
    )
    assert world.changes() == ["created web", "deleted web"]
    again = wish("web", max_runtime="1h", on_missing=OnMissing.RECREATE)
    assert world.apply(again).summary == {"created": 1}


def test_what_is_forgotten_stays_on_the_server_and_is_not_made_again() -> None:
    """The name stays taken by it; once its spec changes, it is found by its mark and taken back."""
    world = World(ENDS)
    spec = job(after_completion=AfterCompletion.FORGET)
    world.apply(spec)
    world.timeline.skip(HOUR)
    assert world.apply(spec).summary == {"forgotten": 1, "finished": 1}
    assert world.state() == ["job ENDED Synced"]
    assert world.apply(spec).summary == {}
    assert world.live() == ["job"]
    changed = dataclasses.replace(job(image="nginx:2"), lifecycle=spec.lifecycle)
    assert world.apply(changed).summary == {"adopted": 1}
    assert world.apply(changed).summary == {"replaced": 1}
    assert world.changes() == ["created job", "deleted job", "created job"]


def test_a_changed_spec_is_another_job() -> None:
    """Also by --replace; the record of the end goes with the new workload."""
    world, spec = World(ENDS), job(ttl="0.1s")
    world.apply(spec)
    world.timeline.skip(HOUR)
    world.apply(spec)
    assert world.apply(job(image="nginx:2", ttl="0.1s")).summary == {"created": 1}
    assert world.state() == ["job ACCEPTED Synced"]
    world.timeline.skip(HOUR)
    world.apply(job(image="nginx:2", ttl="0.1s"))
    asked = PlanRequest(options=PlanOptions(replace=("4501/job",)))
    again = world.apply(job(image="nginx:2", ttl="0.1s"), request=asked)
    assert again.summary == {"created": 1}
    assert world.state() == ["job ACCEPTED Synced"]


def test_the_record_of_an_end_goes_with_its_spec() -> None:
    """In one apply; nothing is sent for it."""
    world, spec = World(ENDS), job(ttl="1h")
    world.apply(spec)
    world.timeline.skip(2 * HOUR)
    world.apply(spec)
    allowed = PlanRequest(allow_empty=True)
    assert world.apply(request=allowed).summary == {"forgotten": 1}
    assert world.state() == []
    assert world.changes() == ["created job", "deleted job"]


def test_a_lifecycle_that_was_there_before_is_no_mass_delete() -> None:
    """One line of defaults that is new today is counted in full: it could end a fleet."""
    world = World(ENDS)
    plain = [job(f"job-{number}") for number in range(5)]
    world.apply(*plain)
    world.timeline.skip(2 * HOUR)
    ending = [job(f"job-{number}", ttl="1h") for number in range(5)]
    with pytest.raises(GuardError, match="5 of 5"):
        world.apply(*ending)
    longer = [job(f"job-{number}", ttl="12h") for number in range(5)]
    assert world.apply(*longer).summary == {"recorded": 5}
    # What the record has would not end them yet.
    with pytest.raises(GuardError, match="5 of 5"):
        world.apply(*ending)
    world.timeline.skip(12 * HOUR)
    assert world.apply(*longer).summary == {"deleted": 5, "finished": 5}


def test_protection_and_no_delete_go_before_a_lifecycle() -> None:
    """What is protected stays and is no failure; what a flag holds back stays due."""
    world, spec = World(ENDS), job(ttl="1h")
    world.apply(spec)
    world.timeline.skip(2 * HOUR)
    (protected,) = actions(world, job(ttl="1h", protect=True))
    assert protected.startswith("record job lifecycle-changed: ")
    assert protected.endswith("ttl 1h is over; kept, because it is protected")
    held = world.apply(spec, request=PlanRequest(options=PlanOptions(no_delete=True)))
    assert (held.summary, held.exit_code) == ({"skipped": 1}, 4)
    assert world.live() == ["job"]


@pytest.mark.parametrize("settings", [{}, {"ttl": "3h"}, {"max_runtime": "24h"}])
def test_finished_and_then_removed_is_told_from_deleted_by_somebody(
    settings: dict[str, str],
) -> None:
    """By the last phase of the very id; many at once are no sign of a wrong server."""
    world = World("completes=10m name=job*")
    specs = [job(f"job-{number}", **settings) for number in range(4)]
    busy = job("busy", **settings)
    world.apply(*specs, busy)
    world.timeline.skip(HOUR)
    for name in (*(spec.address.name for spec in specs), "busy"):
        world.sandbox.store.vanish(world.id_of(name))
    told = actions(world, *specs, busy)
    assert [text.partition(":")[0] for text in told] == [
        "hold busy run-to-completion",
        *(f"hold job-{number} finished" for number in range(4)),
    ]
    applied = world.apply(*specs, busy)
    assert (applied.summary, applied.exit_code) == ({}, 0)
    assert {row.seen.value for row in world.rows()} == {"missing"}
    del applied
    # Their specs gone as well, nothing has to be proven any more.
    assert [text.partition(":")[0] for text in actions(world, busy)][1:] == [
        f"forget job-{number} finished" for number in range(4)
    ]


def test_the_next_job_of_the_same_content_is_no_rename_of_one_that_is_over() -> None:
    """The spec of the first still stands there: nobody has given its name to another."""
    world = World(ENDS)
    first = job(ttl="1h")
    world.apply(first)
    world.timeline.skip(2 * HOUR)
    plan = world.plan(first, job("job2", ttl="1h")).plan
    assert [(a.kind, a.reason.value) for a in plan.changes] == [
        ("delete", "finished"),
        ("create", "new"),
    ]
    assert plan.diagnostics == ()


def test_without_the_list_what_is_missing_is_missing() -> None:
    """A server that lists nothing, or a list that is switched off, explains nothing."""
    world = World(ENDS)
    world.settings = dataclasses.replace(world.settings, discovery=False)
    spec = job(ttl="1h")
    world.apply(spec)
    world.timeline.skip(2 * HOUR)
    assert world.apply(spec).summary == {}
    [warning] = world.plan(spec).plan.diagnostics
    why = "the list is switched off (discovery: off)"
    assert (warning.code, warning.message, warning.address) == (
        "ends-not-seen",
        f"what is over in project 4501 was not looked at, so that nothing is ended there: {why}",
        "4501/job",
    )
    world.sandbox.store.vanish(world.id_of("job"))
    (told,) = actions(world, spec)
    assert told.startswith("hold job run-to-completion: ")


@pytest.mark.parametrize("step", ["intent", "delete", "gone"])
def test_killed_anywhere_it_is_ended_once(step: str) -> None:
    """The intent says why, so that the next run finishes it and does not make it again."""
    world, spec = World(ENDS), job(ttl="1h")
    world.apply(spec)
    world.timeline.skip(2 * HOUR)

    def on_request(request: httpx.Request) -> None:
        if step == "delete" and is_write(request, "DELETE"):
            world.kill()

    def on_answer(request: httpx.Request) -> None:
        if step == "gone" and is_write(request, "DELETE"):
            world.kill()

    world.on_request, world.on_answer = on_request, on_answer
    if step == "intent":
        killed = world.apply(spec, meanwhile=lambda _: setattr(world.disk, "on_write", world.kill))
    else:
        killed = world.apply(spec)
    assert killed.finished is None
    row = world.row("job")
    assert (row.own, row.purpose) == (Own.DELETING, Purpose.FINISHED)
    world.on_request = world.on_answer = lambda _: None
    world.timeline.skip(60.0)
    assert world.apply(spec).summary == {"deleted": 1, "finished": 1}
    assert world.state() == ["job ENDED Deleted"]
    for _ in range(2):
        world.timeline.skip(HOUR)
        assert world.apply(spec).summary == {}
    assert world.changes() == ["created job", "deleted job"]


def test_a_spec_that_changes_while_its_end_is_under_way_is_made() -> None:
    """What was begun is finished, and what takes its place is another workload."""
    world, spec = World(ENDS), job(ttl="1h")
    world.apply(spec)
    world.timeline.skip(2 * HOUR)
    world.on_request = lambda request: world.kill() if is_write(request, "DELETE") else None
    world.apply(spec)
    world.on_request = lambda _: None
    assert world.apply(job(image="nginx:2", ttl="1h")).summary == {"replaced": 1}
    assert world.state() == ["job ACCEPTED Synced"]


def test_who_waits_for_a_completion_takes_the_end_for_one() -> None:
    """Before and after its clean-up, by us or by others; what expired has not completed."""
    world, spec = World(ENDS), job(ttl="1h")
    assert world.apply(spec, wait_for=WaitFor.COMPLETED).exit_code == 0
    world.timeline.skip(2 * HOUR)
    for expected in ({"deleted": 1, "finished": 1}, {}, {}):
        applied = world.apply(spec, wait_for=WaitFor.COMPLETED)
        assert (applied.summary, applied.exit_code) == (expected, 0)

    slow = World()
    long = job("slow", max_runtime="1h")
    slow.apply(long)
    slow.timeline.skip(2 * HOUR)
    first = slow.apply(long, wait_for=WaitFor.COMPLETED)
    assert (first.summary, first.exit_code) == ({"deleted": 1, "expired": 1, "failed": 1}, 4)
    (told,) = slow.apply(long, wait_for=WaitFor.COMPLETED).told
    assert told == (
        "failed: hold 4501/slow: it has not completed: it ran for longer than its maxRuntime, and "
        "was deleted"
    )
    assert slow.apply(long).exit_code == 0


@pytest.mark.parametrize(("fault", "code"), [("completes=10m", 0), ("fails=10m", 4)])
def test_what_finished_and_was_removed_counts_by_how_it_ended(fault: str, code: int) -> None:
    """For a wait for its completion; it is not missing."""
    world, spec = World(f"{fault} name=job"), job()
    world.apply(spec)
    world.timeline.skip(HOUR)
    world.sandbox.store.vanish(world.id_of("job"))
    assert world.apply(spec, wait_for=WaitFor.COMPLETED).exit_code == code
    assert world.apply(spec, wait_for=WaitFor.RUNNING).exit_code == 0
    assert world.apply(spec).exit_code == 0


def test_what_failed_is_left_for_people_to_look_at() -> None:
    """A clean-up of failures would turn every alert green."""
    world, spec = World("fails=10m name=job"), job(ttl="1h", max_runtime="1h")
    world.apply(spec)
    world.timeline.skip(9 * HOUR)
    assert world.apply(spec).summary == {}
    assert world.live() == ["job"]


@pytest.mark.parametrize("stamp", [None, "yesterday", "2026-03-01T00:00:00"])
def test_times_that_cannot_be_read_end_nothing(stamp: str | None) -> None:
    """Neither is another stamp taken in their place."""
    world, spec = World(ENDS), job(ttl="1h")
    world.apply(spec)

    async def rewrite(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path.endswith("/api/v1/workloads"):
            document = json.loads(await response.aread())
            for workload in document["workloads"]:
                workload["completedAt"] = stamp
            return httpx.Response(response.status_code, json=document)
        return response

    world.rewrite = rewrite
    world.timeline.skip(9 * HOUR)
    assert world.apply(spec).summary == {}
    assert world.live() == ["job"]


def test_a_status_calls_nothing_missing_that_is_over(tmp_path: Path) -> None:
    """Neither what a lifecycle has ended, nor a job that had finished when it was removed."""
    world = World("completes=10m name=*job", path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    specs = [job("our-job", ttl="1h"), job("their-job"), wish("web", max_runtime="1h")]
    world.apply(*specs, job("busy"))
    world.timeline.skip(2 * HOUR)
    world.sandbox.store.vanish(world.id_of("their-job"))
    world.sandbox.store.vanish(world.id_of("busy"))
    world.apply(*specs, job("busy"))
    statuses = run(
        read_statuses(
            world.settings, StatusRequest(), connector=world.connector(), say=lambda _: None
        ),
        world.timeline,
    )
    assert [(status.row.address.name, status.word, status.is_wrong) for status in statuses] == [
        ("busy", "missing", True),
        ("our-job", "finished", False),
        ("their-job", "finished", False),
        ("web", "expired", False),
    ]
    total = statuses_text(statuses, ColorWriter()).splitlines()[-1]
    assert total == (
        "4 workloads, 0 GPUs requested; 0 failed, 1 missing, 0 in doubt, 2 finished, 1 expired."
    )
    (line,) = (line for line in records_text(world.rows()).splitlines() if "our-job" in line)
    assert line.split()[:2] == ["4501/our-job", "ended"]
    assert line.endswith("; ttl 1h is over; not made again before its spec changes")


def test_a_wait_that_may_outlast_its_run_is_named_at_the_start(tmp_path: Path) -> None:
    """At the spec's line, before anybody is asked; a longer deadline needs no word."""
    warnings = warn_of_deadline(
        [job(), job("short", max_runtime="20m"), job("long", max_runtime="2h")], 1800.0
    )
    (warning,) = warnings
    assert (warning.code, warning.address, str(warning.where)) == (
        "deadline-too-short",
        "4501/long",
        "long.yaml:1:1",
    )
    assert warning.message == (
        "it may run for 2h, and this apply waits for its completion until --deadline 1800s"
    )
    assert warn_of_deadline([job(max_runtime="2h")], math.inf) == []

    repository = Repository(tmp_path, World(ENDS))
    for wait_for, expected in ((WaitFor.COMPLETED, ["deadline-too-short"]), (WaitFor.SYNCED, [])):
        repository.apply(job(max_runtime="2h"), wait_for=wait_for, deadline=3600.0)
        told = repository.asked[-1].plan.diagnostics
        assert [one.code for one in told] == expected
