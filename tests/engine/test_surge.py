"""With --max-surge-gpus the GPUs that are asked for never rise beyond what was agreed to."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import httpx
import pytest

from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.gpus import count_gpus
from reconciler.core.history.outcome import Skipped
from reconciler.core.model import Desired
from reconciler.core.quotas.surge import find_least_surge
from reconciler.engine.run import UNSENT
from tests.support.factories import make_manifest
from tests.support.worlds import World, stop, wish


def asking(name: str, gpus: int, *, image: str = "a", **lifecycle: Any) -> Desired:
    """A service that asks for so many GPUs."""
    manifest = make_manifest(gpus=gpus, image=image)
    return dataclasses.replace(wish(name, **lifecycle), manifest=manifest)


class Curve:
    """The GPUs of all workloads that are not gone, after each response of the server."""

    def __init__(self, world: World) -> None:
        self._store = world.sandbox.store
        self.points: list[float] = []
        world.on_answer = self._look

    def _look(self, _: httpx.Request) -> None:
        manifests = [self._store.manifest(workload.id) for workload in self._store.live()]
        self.points.append(sum(count_gpus(manifest).gpus for manifest in manifests))


@pytest.fixture
def world() -> World:
    """Two services of 8 GPUs run, and a deletion takes half a minute."""
    world = World(delete_delay=30.0)
    world.apply(asking("a", 8), asking("b", 8))
    return world


def test_two_services_are_swapped_one_after_the_other(world: World) -> None:
    """Each of the new ones waits for the GPUs of an old one; without the flag neither does."""
    curve = Curve(world)
    assert world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=0.0).summary == {
        "created": 2,
        "deleted": 2,
    }
    assert (curve.points[0], max(curve.points), curve.points[-1]) == (16.0, 16.0, 16.0)
    assert min(curve.points) <= 8.0
    assert world.live() == ["c", "d"]

    free = Curve(world)
    world.apply(asking("a", 8), asking("b", 8))
    assert max(free.points) == 32.0


def test_so_many_more_may_be_asked_for_at_once(world: World) -> None:
    """With 8 the first of the new ones need not wait."""
    curve = Curve(world)
    world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=8.0)
    assert max(curve.points) == 24.0
    assert world.live() == ["c", "d"]


def test_a_replace_gives_back_before_it_asks(world: World) -> None:
    """It needs room only for what it grows by, and has it before anything is deleted."""
    curve = Curve(world)
    ran = world.apply(asking("a", 12, image="b"), asking("b", 4, image="b"), max_surge_gpus=0.0)
    assert ran.summary == {"replaced": 2}
    assert max(curve.points) == 16.0


def test_the_answer_to_a_delete_gives_nothing_back(world: World) -> None:
    """Not without a wait either: only the absence of a workload does."""
    curve = Curve(world)
    world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=0.0, wait=False)
    assert max(curve.points) == 16.0
    assert world.live() == ["c", "d"]


def test_what_found_no_room_is_skipped() -> None:
    """A delete that fails gives nothing back; what waits for it says so, and is done later."""
    world = World("403 on=DELETE name=a nth=1")
    world.apply(asking("a", 8), asking("b", 8))
    ran = world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=0.0)
    assert ran.summary == {"created": 1, "deleted": 1, "failed": 1, "skipped": 1}
    [skipped] = ran.ended(Skipped)
    assert skipped.message == (
        "held back by --max-surge-gpus: not as many GPUs were given back as it asks for"
    )
    assert ran.exit_code == 4
    assert world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=0.0).exit_code == 0
    assert world.live() == ["c", "d"]


def test_a_refused_create_takes_no_room() -> None:
    """What it did not get is there for the others."""
    world = World("422 on=POST name=c", delete_delay=30.0)
    world.apply(asking("a", 8))
    ran = world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=8.0)
    assert ran.summary == {"created": 1, "deleted": 1, "failed": 1}


def test_a_later_wave_gives_nothing_to_an_earlier_one() -> None:
    """A replace that shrinks in wave 1 has not begun; a deletion of any wave has."""
    world = World("403 on=DELETE name=old", delete_delay=30.0)
    world.apply(asking("old", 4, wave=2), asking("b", 8, wave=1))
    ran = world.apply(asking("new", 4), asking("b", 4, image="b", wave=1), max_surge_gpus=0.0)
    assert ran.summary == {"failed": 1, "skipped": 2}


def test_a_stop_ends_the_waiting(world: World) -> None:
    """As it ends everything else that was not begun."""
    ran = world.apply(asking("c", 8), asking("d", 8), max_surge_gpus=0.0, meanwhile=stop(10.0))
    assert ran.summary == {"failed": 2, "skipped": 2}
    assert [skipped.message for skipped in ran.ended(Skipped)] == [UNSENT] * 2
    assert world.live() == ["a", "b"]


@pytest.mark.parametrize("seed", range(12))
def test_the_least_surge_is_always_enough(seed: int) -> None:
    """Whatever grows, shrinks, comes and goes in three waves: all is done, and the curve holds."""
    rng = random.Random(seed)  # noqa: S311 - a scene needs to be the same again, not secret
    names = [f"w{number}" for number in range(8)]
    waves = {name: rng.randrange(3) for name in names}

    def pick() -> list[Desired]:
        chosen = [name for name in names if rng.random() < 0.7]
        return [asking(name, rng.choice((1, 2, 4, 8)), wave=waves[name]) for name in chosen]

    before, after = pick(), pick()
    world = World(delete_delay=30.0)
    # Small fleets are ended as a whole here, which a guard would refuse.
    world.settings = dataclasses.replace(world.settings, max_delete=WorkloadLimit.parse("100%"))
    world.apply(*before)
    planned = world.plan(*after).plan
    least = find_least_surge(planned)
    curve = Curve(world)

    ran = world.apply(*after, max_surge_gpus=least)

    assert ran.exit_code == 0
    assert world.plan(*after).plan.changes == ()
    assert max(curve.points, default=0.0) <= planned.gpus.before + least
