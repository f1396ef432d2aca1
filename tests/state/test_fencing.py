from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from reconciler.core.model import ChangeRecord, OpenChange, Own, Recorded
from reconciler.core.states.places import PostgresPlace, parse_place
from reconciler.errors import LockedError, LockLostError, StateError
from reconciler.ports import LossListener
from reconciler.state.postgres import opening
from reconciler.state.postgres.store import PostgresStore
from reconciler.state.shared.timings import Timings
from tests.state.meanwhile import later, wait_for
from tests.state.runs import begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.postgres import PostgresServer
from tests.support.wires import TAKE_OVER, Wire, wire_to

# Long enough that nothing is renewed by itself, and short where something is waited for.
QUIET = Timings(
    lease=30, renewal=600, silence=0.5, patience=10, notice=0.1, connect=2, first_pause=0.01
)
BRIEF = dataclasses.replace(QUIET, lease=0.2)


@dataclass
class World:
    """One state behind a wire, and whoever may look at its row and change it."""

    server: PostgresServer
    wire: Wire
    schema: str
    stack: ExitStack
    waits: list[float] = field(default_factory=list)

    def place(self, *, direct: bool = False) -> PostgresPlace:
        """Where it is, by the wire or around it."""
        url = self.server.url(self.schema)
        if not direct:
            url = url.replace(str(self.server.port), str(self.wire.port))
        place = parse_place(url, stack=make_target().stack)
        assert isinstance(place, PostgresPlace)
        return place

    def open(self, waits: Timings = QUIET, *, direct: bool = False) -> PostgresStore:
        """Open the state; it is closed with the test."""
        store = PostgresStore(self.place(direct=direct), patience=60, waits=waits)
        return self.stack.enter_context(closing(store))

    def held(
        self,
        waits: Timings = QUIET,
        *,
        lost: LossListener = print,
        direct: bool = False,
    ) -> PostgresStore:
        """Open the state and take its lock."""
        store = self.open(waits, direct=direct)
        store.hold("reconciler apply")
        store.watch(lost=lost, silent=lambda: self.waits.append(time.monotonic()))
        return store

    def ask(self, columns: str) -> tuple[Any, ...]:
        """Columns of the state's row."""
        (row,) = self.server.query(f"SELECT {columns} FROM {self.schema}.states")
        return row

    def set(self, columns: str) -> None:
        """Change the state's row, as a database that was put back or somebody else would."""
        self.server.query(f"UPDATE {self.schema}.states SET {columns}")

    def ops(self) -> list[str]:
        """The operations on record."""
        rows = self.server.query(f"SELECT op FROM {self.schema}.operations ORDER BY op")
        return [op for (op,) in rows]


@pytest.fixture
def world(postgres: PostgresServer, schema: str) -> Iterator[World]:
    """A new state."""
    with wire_to(postgres.port) as wire, ExitStack() as stack:
        made = World(postgres, wire, schema, stack)
        opening.create_state(made.place(direct=True), make_target(), 60).close()
        yield made


def row(op: str, own: Own = Own.ACCEPTED, **fields: Any) -> Recorded:
    """Return a record of one operation."""
    return make_recorded(address=f"1/{op}", op=op, own=own, **fields)


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_commit_whose_answer_is_lost_counts_once(world: World, is_heard: bool) -> None:
    """It is sent again on another connection, whether the server had carried it out or not."""
    store = world.held()
    store.begin_run(begun("1"))
    store.write([row("a")])
    world.wire.cut_at(1, is_heard=is_heard, times=3)
    store.write([row("b")])
    world.wire.cut_at(1, is_heard=is_heard)
    store.add_actions("1", [done("1/a"), done("1/b")])
    world.wire.cut_at(1, is_heard=is_heard)
    store.back_up()
    store.write([row("c")])
    assert world.ask("writes, epoch, serial") == (6, 1, 1)
    assert world.wire.commits == 6 + 5
    assert world.ops() == ["a", "b", "c"]
    assert list(store.actions("1")) == [done("1/a"), done("1/b")]
    assert len(store.copies()) == 1


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_lock_whose_answer_is_lost_is_taken_once(world: World, is_heard: bool) -> None:
    """The next look at the row shows who has it."""
    store = world.open()
    world.wire.cut_at(1, is_heard=is_heard, statement=TAKE_OVER)
    store.hold("reconciler apply")
    store.write([row("a")])
    assert world.ask("epoch, writes") == (1, 1)


def test_a_database_that_forgot_commits_is_noticed(world: World) -> None:
    """Nothing is written over the gap, and the error says how many are missing."""
    store = world.held()
    for op in "abc":
        store.write([row(op)])
    world.set("writes = writes - 2")
    with pytest.raises(StateError, match="lost 2 commits that it had confirmed") as caught:
        store.write([row("d")])
    assert (type(caught.value), caught.value.exit_code) == (StateError, 1)
    assert world.ops() == ["a", "b", "c"]


def test_a_database_that_went_back_before_the_lock_is_noticed(world: World) -> None:
    """The epoch of the row is smaller than the holder's."""
    world.held().close()
    store = world.held()
    world.set("epoch = 1, token = NULL")
    with pytest.raises(StateError, match="lost commits that it had confirmed"):
        store.write([row("a")])
    assert world.ops() == []


@pytest.mark.parametrize(
    "columns",
    [
        "epoch = epoch + 1, token = gen_random_uuid()",
        # A database that went back in time gives the next holder the same epoch again.
        "token = gen_random_uuid()",
        # Whoever took it over has given it back already.
        "epoch = epoch + 1, token = NULL",
        "token = NULL",
    ],
)
def test_a_holder_that_was_replaced_writes_nothing(world: World, columns: str) -> None:
    """It is told once, by whom, and ends with 6; everything after that is refused as well."""
    told: list[StateError] = []
    store = world.held(lost=told.append)
    store.write([row("a")])
    world.set(f"{columns}, holder = 'ci@runner-7', link = 'https://ci/881'")
    writes: list[Callable[[], None]] = [
        lambda: store.write([row("b")]),
        lambda: store.begin_run(begun("1")),
        lambda: store.pin(make_target(tenant_id=7)),
    ]
    for write in writes:
        with pytest.raises(LockLostError, match="was taken over by") as caught:
            write()
        assert caught.value.exit_code == 6
    if "gen_random_uuid" in columns:
        assert "ci@runner-7, https://ci/881" in caught.value.message
    assert told == [caught.value]
    assert world.ops() == ["a"]
    before = world.ask("epoch, token, writes")
    store.close()
    assert world.ask("epoch, token, writes") == before


def test_of_a_take_over_and_a_commit_one_is_first(world: World) -> None:
    """Whoever takes the lock over reads every commit that counts, and none comes after it."""
    first = world.held(BRIEF)
    first.write([row("a")])
    time.sleep(BRIEF.lease)
    second = world.held(direct=True)
    assert [one.op for one in second.read()] == ["a"]
    with pytest.raises(LockLostError):
        first.write([row("b")])
    assert [one.op for one in second.read()] == ["a"]
    second.write([row("c")])
    assert world.ops() == ["a", "c"]


def test_a_lease_that_ran_out_is_renewed_while_nobody_took_it(world: World) -> None:
    """Time decides who may take the lock; the row decides who has it."""
    store = world.held(BRIEF)
    time.sleep(2 * BRIEF.lease)
    before, is_over = world.ask("lease_until, lease_until < clock_timestamp()")
    assert is_over
    store.write([row("a")])
    after, epoch = world.ask("lease_until, epoch")
    assert (after > before, epoch) == (True, 1)


def test_a_renewal_keeps_others_out(world: World) -> None:
    """Also where nothing is committed for longer than the lease."""
    store = world.held(dataclasses.replace(QUIET, renewal=0.05))
    before = world.ask("lease_until")
    wait_for(lambda: world.ask("lease_until") > before)
    with pytest.raises(LockedError, match=r"is in use by") as caught:
        world.open(direct=True).hold("reconciler apply")
    assert re.search(r"the lock is free in \d\d s", caught.value.hint)
    assert world.ask("writes, epoch") == (0, 1)
    store.write([row("a")])


def test_a_renewal_takes_nothing_back(world: World) -> None:
    """A lock that was taken away stays with whoever has it, and its former holder is told."""
    often = dataclasses.replace(QUIET, renewal=0.05)
    told: list[StateError] = []
    store = world.held(often, lost=told.append)
    world.set("token = NULL, lease_until = NULL")
    wait_for(lambda: bool(told))
    assert world.ask("token, lease_until, epoch") == (None, None, 1)
    with pytest.raises(LockLostError):
        store.write([row("a")])
    # Somebody else's lock is not touched either.
    world.set("token = gen_random_uuid(), epoch = 2, lease_until = '2000-01-01Z'")
    time.sleep(0.2)
    assert world.ask("lease_until < clock_timestamp()") == (True,)


def test_a_lock_that_was_given_back_is_not_renewed(world: World) -> None:
    """Nor is anybody told of a loss."""
    told: list[StateError] = []
    store = world.held(dataclasses.replace(QUIET, renewal=0.05), lost=told.append)
    store.release()
    time.sleep(0.2)
    assert world.ask("token, lease_until") == (None, None)
    assert told == []


def test_what_a_replaced_holder_had_begun_is_dated_by_the_take_over(world: World) -> None:
    """It may have been sent until then; what had ended keeps its date."""
    long_ago = "2026-01-01T00:00:00.000+00:00"
    change = ChangeRecord(
        open=OpenChange(
            rev="r", base="", body_digest="b", digest="d", spec={}, body={}, last_sent_at=long_ago
        )
    )
    rows = [
        row("accepted", last_sent_at=long_ago),
        row("creating", Own.CREATING, last_sent_at=long_ago),
        row("updating", last_sent_at=long_ago, change=change),
    ]
    first = world.held(BRIEF)
    first.write(rows)
    time.sleep(BRIEF.lease)
    before = time.time()
    second = world.held(direct=True)
    accepted, creating, updating = second.read()
    assert accepted == rows[0]
    assert updating.change.open is not None
    for at in (creating.last_sent_at, updating.change.open.last_sent_at):
        assert at is not None
        assert at > long_ago
        assert _epoch(at) >= before - 0.001
    assert dataclasses.replace(creating, last_sent_at=long_ago) == rows[1]
    second.release()
    # A lock that was given back in order leaves nothing to date.
    third = world.held(direct=True)
    assert list(third.read()) == [accepted, creating, updating]


def test_a_database_that_does_not_answer_is_left_for_another_connection(world: World) -> None:
    """After a while that is said, and the commit is sent again; libpq itself would wait."""
    store = world.held()
    world.wire.is_silent = True
    later(0.8, lambda: setattr(world.wire, "is_silent", False))
    store.write([row("a")])
    assert world.ask("writes") == (1,)
    assert len(world.waits) == 1


def test_whoever_is_in_a_hurry_gives_a_silent_database_up(world: World) -> None:
    """The commit that waits ends in time, and so does everything after it."""
    store = world.held(dataclasses.replace(QUIET, silence=30, patience=60))
    world.wire.is_silent = True
    began = time.monotonic()
    later(0.2, lambda: store.hurry(0.3))
    with pytest.raises(StateError, match="cannot be reached"):
        store.write([row("a")])
    with pytest.raises(StateError, match="cannot be reached"):
        store.begin_run(begun("1"))
    store.close()
    assert time.monotonic() - began < 5
    assert world.ask("token IS NULL") == (False,)


def test_a_server_that_is_restarted_is_waited_for(world: World) -> None:
    """Every commit of before and after is there, once."""
    store = world.held(direct=True)
    store.write([row("a")])
    world.server.restart()
    store.write([row("b")])
    assert [one.op for one in store.read()] == ["a", "b"]
    assert world.ask("writes") == (2,)


def test_a_plan_reads_header_and_records_of_one_instant(world: World) -> None:
    """Whatever is committed meanwhile."""
    reader, writer = world.open(), world.held(direct=True)
    writer.write([row("a")])
    assert [one.op for one in reader.read()] == ["a"]
    assert reader.header.serial == 1
    writer.write([row("b")])
    assert reader.header.serial == 1
    assert len(reader.read()) == 2


def test_a_connection_that_came_too_late_is_closed(world: World) -> None:
    """Nobody waits for it any more, and the server must not keep it."""
    store = world.held(dataclasses.replace(QUIET, connect=0.1))
    world.wire.cut_all()
    world.wire.is_silent = True
    store.hurry(0.3)
    with pytest.raises(StateError, match="did not answer in time"):
        store.write([row("a")])
    assert world.wire.connections > 0
    world.wire.is_silent = False
    wait_for(lambda: world.wire.connections == 0)


def test_a_pooler_sees_nothing_that_outlives_a_transaction(world: World) -> None:
    """No setting, nothing prepared, no lock: the next statement may go to another process."""
    store = world.held()
    for op in "abcdefgh":
        store.write([row(op)])
    store.read()
    held = store._held
    assert held is not None
    query = b"""
        SELECT current_setting('synchronous_commit'),
          current_setting('default_transaction_isolation'),
          (SELECT count(*) FROM pg_prepared_statements),
          (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')"""
    world.server.query("ALTER ROLE postgres SET synchronous_commit = off")
    held.channel.drop()
    store.write([row("z")])
    seen = held.channel.once(lambda conn: conn.execute(query).fetchone())
    world.server.query("ALTER ROLE postgres RESET synchronous_commit")
    assert seen == ("off", "read committed", 0, 0)


def _epoch(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
