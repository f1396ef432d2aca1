"""What settles a doubt by hand: an id, another look, or giving it up."""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from reconciler.app.settings import Settings
from reconciler.app.state.claiming import ResolveRequest, abandon, recheck, resolve_by_id
from reconciler.core.model import Recorded
from reconciler.errors import ReconcilerError, RefusedError
from reconciler.state.sqlite import open_state
from tests.timing import run
from tests.worlds import World, is_write, wish

T = TypeVar("T")


class Office:
    """A world with its state in a file, and a person who is asked."""

    def __init__(self, folder: Path, *faults: str, **sandbox: Any) -> None:
        self.path = folder / "state.db"
        self.world = World(*faults, path=self.path, **sandbox)
        self.asked: list[str] = []
        self.agrees = True

    @property
    def settings(self) -> Settings:
        """The settings of a command line in this office."""
        return dataclasses.replace(self.world.settings, state=self.path)

    def claim(self, address: str, *, dry_run: bool = False) -> ResolveRequest:
        """What is asked for."""
        return ResolveRequest(
            address=address, command="reconciler state …", confirm=self._confirm, dry_run=dry_run
        )

    def resolve(self, address: str, workload_id: str, **claim: Any) -> list[str]:
        """Settle by an id, and say what was written."""
        return _told(
            self.run(
                resolve_by_id(
                    self.settings,
                    self.claim(address, **claim),
                    workload_id,
                    connector=self.world.connector(),
                    say=lambda _: None,
                )
            )
        )

    def recheck(self, address: str) -> int:
        """Look again, and return the exit code."""
        applied = self.run(
            recheck(
                self.settings,
                self.claim(address),
                connector=self.world.connector(),
                say=lambda _: None,
            )
        )
        return applied.exit_code

    def history(self) -> list[str]:
        """What the runs of this state were about."""
        store = open_state(self.path)
        try:
            return [" ".join(entry.counts) for entry in store.runs()]
        finally:
            store.close()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end."""
        return run(main, self.world.timeline)

    def _confirm(self, rows: Sequence[Recorded]) -> bool:
        self.asked += [str(row.address) for row in rows]
        return self.agrees


def _told(rows: Sequence[Recorded]) -> list[str]:
    return [f"{row.address.name} {row.own}" for row in rows]


def lose_answer(world: World) -> None:
    """The process dies when the answer to its create comes in."""

    def hook(request: httpx.Request) -> None:
        if is_write(request):
            world.kill()

    world.on_answer = hook
    world.apply(wish("a"))
    world.on_answer = lambda _: None
    assert world.state() == ["a CREATING unknown"]  # read by the next process


def test_a_doubt_is_settled_by_the_id_of_what_became_of_it(tmp_path: Path) -> None:
    """Without a list this is the one command that is needed; the marker is checked."""
    office = Office(tmp_path, listing=False)
    lose_answer(office.world)
    assert office.world.apply(wish("a")).exit_code == 8

    settled = office.resolve("4501/a", office.world.id_of("a"))
    after = office.world.apply(wish("a"))

    assert settled == ["a ACCEPTED"]
    assert (after.exit_code, after.summary) == (0, {})
    assert office.world.changes() == ["created a"]
    assert office.history() == ["resolved"]


def test_a_doubt_is_not_settled_by_what_another_operation_made(tmp_path: Path) -> None:
    """The marker is stronger than anybody's word."""
    office = Office(tmp_path, listing=False)
    lose_answer(office.world)
    row = office.world.row("a")
    office.world.record(dataclasses.replace(row, op="another"))
    office.world.record(dataclasses.replace(row, own=row.own.GONE))

    with pytest.raises(RefusedError, match=f"was made by operation {row.op}, and 1 other"):
        office.resolve("4501/a", office.world.id_of("a"))


def test_a_recheck_finds_what_the_list_shows_by_now(tmp_path: Path) -> None:
    """It only reads; what it finds is recorded, what it does not find stays in doubt."""
    office = Office(tmp_path)
    lose_answer(office.world)
    posts = len(office.world.ledger("POST"))

    found = office.recheck("4501/a")

    assert (found, office.world.state()) == (0, ["a ACCEPTED Synced"])
    assert len(office.world.ledger("POST")) == posts


def test_a_doubt_can_be_given_up(tmp_path: Path) -> None:
    """Somebody has looked, and says that there is nothing; the state remembers who."""
    office = Office(tmp_path, listing=False)
    lose_answer(office.world)
    office.world.sandbox.store.vanish(office.world.id_of("a"))

    dropped = abandon(office.settings, office.claim("4501/a"))
    after = office.world.apply(wish("a"))

    assert _told(dropped) == ["a GONE"]
    assert after.summary == {"created": 1}
    assert office.history() == ["abandoned"]


def test_what_is_not_in_doubt_has_nothing_to_settle(tmp_path: Path) -> None:
    """A recorded workload is left alone."""
    office = Office(tmp_path)
    office.world.apply(wish("a"))

    with pytest.raises(ReconcilerError, match="4501/a is not in doubt"):
        abandon(office.settings, office.claim("4501/a"))
