"""A repository is split: its records move to another state, and the server notices nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.state.moving import MoveResult, move
from reconciler.app.state.states import list_leftovers
from reconciler.core.history.events import Summary
from reconciler.core.model import Desired, Own, Recorded, Target
from reconciler.core.states.places import FilePlace
from reconciler.errors import LockedError, RefusedError, StateError, UsageError
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import SqliteStore, create_state, open_state
from tests.app.commands import Repository, secret
from tests.support.states import KilledError
from tests.support.worlds import URL, World, wish

STAYS, GOES, GOES_TOO = wish("stays"), secret("goes"), wish("goes-too")


@pytest.fixture
def old(tmp_path: Path) -> Repository:
    """The repository that is split, with three workloads."""
    (tmp_path / "old").mkdir()
    repository = Repository(tmp_path / "old", World())
    repository.apply(STAYS, GOES, GOES_TOO)
    return repository


@pytest.fixture
def new(tmp_path: Path, old: Repository) -> Repository:
    """The repository that is split off, without a state."""
    (tmp_path / "new").mkdir()
    return Repository(tmp_path / "new", old.world)


def carry(
    old: Repository, new: Repository, *patterns: str, answer: bool = True, **more: Any
) -> MoveResult:
    """Move records between two states."""
    return move(
        FilePlace(path=old.path),
        patterns or ("4501/goes*",),
        FilePlace(path=new.path),
        command="reconciler state move",
        confirm=lambda _: answer,
        **({"init": True} | more),
    )


def names(repository: Repository) -> list[str]:
    """What a state records."""
    return sorted(row.address.name for row in repository.rows())


def settled(repository: Repository, *specs: Desired) -> bool:
    """Whether an apply of these specs finds nothing to do."""
    requests = repository.world.ledger()
    finished = repository.apply(*specs).finished
    assert finished is not None
    return finished.summary == Summary() and repository.world.ledger() == requests


def test_a_split_changes_nothing_on_the_server(old: Repository, new: Repository) -> None:
    """Both halves plan nothing, secrets included, and each can change what is its own."""
    moved = carry(old, new)
    assert sorted(row.address.name for row in moved.rows) == ["goes", "goes-too"]
    assert (names(old), names(new)) == (["stays"], ["goes", "goes-too"])
    assert settled(old, STAYS)
    assert settled(new, GOES, GOES_TOO)

    new.apply(secret("goes", kind="Job"))
    old.apply(STAYS, wish("more"))

    assert old.world.live() == ["goes", "more", "stays"]
    assert settled(old, STAYS, wish("more"))
    assert settled(new, secret("goes", kind="Job"))


def test_what_is_lost_after_a_split_is_found_by_its_marker(
    old: Repository, new: Repository
) -> None:
    """The lineage moved along, so a record that is gone is taken back as before."""
    carry(old, new)
    store = open_state(new.path)
    store.hold("test")
    store.write([dataclasses.replace(row, own=Own.GONE) for row in store.read()])
    store.close()
    new.apply(GOES, GOES_TOO)
    assert (names(new), old.world.created_twice()) == (["goes", "goes-too"], [])
    assert settled(new, GOES, GOES_TOO)


def test_a_move_can_be_taken_back(old: Repository, new: Repository) -> None:
    """The other way round, with the same command."""
    before = old.rows()
    carry(old, new)
    carry(new, old)
    assert (sorted(old.rows(), key=_op), new.rows()) == (sorted(before, key=_op), [])


def _op(row: Recorded) -> str:
    return row.op


def test_more_can_follow(old: Repository, new: Repository) -> None:
    """A state that got its records by a move takes more of them, also after applies of its own."""
    carry(old, new, "4501/goes")
    new.apply(GOES, wish("extra"))
    carry(old, new, "4501/goes-too")
    assert names(new) == ["extra", "goes", "goes-too"]
    assert settled(new, GOES, GOES_TOO, wish("extra"))


def test_a_move_is_in_both_histories(old: Repository, new: Repository) -> None:
    """With its command and what was moved; both states were backed up before."""
    carry(old, new)
    told = []
    for repository in (old, new):
        store = open_state(repository.path)
        run = store.runs()[0]
        told.append((run.counts, [a.message for a in store.actions(run.id)]))
        store.close()
        assert len(list_backups(repository.path)) == 1
    assert told == [
        ({"moved": 2}, [f"to {new.path}"] * 2),
        ({"moved": 2}, [f"from {old.path}"] * 2),
    ]


def test_the_target_moves_along(old: Repository, new: Repository) -> None:
    """Also to a state that was made by hand and has not met the server."""
    create_state(new.path, Target(url=URL, stack="blue")).close()
    carry(old, new, init=False)
    assert new.target() == old.target()
    assert settled(new, GOES, GOES_TOO)


@pytest.mark.parametrize("step", [1, 2])
def test_a_move_that_is_killed_is_finished_by_the_same_move(
    old: Repository, new: Repository, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before either of the two writes: no record is lost, at worst it is in both."""
    before = sorted(old.rows(), key=_op)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "amend", _dying_at(step))
        with pytest.raises(KilledError):
            carry(old, new)
    there = names(new)
    assert sorted(old.rows(), key=_op) == before
    assert there == ([] if step == 1 else ["goes", "goes-too"])

    moved = carry(old, new)

    assert sorted(row.address.name for row in moved.present) == there
    assert (names(old), names(new)) == (["stays"], ["goes", "goes-too"])
    assert settled(old, STAYS)
    assert settled(new, GOES, GOES_TOO)


def _dying_at(step: int) -> Any:
    amend, calls = SqliteStore.amend, iter(range(1, 9))

    def dying(store: SqliteStore, *args: Any, **more: Any) -> None:
        if next(calls) == step:
            raise KilledError
        amend(store, *args, **more)

    return dying


def test_a_move_that_was_cut_short_and_used_keeps_what_is_newer(
    old: Repository, new: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver went on with its record: the giver's is only taken out."""
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "amend", _dying_at(2))
        with pytest.raises(KilledError):
            carry(old, new)
    store = open_state(new.path)
    row = next(row for row in store.read() if row.address.name == "goes")
    store.hold("test")
    store.write([dataclasses.replace(row, protected=True)])
    store.close()
    carry(old, new)
    assert [row.protected for row in new.rows() if row.address.name == "goes"] == [True]
    assert names(old) == ["stays"]


def test_two_operations_of_one_address_are_for_a_person(old: Repository, new: Repository) -> None:
    """One of them is out of date, and nothing here can tell which."""
    carry(old, new, "4501/goes")
    store = open_state(old.path)
    store.hold("test")
    store.write([dataclasses.replace(new.rows()[0], op="another")])
    store.close()
    with pytest.raises(RefusedError) as caught:
        carry(old, new)
    assert caught.value.message == (
        f"{new.path} records 4501/goes too, under another operation: one of the two is out of date"
    )
    assert "reconciler state rm 4501/goes" in caught.value.hint
    assert (names(old), names(new)) == (["goes", "goes-too", "stays"], ["goes"])


def test_an_error_at_the_second_write_says_what_to_do(
    old: Repository, new: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records are in both; the message says so."""
    amend = SqliteStore.amend

    def full(store: SqliteStore, *args: Any, **more: Any) -> None:
        if store.path == old.path:
            raise StateError("the disk is full")
        amend(store, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "amend", full)
        with pytest.raises(StateError) as caught:
            carry(old, new)
    assert caught.value.message == (
        f"the records are in {new.path} now, and still in {old.path}: the disk is full"
    )
    assert caught.value.hint == "repeat the same move before the next apply of either"


@pytest.mark.parametrize(
    "own", [Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE, Own.DELETING]
)
def test_what_is_in_doubt_stays(old: Repository, new: Repository, own: Own) -> None:
    """All or nothing: the way out is named."""
    store = open_state(old.path)
    row = next(row for row in store.read() if row.address.name == "goes")
    store.hold("test")
    store.write([dataclasses.replace(row, own=own)])
    store.close()
    words = "is being deleted: workload" if own is Own.DELETING else "is in doubt"
    with pytest.raises(RefusedError, match=f"4501/goes {words}") as caught:
        carry(old, new)
    assert "reconciler state resolve 4501/goes" in caught.value.hint
    assert not new.path.exists()
    assert len(old.rows()) == 3


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(url="https://other", stack="blue"), "another server (https://other, not"),
        (Target(url=URL, stack="green"), "another stack (green, not blue)"),
        (Target(url=URL, stack="blue", tenant_id=9), "another tenant (9, not 1)"),
        (Target(url=URL, stack="blue", issuer="i"), "another token issuer (i, not"),
    ],
)
def test_a_state_of_another_target_takes_nothing(
    old: Repository, new: Repository, target: Target, words: str
) -> None:
    """The workloads would be missing there, or look foreign."""
    create_state(new.path, target).close()
    with pytest.raises(RefusedError) as caught:
        carry(old, new)
    assert caught.value.message.startswith(f"{new.path} belongs to {words}")
    assert (len(old.rows()), new.rows()) == (3, [])


def test_a_state_with_a_lineage_of_its_own_takes_nothing(old: Repository, new: Repository) -> None:
    """Its own workloads carry that lineage, so it can have no other."""
    new.apply(wish("own"))
    with pytest.raises(RefusedError) as caught:
        carry(old, new)
    assert "records workloads of another lineage" in caught.value.message
    assert "--init" in caught.value.hint
    assert (len(old.rows()), names(new)) == (3, ["own"])


@pytest.mark.parametrize("more", [{"answer": False}, {"dry_run": True}])
def test_what_is_not_to_be_done_makes_no_state(
    old: Repository, new: Repository, more: dict[str, bool]
) -> None:
    """Neither an answer of no nor a dry run leaves anything."""
    before = old.path.read_bytes() if "dry_run" in more else b""
    moved = carry(old, new, **more)
    assert len(moved.rows) == (2 if "dry_run" in more else 0)
    assert not new.path.exists()
    assert list_backups(old.path) == []
    assert not before or old.path.read_bytes() == before


def test_paths_and_patterns_have_to_mean_something(old: Repository, new: Repository) -> None:
    """A state that is not there, the same state, an address that is not recorded."""
    with pytest.raises(StateError, match=r"there is no state at .*new") as absent:
        carry(old, new, init=False)
    assert "--init" in absent.value.hint
    with pytest.raises(UsageError, match="is the state that the records are in"):
        carry(old, old)
    for patterns in (("4501/nothing",), ("4501/goes", "4502/*")):
        with pytest.raises(StateError, match=f"the state has no {patterns[-1][:5]}"):
            carry(old, new, *patterns)
    assert len(old.rows()) == 3


@pytest.fixture(params=["old", "new"])
def held(request: pytest.FixtureRequest, old: Repository, new: Repository) -> Iterator[None]:
    """One of the two states is in use."""
    create_state(new.path, Target(url=URL, stack="blue")).close()
    store = open_state(old.path if request.param == "old" else new.path)
    store.hold("reconciler apply")
    yield
    store.close()


@pytest.mark.usefixtures("held")
def test_a_state_in_use_gives_and_takes_nothing(old: Repository, new: Repository) -> None:
    """Whichever of the two it is; a dry run is possible all the same."""
    with pytest.raises(LockedError):
        carry(old, new)
    assert (len(old.rows()), new.rows()) == (3, [])
    assert len(carry(old, new, dry_run=True).rows) == 2


def test_what_a_killed_move_left_behind_is_swept_up(old: Repository, new: Repository) -> None:
    """Hidden files of a state in the making; those of other states are left alone."""
    mine = new.path.with_name(f".{new.path.name}.{'0' * 32}")
    other = new.path.with_name(f".other.db.{'0' * 32}")
    for file in (mine, mine.with_name(f"{mine.name}-journal"), other):
        file.touch()
    assert list_leftovers(FilePlace(path=new.path)) == [
        mine,
        mine.with_name(f"{mine.name}-journal"),
    ]

    carry(old, new, dry_run=True)
    assert mine.exists()
    carry(old, new)

    assert (list_leftovers(FilePlace(path=new.path)), other.exists()) == ([], True)
    assert settled(new, GOES, GOES_TOO)


def test_a_backup_that_was_cut_short_is_named(old: Repository) -> None:
    """Among the backups as well as beside the state."""
    store = open_state(old.path)
    cut = store.back_up().parent / f".backup.db.{'a' * 32}"
    store.close()
    cut.touch()
    assert list_leftovers(FilePlace(path=old.path)) == [cut]
