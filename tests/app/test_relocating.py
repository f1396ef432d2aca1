from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.state.relocating import Relocation, relocate
from reconciler.app.state.state_edits import Confirm
from reconciler.core.model import Own, Purpose, Recorded
from reconciler.core.redact import Redactor
from reconciler.core.states.places import FilePlace, StatePlace, parse_place
from reconciler.errors import LockedError, NotInUseError, RefusedError, StateError
from reconciler.ports import IN_USE, StateContent, StateStore, Transit
from reconciler.state import places
from reconciler.state.database import SCHEMA_VERSION
from reconciler.state.places import create_state, inspect_state, open_state, summarize_state
from tests.state.runs import begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.object_server import ObjectServer
from tests.support.postgres import PostgresServer
from tests.support.states import KilledError

COMMAND = "reconciler state move --all"
ROWS = [
    make_recorded(address="1/a", op="a", protected=True),
    make_recorded(address="1/b", op="b", own=Own.CREATING, ambiguous=True),
    make_recorded(address="1/c", op="c", own=Own.DELETING, purpose=Purpose.REPLACE),
    make_recorded(address="1/d", op="d", own=Own.GONE, message="gone \0"),
    make_recorded(address="1/f", op="f", own=Own.ENDED, purpose=Purpose.FINISHED),
]


@pytest.fixture(
    params=[
        "file to database",
        "database to file",
        "file to file",
        "file to bucket",
        "bucket to file",
    ]
)
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[StatePlace, StatePlace]:
    """Where a state is, and where it goes."""
    file = FilePlace(path=tmp_path / "state.db")
    if request.param == "file to file":
        return file, FilePlace(path=tmp_path / "there" / "state.db")
    if "bucket" in request.param:
        objects: ObjectServer = request.getfixturevalue("objects")
        bucket = parse_place(objects.url("states"), stack=make_target().stack)
        return (file, bucket) if request.param == "file to bucket" else (bucket, file)
    server: PostgresServer = request.getfixturevalue("postgres")
    schema = request.getfixturevalue("schema")
    database = parse_place(server.url(schema), stack=make_target().stack)
    return (file, database) if request.param == "file to database" else (database, file)


@pytest.fixture
def place(ends: tuple[StatePlace, StatePlace]) -> StatePlace:
    """Where a state with doubt, a protection and a history is."""
    with closing(create_state(ends[0], make_target(issuer="i", pins={"a": "1"}))) as store:
        store.hold("test")
        store.write(ROWS)
        store.begin_run(begun("r1"))
        store.add_actions("r1", [done("1/a", id="i", seconds=0.1), done("1/b", message="\ud800")])
        store.end_run(dataclasses.replace(begun("r2"), link="https://ci/1", took=0.3, exit_code=4))
    return ends[0]


@pytest.fixture
def to(ends: tuple[StatePlace, StatePlace]) -> StatePlace:
    """Where it goes."""
    return ends[1]


def go(
    place: StatePlace,
    to: StatePlace,
    *,
    confirm: Confirm = lambda _: True,
    init: bool = True,
    dry_run: bool = False,
) -> Relocation | None:
    """Move a whole state."""
    return relocate(place, to, command=COMMAND, confirm=confirm, init=init, dry_run=dry_run)


def content(place: StatePlace) -> StateContent:
    """All of a state, in use or not."""
    with closing(open_state(place, in_transit=True)) as store:
        return store.content()


def uses(place: StatePlace) -> bool:
    """Whether a state is in use, as everybody who comes to it is told."""
    ways: list[Callable[[StatePlace], object]] = [
        lambda at: open_state(at).close(),
        inspect_state,
        summarize_state,
    ]
    told = []
    for way in ways:
        try:
            way(place)
        except NotInUseError as error:
            told.append((error.exit_code, error.message, error.hint))
    assert len(set(told)) in (0, 1)
    assert len(told) in (0, len(ways))
    return not told


def test_everything_moves_and_the_old_place_says_where_to(
    place: StatePlace, to: StatePlace
) -> None:
    """Records in any state, protections, identity and history; the move itself is added."""
    before = content(place)
    moved = go(place, to)
    assert moved is not None
    assert ([row.op for row in moved.rows], moved.runs) == (["a", "b", "c", "f"], 2)
    after = content(to)
    assert (after.header, after.rows, after.runs[:-1]) == (before.header, before.rows, before.runs)
    last, actions = after.runs[-1]
    assert (last.command, last.counts) == (f"{COMMAND} (from {place})", {"moved": 4})
    assert actions == ()
    assert (uses(place), uses(to)) == (False, True)
    with pytest.raises(NotInUseError, match="nothing here is used any more") as caught:
        open_state(place)
    assert str(to) in caught.value.message
    assert caught.value.exit_code == 5


def test_there_and_back_it_is_the_same(place: StatePlace, to: StatePlace) -> None:
    """Also to the place that it once left."""
    before = content(place)
    go(place, to)
    go(to, place, init=False)
    after = content(place)
    assert (after.header, after.rows, after.runs[:-2]) == (before.header, before.rows, before.runs)
    assert (uses(place), uses(to)) == (True, False)


def test_what_came_back_is_redacted_by_the_rules_of_today(
    place: StatePlace, to: StatePlace
) -> None:
    """That a place was once written by these rules says nothing of records from elsewhere."""
    secret = {"metadata": {}, "manifest": {"env": [{"name": "TOKEN", "value": "hunter2-canary"}]}}

    def renew(at: StatePlace) -> None:
        with closing(open_state(at)) as store:
            store.hold("test")
            store.renew(Redactor(store.header.lineage))

    renew(place)
    go(place, to)
    renew(to)
    with closing(open_state(to)) as store:
        store.hold("test")
        store.write([make_recorded(address="1/e", op="e", spec=secret, echo=None)])
    go(to, place, init=False)
    assert "hunter2-canary" in str(content(place).rows)
    renew(place)
    assert "hunter2-canary" not in str(content(place).rows)


def test_what_is_not_confirmed_or_only_tried_changes_nothing(
    place: StatePlace, to: StatePlace
) -> None:
    """The question shows what would move."""
    before, shown = content(place), list[int]()

    def decline(rows: Sequence[Recorded]) -> bool:
        shown.append(len(rows))
        return False

    assert go(place, to, confirm=decline) is None
    tried = go(place, to, dry_run=True)
    assert (shown, tried) == ([4], Relocation(rows=(*ROWS[:3], ROWS[4]), runs=2))
    assert not places.is_there(to)
    assert content(place) == before
    with pytest.raises(StateError, match="there is no state"):
        go(place, to, init=False)


@contextmanager
def dying_at(store: type, step: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process is killed before it takes this step."""
    name, _, nth = step.partition(":")
    call, calls = getattr(store, name), [0]

    def killed(self: StateStore, *args: Any) -> Any:
        calls[0] += 1
        if calls[0] == int(nth or 1):
            raise KilledError
        return call(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(store, name, killed)
        yield


@pytest.mark.parametrize("receives", [False, True], ids=["giver", "receiver"])
@pytest.mark.parametrize("step", ["back_up", "fill", "content", "set_transit:1", "set_transit:2"])
def test_killed_anywhere_one_is_in_use_and_the_same_command_goes_on(
    place: StatePlace, to: StatePlace, step: str, receives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never both; what was written there before is written anew."""
    before = content(place)
    with closing(open_state(place)) as store:
        giver = type(store)
    with closing(create_state(_beside(to), make_target())) as store:
        receiver = type(store)
    died = False
    with dying_at(receiver if receives else giver, step, monkeypatch):
        try:
            go(place, to)
        except KilledError:
            died = True
    if not died:
        assert uses(to)
        return
    there = places.is_there(to) and uses(to)
    assert not (uses(place) and there)
    moved = go(place, to)
    assert moved is not None
    after = content(to)
    assert (after.header, after.rows) == (before.header, before.rows)
    assert (uses(place), uses(to)) == (False, True)


def _beside(to: StatePlace) -> StatePlace:
    """A place of the same kind."""
    if isinstance(to, FilePlace):
        return FilePlace(path=to.path.with_name("beside.db"))
    return dataclasses.replace(to, stack=make_target().stack + "-beside")


def test_a_place_with_records_is_left_alone(place: StatePlace, to: StatePlace) -> None:
    """Whether its own or of another server; one that was made and never used is taken."""
    with closing(create_state(to, make_target(issuer="other"))) as store:
        with pytest.raises(RefusedError, match="belongs to another token issuer"):
            go(place, to)
        store.hold("test")
        store.pin(make_target())
        store.release()
    go(place, to)
    assert uses(to)


def test_a_state_with_records_is_not_overwritten(place: StatePlace, to: StatePlace) -> None:
    """They would be lost."""
    with closing(create_state(to, make_target())) as store:
        store.hold("test")
        store.write([make_recorded()])
    with pytest.raises(RefusedError, match="has records of its own"):
        go(place, to)
    assert (uses(place), uses(to)) == (True, True)


def test_both_are_held(place: StatePlace, to: StatePlace) -> None:
    """An apply at work on either is not moved away from."""
    create_state(to, make_target()).close()
    for busy in (place, to):
        with closing(open_state(busy)) as store:
            store.hold("reconciler apply")
            with pytest.raises(LockedError):
                go(place, to)
    go(place, to)


def test_what_moved_elsewhere_does_not_move_again(
    place: StatePlace, to: StatePlace, tmp_path: Path
) -> None:
    """Its records are somebody else's by now; nor does what has not arrived."""
    go(place, to)
    third = FilePlace(path=tmp_path / "third.db")
    with pytest.raises(NotInUseError, match="moved to"):
        go(place, third)
    with pytest.raises(NotInUseError, match="moved to"):
        go(place, to)
    create_state(third, make_target(), Transit(arriving_from="/elsewhere")).close()
    with pytest.raises(NotInUseError, match="has not fully arrived from /elsewhere"):
        go(to, third)
    with pytest.raises(NotInUseError, match="has not fully arrived from /elsewhere"):
        open_state(third)


def test_an_older_program_refuses_a_file_that_has_moved(tmp_path: Path) -> None:
    """To it, the format is a newer one; back in use, the file has its own again."""
    file = FilePlace(path=tmp_path / "state.db")
    create_state(file, make_target()).close()
    with closing(open_state(file, in_transit=True)) as store:
        store.hold("test")
        store.set_transit(Transit(moved_to="elsewhere on 2026-11-28"))
    with closing(sqlite3.connect(file.path)) as conn:
        (number,) = conn.execute("PRAGMA user_version").fetchone()
    assert number > 1000
    with closing(open_state(file, in_transit=True)) as store:
        store.hold("test")
        store.set_transit(IN_USE)
    with closing(sqlite3.connect(file.path)) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert conn.execute("SELECT count(*) FROM meta WHERE key LIKE '%\\_to'").fetchone() == (0,)
