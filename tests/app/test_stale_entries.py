"""An entry of a saved plan that is found to be another when its turn comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.core.history.events import ActionEnded
from reconciler.core.history.outcome import Cause, Failed
from reconciler.core.protocol.marker import OP, REV, STACK
from reconciler.core.review.approval import Approval, bind
from tests.app.commands import Repository
from tests.engine.updates import UpdatingWorld, scaled


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A workload of one replica, on a server that changes workloads in place."""
    repository = Repository(tmp_path, UpdatingWorld())
    assert repository.apply(scaled(1)).exit_code == 0
    return repository


def edited(world: UpdatingWorld, **annotations: str) -> None:
    """Somebody changes annotations of the workload."""
    manifest = world.shown("a")
    manifest["metadata"]["annotations"] |= annotations
    world.sandbox.store.edit(world.id_of("a"), manifest=manifest)


def vanished(world: UpdatingWorld) -> None:
    """Somebody takes the workload away."""
    world.sandbox.store.vanish(world.id_of("a"))


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize(
    ("happen", "words"),
    [
        (
            lambda world: world.change("a", replicas=9),
            (
                "/manifest/spec/replicas changed on the server since this was planned; "
                "nothing was sent"
            ),
        ),
        (
            lambda world: edited(world, **{OP: "another/op", STACK: "green"}),
            "workload {id} belongs to stack 'green'; left alone",
        ),
        (
            lambda world: edited(world, **{REV: "00000000-0000-7000-8000-000000000000"}),
            "another copy of the state has updated it since; that is recorded",
        ),
        (vanished, "no longer on the server; nothing was sent, the next plan decides"),
    ],
    ids=["content", "marker", "rev", "gone"],
)
def test_it_is_refused_by_name_and_nothing_is_sent(
    repository: Repository,
    happen: Callable[[UpdatingWorld], None],
    words: str,
    is_saved: bool,
) -> None:
    """Found just before the PUT: exit code 7 for a saved plan, 4 for one that is made now."""
    world = repository.world
    assert isinstance(world, UpdatingWorld)
    workload_id = world.id_of("a")
    world.timeline.skip(600.0)
    request = PlanRequest()
    if is_saved:
        repository.apply(scaled(2), answer=False)
        plan = repository.asked[-1].plan
        approval = Approval(id="approved", plan=plan, bindings=bind(plan, refreshed=True))
        request = dataclasses.replace(request, approval=approval)
    repository.events.clear()

    applied = repository.apply(scaled(2), request=request, at=(0.0, lambda: happen(world)))

    (ended,) = (event for event in repository.events if isinstance(event, ActionEnded))
    assert isinstance(ended.outcome, Failed)
    assert (ended.action, ended.outcome.message) == ("update", words.format(id=workload_id))
    assert ended.outcome.cause is Cause.OUTDATED
    assert (applied.exit_code, applied.planned.refused) == (7 if is_saved else 4, ())
    assert world.puts() == []
