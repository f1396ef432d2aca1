"""A status tells the phases, from one list of each project."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.declared import DeclaredSpecs
from reconciler.app.status.workload_status import explain_statuses, read_statuses
from reconciler.core.model import ChangeRecord, LastSeen, Own
from reconciler.core.states.places import FilePlace
from reconciler.report.status.explanation import explanation_text
from reconciler.report.status.status import Status, status_document
from reconciler.report.status.table import statuses_text
from reconciler.report.text.color import ColorWriter
from tests.support.timing import run
from tests.support.worlds import World, wish

SCENE = (
    "pending name=wait message='no node has a GPU'",
    "completes=10m name=done",
    "fails=10m name=crash message='main: exit code 1'",
    "degrades=10m name=half",
    "sync-fails='no such image' name=refused",
)
NAMES = ("chat", "crash", "done", "half", "refused", "wait")


def look(world: World, **request: Any) -> list[Status]:
    """What one status shows."""
    return run(
        read_statuses(
            world.settings,
            StatusRequest(**request),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )


def kind_of(name: str) -> str:
    """What ends by itself is a job."""
    return "Job" if name in ("crash", "done") else "Deployment"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One workload in each phase that matters, an hour after the apply."""
    world = World(*SCENE, path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(*(wish(name, kind=kind_of(name)) for name in NAMES))
    world.timeline.skip(3600.0)
    return world


def requests_of(world: World) -> list[str]:
    """The GETs of the last look, by what they ask for."""
    return [entry.path for entry in world.entries() if entry.method == "GET"]


def test_one_list_tells_the_phases(world: World) -> None:
    """Beside a look at each by its id, which tells what the cluster took."""
    before = len(requests_of(world))
    statuses = look(world)

    assert statuses_text(statuses, ColorWriter()) == (
        "ADDRESS       PHASE      SYNC    AGE  GPUS   MESSAGE\n"
        "4501/chat     Running    Synced  1h   0/0/0\n"
        "4501/crash    Failed     Synced  1h   0/0/0  main: exit code 1\n"
        "4501/done     Completed  Synced  1h   0/0/0\n"
        "4501/half     Degraded   Synced  1h   0/0/0  Some pods are not ready\n"
        "4501/refused  Failed     Failed  1h   0/0/0  no such image\n"
        "4501/wait     Pending    Synced  1h   0/0/0  no node has a GPU\n"
        "Project 4501 is project-4501.\n"
        "6 workloads, 0 GPUs requested; 2 failed, 0 missing, 0 in doubt, 1 degraded, 1 pending."
    )
    assert [one.row.address.name for one in statuses if one.is_wrong] == [
        "crash",
        "half",
        "refused",
    ]
    assert sorted(requests_of(world)[before:]) == [
        "/api/v1/workloads",
        *sorted(f"/api/v2/workloads/{world.id_of(name)}" for name in NAMES),
    ]


def test_a_quick_look_reads_only_what_is_not_well(world: World) -> None:
    """It shows the same, and of the others it says that it goes by the list and the record."""
    whole = statuses_text(look(world), ColorWriter())
    before = len(requests_of(world))
    quick = look(world, quick=True)
    assert statuses_text(quick, ColorWriter()) == whole
    assert sorted(requests_of(world)[before:]) == [
        "/api/v1/workloads",
        *sorted(f"/api/v2/workloads/{world.id_of(name)}" for name in ("crash", "half", "refused")),
    ]
    assert {str(one.row.address.name): status_document(one)["status_from"] for one in quick} == {
        "chat": "state",
        "crash": "server",
        "done": "state",
        "half": "server",
        "refused": "server",
        "wait": "state",
    }


def test_a_sync_that_fails_later_is_seen(world: World) -> None:
    """Whatever its phase and its record say: what is read by its id counts."""
    world.sandbox.store.fail_sync(world.id_of("chat"), "quota exceeded")

    chat = look(world)[0]

    assert (chat.phase_word, chat.sync_word, chat.is_wrong) == ("Running", "Failed", True)


def test_what_was_submitted_since_is_read_by_its_id(world: World) -> None:
    """The list says when that was; what came of it, only the workload itself."""
    chat = world.id_of("chat")
    world.sandbox.store.edit(chat, manifest=wish("chat", image="nginx:2").manifest)
    before = len(requests_of(world))

    (shown,) = (one for one in look(world, quick=True) if one.row.address.name == "chat")

    assert (shown.sync_word, shown.told_by_list) == ("Synced", False)
    assert f"/api/v2/workloads/{chat}" in requests_of(world)[before:]


@pytest.mark.parametrize(
    "change",
    [
        {"seen": LastSeen.QUEUED},
        {"own": Own.DELETING},
        {"change": ChangeRecord(confirmed="1", proven_at=None)},
    ],
    ids=["not synced", "deleting", "updated"],
)
def test_what_the_record_leaves_open_is_read_by_its_id(
    world: World, change: dict[str, Any]
) -> None:
    """Nothing is concluded from a list where the record does not know what was submitted last."""
    world.record(dataclasses.replace(world.row("chat"), **change))
    (chat,) = (one for one in look(world, quick=True) if one.row.address.name == "chat")
    assert not chat.told_by_list


def test_what_is_declared_and_was_never_created_is_listed(world: World) -> None:
    """With its line; it counts as missing. Another stack's specs say nothing about this state."""
    new = wish("new")
    declared = DeclaredSpecs(stack="blue", desired=(wish("chat"), new))
    looks = look(world, declared=declared, patterns=["*/new", "4501/chat"])
    assert statuses_text(looks, ColorWriter()) == (
        "ADDRESS    PHASE        SYNC    AGE  GPUS   MESSAGE\n"
        "4501/chat  Running      Synced  1h   0/0/0\n"
        "4501/new   not created  -       -    0/-/-  "
        "declared in new.yaml:1; no apply has created it\n"
        "Project 4501 is project-4501.\n"
        "2 workloads, 0 GPUs requested; 0 failed, 0 missing, 0 in doubt, 1 not created."
    )
    assert [one.is_wrong for one in looks] == [False, True]
    document = status_document(looks[1])
    assert (document["recorded"], document["status"], document["id"]) == (None, "not created", None)
    other = dataclasses.replace(declared, stack="green")
    assert "new" not in {one.row.address.name for one in look(world, declared=other)}


def test_what_the_list_does_not_show_is_looked_for_by_its_id(world: World) -> None:
    """It is missing only if that look says so."""
    world.sandbox.store.vanish(world.id_of("chat"))

    (missing,) = (one for one in look(world) if one.row.address.name == "chat")

    assert (missing.phase_word, missing.sync_word, missing.is_wrong) == ("missing", "-", True)


@pytest.mark.parametrize(
    ("status", "discovery", "reason"),
    [
        (200, False, "the list is switched off (discovery: off)"),
        (403, True, "not for you"),
        (404, True, "not for you"),
    ],
)
def test_without_the_list_it_says_so_and_reads_each(
    world: World, status: int, discovery: bool, reason: str
) -> None:
    """Nothing is guessed of a phase, and a refusal by the cluster is still found."""

    async def hide_list(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != "/api/v1/workloads" or status == 200:
            return response
        return httpx.Response(status, json={"code": status, "message": "not for you"})

    world.rewrite = hide_list
    world.settings = dataclasses.replace(world.settings, discovery=discovery)

    text = statuses_text(look(world), ColorWriter())

    assert text == (
        "ADDRESS       PHASE  SYNC    AGE  GPUS   MESSAGE\n"
        "4501/chat     -      Synced  1h   0/-/-\n"
        "4501/crash    -      Synced  1h   0/-/-\n"
        "4501/done     -      Synced  1h   0/-/-\n"
        "4501/half     -      Synced  1h   0/-/-\n"
        "4501/refused  -      Failed  1h   0/-/-  no such image\n"
        "4501/wait     -      Synced  1h   0/-/-\n"
        f"Phases of project 4501 could not be looked at: {reason}\n"
        "6 workloads, 0 GPUs requested; 1 failed, 0 missing, 0 in doubt."
    )


def test_pages_are_read_once_each(tmp_path: Path) -> None:
    """More workloads than a page holds cost one request a page, and one that counts them."""
    world = World(path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(*(wish(f"w{number:04}") for number in range(1001)))
    world.timeline.skip(3600.0)
    before = len(requests_of(world))

    assert {one.phase_word for one in look(world)} == {"Running"}

    assert [path for path in requests_of(world)[before:] if "/v1/" in path] == [
        "/api/v1/workloads",
        "/api/v1/workloads/count",
        *["/api/v1/workloads"] * 2,
    ]


def explained(world: World, address: str) -> str:
    """What `--explain` says of one workload, without its id."""
    (one,) = run(
        explain_statuses(
            world.settings,
            StatusRequest(patterns=(address,)),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )
    return explanation_text(one, ColorWriter()).replace(one.status.row.id or "", "ID")


def test_why_a_workload_is_pending(world: World) -> None:
    """By node pool, with what happened to it last, in the server's words."""
    began = "2026-03-02T09:00:00.000Z"
    assert explained(world, "4501/wait") == (
        "4501/wait  ID\n"
        "  phase Pending, sync Synced, GPUs 0/0/0 (asked for, allocated, idle)\n"
        "  no node has a GPU\n"
        "Why it is pending, by node pool:\n"
        "  default  OverLimit  no node has a GPU\n"
        "Its last changes of phase:\n"
        f"  {began}  Creating\n"
        f"  {began}  Pending  no node has a GPU\n"
        "Its last events:\n"
        f"  {began}  Normal  Pending  Deployment/wait  no node has a GPU\n"
        f"  {began}  Normal  Creating  Deployment/wait  Deployment is Creating"
    )


def test_what_cannot_be_looked_at_is_named(world: World) -> None:
    """Without the list nothing is asked."""
    world.settings = dataclasses.replace(world.settings, discovery=False)
    assert explained(world, "4501/chat") == (
        "4501/chat  ID\n"
        "  phase -, sync Synced, GPUs 0/-/- (asked for, allocated, idle)\n"
        "Not looked at: the list is switched off (discovery: off)"
    )
