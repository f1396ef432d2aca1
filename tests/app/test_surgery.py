"""What may be done to the record by hand, and what may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.app.state.state_edits import back_up, forget, set_protections
from reconciler.core.model import ChangeRecord, LastSeen, OpenChange, Own, Purpose, Recorded
from reconciler.core.states.places import FilePlace
from reconciler.errors import LockedError, RefusedError, StateError, UsageError
from reconciler.ports import ActionEntry
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import open_state
from tests.support.worlds import World, wish


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two workloads, recorded in a file."""
    world = World(path=tmp_path / "state.db")
    world.apply(wish("a"), wish("b"))
    return world


@pytest.fixture
def path(tmp_path: Path, world: World) -> Path:
    """The state of that world."""
    assert world.live() == ["a", "b"]
    return tmp_path / "state.db"


def rm(path: Path, address: str, *, answer: bool = True, dry_run: bool = False) -> list[str]:
    """Forget a record and return the addresses that were."""
    rows = forget(
        FilePlace(path=path),
        address,
        command=f"rm {address}",
        confirm=lambda _: answer,
        dry_run=dry_run,
    )
    return [str(row.address) for row in rows]


def test_a_forgotten_workload_lives_on(world: World, path: Path) -> None:
    """The server is not asked; with its spec it is taken back, and nothing is made twice."""
    requests = len(world.entries())
    assert rm(path, "4501/a") == ["4501/a"]
    assert (world.state(), world.live()) == (["b ACCEPTED Synced"], ["a", "b"])
    assert len(world.entries()) == requests

    world.apply(wish("a"), wish("b"))

    assert world.state() == ["a ACCEPTED Synced", "b ACCEPTED Synced"]
    assert (world.created_twice(), world.live()) == ([], ["a", "b"])


def test_a_surgery_is_a_run(path: Path) -> None:
    """With its command, what it was about, and a copy of what was before."""
    store = open_state(path)
    rows = store.read()
    store.close()
    rm(path, "4501/a")
    store = open_state(path)
    (run,) = store.runs()
    actions = store.actions(run.id)
    store.close()
    assert (run.command, run.counts, run.exit_code) == ("rm 4501/a", {"forgotten": 1}, 0)
    assert actions == [
        ActionEntry(
            address="4501/a",
            action="forget",
            outcome="done",
            reason="requested",
            id=rows[0].id,
        )
    ]
    (backup,) = list_backups(path)
    copy = open_state(backup)
    assert copy.read() == rows
    copy.close()


@pytest.mark.parametrize(
    ("answer", "dry_run", "said"), [(False, False, []), (True, True, ["4501/a"])]
)
def test_what_is_not_to_be_done_leaves_no_trace(
    path: Path, answer: bool, dry_run: bool, said: list[str]
) -> None:
    """Neither an answer of no nor a dry run writes a record, a run or a backup."""
    before = _contents(path)
    assert rm(path, "4501/a", answer=answer, dry_run=dry_run) == said
    set_protections(FilePlace(path=path), ["4501/a"], protect=True, command="protect", dry_run=True)
    assert _contents(path) == before
    assert list_backups(path) == []


def _contents(path: Path) -> object:
    store = open_state(path)
    try:
        return store.header, store.read(), store.runs()
    finally:
        store.close()


def recently() -> str:
    """A moment within the time in which an unanswered create may still be carried out."""
    return (datetime.now(UTC) - timedelta(seconds=30)).isoformat(timespec="seconds")


def test_what_was_deleted_to_be_replaced_can_be_forgotten(world: World, path: Path) -> None:
    """Nothing runs there, and nothing can come true: its record is no doubt."""
    row = dataclasses.replace(
        world.row("a"),
        own=Own.LATE_CREATE_POSSIBLE,
        id=None,
        ambiguous=False,
        purpose=Purpose.REPLACE,
        seen=LastSeen.DELETED,
        former_id="id-a",
    )
    world.record(row)
    assert rm(path, "4501/a") == ["4501/a"]
    assert "a" not in {row.address.name for row in world.rows()}


@pytest.mark.parametrize("own", [Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE])
def test_what_is_in_doubt_is_not_forgotten(world: World, path: Path, own: Own) -> None:
    """Its record is all that is known of it; the way out is named, also in a dry run."""
    row = dataclasses.replace(world.row("a"), own=own)
    world.record(row)
    for dry_run in (True, False):
        with pytest.raises(RefusedError) as caught:
            rm(path, "4501/a", dry_run=dry_run)
        assert caught.value.message == (
            f"4501/a is in doubt ({own.label}): what the server has of it is not settled"
        )
        assert caught.value.hint == (
            "apply again, or settle it: reconciler state resolve 4501/a --recheck"
        )
        assert caught.value.exit_code == 5
    assert world.row("a") == row


def test_a_create_that_may_still_come_true_is_a_doubt(world: World, path: Path) -> None:
    """A workload that was found by its marker can be forgotten once nothing can follow it."""
    row = dataclasses.replace(world.row("a"), ambiguous=True, last_sent_at=recently())
    world.record(row)
    with pytest.raises(RefusedError, match="4501/a is in doubt: one of its creates was never"):
        rm(path, "4501/a")
    world.record(dataclasses.replace(row, last_sent_at="2026-01-01T00:00:00+00:00"))
    assert rm(path, "4501/a") == ["4501/a"]


def test_what_may_still_be_updated_late_is_not_forgotten(world: World, path: Path) -> None:
    """Whoever has the workload next would be surprised by that update; the time is named."""
    at = recently()
    opened = OpenChange(
        rev="rev-1",
        base="",
        body_digest="",
        digest="",
        spec={},
        body={},
        first_sent_at=at,
        last_sent_at=at,
        attempts=1,
        ambiguous=True,
    )
    row = dataclasses.replace(world.row("a"), change=ChangeRecord(open=opened))
    world.record(row)
    until = (datetime.fromisoformat(at) + timedelta(seconds=362)).isoformat(timespec="seconds")
    for dry_run in (True, False):
        with pytest.raises(RefusedError) as caught:
            rm(path, "4501/a", dry_run=dry_run)
        assert (caught.value.message, caught.value.hint) == (
            f"4501/a has an update that was never answered, and may be carried out until {until}",
            "wait until then and try again",
        )
    assert world.row("a") == row
    long_ago = "2026-01-01T00:00:00+00:00"
    opened = dataclasses.replace(opened, first_sent_at=long_ago, last_sent_at=long_ago)
    world.record(dataclasses.replace(row, change=ChangeRecord(open=opened)))
    assert rm(path, "4501/a") == ["4501/a"]


def test_a_doubt_beside_a_record_keeps_both(world: World, path: Path) -> None:
    """An address is forgotten whole or not at all."""
    ghost = dataclasses.replace(world.row("a"), op="0", own=Own.LATE_CREATE_POSSIBLE, id=None)
    world.record(ghost)
    with pytest.raises(RefusedError):
        rm(path, "4501/a")
    assert len(world.rows()) == 3


def test_a_state_in_use_is_left_alone(path: Path) -> None:
    """By an apply, say; looking and copying is possible all the same."""
    holder = open_state(path)
    holder.hold("reconciler apply")
    with pytest.raises(LockedError):
        rm(path, "4501/a")
    with pytest.raises(LockedError):
        set_protections(FilePlace(path=path), ["4501/a"], protect=True, command="protect")
    assert rm(path, "4501/a", dry_run=True) == ["4501/a"]
    assert Path(back_up(FilePlace(path=path), None, dry_run=False)).exists()
    holder.close()


def test_a_backup_by_hand(path: Path, tmp_path: Path) -> None:
    """To a file of one's own or among the others; a dry run says where."""
    place, mine = FilePlace(path=path), tmp_path / "mine.db"
    assert back_up(place, mine, dry_run=True) == str(mine)
    assert not (tmp_path / "mine.db").exists()
    assert Path(back_up(place, None, dry_run=True)).parent == tmp_path / "state.db.backups"
    assert list_backups(path) == []
    assert back_up(place, mine, dry_run=False) == str(mine)
    assert list_backups(path) == []
    assert [Path(back_up(place, None, dry_run=False))] == list_backups(path)
    for dry_run in (True, False):
        with pytest.raises(StateError, match="there is already a file"):
            back_up(place, mine, dry_run=dry_run)


def test_a_backup_makes_no_folders(path: Path, tmp_path: Path) -> None:
    """One made of a misspelt path would hold a backup that nobody finds again."""
    for dry_run in (True, False):
        with pytest.raises(StateError) as caught:
            back_up(FilePlace(path=path), tmp_path / "bakcups" / "mine.db", dry_run=dry_run)
        assert caught.value.message == f"there is no folder {tmp_path / 'bakcups'} for the backup"
        assert caught.value.hint
    assert not (tmp_path / "bakcups").exists()


def test_a_protection_is_a_run(world: World, path: Path) -> None:
    """Set and lifted, each with its word; what changes nothing is none."""
    for protect in (True, True, False):
        set_protections(
            FilePlace(path=path), ["4501/a"], protect=protect, command=f"protect {protect}"
        )
    store = open_state(path)
    runs = [(run.command, run.counts) for run in store.runs()]
    store.close()
    assert runs == [("protect False", {"unprotected": 1}), ("protect True", {"protected": 1})]
    assert [row.protected for row in world.rows()] == [False, False]


def test_several_are_protected_at_once(world: World, path: Path) -> None:
    """Addresses and globs add up, what was so already is said, and it is one run."""
    shown: list[list[str]] = []

    def confirm(rows: Sequence[Recorded]) -> bool:
        shown.append([str(row.address) for row in rows])
        return True

    def protect(*patterns: str) -> tuple[list[str], list[str]]:
        done = set_protections(
            FilePlace(path=path), patterns, protect=True, command="protect", confirm=confirm
        )
        return [row.address.name for row in done.changed], [row.address.name for row in done.same]

    assert protect("4501/a") == (["a"], [])
    assert protect("4501/*", "4501/b") == (["b"], ["a"])
    assert protect("4501/*") == ([], ["a", "b"])
    assert shown == [["4501/a"], ["4501/b"]]
    assert [row.protected for row in world.rows()] == [True, True]
    store = open_state(path)
    assert [run.counts for run in store.runs()] == [{"protected": 1}] * 2
    store.close()


def test_a_protection_that_is_declined_or_means_nothing_changes_nothing(path: Path) -> None:
    """Every pattern has to match a record."""
    done = set_protections(
        FilePlace(path=path), ["4501/*"], protect=True, command="protect", confirm=lambda _: False
    )
    assert (done.changed, done.same) == ((), ())
    with pytest.raises(StateError, match=r"the state has no 4502/\*"):
        set_protections(FilePlace(path=path), ["4501/a", "4502/*"], protect=True, command="protect")
    with pytest.raises(UsageError, match="'z' is not an address"):
        set_protections(FilePlace(path=path), ["z"], protect=True, command="protect")
    store = open_state(path)
    assert [row.protected for row in store.read()] == [False, False]
    store.close()


def test_what_is_left_of_an_older_create_has_nothing_to_protect(world: World, path: Path) -> None:
    """One record for each address: the newest."""
    world.record(dataclasses.replace(world.row("a"), op="0", own=Own.LATE_CREATE_POSSIBLE, id=None))
    done = set_protections(FilePlace(path=path), ["4501/a"], protect=True, command="protect")
    assert [row.own for row in done.changed] == [Own.ACCEPTED]
