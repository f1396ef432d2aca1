"""What another stack made and was taken over is ended like any other, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.model import Own
from tests.app.commands import AdoptCommands, lineage_of, neighbour
from tests.support.worlds import LINEAGE, World, is_write, wish


@pytest.fixture
def commands(tmp_path: Path) -> AdoptCommands:
    """A state that has never recorded anything."""
    return AdoptCommands(tmp_path)


@pytest.fixture
def former(commands: AdoptCommands) -> World:
    """Another stack with two workloads, of which the first is taken over."""
    former = neighbour(commands)
    former.apply(wish("a"), wish("b"))
    commands.adopt_all(wish("a"), take_over=True)
    return former


def test_it_is_replaced(commands: AdoptCommands, former: World) -> None:
    """What replaces it carries our own mark, and the former owner finds its own missing."""
    changed = wish("a", image="nginx:2")

    assert commands.world.apply(changed).summary == {"replaced": 1}

    assert commands.world.live() == ["a", "b"]
    assert commands.world.row("a").marker.startswith(f"{lineage_of(commands)}/")
    assert not commands.world.plan(changed).plan.has_changes
    (missing,) = former.plan(wish("a"), wish("b")).plan.changes
    assert (missing.kind, missing.reason) == ("create", "missing-on-server")


def test_it_is_deleted(commands: AdoptCommands, former: World) -> None:
    """Once no spec declares it; what was not taken over stays."""
    assert commands.world.apply(wish("z")).summary == {"created": 1, "deleted": 1}
    assert commands.world.live() == ["b", "z"]
    assert not former.plan(wish("b")).plan.count("delete")


def test_a_killed_delete_of_it_is_finished(commands: AdoptCommands, former: World) -> None:
    """The intent is on the disk, and the same mark is looked for again."""

    def kill(request: httpx.Request) -> None:
        if is_write(request, "DELETE"):
            commands.world.kill()

    commands.world.on_request = kill
    commands.world.apply(wish("z"))
    commands.world.on_request = lambda _: None
    assert commands.world.row("a").own is Own.DELETING
    commands.world.apply(wish("z"))

    assert commands.world.live() == ["b", "z"]
    assert former.live() == ["b", "z"]


@pytest.mark.parametrize("op", [f"{LINEAGE}/another", "third/op"])
def test_another_mark_than_the_one_adopted_is_left_alone(
    commands: AdoptCommands, former: World, op: str
) -> None:
    """Not the same operation, or not the same state: nobody agreed to end that one."""
    commands.mark(commands.world.id_of("a"), op, "green")

    (told,) = commands.world.apply(request=PlanRequest(allow_empty=True)).told

    assert "belongs to stack 'green'; left alone" in told
    assert former.live() == ["a", "b"]


def test_a_mark_of_our_own_under_another_stack_is_left_alone(commands: AdoptCommands) -> None:
    """It is this row's, but nothing was taken over: somebody changed the annotation."""
    commands.world.apply(wish("a"), wish("z"))
    commands.mark(commands.world.id_of("a"), commands.world.row("a").marker, "green")

    (told,) = commands.world.apply(wish("z")).told

    assert "belongs to stack 'green'; left alone" in told
    assert commands.world.live() == ["a", "z"]


def test_what_was_not_taken_over_stays_the_former_owners(
    commands: AdoptCommands, former: World
) -> None:
    """Neither declared nor recreated here, whatever its lineage."""
    (told,) = commands.world.apply(wish("a"), wish("b")).told
    assert "belongs to stack 'green'" in told
    assert former.apply(wish("a"), wish("b")).summary == {}
