"""A state and a session with its server are opened together, and compared on every way."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.refused import GuardError
from reconciler.app.state.adopting import AdoptOptions, adopt_project
from reconciler.app.state.claiming import ResolveRequest, recheck, resolve_by_id
from reconciler.app.state.recovering import RecoverSearch, recover
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses, watch
from reconciler.core.model import Own, Target
from reconciler.core.states.places import FilePlace
from reconciler.report.status.status import Status
from reconciler.state.sqlite import create_state
from tests.app.commands import Repository
from tests.support.timing import run
from tests.support.worlds import URL, World, wish

OTHER_ISSUER = Target(url=URL, stack="blue", issuer="https://idp.example")
OTHER_TENANT = Target(url=URL, stack="blue", tenant_id=9)

Command = Callable[[World, str], Coroutine[Any, Any, object]]


def read_status(world: World, _: str) -> Coroutine[Any, Any, object]:
    """`reconciler status`."""
    return read_statuses(
        world.settings,
        StatusRequest(),
        connector=world.connector(),
        say=lambda _: None,
    )


def request(address: str = "4501/a") -> ResolveRequest:
    """Whoever is asked agrees."""
    return ResolveRequest(address=address, command="reconciler state …", confirm=lambda _: True)


def resolve(world: World, workload_id: str) -> Coroutine[Any, Any, object]:
    """`reconciler state resolve --id`."""
    return resolve_by_id(
        world.settings, request(), workload_id, connector=world.connector(), say=lambda _: None
    )


def look_again(world: World, _: str) -> Coroutine[Any, Any, object]:
    """`reconciler state resolve --recheck`."""
    return recheck(world.settings, request(), connector=world.connector(), say=lambda _: None)


def recover_all(world: World, _: str) -> Coroutine[Any, Any, object]:
    """`reconciler state recover`."""
    return recover(
        world.settings,
        request(""),
        RecoverSearch(projects=("4501",)),
        connector=world.connector(),
        say=lambda _: None,
    )


def adopt_all(world: World, _: str) -> Coroutine[Any, Any, object]:
    """`reconciler state adopt --project`."""
    options = AdoptOptions(command="reconciler state adopt", agree=lambda _: True)
    return adopt_project(
        world.settings, options, "4501", connector=world.connector(), say=lambda _: None
    )


def in_state_of(target: Target, path: Path) -> tuple[World, str]:
    """A server with two workloads, one of them in doubt, in a state that has this target."""
    world = World(path=path)
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"), wish("b"))
    workload_id = world.id_of("a")
    doubtful = dataclasses.replace(world.row("a"), own=Own.UNCONFIRMED, ambiguous=True)
    rows = [doubtful, world.row("b")]
    path.unlink()
    store = create_state(path, target)
    store.hold("test")
    store.write(rows)
    store.close()
    return world, workload_id


@pytest.mark.parametrize("target", [OTHER_ISSUER, OTHER_TENANT], ids=["issuer", "tenant"])
@pytest.mark.parametrize("command", [read_status, resolve, recover_all, adopt_all])
def test_no_command_uses_a_state_with_another_login_or_tenant(
    tmp_path: Path, command: Command, target: Target
) -> None:
    """Their ids mean nothing here; nothing is written, and nothing is sent but reads."""
    world, workload_id = in_state_of(target, tmp_path / "state.db")
    before, requests = world.rows(), world.ledger("POST", "DELETE")

    with pytest.raises(GuardError, match="this state belongs to"):
        run(command(world, workload_id), world.timeline)

    assert (world.rows(), world.ledger("POST", "DELETE")) == (before, requests)


def test_a_recheck_uses_no_state_with_another_login(tmp_path: Path) -> None:
    """It goes the way of an apply, which reads before it writes."""
    world, workload_id = in_state_of(OTHER_ISSUER, tmp_path / "state.db")
    with pytest.raises(GuardError, match="this state belongs to token issuer"):
        run(look_again(world, workload_id), world.timeline)


def test_a_watch_ends_its_session_when_another_state_is_put_in_place(tmp_path: Path) -> None:
    """The file is opened for every look, and its server compared with the one that is asked."""
    path = tmp_path / "state.db"
    world = World(path=path)
    world.settings = dataclasses.replace(world.settings, state=FilePlace(path=path))
    world.apply(wish("a"))
    troubles: list[str] = []

    def show(_: Sequence[Status]) -> None:
        path.unlink()
        create_state(path, Target(url="https://other.example", stack="blue")).close()

    def trouble(message: str) -> None:
        troubles.append(message)
        os.kill(os.getpid(), signal.SIGINT)

    ended = run(
        watch(
            world.settings,
            StatusRequest(),
            interval=5.0,
            connector=world.connector(),
            show=show,
            trouble=trouble,
        ),
        world.timeline,
    )

    assert ended is signal.SIGINT
    message = "this state belongs to server https://other.example, and this run is for "
    assert troubles == [message + URL]


def test_a_state_without_records_moves_to_another_server_for_good(tmp_path: Path) -> None:
    """What its old server was known by is forgotten: the second run there is none of its own."""
    repository = Repository(tmp_path, World())
    create_state(
        repository.path, Target(url="https://old.example", stack="red", issuer="old", tenant_id=9)
    ).close()

    repository.apply(wish("a"))

    issuer = repository.world.sandbox.settings.issuer
    assert repository.target() == Target(url=URL, stack="blue", issuer=issuer, tenant_id=1)
    assert repository.apply(wish("a", image="nginx:2")).exit_code == 0
