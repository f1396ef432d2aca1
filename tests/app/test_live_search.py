"""What runs beside the records, and what holds GPUs for nothing: exactly what the scene has."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.status.unmanaged import ProjectSearch, search_idle, search_unmanaged
from reconciler.core.model import Desired, Own
from reconciler.core.running.search import LiveSearch
from reconciler.core.states.places import FilePlace
from reconciler.errors import UsageError
from reconciler.report.status.live_search import (
    idle_document,
    idle_markdown,
    idle_text,
    unmanaged_document,
    unmanaged_markdown,
    unmanaged_text,
)
from reconciler.report.text.color import ColorWriter
from reconciler.sandbox.faults.plan import read_life
from reconciler.sandbox.settings import Project
from tests.support.timing import run
from tests.support.worlds import World, wish

HOUR = 3600.0


def gpus(name: str, count: int, project: str = "4501") -> Desired:
    """A workload that asks for GPUs."""
    plain = wish(name, project=project)
    limits = {"limits": {"nvidia.com/gpu": count}}
    container = {"name": "main", "image": "nginx:1", "resources": limits}
    spec = {"template": {"spec": {"containers": [container]}}}
    return dataclasses.replace(plain, manifest={**plain.manifest, "spec": spec})


def plant(world: World, spec: Desired, *life: str, **more: Any) -> str:
    """Somebody makes a workload by hand."""
    body = {"metadata": spec.metadata, "manifest": spec.manifest}
    return world.sandbox.store.plant(body, faults=read_life(life), **more).id


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two recorded workloads, and in their project what three others have made."""
    world = World("idle=50% name=lazy", path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(gpus("busy", 2), gpus("lazy", 4))
    neighbour = World(stack="green")
    neighbour.sandbox, neighbour.timeline, neighbour.clock = (
        world.sandbox,
        world.timeline,
        world.clock,
    )
    neighbour.apply(gpus("theirs", 1))
    world.timeline.skip(HOUR)
    plant(world, gpus("notes", 2), "idle=100%", by="ann", age=2 * HOUR, native="Workspace")
    plant(world, gpus("handmade", 1), "idle=100%", by="ben", age=300.0)
    plant(world, gpus("elsewhere", 8, project="4502"), "idle=100%", by="ben", age=HOUR)
    return world


def unmanaged(world: World, **search: Any) -> LiveSearch:
    """What is not recorded."""
    return run(
        search_unmanaged(
            world.settings,
            ProjectSearch(**search),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )


def idle(world: World, at_least: float, **search: Any) -> LiveSearch:
    """What holds idle GPUs for so many seconds."""
    return run(
        search_idle(
            world.settings,
            ProjectSearch(**search),
            timedelta(seconds=at_least),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )


def test_what_is_not_recorded_is_listed_with_its_owner(world: World) -> None:
    """Of another stack, of V2 without a mark, and native; by whom and since when."""
    found = unmanaged(world)
    assert unmanaged_text(found, ColorWriter()) == (
        "ADDRESS        STACK  API     KIND        BY    AGE  PHASE    GPUS\n"
        "4501/handmade  -      v2      Deployment  ben   5m   Running  1/1/1\n"
        "4501/notes     -      native  Workspace   ann   2h   Running  2/2/2\n"
        "4501/theirs    green  v2      Deployment  demo  1h   Running  1/1/0\n"
        "3 unmanaged workloads in 1 project, 4 GPUs requested; 1 of a stack, 1 native."
    )
    assert found.exit_code == 4


def test_a_document_has_all_of_it(world: World) -> None:
    """Each workload with its id, its mark and the times of the server."""
    document = unmanaged_document(unmanaged(world, patterns=["*/theirs"]))
    (theirs,) = document["unmanaged"]
    lineage = theirs.pop("lineage")
    assert lineage
    assert theirs == {
        "address": "4501/theirs",
        "id": world.id_of("theirs"),
        "project_name": "project-4501",
        "kind": "Deployment",
        "submitted_by": "demo",
        "created_at": theirs["created_at"],
        "phase": "Running",
        "phase_since": theirs["phase_since"],
        "gpus": 1.0,
        "gpus_allocated": 1.0,
        "gpus_idle": 0.0,
        "api": "v2",
        "stack": "green",
    }
    assert (document["projects"], document["not_looked_at"]) == (["4501"], [])
    json.dumps(document)


def test_markdown_is_a_table(world: World) -> None:
    """What a server says stands in code, where no forge reads anything into it."""
    assert unmanaged_markdown(unmanaged(world, patterns=["4501/h*"])) == (
        "**1 unmanaged workload in 1 project, 1 GPU requested; 0 of a stack, 0 native.**\n"
        "\n"
        "| ADDRESS | STACK | API | KIND | BY | AGE | PHASE | GPUS |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| `4501/handmade` | `-` | `v2` | `Deployment` | `ben` | `5m` | `Running` | `1/1/1` |"
    )


def test_a_project_may_be_named(world: World) -> None:
    """Those of the specs count as well; named ones alone."""
    assert [str(w.listed.address) for w in unmanaged(world, projects=["4502"]).unmanaged] == [
        "4502/elsewhere"
    ]
    assert unmanaged(world, declared=["4502"]).projects == ("4501", "4502")


def test_a_project_that_the_server_does_not_show_is_not_taken_for_an_empty_one(
    tmp_path: Path,
) -> None:
    """A slip in a number would read as if nobody ran anything there."""
    world = World(path=tmp_path / "state.db", projects=(Project(id="4501", name="ml"),))
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    world.apply(gpus("busy", 2))
    assert unmanaged(world, projects=["4501"]).exit_code == 0
    search = unmanaged(world, projects=["9999"])
    assert (search.unmanaged, search.exit_code) == ((), 9)
    [gap] = search.gaps
    assert gap.startswith("project 9999 could not be looked at: ")


def test_a_create_whose_answer_was_lost_is_no_stranger(world: World) -> None:
    """Its mark names an operation that is on record."""
    row = world.row("busy")
    world.record(dataclasses.replace(row, own=Own.UNCONFIRMED, id=None))
    assert "busy" not in {w.listed.address.name for w in unmanaged(world).unmanaged}


def test_without_a_project_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    """An empty answer would read as if nothing ran."""
    world = World(path=tmp_path / "state.db")
    world.settings = dataclasses.replace(
        world.settings, state=FilePlace(path=tmp_path / "state.db")
    )
    with pytest.raises(UsageError, match="there is no project to look in"):
        unmanaged(world)


def test_what_could_not_be_looked_at_is_said(world: World) -> None:
    """And asked for an exit code, nobody says that all is well."""
    world.settings = dataclasses.replace(world.settings, discovery=False)
    found = unmanaged(world)
    assert unmanaged_text(found, ColorWriter()) == (
        "Not looked at: project 4501 could not be looked at: the list is switched off "
        "(discovery: off)\n"
        "0 unmanaged workloads in 1 project, 0 GPUs requested; 0 of a stack, 0 native."
    )
    assert found.exit_code == 9


def test_idle_is_what_holds_gpus_for_so_long(world: World) -> None:
    """Recorded or not, the most idle GPUs first; what began five minutes ago may still warm up."""
    found = idle(world, 600.0)
    assert idle_text(found, ColorWriter()) == (
        "ADDRESS     RECORDED  KIND        BY    PHASE    FOR  GPUS\n"
        "4501/lazy   yes       Deployment  demo  Running  1h   4/4/2\n"
        "4501/notes  no        Workspace   ann   Running  2h   2/2/2\n"
        "2 workloads with 4 idle GPUs in 1 project."
    )
    assert found.exit_code == 4
    assert {str(one.listed.address) for one in idle(world, 60.0).idle.idle} == {
        "4501/handmade",
        "4501/lazy",
        "4501/notes",
    }
    none = idle(world, 3 * HOUR)
    assert (none.idle.idle, none.exit_code) == ((), 0)


def test_idle_workloads_are_a_document_and_a_table(world: World) -> None:
    """With the seconds of their phase, and the GPUs in all."""
    found = idle(world, 600.0, patterns=["*/notes"])
    document = idle_document(found)
    (notes,) = document["idle"]
    assert (notes["address"], notes["recorded"], notes["gpus_idle"]) == ("4501/notes", False, 2.0)
    assert notes["phase_seconds"] in range(7000, 7201)
    assert document["idle_gpus"] == 2.0
    assert idle_markdown(found).splitlines()[-1].startswith("| `4501/notes` | `no` |")


def test_a_server_that_tells_no_idle_gpus_is_not_guessed(world: World) -> None:
    """What cannot be judged is named, and what has no GPU is none of it."""

    async def leave_out(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != "/api/v1/workloads":
            return response
        document = json.loads(await response.aread())
        for row in document["workloads"]:
            row.pop("idleAllocatedGpus" if row["name"] == "lazy" else "phaseUpdatedAt")
        return httpx.Response(200, headers={"Date": response.headers["Date"]}, json=document)

    world.rewrite = leave_out
    found = idle(world, 600.0)
    assert found.idle.idle == ()
    assert list(found.gaps) == [
        "4501/handmade: the server does not say since when it is in its phase",
        "4501/lazy: the server does not say how many of its GPUs are idle",
        "4501/notes: the server does not say since when it is in its phase",
    ]
    assert found.exit_code == 9


def test_before_the_first_apply_all_that_runs_is_unmanaged(tmp_path: Path) -> None:
    """There is no state yet, and none is made."""
    place = tmp_path / "none.db"
    world = World()
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=place))
    plant(world, gpus("by-hand", 2))
    found = run(
        search_unmanaged(
            world.settings,
            ProjectSearch(projects=["4501"]),
            connector=world.connector(),
            say=lambda _: None,
        ),
        world.timeline,
    )
    assert [str(each.listed.address) for each in found.unmanaged] == ["4501/by-hand"]
    assert not place.exists()
