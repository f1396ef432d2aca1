"""What ties a workload to a record by hand: by its marker, by its id, or by giving it up."""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from reconciler.app.claiming import Claim, abandon, adopt, recheck, resolve_by_id
from reconciler.app.settings import Settings
from reconciler.core.model import Desired, Recorded
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

    def claim(self, address: str, *, dry_run: bool = False) -> Claim:
        """What is asked for."""
        return Claim(
            address=address, command="reconciler state …", confirm=self._confirm, dry_run=dry_run
        )

    def adopt(self, address: str, workload_id: str, *declared: Desired, **claim: Any) -> list[str]:
        """Adopt, and say what was written."""
        return _told(
            self._run(
                adopt(
                    self.settings,
                    self.claim(address, **claim),
                    workload_id,
                    declared=declared,
                    connector=self.world.connector(),
                    say=lambda _: None,
                )
            )
        )

    def resolve(self, address: str, workload_id: str, **claim: Any) -> list[str]:
        """Settle by an id, and say what was written."""
        return _told(
            self._run(
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
        applied = self._run(
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

    def _run(self, main: Coroutine[Any, Any, T]) -> T:
        return run(main, self.world.timeline)

    def _confirm(self, rows: Sequence[Recorded]) -> bool:
        self.asked += [str(row.address) for row in rows]
        return self.agrees


def _told(rows: Sequence[Recorded]) -> list[str]:
    return [f"{row.address.name} {row.own}" for row in rows]


def _plant(world: World, spec: Desired) -> str:
    return world.sandbox.store.plant({"metadata": spec.metadata, "manifest": spec.manifest}).id


def _lose_answer(world: World) -> None:
    """The process dies when the answer to its create comes in."""

    def hook(request: httpx.Request) -> None:
        if is_write(request):
            world.kill()

    world.on_answer = hook
    world.apply(wish("a"))
    world.on_answer = lambda _: None
    assert world.state() == ["a CREATING unknown"]  # read by the next process


def test_a_workload_made_by_hand_is_adopted_as_it_is_declared(tmp_path: Path) -> None:
    """From then on it is like any other: unchanged it shows nothing, removed it is deleted."""
    office = Office(tmp_path)
    workload_id = _plant(office.world, wish("a"))
    office.world.apply(wish("z"))

    adopted = office.adopt("4501/a", workload_id, wish("a"))
    unchanged = office.world.plan(wish("a"), wish("z")).plan
    removed = office.world.apply(wish("z"))

    assert (adopted, office.asked) == (["a ACCEPTED"], ["4501/a"])
    assert not unchanged.has_changes
    assert removed.summary == {"deleted": 1}
    assert office.world.live() == ["z"]


def test_what_differs_from_its_declaration_shows_in_the_next_plan(tmp_path: Path) -> None:
    """Adopting changes nothing on the server."""
    office = Office(tmp_path)
    workload_id = _plant(office.world, wish("a", image="nginx:1"))
    declared = wish("a", image="nginx:2")

    office.adopt("4501/a", workload_id, declared)
    (action,) = office.world.plan(declared).plan.changes

    assert (action.kind, [change.pointer for change in action.changes]) == (
        "replace",
        ["/manifest/spec/template/spec/containers/0/image"],
    )
    assert office.world.ledger("POST", "DELETE") == []


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("another name", "is 4501/b, not 4501/a"),
        ("another owner", "belongs to stack 'green' (state other)"),
        ("recorded", "4501/a is recorded already, as workload"),
        ("unknown", "the server has no workload"),
        ("no address", "'a' is not an address of the form <projectId>/<name>"),
    ],
)
def test_what_cannot_be_adopted_is_refused(tmp_path: Path, case: str, message: str) -> None:
    """Nothing is written, and the message names both sides."""
    office = Office(tmp_path)
    address, workload_id = "4501/a", _plant(office.world, wish("a"))
    match case:
        case "another name":
            workload_id = _plant(office.world, wish("b"))
        case "another owner":
            manifest = office.world.sandbox.store.manifest(workload_id)
            manifest["metadata"] = {
                "annotations": {
                    "workload-reconciler/op": "other/op",
                    "workload-reconciler/stack": "green",
                }
            }
            office.world.sandbox.store.edit(workload_id, manifest=manifest)
        case "recorded":
            office.adopt("4501/a", workload_id)
        case "unknown":
            workload_id = "11111111-2222-3333-4444-555555555555"
        case _:
            address = "a"
    before = office.world.state()

    with pytest.raises(ReconcilerError) as caught:
        office.adopt(address, workload_id)

    assert message in caught.value.message
    assert caught.value.hint
    assert office.world.state() == before


def test_a_dry_run_and_a_no_write_nothing(tmp_path: Path) -> None:
    """The first says what it would do, the second does what it was told."""
    office = Office(tmp_path)
    workload_id = _plant(office.world, wish("a"))

    tried = office.adopt("4501/a", workload_id, dry_run=True)
    office.agrees = False
    declined = office.adopt("4501/a", workload_id)

    assert (tried, declined) == (["a ACCEPTED"], [])
    assert (office.world.state(), office.history()) == ([], [])


def test_a_doubt_is_settled_by_the_id_of_what_became_of_it(tmp_path: Path) -> None:
    """Without a list this is the one command that is needed; the marker is checked."""
    office = Office(tmp_path, listing=False)
    _lose_answer(office.world)
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
    _lose_answer(office.world)
    row = office.world.row("a")
    office.world.record(dataclasses.replace(row, op="another"))
    office.world.record(dataclasses.replace(row, own=row.own.GONE))

    with pytest.raises(RefusedError, match=f"was made by operation {row.op}, and 1 other"):
        office.resolve("4501/a", office.world.id_of("a"))


def test_a_recheck_finds_what_the_list_shows_by_now(tmp_path: Path) -> None:
    """It only reads; what it finds is recorded, what it does not find stays in doubt."""
    office = Office(tmp_path)
    _lose_answer(office.world)
    posts = len(office.world.ledger("POST"))

    found = office.recheck("4501/a")

    assert (found, office.world.state()) == (0, ["a ACCEPTED Synced"])
    assert len(office.world.ledger("POST")) == posts


def test_a_doubt_can_be_given_up(tmp_path: Path) -> None:
    """Somebody has looked, and says that there is nothing; the state remembers who."""
    office = Office(tmp_path, listing=False)
    _lose_answer(office.world)
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
