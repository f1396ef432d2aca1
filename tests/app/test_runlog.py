"""What an apply leaves in the state's history, and that it never stands in the apply's way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.applying import runlog
from reconciler.app.refused import GuardError
from reconciler.core.history.events import ActionEnded, Event
from reconciler.core.history.outcome import Succeeded
from reconciler.core.model import Own
from reconciler.errors import StateError
from reconciler.ports import ActionEntry, RunEntry
from reconciler.state import backups, database
from reconciler.state.backups import list_backups
from reconciler.state.sqlite import open_state
from tests.app.commands import Repository
from tests.support.states import KilledError
from tests.support.worlds import World, wish


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository and a calm server that takes its time."""
    return Repository(tmp_path, World(latency=1.0))


def history(repository: Repository) -> list[tuple[RunEntry, list[ActionEntry]]]:
    """Every run with what it did, the newest first."""
    store = open_state(repository.path)
    try:
        return [(run, list(store.actions(run.id))) for run in store.runs()]
    finally:
        store.close()


def done(repository: Repository) -> list[Any]:
    """The events that told of a success, in their order."""
    ended = [event for event in repository.events if isinstance(event, ActionEnded)]
    return [event for event in ended if isinstance(event.outcome, Succeeded)]


def in_words(actions: list[ActionEntry]) -> list[str]:
    """What a run did, in words."""
    return [f"{a.action} {a.address} {a.reason}: {a.outcome}" for a in actions]


def test_every_apply_is_a_run(repository: Repository) -> None:
    """With what became of each workload; one that has nothing to do is a run as well."""
    repository.apply(wish("a"), wish("b"))
    repository.apply(wish("a", image="nginx:2"))
    repository.apply(wish("a", image="nginx:2"))

    (idle, nothing), (second, changes), (first, creates) = history(repository)

    assert (idle.counts, idle.exit_code, nothing) == ({}, 0, [])
    assert second.counts == {"replaced": 1, "deleted": 1}
    assert sorted(in_words(changes)) == [
        "delete 4501/b removed-from-specs: done",
        "replace 4501/a spec-changed: done",
    ]
    assert sorted(in_words(creates)) == [
        "create 4501/a new: done",
        "create 4501/b new: done",
    ]
    assert first.command == "reconciler apply"
    assert (first.stopped_by, first.exit_code) == ("", 0)
    assert first.took is not None
    assert first.finished is not None
    assert first.started < first.finished
    assert all(action.seconds is not None and action.seconds > 0 for action in creates)
    assert {action.id for action in creates} == {
        event.outcome.id for event in done(repository) if event.action == "create"
    }


def test_a_record_names_the_run_that_made_it(repository: Repository) -> None:
    """The id that plans show is one that `runs show` knows."""
    repository.apply(wish("a"))
    assert [row.run for row in repository.rows()] == [run.id for run, _ in history(repository)]


def test_failures_are_remembered_without_secrets(tmp_path: Path) -> None:
    """In the server's words, what looks secret in them taken out, and how long they took."""
    repository = Repository(
        tmp_path, World("sync-fails='bad --token=hunter2' name=a", sync_delay=2.0)
    )
    repository.apply(wish("a"))

    ((run, (failed,)),) = history(repository)

    assert (run.exit_code, run.counts) == (4, {"failed": 1, "refused": 1})
    assert failed.outcome == "failed"
    assert "the cluster refused it: bad --token=(sensitive" in failed.message
    assert "hunter2" not in failed.message
    assert failed.seconds is not None
    assert failed.seconds >= 2.0


def test_a_killed_run_stays_visible(repository: Repository) -> None:
    """It began and never ended; the next run is another one."""

    def die(event: Event) -> None:
        if isinstance(event, ActionEnded) and isinstance(event.outcome, Succeeded):
            raise KilledError

    repository.events = _Listening(die)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - a group of what a dying process feels
        repository.apply(wish("a"))
    repository.events = []
    repository.apply(wish("a"))

    (second, _), (first, _) = history(repository)
    assert (first.finished, first.exit_code, first.counts) == (None, None, {})
    assert second.exit_code == 0


class _Listening(list[Event]):
    """Events that somebody listens to."""

    def __init__(self, listener: object) -> None:
        super().__init__()
        self._listener = listener

    def append(self, event: Event) -> None:
        """Tell the listener first."""
        assert callable(self._listener)
        self._listener(event)
        super().append(event)


def test_a_history_is_written_in_groups(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the run goes on, in the order of what was told."""
    monkeypatch.setattr(runlog, "GROUP", 3)
    repository.apply(*[wish(f"w{i}") for i in range(10)])
    ((_, actions),) = history(repository)
    told = [str(event.address) for event in done(repository)]
    assert [action.address for action in actions] == told


def _fill_up(monkeypatch: pytest.MonkeyPatch, table: str, when: str = "") -> None:
    """Let the tables of the history take no more rows, as a full disk does, while records fit."""
    transaction = database.transaction

    @contextmanager
    def refusing(conn: sqlite3.Connection) -> Iterator[None]:
        conn.execute(
            f"CREATE TEMP TRIGGER IF NOT EXISTS t BEFORE INSERT ON main.{table} {when} "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        with transaction(conn):
            yield

    monkeypatch.setattr(database, "transaction", refusing)


@pytest.mark.parametrize(
    ("table", "when"), [("run_actions", ""), ("runs", "WHEN NEW.finished IS NOT NULL")]
)
def test_a_history_that_cannot_be_written_stops_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, table: str, when: str
) -> None:
    """The work is done and recorded; the result says what is missing."""
    repository.apply(wish("a"))
    with monkeypatch.context() as patch:
        _fill_up(patch, table, when)
        applied = repository.apply(wish("a"), wish("b"))
    assert applied.exit_code == 0
    assert applied.unlogged == f"the state {repository.path} cannot be used: no room"
    assert [row.own for row in repository.rows()] == [Own.ACCEPTED, Own.ACCEPTED]


def test_a_run_that_cannot_be_announced_sends_nothing(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be invisible if it were killed, and the disk is proven before the first request."""
    repository.apply(wish("a"))
    _fill_up(monkeypatch, "runs")
    before = repository.world.ledger()
    with pytest.raises(StateError, match="no room"):
        repository.apply(wish("a"), wish("b"))
    assert repository.world.ledger() == before


def test_an_apply_backs_the_state_up_before_it_changes_anything(repository: Repository) -> None:
    """A first one has nothing to lose, and one without changes leaves no copy."""
    repository.apply(wish("a"))
    repository.apply(wish("a"))
    assert list_backups(repository.path) == []
    rows = repository.rows()

    repository.apply(wish("a"), wish("b"))

    (backup,) = list_backups(repository.path)
    copy = open_state(backup)
    assert copy.read() == rows
    copy.close()


def test_a_refused_apply_leaves_no_backup(repository: Repository) -> None:
    """Nothing was about to be written."""
    repository.apply(wish("a"))
    with pytest.raises(GuardError):
        repository.apply()
    repository.apply(wish("b"), wish("a"), answer=False)
    assert list_backups(repository.path) == []


def test_no_room_for_a_backup_stops_the_apply_before_it_sends(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file and the way out, and no run is left behind."""
    repository.apply(wish("a"))
    before = repository.world.ledger()
    runs = len(history(repository))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(backups, "_copy", fail)
        with pytest.raises(StateError, match="cannot be made: database or disk is full") as caught:
            repository.apply(wish("a"), wish("b"))
    assert "make room" in caught.value.hint
    assert repository.world.ledger() == before
    assert len(history(repository)) == runs
    assert repository.apply(wish("a"), wish("b")).exit_code == 0


def test_the_history_says_how_a_workload_was_left(tmp_path: Path) -> None:
    """Refused by the cluster, or down: that counts more than why the action was begun."""
    repository = Repository(
        tmp_path, World("sync-fails='no image' name=b", "400 on=POST name=a nth=2", latency=1.0)
    )
    repository.apply(wish("a"), wish("b"))
    repository.apply(wish("a", image="nginx:2"), wish("b"))
    (_, second), (_, first) = history(repository)
    assert in_words(first) == [
        "create 4501/a new: done",
        "create 4501/b sync-failed: failed",
    ]
    assert sorted(in_words(second)) == [
        "hold 4501/b sync-failed: failed",
        "replace 4501/a down: failed",
    ]
