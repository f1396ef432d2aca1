"""A workload that is taken over gets our mark by an update, and its former owner lets go."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import httpx
import pytest

from reconciler.core.protocol.marker import COMMIT, read_marker, read_own_annotations, read_rev
from reconciler.errors import RefusedError
from tests.app.commands import AdoptCommands, lineage_of, neighbour
from tests.support.worlds import World, is_write, wish


@pytest.fixture
def commands(tmp_path: Path) -> AdoptCommands:
    """A state that has never recorded anything, and a server with updates."""
    commands = AdoptCommands(tmp_path)
    world = commands.world
    world.settings = dataclasses.replace(world.settings, api_version="3.0")
    return commands


@pytest.fixture
def former(commands: AdoptCommands) -> World:
    """Another stack with two workloads."""
    former = neighbour(commands)
    former.apply(wish("a"), wish("b"))
    return former


def mark_of(commands: AdoptCommands, name: str) -> str:
    """The mark that a workload carries."""
    manifest = commands.world.sandbox.store.manifest(commands.world.id_of(name))
    return str(read_marker(manifest))


def test_it_is_marked_without_a_change_of_its_content(
    commands: AdoptCommands, former: World
) -> None:
    """The same id and the same manifest; mark and rev are ours, and the old mark is remembered."""
    before = former.row("a").marker
    workload_id = former.id_of("a")
    commands.adopt("4501/a", workload_id, wish("a"), take_over=True, mark=True)

    row = commands.world.row("a")
    manifest = commands.world.sandbox.store.manifest(workload_id)
    assert mark_of(commands, "a") == row.marker == f"{lineage_of(commands)}/{row.op}"
    assert (row.change.confirmed, row.change.former_markers) == (read_rev(manifest), (before,))
    assert manifest["spec"] == dict(wish("a").manifest)["spec"]
    assert [applied.exit_code for applied in commands.marked] == [0]
    assert sorted(commands.history()) == ["adopted", "updated"]
    assert not commands.world.plan(wish("a")).plan.has_changes


def test_a_marking_leaves_the_commit_that_the_content_came_from(
    commands: AdoptCommands, former: World
) -> None:
    """Whoever takes a workload over has changed nothing of it."""
    workload_id = former.id_of("a")
    manifest = commands.world.sandbox.store.manifest(workload_id)
    manifest["metadata"]["annotations"][COMMIT] = "f" * 40
    commands.world.sandbox.store.edit(workload_id, manifest=manifest)
    commands.adopt("4501/a", workload_id, wish("a"), take_over=True, mark=True)
    manifest = commands.world.sandbox.store.manifest(workload_id)
    assert read_own_annotations(manifest)[COMMIT] == "f" * 40


def test_a_workload_that_nobody_has_marked_can_be_marked(commands: AdoptCommands) -> None:
    """Also one that no file declares: all of its content stays recorded."""
    workload_id = commands.plant(wish("a"))
    commands.world.apply(wish("z"))
    commands.adopt("4501/a", workload_id, mark=True)

    row = commands.world.row("a")
    assert (mark_of(commands, "a"), row.is_declared) == (row.marker, False)


@pytest.mark.parametrize("answered", [False, True])
def test_a_marking_that_was_killed_is_gone_on_with(
    commands: AdoptCommands, former: World, *, answered: bool
) -> None:
    """The record has the mark that the workload had, and the one that it is about to get."""

    def kill(request: httpx.Request) -> None:
        if is_write(request, "PUT"):
            commands.world.disk.unplugged = True
            raise KeyboardInterrupt

    commands.world.on_answer = kill if answered else commands.world.on_answer
    commands.world.on_request = commands.world.on_request if answered else kill
    with pytest.raises(KeyboardInterrupt):
        commands.adopt("4501/a", former.id_of("a"), wish("a"), take_over=True, mark=True)
    commands.world.on_answer = commands.world.on_request = lambda _: None
    row = commands.world.row("a")
    assert row.change.open is not None
    ours = f"{lineage_of(commands)}/{row.op}"
    assert row.change.open.marks == ours
    commands.world.timeline.skip(600.0)
    applied = commands.world.apply(wish("a"))
    assert (applied.exit_code, mark_of(commands, "a")) == (0, ours)
    assert commands.world.row("a").change.open is None
    assert not commands.world.plan(wish("a")).plan.has_changes
    # Its former owner holds it from now on, whatever becomes of its spec there.
    former.settings = dataclasses.replace(former.settings, api_version="3.0")
    for specs in ((wish("a"), wish("b")), (wish("b"),)):
        held = former.apply(*specs)
        assert (held.exit_code, held.told) == (
            4,
            [
                (
                    "failed: hold 4501/a: taken over by stack 'blue'; left alone. If that is "
                    "meant, remove its spec here and run: reconciler state rm 4501/a"
                )
            ],
        )
    assert mark_of(commands, "a") == ours


def test_a_server_without_updates_is_refused(commands: AdoptCommands, former: World) -> None:
    """Before anything is recorded."""
    world = commands.world
    world.settings = dataclasses.replace(world.settings, api_version="2.23")
    with pytest.raises(RefusedError, match=r"2\.23 cannot change the mark"):
        commands.adopt("4501/a", former.id_of("a"), wish("a"), take_over=True, mark=True)
    assert commands.world.rows() == []
