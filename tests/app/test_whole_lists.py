"""A project's list is read as a whole, or it is said that it was not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import httpx
import pytest

from reconciler.app.state.claiming import ResolveRequest
from reconciler.app.state.recovering import RecoverSearch, recover
from reconciler.core.protocol.marker import Marker, mark
from reconciler.core.states.places import FilePlace
from reconciler.errors import UnreachableError
from tests.support.timing import run
from tests.support.worlds import LINEAGE, PROJECT, World, wish

MANY = 700
LIST, COUNT = "/api/v1/workloads", "/api/v1/workloads/count"


@pytest.fixture
def world() -> World:
    """More workloads of ours than one page holds."""
    world = World()
    for number in range(MANY):
        spec = wish(f"w{number}")
        marker = Marker(lineage=LINEAGE, op=f"op-{number}", stack="blue")
        manifest = mark(spec.manifest, marker)
        world.sandbox.store.plant({"metadata": spec.metadata, "manifest": manifest})
    return world


def _recover(world: World, path: Path) -> int:
    request = ResolveRequest(address="", command="recover", confirm=lambda _: True)
    settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    search = RecoverSearch(projects=(PROJECT,))
    recovery = recover(settings, request, search, connector=world.connector(), say=lambda _: None)
    return len(run(recovery, world.timeline).rows)


def _calls(world: World, path: str) -> int:
    return sum(entry.path == path for entry in world.entries())


def _drop_order(world: World) -> None:
    """A server that does not know the parameters of an order."""

    def forget(request: httpx.Request) -> None:
        if request.url.path == LIST:
            request.url = request.url.copy_remove_param("sortBy").copy_remove_param("sortOrder")

    world.on_request = forget


def test_pages_are_asked_for_in_an_order(world: World, tmp_path: Path) -> None:
    """One walk through two pages finds each of them once, and the count agrees."""
    assert _recover(world, tmp_path / "state.db") == MANY
    assert (_calls(world, LIST), _calls(world, COUNT)) == (2, 1)


def test_a_list_without_an_order_is_walked_again_and_found_wanting(
    world: World, tmp_path: Path
) -> None:
    """Rows that come twice push others out: three walks, and nothing is written."""
    _drop_order(world)

    with pytest.raises(UnreachableError) as caught:
        _recover(world, tmp_path / "state.db")

    assert _calls(world, LIST) == 6
    assert caught.value.message.startswith(
        f"the server's list of project {PROJECT} is not complete: it shows "
    )
    assert caught.value.message.endswith(f"of {MANY} workloads, read 3 times")
    assert not (tmp_path / "state.db").exists()


def test_repeats_are_noticed_without_a_count(world: World, tmp_path: Path) -> None:
    """A server that cannot count is checked by what came twice."""
    _drop_order(world)

    async def refuse(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != COUNT:
            return response
        return httpx.Response(404, json={"code": 404, "message": "no such path"})

    world.rewrite = refuse

    with pytest.raises(UnreachableError, match="is not complete: it repeats itself, read 3 times"):
        _recover(world, tmp_path / "state.db")


def test_an_ordered_list_without_a_count_is_believed(world: World, tmp_path: Path) -> None:
    """Nothing came twice, so nothing slipped between two pages."""

    async def refuse(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != COUNT:
            return response
        return httpx.Response(404, json={"code": 404, "message": "no such path"})

    world.rewrite = refuse

    assert _recover(world, tmp_path / "state.db") == MANY
