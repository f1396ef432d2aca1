"""`validate --server`: new specs are checked by the server, and nothing is ever left there."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.planning.server_check import ServerCheck, check_on_server
from reconciler.core.protocol.marker import DRY_RUN, OP, STACK
from reconciler.errors import LockedError, RefusedError, UnreachableError
from reconciler.sandbox.ledger import Effect
from reconciler.sandbox.settings import Project
from reconciler.state.sqlite import open_state
from tests.app.commands import AdoptCommands, Repository
from tests.support.specs import load
from tests.support.timing import run
from tests.support.worlds import World, is_write, wish

JOB = (
    "manifest:\n  apiVersion: batch/v1\n  kind: Job\n  spec:\n    template:\n      spec:\n"
    "        restartPolicy: Never\n        containers: [{name: main, image: train}]\n"
)


def spec(name: str, more: str = "") -> str:
    """A spec of a Job, with more lines of metadata."""
    return f"metadata:\n  name: {name}\n  projectId: '4501'\n{more}{JOB}"


GOOD, BAD = spec("good"), spec("bad", "  priority: urgent\n")


def check(
    world: World,
    folder: Path,
    *specs: str,
    declared: str | None = "2.25",
    keeps_state: bool = True,
    deadline: float = 1800.0,
) -> ServerCheck:
    """Check specs as the command does, with a state of their own."""
    repository = Repository(folder, world)
    if keeps_state and not repository.path.exists():
        repository.apply(wish("recorded"))
    files = {f"{number}.yaml": text for number, text in enumerate(specs)}
    settings = dataclasses.replace(
        repository.settings, api_version=declared, deadline=deadline, root=folder
    )
    loaded = load(folder, files)
    work = check_on_server(loaded, settings, connector=world.connector(), say=lambda _: None)
    return run(work, world.timeline)


def created(world: World) -> list[str]:
    """Who was ever created, the recorded one aside."""
    entries = world.sandbox.ledger.effects(Effect.CREATED)
    return [entry.name or "" for entry in entries if entry.name != "recorded"]


def live(world: World) -> list[str]:
    """Who lives on the server once deletions are through."""
    world.timeline.skip(60.0)
    return [workload.name for workload in world.sandbox.store.live()]


@pytest.mark.parametrize("version", ["2.24", "2.25", "2.26", "3.0"])
def test_the_server_checks_and_creates_nothing(version: str, tmp_path: Path) -> None:
    """What it objects to is an error at the line of the field; the rest is counted."""
    world = World(api_version=version)
    result = check(world, tmp_path, GOOD, BAD)
    assert (result.checked, result.named, result.removed) == (2, (), ())
    [diagnostic] = result.diagnostics
    assert (str(diagnostic.where), diagnostic.code, diagnostic.address, diagnostic.pointer) == (
        *("1.yaml:4:13", "refused-by-server", "4501/bad"),
        "/metadata/priority",
    )
    assert diagnostic.message.startswith("the server refuses it: priority 'urgent' is not")
    assert created(world) == []
    assert live(world) == ["recorded"]


def test_what_is_sent(tmp_path: Path) -> None:
    """The body of a create, with the mark of a dry run in the place of an operation."""
    world, bodies = World(), []

    def note(request: httpx.Request) -> None:
        if is_write(request) and "dryRun" in str(request.url):
            bodies.append((request.url.query, request.read().decode()))

    world.on_request = note
    check(world, tmp_path, GOOD)
    assert {query for query, _ in bodies} == {b"dryRun=true"}
    assert [DRY_RUN in body and STACK in body and OP not in body for _, body in bodies] == [
        True
    ] * 3
    assert [body.count('"name":"good"') for _, body in bodies] == [0, 0, 1]
    assert all('"suspend":true' in body and "gpu" not in body for _, body in bodies[:2])


def test_what_exists_is_checked_for_its_name_only(tmp_path: Path) -> None:
    """What the state records is not sent at all; of a stranger's name the server says 409."""
    world = World()
    repository = Repository(tmp_path, world)
    repository.apply(wish("recorded"))
    stranger = {"metadata": {"name": "good", "projectId": "4501"}, "manifest": wish("x").manifest}
    world.sandbox.store.plant(stranger)
    result = check(world, tmp_path, GOOD, spec("recorded"), spec("new"))
    assert [str(address) for address in result.named] == ["4501/good", "4501/recorded"]
    assert (result.checked, result.diagnostics) == (1, ())


def test_a_declared_version_without_dry_runs(tmp_path: Path) -> None:
    """Nothing is sent at all."""
    world = World()
    with pytest.raises(RefusedError, match=r"version 2\.23 would create what it is to check"):
        check(world, tmp_path, GOOD, declared="2.23", keeps_state=False)
    assert world.entries() == []


@pytest.mark.parametrize(
    ("version", "clusters", "agrees"),
    [
        ("3.0", "3.0.1", True),
        ("3.0", "2.25.0", True),
        ("3.0", "2.24.9", True),
        ("2.24", None, True),
        ("3.0", "2.23.9", False),
        ("2.23", None, False),
    ],
)
def test_the_clusters_speak_for_a_version(
    version: str, clusters: str | None, agrees: bool, tmp_path: Path
) -> None:
    """Where none is declared. Without them nothing is sent but that question."""
    world = World(api_version=version, cluster_version=clusters)
    if agrees:
        assert check(world, tmp_path, GOOD, declared=None).checked == 1
        return
    sent = len(world.sandbox.ledger)
    with pytest.raises(RefusedError, match="nothing shows that the server knows dry runs"):
        check(world, tmp_path, GOOD, declared=None, keeps_state=False)
    posts = [e for e in list(world.sandbox.ledger)[sent:] if e.method == "POST"]
    assert {entry.path.rpartition("/")[2] for entry in posts} == {"token"}


IGNORING: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "2.23": ({"api_version": "2.23"}, ()),
    "the first 2.24": ({"api_version": "2.24"}, ("ignore-dry-run",)),
    "what is created shows late": ({}, ("ignore-dry-run", "lag=5s", "list-lag=9s")),
    "it has no list": ({"listing": False}, ("ignore-dry-run",)),
    "its answers get lost": ({}, ("ignore-dry-run", "lost on=POST try=1")),
    "it answers 503 after it has created": ({}, ("ignore-dry-run", "503 executed on=POST try=1")),
}


@pytest.mark.parametrize(("how", "faults"), IGNORING.values(), ids=IGNORING.keys())
def test_a_server_that_creates_instead(
    how: Mapping[str, Any], faults: tuple[str, ...], tmp_path: Path
) -> None:
    """The canary shows it, and is deleted; no spec has been sent."""
    world = World(**how)
    Repository(tmp_path, world).apply(wish("recorded"))
    world.sandbox.set_faults(*faults)
    with pytest.raises(RefusedError) as refusal:
        check(world, tmp_path, GOOD, BAD)
    assert refusal.value.exit_code == 5
    [name] = created(world)
    assert name.startswith("dry-run-canary-")
    assert name in refusal.value.message
    assert live(world) == ["recorded"]


def test_the_first_2_24_creates_although_its_version_has_dry_runs(tmp_path: Path) -> None:
    """So a declared version is no proof: the canary is."""
    world = World("ignore-dry-run", api_version="2.24")
    with pytest.raises(RefusedError, match="creates what it was asked only to check"):
        check(world, tmp_path, GOOD, declared="2.24", keeps_state=False)
    assert [name.rpartition("-")[0] for name in created(world)] == ["dry-run-canary"]
    assert live(world) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_questions_and_not_the_search(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """A canary that a server has created meanwhile is deleted, and the history has the code."""
    world = World()
    Repository(tmp_path, world).apply(wish("recorded"))
    world.sandbox.set_faults("ignore-dry-run", "slow=20s on=POST")
    handler = signal.getsignal(number)

    def stop(request: httpx.Request) -> None:
        if is_write(request) and "dryRun" in str(request.url):
            # Not os.kill: that may reach another thread first, while the time of the test goes on.
            asyncio.get_running_loop().call_later(1.0, signal.raise_signal, number)

    world.on_request = stop
    result = check(world, tmp_path, GOOD)
    [name] = created(world)
    assert (result.stopped_by, [address.name for address in result.removed]) == (number, [name])
    assert (live(world), signal.getsignal(number)) == (["recorded"], handler)
    with closing(open_state(tmp_path / "state.db")) as store:
        assert store.runs()[0].exit_code == code


def test_a_signal_counts_also_where_the_server_cannot_be_searched(tmp_path: Path) -> None:
    """Its code goes before that of a read that nobody answers."""
    world, asked = World("latency=20s on=POST"), []

    def stop(request: httpx.Request) -> None:
        if "dryRun" in str(request.url):
            asked.append(request)
            if len(asked) == 2:
                world.sandbox.set_faults("latency=20s on=POST", "503 on=GET")
                asyncio.get_running_loop().call_later(1.0, signal.raise_signal, signal.SIGTERM)

    world.on_request = stop
    result = check(world, tmp_path, GOOD, keeps_state=False, deadline=90.0)
    assert (result.stopped_by, result.exit_code, len(asked)) == (signal.SIGTERM, 143, 2)


def test_a_project_that_refuses_the_canary_is_told_at_its_spec(tmp_path: Path) -> None:
    """Another project proves what the server does with dry runs, and nothing is sent before."""
    world = World(projects=(Project(id="4501", name="team-a"),))
    result = check(world, tmp_path, GOOD.replace("4501", "1"), GOOD)
    [diagnostic] = result.diagnostics
    assert (str(diagnostic.where.file), diagnostic.address) == ("0.yaml", "1/good")
    assert (result.checked, created(world)) == (2, [])


def test_what_cannot_be_deleted_is_named(tmp_path: Path) -> None:
    """With its id, and the next run of the command tries again."""
    world = World()
    Repository(tmp_path, world).apply(wish("recorded"))
    world.sandbox.set_faults("ignore-dry-run", "403 on=DELETE")
    with pytest.raises(RefusedError, match="and it cannot be deleted: ") as refusal:
        check(world, tmp_path, GOOD)
    [workload] = [w for w in world.sandbox.store.live() if w.name != "recorded"]
    assert workload.id in refusal.value.hint
    world.sandbox.set_faults()
    result = check(world, tmp_path, GOOD)
    assert [address.name for address in result.removed] == [workload.name]
    assert live(world) == ["recorded"]


def test_a_server_that_refuses_the_canary(tmp_path: Path) -> None:
    """Then nothing proves that the next one would not be created."""
    world = World()
    Repository(tmp_path, world).apply(wish("recorded"))
    world.sandbox.set_faults("403 on=POST")
    with pytest.raises(RefusedError, match="refuses even a Job that does nothing"):
        check(world, tmp_path, GOOD)
    assert [entry.status for entry in world.entries() if entry.method == "POST"][-1:] == [403]


@pytest.mark.parametrize("fault", ["503 on=POST", "502 page=html on=POST", "200 page=html on=POST"])
def test_a_server_that_does_not_answer(fault: str, tmp_path: Path) -> None:
    """It is not said that anything was checked."""
    world = World()
    Repository(tmp_path, world).apply(wish("recorded"))
    world.sandbox.set_faults(fault)
    with pytest.raises(UnreachableError):
        check(world, tmp_path, GOOD, deadline=60.0)
    assert live(world) == ["recorded"]


def test_the_state_is_held_meanwhile(tmp_path: Path) -> None:
    """An apply at the same time would meet the canary, or what a bad server makes of specs."""
    world = World()
    repository = Repository(tmp_path, world)
    repository.apply(wish("recorded"))
    with closing(open_state(repository.path)) as store:
        store.hold("another run")
        sent = len(world.sandbox.ledger)
        with pytest.raises(LockedError):
            check(world, tmp_path, GOOD)
    assert len(world.sandbox.ledger) == sent


def test_the_history_of_the_state_tells_of_it(tmp_path: Path) -> None:
    """The name of the canary is there before it is sent, for whoever comes after a kill."""
    world = World()
    check(world, tmp_path, GOOD)
    check(world, tmp_path, BAD)
    with closing(open_state(tmp_path / "state.db")) as store:
        refused, entry, before = store.runs()
        [action] = store.actions(entry.id)
    assert (entry.command, entry.exit_code, before.exit_code) == ("validate --server", 0, 0)
    assert (refused.exit_code, refused.took is None) == (3, False)
    assert (action.action, action.outcome) == ("dry-run", "sent")
    assert action.address.startswith("4501/dry-run-canary-")


def test_without_a_state_there_is_nothing_to_hold(tmp_path: Path) -> None:
    """A new repository is checked as well, and no state is made by that."""
    world = World()
    assert check(world, tmp_path, GOOD, keeps_state=False).checked == 1
    assert not (tmp_path / "state.db").exists()


def test_projects_that_are_not_allowed(tmp_path: Path) -> None:
    """They are as much out of bounds as for an apply."""
    world = World()
    world.settings = dataclasses.replace(world.settings, allowed_projects=("1",))
    with pytest.raises(RefusedError, match="allowed_projects does not hold 4501"):
        check(world, tmp_path, GOOD, keeps_state=False)
    assert world.entries() == []


def test_what_a_dry_run_left_behind_is_never_adopted(tmp_path: Path) -> None:
    """Not by its id, not with everything of a project, and not as somebody else's."""
    commands = AdoptCommands(tmp_path)
    manifest = wish("a").manifest
    annotations = {DRY_RUN: "x", STACK: "blue"}
    marked = {**manifest, "metadata": {"annotations": annotations}}
    commands.world.sandbox.store.plant(
        {"metadata": {"name": "a", "projectId": "4501"}, "manifest": marked}
    )
    [told] = commands.adopt_all(wish("a"), take_over=True)
    assert "dry-run" in told
    assert commands.world.rows() == []
