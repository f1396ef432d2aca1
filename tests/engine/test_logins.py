"""Tokens that end in the middle of a run: nothing is lost, and nothing is made twice."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import pytest

from reconciler.app.session import Session
from reconciler.core.model import Own
from reconciler.sandbox import DEMO
from tests.engine.logins import at, logins
from tests.support.worlds import World, wish

COUNT = 500
NAMES = [f"w{number:03}" for number in range(COUNT)]
SPECS = [wish(name) for name in NAMES]
CEILING = 32


def rejected(world: World) -> int:
    """Requests about workloads that were turned away with a 401."""
    return sum(entry.status == 401 for entry in world.entries())


def turned_away(world: World) -> int:
    """Those of them that would have created something."""
    return sum(words.endswith(" 401") for words in world.ledger("POST"))


def all_created(world: World) -> None:
    """Every workload lives once, and the state knows each by its id."""
    assert (world.live(), world.created_twice()) == (NAMES, [])
    assert {row.id for row in world.rows()} == {w.id for w in world.sandbox.store.live()}
    assert {row.own for row in world.rows()} == {Own.ACCEPTED}


def test_tokens_that_expire_all_the_time_lose_nothing() -> None:
    """Each is renewed by one request, whoever notices; what met the end of one is replayed."""
    # As 2.23 does it: where the end is told, the token is renewed before anybody meets a 401.
    world = World(
        token_lifetime=2.0, latency=0.25, says_expiry=False, api_version="2.23", declared=None
    )

    ran = world.apply(*SPECS)

    assert (ran.exit_code, ran.summary) == (0, {"created": COUNT})
    all_created(world)
    new, *asked = logins(world)
    assert (new.path, new.status) == ("/api/v2/token", 404)
    assert len(asked) >= 4
    assert all(before.decided + 1.0 < after.arrived for before, after in itertools.pairwise(asked))
    assert 0 < rejected(world) <= CEILING * len(asked)
    assert len(world.ledger("POST")) == COUNT + turned_away(world)


def test_a_revocation_costs_one_login_and_one_replay_each() -> None:
    """Everything in flight is turned away at once; it is repeated with the new token."""
    world = World(latency=0.25)

    def revoke_thrice(session: Session) -> None:
        for moment in (1.0, 2.0, 3.1):
            at(moment, world.sandbox.tokens.revoke)(session)

    ran = world.apply(*SPECS, meanwhile=revoke_thrice)

    assert (ran.exit_code, ran.summary) == (0, {"created": COUNT})
    all_created(world)
    assert len(logins(world)) == 1 + 3
    assert 0 < turned_away(world) <= 3 * CEILING
    assert len(world.ledger("POST")) == COUNT + turned_away(world)


@pytest.mark.parametrize(
    ("faults", "words", "most"),
    [
        # A request that begins with the second token, and is its first to be turned away, may
        # ask for a third before the run is told to end.
        (("401",), "injected", 3),
        (("401 at=token",), "the client credentials are not accepted", 2),
    ],
    ids=["tokens", "credentials"],
)
@pytest.mark.parametrize("moment", [0.3, 1.1, 2.0])
def test_a_second_401_ends_the_run_and_loses_nothing(
    faults: tuple[str, ...], words: str, most: int, moment: float
) -> None:
    """No new work, what is in flight comes home and is recorded, and the next run goes on."""
    world = World("slow=2s p=20% on=POST", latency=0.25)

    def lock_out() -> None:
        world.sandbox.tokens.revoke()
        world.sandbox.set_faults(*faults)

    ran = world.apply(*SPECS, meanwhile=at(moment, lock_out))

    assert ran.exit_code == 9
    assert len(ran.told) == COUNT
    assert any(words in told for told in ran.told)
    assert 2 <= len(logins(world)) <= most
    known = {row.id for row in world.rows() if row.own is Own.ACCEPTED}
    begun = {row.address.name for row in world.rows() if row.own is not Own.ACCEPTED}
    for workload in world.sandbox.store.live():
        assert workload.id in known or workload.name in begun
    assert known <= {workload.id for workload in world.sandbox.store.live()}
    world.sandbox.set_faults()
    assert world.apply(*SPECS).exit_code == 0
    all_created(world)
    assert world.apply(*SPECS).summary == {}


def granted(world: World) -> str:
    """A fresh token, as whoever rotates a token file gets it."""
    request = {
        "grantType": "client_credentials",
        "clientID": DEMO.client_id,
        "clientSecret": DEMO.client_secret,
    }
    return str(world.sandbox.tokens.grant(json.dumps(request).encode())["accessToken"])


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Where the token lies."""
    return tmp_path / "token"


def reading(world: World, token_file: Path) -> World:
    """The world of a run that is given nothing but the file."""
    token_file.write_text(granted(world))
    world.environ = {}
    world.settings = dataclasses.replace(world.settings, token_file=token_file)
    return world


def test_a_token_file_that_is_rotated_in_time_is_never_turned_away(token_file: Path) -> None:
    """The next request reads it; the old token may then be revoked."""
    world = reading(World(token_lifetime=3.0, latency=0.1), token_file)

    def rotate() -> None:
        fresh = token_file.with_name("fresh")
        fresh.write_text(granted(world))
        fresh.rename(token_file)

    def rotate_often(session: Session) -> None:
        for moment in range(1, 30):
            at(float(moment), rotate)(session)

    ran = world.apply(*SPECS, meanwhile=rotate_often)

    assert (ran.exit_code, ran.summary) == (0, {"created": COUNT})
    assert rejected(world) == 0
    assert logins(world) == []
    all_created(world)


def test_a_token_file_that_changes_with_the_revocation_is_read_again(token_file: Path) -> None:
    """What is in flight is turned away once, and repeated with what the file holds by then."""
    world = reading(World(latency=0.25), token_file)

    def replace() -> None:
        world.sandbox.tokens.revoke()
        token_file.write_text(granted(world))

    ran = world.apply(*SPECS, meanwhile=at(1.1, replace))

    assert (ran.exit_code, ran.summary) == (0, {"created": COUNT})
    assert 0 < rejected(world) <= CEILING
    all_created(world)


def test_a_token_file_that_is_rotated_too_late_ends_the_run(token_file: Path) -> None:
    """There is no other token to try; the next run has one, and goes on."""
    world = reading(World(latency=0.25), token_file)

    ran = world.apply(*SPECS, meanwhile=at(1.1, world.sandbox.tokens.revoke))

    assert ran.exit_code == 9
    token_file.write_text(granted(world))
    assert world.apply(*SPECS).exit_code == 0
    all_created(world)
