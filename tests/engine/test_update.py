"""An update: what it sends, when it is done, and what it leaves alone."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter

import httpx

from reconciler.core.history.provenance import Provenance
from reconciler.core.protocol.marker import COMMIT, read_own_annotations
from tests.engine.updates import UpdatingWorld, scaled
from tests.support.worlds import is_write, wish


def test_an_update_keeps_id_and_marker_and_is_proven_by_a_read() -> None:
    """A GET, a PUT, and a GET that shows it; then the wait for Synced."""
    world = UpdatingWorld(sync_delay=2.0)
    world.apply(scaled(1))
    before, marker = world.id_of("a"), read_own_annotations(world.shown("a"))
    since = len(world.entries())
    ran = world.update(scaled(3), wait=False)
    assert (ran.exit_code, ran.summary) == (0, {"updated": 1})
    assert ran.told == ["done: update 4501/a"]
    assert [entry.method for entry in world.entries()[since:]] == ["GET", "GET", "PUT", "GET"]
    row = world.row("a")
    assert (world.id_of("a"), world.shown("a")["spec"]["replicas"]) == (before, 3)
    assert read_own_annotations(world.shown("a")) == {
        **marker,
        "workload-reconciler/rev": row.change.confirmed,
    }
    assert (row.change.open, row.change.superseded) == (None, ())
    assert world.plan(scaled(3)).plan.changes == ()
    assert world.changes() == ["created a", "updated a"]


def test_no_more_is_read_ahead_than_can_be_sent_soon() -> None:
    """With two requests in flight four updates begin: what they read does not wait for others."""
    world = UpdatingWorld()
    names = [f"w{number:02d}" for number in range(20)]
    world.apply(*(wish(name) for name in names))
    since = len(world.entries())
    changed = [wish(name, image="nginx:2") for name in names]
    assert world.apply(*changed, concurrency=2, wait=False).summary == {"updated": 20}
    # Each workload is read for the plan, before its PUT, and after it.
    read_ahead, most, reads = set[str](), 0, Counter[str]()
    for entry in world.entries()[since:]:
        if entry.method == "PUT":
            read_ahead.remove(entry.path)
        elif entry.method == "GET":
            reads[entry.path] += 1
            if reads[entry.path] == 2:
                read_ahead.add(entry.path)
        most = max(most, len(read_ahead))
    assert set(reads.values()) == {3}
    assert (most, read_ahead) == (4, set())


def test_a_later_update_names_the_one_before() -> None:
    """Each has a rev of its own; the marker stays that of the create."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    world.update(scaled(2))
    first = world.rev("a")
    world.update(scaled(3))
    assert (world.rev("a") > first, world.row("a").change.base) == (True, first)
    assert world.plan(scaled(3)).plan.changes == ()


def test_a_commit_is_written_with_what_is_sent_and_moves_nothing_by_itself() -> None:
    """Also not a workload that names none; outside of git an update takes the old name away."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    assert COMMIT not in read_own_annotations(world.shown("a"))
    world.provenance = Provenance(commit="1" * 40)
    assert world.apply(scaled(1)).summary == {}
    world.update(scaled(2))
    assert read_own_annotations(world.shown("a"))[COMMIT] == "1" * 40
    world.provenance = Provenance(commit="2" * 40 + "+")
    assert not world.plan(scaled(2)).plan.has_changes
    assert world.apply(scaled(2)).summary == {}
    assert world.changes() == ["created a", "updated a"]
    world.update(scaled(3))
    assert read_own_annotations(world.shown("a"))[COMMIT] == "2" * 40 + "+"
    world.provenance = Provenance()
    world.update(scaled(4))
    assert COMMIT not in read_own_annotations(world.shown("a"))


def test_a_create_that_is_sent_again_from_another_commit_is_recognised() -> None:
    """One operation, whatever the commit: what the first send has made is adopted, not remade."""
    world = UpdatingWorld()
    world.provenance = Provenance(commit="1" * 40)
    world.on_answer = lambda request: world.kill() if is_write(request) else None
    world.apply(scaled(1))
    world.on_answer = lambda _: None
    world.provenance = Provenance(commit="2" * 40)
    assert world.apply(scaled(1)).exit_code == 0
    assert world.changes() == ["created a"]
    assert read_own_annotations(world.shown("a"))[COMMIT] == "1" * 40


def test_what_others_declared_stays_and_what_we_declare_is_ours() -> None:
    """A field that no spec ever declared is theirs; a declared one that drifted stays in sight."""
    world = UpdatingWorld()
    world.apply(scaled(1, image="nginx:1"))
    world.change("a", minReadySeconds=7, replicas=9)
    ran = world.update(scaled(1, image="nginx:2"))
    assert ran.exit_code == 0
    spec = world.shown("a")["spec"]
    assert (spec["minReadySeconds"], spec["replicas"], world.image("a")) == (7, 9, "nginx:2")
    # The update has not swallowed what it left.
    (drift,) = world.plan(scaled(1, image="nginx:2")).plan.drift
    assert [(c.pointer, c.before, c.after) for c in drift.changes] == [
        ("/manifest/spec/replicas", 1, 9)
    ]


def test_drift_is_undone_where_that_was_asked_for() -> None:
    """And the record remembers what it took back, so as not to fight for ever."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    world.change("a", replicas=9)
    ran = world.update(scaled(1), undo_drift=True)
    assert (ran.exit_code, world.shown("a")["spec"]["replicas"]) == (0, 1)
    assert world.row("a").undone == ("/manifest/spec/replicas",)
    assert world.plan(scaled(1)).plan.drift == ()


def test_a_change_since_the_plan_is_not_overwritten() -> None:
    """The entry is refused by name, and nothing is sent."""
    world = UpdatingWorld()
    world.apply(scaled(1, image="nginx:1"))
    ran = world.update(
        scaled(1, image="nginx:2"), meanwhile=lambda _: world.change("a", replicas=9)
    )
    assert ran.exit_code == 4
    (told,) = ran.told
    assert told == (
        "failed: update 4501/a: /manifest/spec/replicas changed on the server since this was "
        "planned; nothing was sent"
    )
    assert world.puts() == []


def test_what_is_removed_from_a_spec_is_removed() -> None:
    """On a server that replaces; what others put beside it stays."""
    world = UpdatingWorld()
    world.apply(scaled(3))
    world.change("a", minReadySeconds=7)
    assert world.update(wish("a")).exit_code == 0
    assert "replicas" not in world.shown("a")["spec"]
    assert world.shown("a")["spec"]["minReadySeconds"] == 7


def test_a_server_that_merges_keeps_what_was_removed_and_that_is_said() -> None:
    """It stays open, with the way out; no run takes it for done, or sends it again for ever."""
    world = UpdatingWorld("merge")
    world.apply(scaled(3))
    for _ in range(2):
        ran = world.update(wish("a"))
        assert ran.exit_code == 4
        (told,) = ran.told
        assert told == (
            "failed: update 4501/a: /manifest/spec/replicas is declared no more, and the server "
            "keeps it"
        )
    assert len(world.puts()) == 1
    world.change("a")
    manifest = world.shown("a")
    del manifest["spec"]["replicas"]
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)
    assert world.update(wish("a")).exit_code == 0
    assert world.row("a").change.open is None


def test_priority_and_category_go_with_it_and_null_only_for_what_is_gone() -> None:
    """What nobody declared is repeated as the server has it, not reset."""
    world = UpdatingWorld()
    plain = scaled(1)
    high = dataclasses.replace(plain, metadata={**plain.metadata, "priority": "high"})
    world.apply(high)
    bodies: list[dict[str, object]] = []

    def look(request: httpx.Request) -> None:
        if is_write(request, "PUT"):
            bodies.append(json.loads(request.content)["metadata"])

    world.on_request = look
    low = dataclasses.replace(plain, metadata={**plain.metadata, "priority": "low"})
    assert world.update(low).exit_code == 0
    category = world.sandbox.store.workload(world.id_of("a")).category
    assert world.update(plain).exit_code == 0
    assert world.update(scaled(2)).exit_code == 0
    default = world.sandbox.store.workload(world.id_of("a")).priority
    assert bodies == [
        {"priority": "low", "category": category},
        {"priority": None, "category": category},
        {"priority": default, "category": category},
    ]


def test_a_manifest_in_base64_is_sent_in_base64() -> None:
    """Decoded, merged, marked, and encoded again."""
    world = UpdatingWorld()
    world.apply(scaled(1, encoded=True))
    sent: list[dict[str, object]] = []

    def look(request: httpx.Request) -> None:
        if is_write(request, "PUT"):
            body = json.loads(request.content)
            sent.append(json.loads(base64.b64decode(body["manifestBase64Encoded"])))

    world.on_request = look
    assert world.update(scaled(2, encoded=True)).exit_code == 0
    assert sent == [world.shown("a")]


def test_nothing_is_sent_for_what_is_there_already() -> None:
    """Somebody has made the same change by hand since the plan was made."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    world.change("a", replicas=2)
    ran = world.update(scaled(2))
    assert (ran.exit_code, world.puts()) == (0, [])
    assert world.plan(scaled(2)).plan.changes == ()


def test_a_stand_in_of_a_secret_is_never_sent() -> None:
    """Somebody has put a text out of our own reports into the workload."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    world.change("a", minReadySeconds="(sensitive 0123456789abcdef)")
    ran = world.update(scaled(2))
    assert (ran.exit_code, world.puts()) == (4, [])
    assert ran.told == [
        "failed: update 4501/a: the server shows stand-ins of secrets in it, which are never sent"
    ]


def test_a_workload_of_another_stack_is_left_alone() -> None:
    """Whoever took it over is named, and nothing is sent."""
    world = UpdatingWorld()
    world.apply(scaled(1))
    manifest = world.shown("a")
    manifest["metadata"]["annotations"] |= {
        "workload-reconciler/op": "another/op",
        "workload-reconciler/stack": "green",
    }
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)
    ran = world.update(scaled(2))
    assert (ran.exit_code, world.puts()) == (4, [])
    (told,) = ran.told
    assert told == (
        "failed: hold 4501/a: taken over by stack 'green'; left alone. If that is meant, "
        "remove its spec here and run: reconciler state rm 4501/a"
    )
