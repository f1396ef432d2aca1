from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Json, Own, Purpose, Recorded, Target
from reconciler.core.states.places import FilePlace, StatePlace, parse_place
from reconciler.core.stored_json import StoredJson
from reconciler.errors import LockedError, StateError
from reconciler.ports import RecordStore, StateStore
from reconciler.state.memory import MemoryStore
from reconciler.state.places import create_state, is_there, open_state
from reconciler.state.rows import COLUMNS
from tests.state.runs import begun, done
from tests.support.factories import make_header, make_recorded, make_target
from tests.support.object_server import ObjectServer
from tests.support.postgres import PostgresServer
from tests.support.rows import from_row, to_row
from tests.support.strategies import hostile, records


class Sessions(Protocol):
    """One state, and a way to meet it as the next process does."""

    def __call__(self) -> RecordStore:
        """Open the state anew; what was open before is closed."""
        ...


class MemorySessions:
    """A memory store outlives nothing, so the next session is handed what the last one left."""

    def __init__(self) -> None:
        self._store = MemoryStore(make_header())

    def __call__(self) -> RecordStore:
        """Hand the rows over."""
        self._store = MemoryStore(self._store.header, self._store.read())
        return self._store


class PlaceSessions:
    """A state at a place, opened again and held each time."""

    def __init__(self, place: StatePlace) -> None:
        self.place = place
        self._store = create_state(place, make_target())

    def __call__(self) -> StateStore:
        """Close the state, open it and take its lock."""
        self._store.close()
        self._store = open_state(self.place)
        self._store.hold("reconciler apply")
        return self._store

    def close(self) -> None:
        """Close what is open."""
        self._store.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql", "objects"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    """Each kind of store, new and empty."""
    if request.param == "memory":
        return MemorySessions()
    found: Sessions = request.getfixturevalue(f"{request.param}_sessions")
    return found


@pytest.fixture(params=["sqlite", "postgresql", "objects"])
def state(request: pytest.FixtureRequest) -> PlaceSessions:
    """Each kind of state that outlives its process, new and empty."""
    found: PlaceSessions = request.getfixturevalue(f"{request.param}_sessions")
    return found


@pytest.fixture
def sqlite_sessions(tmp_path: Path) -> Iterator[PlaceSessions]:
    """A state in a file."""
    opened = PlaceSessions(FilePlace(path=tmp_path / "state.db"))
    yield opened
    opened.close()


@pytest.fixture
def postgresql_sessions(postgres: PostgresServer, schema: str) -> Iterator[PlaceSessions]:
    """A state in a schema of its own."""
    opened = PlaceSessions(parse_place(postgres.url(schema), stack=make_target().stack))
    yield opened
    opened.close()


@pytest.fixture
def objects_sessions(objects: ObjectServer) -> Iterator[PlaceSessions]:
    """A state in a bucket."""
    opened = PlaceSessions(parse_place(objects.url("states"), stack=make_target().stack))
    yield opened
    opened.close()


def row(op: str, own: Own = Own.ACCEPTED) -> Recorded:
    """Return a record of one operation."""
    return make_recorded(address=f"1/{op}", op=op, own=own)


def test_a_new_state_is_empty_and_knows_its_target(sessions: Sessions) -> None:
    """Nothing is recorded, no run has written, and the lineage says which state it is."""
    store = sessions()
    assert list(store.read()) == []
    assert store.header.serial == 0
    assert store.header.target == make_target()
    assert store.header.lineage


def test_what_was_written_is_there_at_once_and_later(sessions: Sessions) -> None:
    """In the order of operations, whatever the order of writing."""
    store = sessions()
    store.write([row("b"), row("a")])
    store.write([row("c")])
    assert list(store.read()) == [row("a"), row("b"), row("c")]
    assert list(sessions().read()) == [row("a"), row("b"), row("c")]


def test_a_later_record_of_an_operation_takes_the_place_of_the_earlier(sessions: Sessions) -> None:
    """One operation has one record, all of it the newest."""
    store = sessions()
    store.write([row("a", Own.CREATING)])
    known = dataclasses.replace(row("a"), purpose=None, message="")
    store.write([known, row("b")])
    assert list(store.read()) == [known, row("b")]
    bare = dataclasses.replace(known, id=None, echo=None, first_sent_at=None, last_sent_at=None)
    store.write([bare])
    assert list(sessions().read()) == [bare, row("b")]


def test_what_has_gone_is_not_read(sessions: Sessions) -> None:
    """A record that ended has no part in what comes."""
    store = sessions()
    store.write([row("a"), row("b")])
    store.write([row("a", Own.GONE)])
    assert list(store.read()) == [row("b")]
    assert list(sessions().read()) == [row("b")]


def test_the_serial_counts_runs_that_wrote(sessions: Sessions) -> None:
    """Once per run, however often it writes; reading and pinning do not count."""
    store = sessions()
    for op in "abc":
        store.write([row(op)])
        assert store.header.serial == 1
    store = sessions()
    store.read()
    store.pin(make_target(tenant_id=5))
    assert store.header.serial == 1
    store.write([row("d")])
    assert store.header.serial == 2
    assert sessions().header.serial == 2


def test_the_lineage_never_changes(sessions: Sessions) -> None:
    """Whatever is written."""
    store = sessions()
    before = store.header.lineage
    store.write([row("a")])
    store.pin(make_target(issuer="i"))
    assert sessions().header.lineage == before


@pytest.mark.parametrize(
    "target",
    [
        make_target(),
        make_target(issuer="https://issuer", tenant_id=7),
        make_target(tenant_id=0, can_update=True),
        make_target(keeps_removed=True),
        make_target(pins={"team-a": "4501", "Grüße \ud800": ""}),
        make_target(url="https://other"),
    ],
)
def test_a_target_is_remembered(sessions: Sessions, target: Target) -> None:
    """Tenant 0 is a tenant; what is not known stays unknown."""
    sessions().pin(target)
    assert sessions().header.target == target


def test_a_pin_can_be_taken_back(sessions: Sessions) -> None:
    """Nothing of an older target stays beside the newer one."""
    sessions().pin(make_target(pins={"team-a": "4501", "team-b": "4502"}))
    for pins in ({"team-b": "4503"}, {}):
        sessions().pin(make_target(pins=pins))
        assert sessions().header.target == make_target(pins=pins)


@pytest.mark.parametrize("purpose", [Purpose.FINISHED, Purpose.EXPIRED])
def test_an_end_is_kept_until_it_is_taken_back(sessions: Sessions, purpose: Purpose) -> None:
    """It is read with the others, unlike one that is gone; nothing of it is in doubt."""
    ended = dataclasses.replace(row("a", Own.ENDED), purpose=purpose)
    sessions().write([ended, row("b")])
    assert list(sessions().read()) == [ended, row("b")]
    sessions().write([dataclasses.replace(ended, own=Own.GONE)])
    assert list(sessions().read()) == [row("b")]


def test_an_end_outlives_the_history(state: PlaceSessions) -> None:
    """A record that is gone is dropped with the runs of its time; an end holds for good."""
    ends = [row("a", Own.ENDED), row("b", Own.GONE)]
    old = [dataclasses.replace(one, last_sent_at="2020-01-01T00:00:00+00:00") for one in ends]
    state().write(old)
    state().begin_run(begun("1"))
    assert "a" in [one.op for one in state().content().rows]


def test_many_records_are_one_write(sessions: Sessions) -> None:
    """More than any batch of the database below holds."""
    many = [row(f"{i:04}") for i in range(1500)]
    sessions().write(many)
    assert list(sessions().read()) == many


@given(st.lists(records, max_size=4, unique_by=lambda r: r.op))
def test_every_record_survives_as_columns(rows: Sequence[Recorded]) -> None:
    """Nothing of a record is lost or bent, whatever it holds."""
    assert [from_row(to_row(one)) for one in rows] == rows
    assert all(list(to_row(one)) == list(COLUMNS) for one in rows)


numbers: st.SearchStrategy[Any] = st.sampled_from([0, 1, 12, 1.0, True, False, None, "1", {}, []])
manifests = numbers | st.dictionaries(st.sampled_from("ab"), numbers, max_size=2)
parts = st.fixed_dictionaries(
    {}, optional={"manifest": manifests, "metadata": manifests, "m": numbers, "z": numbers}
)


@given(parts, parts)
def test_a_spec_and_its_echo_are_told_apart(spec: Json, echo: Json) -> None:
    """However alike they are: 1 is not 1.0, and neither is true."""
    back = from_row(to_row(dataclasses.replace(row("a"), spec=spec, echo=echo)))
    assert back.echo is not None
    assert json.dumps([{**back.spec}, {**back.echo}]) == json.dumps([_sorted(spec), _sorted(echo)])


def _sorted(value: Json) -> Json:
    return {key: _in_order(value[key]) for key in sorted(value)}


def _in_order(value: object) -> object:
    return _sorted(value) if isinstance(value, dict) else value


def test_a_manifest_that_came_back_as_it_was_sent_is_kept_once() -> None:
    """The record holds one text for both."""
    manifest = {"kind": "Job", "spec": {"replicas": 1}}
    spec, echo = ({"manifest": manifest, "metadata": {"priority": p}} for p in (None, "low"))
    back = from_row(to_row(dataclasses.replace(row("a"), spec=spec, echo=echo)))
    assert (back.spec, back.echo) == (spec, echo)
    assert isinstance(back.spec, StoredJson)
    assert isinstance(back.echo, StoredJson)
    assert back.spec.head is back.echo.head
    assert '"replicas":1' in back.spec.head


def test_every_record_survives_the_database(state: PlaceSessions) -> None:
    """Written and read again."""
    store = state()

    @given(st.lists(records, max_size=3, unique_by=lambda r: r.op))
    def survives(rows: list[Recorded]) -> None:
        store.write([dataclasses.replace(old, own=Own.GONE) for old in store.read()])
        store.write(rows)
        assert store.read() == sorted(rows, key=lambda r: r.op)

    survives()


def test_records_are_read_by_address_one_after_the_other(state: PlaceSessions) -> None:
    """In the order of a list, the older of one address first, without what is gone."""
    store = state()

    @given(st.lists(records, max_size=4, unique_by=lambda r: r.op))
    def is_the_list(rows: list[Recorded]) -> None:
        store.write([dataclasses.replace(old, own=Own.GONE) for old in store.read()])
        store.write(rows)
        living = [one for one in rows if one.own is not Own.GONE]
        in_order = sorted(living, key=lambda r: (r.address, r.op))
        assert [*store.read_by_address()] == in_order
        assert [*store.read_by_address(checked=True)] == in_order

    is_the_list()


def test_what_is_no_text_does_not_stop_a_write(sessions: Sessions) -> None:
    """Half characters and zero bytes of a server or a file name, which not every store takes.

    They are kept in documents, where JSON spells them out, and spelt out in short texts.
    """
    document = {"\ud800": ["\udfff\x00"]}
    odd = dataclasses.replace(
        row("a"), message="no \ud800\0", source="\udcff\0.yaml", spec=document
    )
    sessions().write([odd])
    assert list(sessions().read()) == [
        dataclasses.replace(odd, message="no \\ud800\\x00", source="\\udcff\\x00.yaml")
    ]


def test_of_several_that_make_one_state_at_once_one_does(
    sqlite_sessions: PlaceSessions, tmp_path: Path
) -> None:
    """The others are told that there is one, and what they leave is that one and nothing else."""
    folder = tmp_path / "new"
    check_one_is_made(FilePlace(path=folder / "state.db"))
    assert {file.name for file in folder.iterdir()} == {"state.db", ".gitignore"}
    # What is beside it has nothing to do with it.
    assert sqlite_sessions().read() == []


def test_of_several_that_make_one_state_and_its_tables_at_once_one_does(
    postgres: PostgresServer, schema: str
) -> None:
    """The others are told that there is one."""
    check_one_is_made(parse_place(postgres.url(schema), stack=make_target().stack))


def test_of_several_that_make_one_state_in_a_bucket_at_once_one_does(
    objects: ObjectServer,
) -> None:
    """The others are told that there is one, and nothing of theirs is left."""
    check_one_is_made(parse_place(objects.url("states"), stack=make_target().stack))
    assert objects.keys() == [f"states/{make_target().stack}/log/000000000001"]


def check_one_is_made(place: StatePlace) -> None:
    """Eight make a state at once."""
    start = threading.Barrier(8)

    def make(_: int) -> str:
        start.wait()
        try:
            store = create_state(place, make_target())
        except StateError as error:
            return error.message
        lineage = store.header.lineage
        store.close()
        return lineage

    assert not is_there(place)
    with ThreadPoolExecutor(max_workers=8) as threads:
        told = list(threads.map(make, range(8)))

    assert is_there(place)
    store = open_state(place)
    assert store.header.lineage in told
    others = [text for text in told if text != store.header.lineage]
    assert len(others) == 7
    assert all(text.startswith("there is already a state") for text in others)
    store.close()


def test_nothing_is_written_without_the_lock(state: PlaceSessions) -> None:
    """Neither records, nor what belongs to them."""
    store = state()
    store.release()
    writes: list[Callable[[], None]] = [
        lambda: store.write([row("a")]),
        lambda: store.amend(begun("1"), [], rows=[row("a")]),
        lambda: store.pin(make_target(tenant_id=7)),
        lambda: store.begin_run(begun("1")),
        lambda: store.end_run(begun("1")),
        lambda: store.add_actions("1", [done("1/a")]),
    ]
    for write in writes:
        with pytest.raises(AssertionError, match="hold"):
            write()
    assert (list(store.read()), list(store.runs())) == ([], [])


def test_whoever_holds_a_state_keeps_others_out(state: PlaceSessions) -> None:
    """They are told by whom, may read, and get the lock once it is given back."""
    holder, other = state(), open_state(state.place)
    holder.write([row("a")])
    with pytest.raises(LockedError, match=r"is in use by .+@.+ \(reconciler apply\)"):
        other.hold("reconciler apply")
    assert "reconciler apply" in other.writer()
    assert holder.writer() == ""
    assert list(other.read()) == [row("a")]
    holder.release()
    assert other.writer() == ""
    other.hold("reconciler apply", timeout=5)
    other.write([row("b")])
    other.close()
    assert list(state().read()) == [row("a"), row("b")]


def test_an_edit_is_all_or_nothing(state: PlaceSessions) -> None:
    """Records, their end, target and history become durable together, or none of them."""
    store = state()
    store.write([row("a"), row("b")])
    before = (list(store.read()), store.header, list(store.runs()))
    no_key: dict[str, Any] = {"op": None}
    broken = dataclasses.replace(row("c"), **no_key)
    with pytest.raises(StateError):
        store.amend(
            begun("1"),
            [done("1/a")],
            rows=[row("d"), broken],
            without=["a"],
            target=make_target(tenant_id=9),
        )
    store = state()
    assert (list(store.read()), store.header, list(store.runs())) == before
    store.amend(begun("1"), [done("1/a")], rows=[row("d")], without=["a"])
    assert list(store.read()) == [row("b"), row("d")]
    assert list(state().actions("1")) == [done("1/a")]


def test_a_state_remembers_its_runs(state: PlaceSessions) -> None:
    """The newest first, each with its actions in their order; an odd character stops nothing."""
    store = state()
    first = dataclasses.replace(begun("1"), command="reconciler \0 apply")
    store.begin_run(first)
    store.add_actions("1", [done("1/a", message="\ud800\0"), done("1/b", seconds=1.5)])
    store = state()
    store.add_actions("1", [done("1/c", id="x")])
    ended = dataclasses.replace(
        first, finished=first.started, took=2.5, exit_code=4, counts={"a": 1}
    )
    store.end_run(ended)
    store.begin_run(begun("2"))
    assert list(state().runs()) == [
        begun("2"),
        dataclasses.replace(ended, command="reconciler \\x00 apply"),
    ]
    assert list(state().actions("1")) == [
        done("1/a", message="\\ud800\\x00"),
        done("1/b", seconds=1.5),
        done("1/c", id="x"),
    ]


def test_a_state_keeps_its_last_copies(state: PlaceSessions) -> None:
    """Five of them, each with the records of its time."""
    store = state()
    for number in range(7):
        store.write([row(str(number)), row("end", Own.ENDED), row("gone", Own.GONE)])
        store.back_up()
    copies = store.copies()
    assert [len(store.read_copy(copy)) for copy in copies] == [8, 7, 6, 5, 4]
    assert list(store.read_copy(copies[0])) == list(store.read())
    assert {copy.serial for copy in copies} == {1}


def test_a_backup_of_any_state_is_a_file_with_all_of_it(
    state: PlaceSessions, tmp_path: Path
) -> None:
    """It opens as a state: records, identity and history are the same."""
    store = state()
    store.write([row("a"), row("b", Own.GONE), row("c", Own.ENDED)])
    store.pin(make_target(tenant_id=7, pins={"team-a": "1"}))
    store.begin_run(begun("1"))
    store.add_actions("1", [done("1/a")])
    file = tmp_path / "copies" / "copy.db"
    assert store.back_up(file) == file
    copy = open_state(FilePlace(path=file))
    assert (copy.header, list(copy.read())) == (store.header, list(store.read()))
    assert (list(copy.runs()), list(copy.actions("1"))) == ([begun("1")], [done("1/a")])
    copy.close()
    with pytest.raises(StateError, match="there is already a file"):
        store.back_up(file)


@given(hostile, hostile)
def test_whatever_a_server_says_can_be_stored(message: str, key: str) -> None:
    """A write never fails because of what is written."""
    told = dataclasses.replace(row("a"), message=message, spec={key: message}, echo={key: message})
    columns = to_row(told)
    assert all(text.encode() for text in columns.values() if isinstance(text, str) and text)
    back = from_row(columns)
    assert (back.spec, back.echo) == (told.spec, told.echo)
