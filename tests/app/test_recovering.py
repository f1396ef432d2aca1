"""A state that was lost comes back from the server's list and the markers."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.state.claiming import ResolveRequest
from reconciler.app.state.recovering import RecoverResult, RecoverSearch, recover
from reconciler.app.state.states import read_state
from reconciler.core.model import Own
from reconciler.core.planning.selection import Selection
from reconciler.core.states.places import FilePlace
from reconciler.errors import ReconcilerError, RefusedError, UnreachableError, UsageError
from reconciler.state.sqlite import create_state
from tests.support.timing import run
from tests.support.worlds import LINEAGE, URL, World, wish

SPECS = (wish("a"), wish("b", image="nginx:2", wave=1), wish("z"))


def _recover(
    world: World, path: Path, search: RecoverSearch, *, dry_run: bool = False
) -> RecoverResult:
    request = ResolveRequest(address="", command="recover", confirm=lambda _: True, dry_run=dry_run)
    settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    return run(
        recover(settings, request, search, connector=world.connector(), say=lambda _: None),
        world.timeline,
    )


def _with_state(world: World, path: Path) -> World:
    """The same server, with another state."""
    other = World(path=None)
    other.__dict__ |= {**world.__dict__, "_path": path}
    return other


def test_a_lost_state_is_rebuilt_with_its_specs(tmp_path: Path) -> None:
    """The specs at hand, the next plan is empty, and removing one deletes what it made."""
    world = World()
    world.apply(*SPECS)

    found = _recover(world, tmp_path / "new.db", RecoverSearch(declared=SPECS))
    after = _with_state(world, tmp_path / "new.db")

    assert [row.address.name for row in found.rows] == ["a", "b", "z"]
    assert (found.lineage, found.others) == (LINEAGE, 0)
    assert [row.id for row in after.rows()] == [world.id_of(name) for name in "abz"]
    assert not after.plan(*SPECS).plan.changes
    assert after.apply(*SPECS[1:]).summary == {"deleted": 1}
    assert world.live() == ["b", "z"]


def test_without_specs_the_projects_are_named(tmp_path: Path) -> None:
    """What a spec then declares is compared with what was found, and nothing else of it is."""
    world = World()
    world.apply(*SPECS)

    _recover(world, tmp_path / "new.db", RecoverSearch(projects=("4501",)))

    after = _with_state(world, tmp_path / "new.db")
    declared, edited = (after.plan(*specs).plan for specs in (SPECS, (wish("a", image="nginx:9"),)))
    assert [action.kind for action in declared.changes] == ["record"] * 3
    assert after.apply(*SPECS).summary == {"recorded": 3}
    assert not after.plan(*SPECS).plan.changes
    assert [action.kind for action in edited.changes] == ["replace", "delete", "delete"]


def test_an_older_state_gets_what_it_does_not_know(tmp_path: Path) -> None:
    """What it knows stays as it is."""
    world = World(path=tmp_path / "state.db")
    world.apply(*SPECS)
    lost = world.row("a")
    world.record(dataclasses.replace(lost, own=lost.own.GONE))

    found = _recover(world, tmp_path / "state.db", RecoverSearch(projects=("4501",)))

    assert [row.address.name for row in found.rows] == ["a"]
    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced", "z ACCEPTED Synced"]
    assert _recover(world, tmp_path / "state.db", RecoverSearch(projects=("4501",))).rows == ()


def test_what_belongs_to_others_is_counted_and_left(tmp_path: Path) -> None:
    """Workloads made by hand carry no marker."""
    world = World()
    world.apply(wish("a"))
    other = wish("c")
    world.sandbox.store.plant({"metadata": other.metadata, "manifest": other.manifest})

    found = _recover(world, tmp_path / "new.db", RecoverSearch(projects=("4501",)))

    assert ([row.address.name for row in found.rows], found.others) == (["a"], 1)


def test_two_states_of_one_stack_are_not_mixed(tmp_path: Path) -> None:
    """Whose workloads are taken is for somebody to say."""
    world = World()
    world.apply(wish("a"))
    create_state(tmp_path / "second.db", world.disk.header.target).close()
    second = _with_state(world, tmp_path / "second.db")
    second.apply(wish("b"))
    search = RecoverSearch(projects=("4501",))

    with pytest.raises(RefusedError, match="2 states made workloads of this stack"):
        _recover(world, tmp_path / "new.db", search)
    chosen = _recover(world, tmp_path / "new.db", dataclasses.replace(search, lineage=LINEAGE))

    assert [row.address.name for row in chosen.rows] == ["a"]


def test_globs_and_a_dry_run_narrow_what_is_written(tmp_path: Path) -> None:
    """A dry run makes no file."""
    world = World()
    world.apply(*SPECS)
    search = RecoverSearch(projects=("4501",), selection=Selection(targets=("*/b",)))

    tried = _recover(world, tmp_path / "new.db", search, dry_run=True)

    assert [row.address.name for row in tried.rows] == ["b"]
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("sandbox", "faults", "search", "message"),
    [
        (
            {"listing": False},
            (),
            RecoverSearch(projects=("4501",)),
            "list of project 4501 cannot be used",
        ),
        (
            {},
            ("500 on=GET name=a",),
            RecoverSearch(projects=("4501",)),
            "is listed and cannot be read",
        ),
        ({}, (), RecoverSearch(projects=("4502",)), "no workload there carries the marker"),
        ({}, (), RecoverSearch(), "there is no project to look in"),
    ],
)
def test_half_a_recovery_is_none(
    tmp_path: Path,
    sandbox: dict[str, Any],
    faults: tuple[str, ...],
    search: RecoverSearch,
    message: str,
) -> None:
    """A state that lacks a workload would be worse than none: nothing is written."""
    world = World(**sandbox)
    world.apply(wish("a"))
    world.sandbox.set_faults(*faults)

    with pytest.raises(ReconcilerError, match=message):
        _recover(world, tmp_path / "new.db", search)

    assert not (tmp_path / "new.db").exists()


def test_a_recovered_state_belongs_to_the_server_it_came_from(tmp_path: Path) -> None:
    """Used with another one it would take every workload for missing."""
    world = World()
    world.apply(wish("a"))
    _recover(world, tmp_path / "new.db", RecoverSearch(projects=("4501",)))

    with read_state(FilePlace(path=tmp_path / "new.db")) as store:
        assert (store.header.target.url, store.header.target.stack) == (URL, "blue")


def test_a_pattern_that_matches_nothing_is_a_mistake(tmp_path: Path) -> None:
    """One that matches what is recorded already is none; nothing is written."""
    world = World(path=tmp_path / "state.db")
    world.apply(*SPECS)
    world.record(dataclasses.replace(world.row("a"), own=Own.GONE))

    def patterned(*patterns: str) -> RecoverSearch:
        return RecoverSearch(projects=("4501",), selection=Selection(targets=patterns))

    with pytest.raises(UsageError) as caught:
        _recover(world, tmp_path / "state.db", patterned("4501/a", "4502/*"))
    assert caught.value.message == "no workload of this state matches 4502/* on the server"
    assert len(world.rows()) == 2
    assert _recover(world, tmp_path / "state.db", patterned("4501/b")).rows == ()
    assert len(_recover(world, tmp_path / "state.db", patterned("4501/a")).rows) == 1


def test_a_run_without_time_recovers_nothing(tmp_path: Path) -> None:
    """It says what it needs, and makes no state."""
    world = World()
    world.apply(*SPECS)

    def stand_still(request: httpx.Request) -> None:
        if request.url.path.startswith("/api/v1/workloads"):
            world.timeline.skip(10_000)

    world.on_answer = stand_still
    with pytest.raises(UnreachableError) as caught:
        _recover(world, tmp_path / "new.db", RecoverSearch(declared=SPECS))
    assert caught.value.message == "the run ended before all answers had come"
    assert not (tmp_path / "new.db").exists()
