from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from reconciler.core.model import ChangeRecord, OpenChange, Own, Recorded
from reconciler.core.states.places import ObjectPlace, parse_place
from reconciler.errors import LockedError, LockLostError, StateError
from reconciler.ports import LossListener
from reconciler.state.objects import holding, opening
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.lease import OwnLease, read_lease
from reconciler.state.objects.log import load_existing
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.store import ObjectStore
from reconciler.state.shared.holder import Holder
from reconciler.state.shared.timings import Timings
from tests.state.meanwhile import later, wait_for
from tests.state.runs import begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.object_server import Fault, ObjectServer

# Long enough that nothing is renewed by itself, and short where something is waited for.
QUIET = Timings(
    lease=30, renewal=600, silence=0.5, patience=10, notice=0.1, connect=2, first_pause=0.01
)
OFTEN = dataclasses.replace(QUIET, renewal=0.05)
FOLDER = f"x/{make_target().stack}"


@dataclass
class World:
    """One state in a bucket, and whoever may look at its objects."""

    server: ObjectServer
    stack: ExitStack
    waits: list[float] = field(default_factory=list)

    @property
    def place(self) -> ObjectPlace:
        """Where it is."""
        place = parse_place(self.server.url("x"), stack=make_target().stack)
        assert isinstance(place, ObjectPlace)
        return place

    def open(self, waits: Timings = QUIET) -> ObjectStore:
        """Open the state; it is closed with the test."""
        return self.stack.enter_context(closing(ObjectStore(self.place, waits=waits)))

    def held(self, waits: Timings = QUIET, *, lost: LossListener = print) -> ObjectStore:
        """Open the state and take its lock."""
        store = self.open(waits)
        store.hold("reconciler apply")
        store.watch(lost=lost, silent=lambda: self.waits.append(time.monotonic()))
        return store

    def taken_over(self) -> ObjectStore:
        """Another holder, at a time when the lease of the one before has run out."""
        self.server.ahead += 60
        return self.held()

    def ops(self) -> list[str]:
        """The operations on record, as somebody reads them who has just come."""
        return [row.op for row in self.open().read()]

    def log(self) -> list[str]:
        """The segments of the log."""
        return self.server.keys(f"{FOLDER}/log/")


@pytest.fixture
def world(objects: ObjectServer) -> Iterator[World]:
    """A new state."""
    with ExitStack() as stack:
        made = World(objects, stack)
        opening.create_state(made.place, make_target()).close()
        yield made


def row(op: str, own: Own = Own.ACCEPTED, **fields: Any) -> Recorded:
    """Return a record of one operation."""
    return make_recorded(address=f"1/{op}", op=op, own=own, **fields)


def test_a_commit_is_one_request(world: World) -> None:
    """It creates the next object of the log, and nothing is read or listed for it."""
    store = world.held()
    world.server.requests.clear()
    store.write([row(str(number)) for number in range(64)])
    store.begin_run(begun("1"))
    store.add_actions("1", [done("1/a")])
    numbers = ("000000000003", "000000000004", "000000000005")
    expected = [("PUT", f"team-states/{FOLDER}/log/{number}") for number in numbers]
    assert world.server.requests == expected


@pytest.mark.parametrize("kind", ["lost", "unheard", "busy"])
def test_a_commit_whose_answer_is_lost_counts_once(world: World, kind: str) -> None:
    """It is sent again, whether the server had carried it out or not."""
    store = world.held()
    store.begin_run(begun("1"))
    store.write([row("a")])
    world.server.faults.append(Fault(kind=kind, times=3))
    store.write([row("b")])
    world.server.faults.append(Fault(kind=kind))
    store.add_actions("1", [done("1/a"), done("1/b")])
    store.write([row("c")])
    assert len(world.log()) == 2 + 5
    assert world.ops() == ["a", "b", "c"]
    assert list(world.open().actions("1")) == [done("1/a"), done("1/b")]


@pytest.mark.parametrize("key", ["/lease", "/log/"])
@pytest.mark.parametrize("kind", ["lost", "unheard"])
def test_a_lock_whose_answer_is_lost_is_taken_once(world: World, kind: str, key: str) -> None:
    """What is there then is our own."""
    store = world.open()
    world.server.faults.append(Fault(kind=kind, key=key))
    store.hold("reconciler apply")
    store.write([row("a")])
    assert len(world.log()) == 3
    assert world.ops() == ["a"]


def test_a_holder_that_was_replaced_is_fenced_by_a_412(world: World) -> None:
    """It is told once, by whom, and ends with 6; everything after that is refused as well."""
    told: list[StateError] = []
    store = world.held(lost=told.append)
    store.write([row("a")])
    taker = world.taken_over()
    taker.write([row("b")])
    before = dict(world.server.objects)
    writes: list[Callable[[], None]] = [
        lambda: store.write([row("c")]),
        lambda: store.begin_run(begun("1")),
        lambda: store.pin(make_target(tenant_id=7)),
    ]
    world.server.requests.clear()
    for write in writes:
        with pytest.raises(LockLostError, match=r"was taken over by .+ \(reconciler apply\)") as c:
            write()
        assert c.value.exit_code == 6
    assert world.server.count("PUT", "/log/") == 1
    assert told == [c.value]
    store.close()
    assert world.server.objects == before
    assert world.ops() == ["a", "b"]


def test_of_a_take_over_and_a_commit_one_is_first(world: World) -> None:
    """Whoever takes the lock over reads every commit that counts, and none comes after it."""
    first = world.held()
    first.write([row("a")])
    # The older holder writes between the look of the newer one and its first segment.
    seen = threading.Event()
    looks: list[int] = []

    class Slow(ObjectStore):
        def _look(self, bucket: Bucket) -> Any:
            replica = super()._look(bucket)
            looks.append(replica.number)
            if len(looks) == 3:
                first.write([row("b")])
                seen.set()
            return replica

    world.server.ahead += 60
    second = world.stack.enter_context(closing(Slow(world.place, waits=QUIET)))
    second.hold("reconciler apply")
    assert seen.is_set()
    assert [one.op for one in second.read()] == ["a", "b"]
    with pytest.raises(LockLostError):
        first.write([row("c")])
    second.write([row("d")])
    assert world.ops() == ["a", "b", "d"]


def test_a_lease_that_ran_out_is_renewed_while_nobody_took_it(world: World) -> None:
    """Time decides who may take the lock; the log decides who has it."""
    store = world.held(OFTEN)
    world.server.ahead += 3600
    before = lease_of(world).modified
    store.write([row("a")])
    wait_for(lambda: lease_of(world).modified > before)
    with pytest.raises(LockedError):
        world.open().hold("reconciler apply")
    store.write([row("b")])
    assert world.ops() == ["a", "b"]


def test_a_renewal_keeps_others_out(world: World) -> None:
    """Also where nothing is committed for longer than the lease; the message counts down."""
    world.held(OFTEN)
    puts = world.server.count("PUT", "/lease")
    wait_for(lambda: world.server.count("PUT", "/lease") > puts)
    with pytest.raises(LockedError, match=r"is in use by .+@.+ \(reconciler apply\)") as caught:
        world.open().hold("reconciler apply")
    assert re.search(r"the lock is free in \d\d s", caught.value.hint)
    assert len(world.log()) == 2


@pytest.mark.parametrize("kind", ["lost", "unheard", "busy"])
def test_a_renewal_whose_answer_is_lost_is_none_that_failed(world: World, kind: str) -> None:
    """It is repeated, and what is there then is our own."""
    told: list[StateError] = []
    store = world.held(OFTEN, lost=told.append)
    puts = world.server.count("PUT", "/lease")
    world.server.faults.append(Fault(kind=kind, key="/lease", times=3))
    wait_for(lambda: world.server.count("PUT", "/lease") > puts + 6)
    store.write([row("a")])
    assert told == []


def test_a_renewal_takes_nothing_back(world: World) -> None:
    """A lock that was taken away stays with whoever has it, and its former holder is told."""
    told: list[StateError] = []
    first = world.held(dataclasses.replace(QUIET, renewal=0.3), lost=told.append)
    taker = world.taken_over()
    wait_for(lambda: bool(told))
    assert isinstance(told[0], LockLostError)
    lease = lease_of(world)
    time.sleep(0.4)
    assert lease_of(world) == lease
    with pytest.raises(LockLostError):
        first.write([row("a")])
    taker.write([row("b")])


def test_a_lock_that_was_given_back_is_not_renewed(world: World) -> None:
    """Nor is anybody told of a loss."""
    told: list[StateError] = []
    store = world.held(OFTEN, lost=told.append)
    store.release()
    lease = lease_of(world)
    assert lease.token == ""
    time.sleep(0.2)
    assert lease_of(world) == lease
    assert told == []


@pytest.mark.parametrize("kind", ["lost", "unheard", "busy"])
def test_a_lock_is_given_back_beside_a_renewal(world: World, kind: str) -> None:
    """Whatever becomes of the answers of both: the next one need not wait."""
    store = world.held(dataclasses.replace(QUIET, renewal=0.02))
    store.write([row("a")])
    world.server.faults.append(Fault(kind=kind, key="/lease", times=4))
    store.close()
    assert lease_of(world).token == ""
    world.held().write([row("b")])


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
    world.held().write(rows)
    before = time.time()
    second = world.taken_over()
    accepted, creating, updating = second.read()
    assert accepted == rows[0]
    assert updating.change.open is not None
    for at in (creating.last_sent_at, updating.change.open.last_sent_at):
        assert at is not None
        assert datetime.fromisoformat(at).timestamp() >= before - 0.001
    assert dataclasses.replace(creating, last_sent_at=long_ago) == rows[1]
    second.release()
    # A lock that was given back in order leaves nothing to date.
    assert list(world.held().read()) == [accepted, creating, updating]


def fill(store: ObjectStore, mark: str) -> list[str]:
    """Write more commits than are left in the log at the end of a run."""
    ops = [f"{mark}{number:02}" for number in range(20)]
    for op in ops:
        store.write([row(op)])
    return ops


def test_a_long_log_ends_in_a_snapshot_and_old_objects_are_removed(world: World) -> None:
    """The one before stays, with what came after it; whoever reads meanwhile reads all."""
    store = world.held()
    reader = world.open()
    store.begin_run(begun("1"))
    store.add_actions("1", [done("1/a")])
    ops = fill(store, "a")
    store.close()
    assert world.server.keys(f"{FOLDER}/snapshots/") == [f"{FOLDER}/snapshots/{24:012}"]
    assert len(world.log()) == 24
    store = world.held()
    ops += fill(store, "b")
    store.add_actions("1", [done("1/b")])
    store.close()
    assert [key[-2:] for key in world.server.keys(f"{FOLDER}/snapshots/")] == ["24", "46"]
    # The first segment stays, so that nobody can make the state once more.
    assert [int(key[-2:]) for key in world.log()] == [1, *range(25, 47)]
    with pytest.raises(StateError, match="there is already a state"):
        opening.create_state(world.place, make_target())
    store = world.held()
    ops += fill(store, "c")
    store.close()
    assert [key[-2:] for key in world.server.keys(f"{FOLDER}/snapshots/")] == ["46", "67"]
    assert [int(key[-2:]) for key in world.log()] == [1, *range(47, 68)]
    assert world.server.keys(f"{FOLDER}/history/") == [f"{FOLDER}/history/{46:012}-0"]
    assert world.server.keys(f"{FOLDER}/probes/") == []
    # Nothing is left of the log that this one knew.
    assert [one.op for one in reader.read()] == ops
    assert list(reader.actions("1")) == [done("1/a"), done("1/b")]
    assert world.ops() == ops


def test_a_holder_is_fenced_by_a_segment_that_stays(world: World) -> None:
    """However much was written and removed since it was replaced."""
    paused = world.held()
    paused.write([row("paused")])
    ops = ["paused"]
    taker = world.taken_over()
    for mark in "abc":
        ops += fill(taker, mark)
        taker.close()
        taker = world.held()
    assert [int(key[-2:]) for key in world.log()][:2] == [1, 4]
    with pytest.raises(LockLostError):
        paused.write([row("late")])
    assert world.ops() == sorted(ops)


def test_whoever_stood_still_while_it_took_the_lock_has_not_got_it(world: World) -> None:
    """Somebody else took the lease meanwhile, and may be at work or have ended."""
    bucket = Bucket(world.place, QUIET)
    looks = iter([load_existing(bucket)])
    lease = OwnLease(bucket, "token", Holder(title="slow"))
    assert lease.write(None)
    taker = world.taken_over()
    ops = fill(taker, "a")
    taker.close()

    def look(bucket: Bucket) -> Replica:
        return next(looks, None) or load_existing(bucket)

    assert holding._take_over(bucket, look, lease, was_forced=False) is None
    assert world.ops() == ops
    world.held().write([row("b")])
    assert world.ops() == [*ops, "b"]


def test_a_bucket_that_forgot_commits_is_noticed(world: World) -> None:
    """Nothing is written by whoever finds that its own segments are gone."""
    told: list[StateError] = []
    store = world.held(dataclasses.replace(QUIET, renewal=0.1), lost=told.append)
    store.write([row("a")])
    with world.server.lock:
        world.server.objects.clear()
    wait_for(lambda: store._held is not None and store._held._failure is not None)
    with pytest.raises(StateError, match="lost commits that it had confirmed") as caught:
        store.write([row("b")])
    assert (type(caught.value), told, world.server.keys()) == (StateError, [], [])


def test_storage_that_does_not_answer_is_asked_again(world: World) -> None:
    """After a while that is said."""
    store = world.held()
    world.server.silent = True
    later(0.8, lambda: setattr(world.server, "silent", False))
    store.write([row("a")])
    assert world.ops() == ["a"]
    assert len(world.waits) == 1


def test_whoever_is_in_a_hurry_gives_silent_storage_up(world: World) -> None:
    """The commit that waits ends in time, and so does everything after it."""
    store = world.held(dataclasses.replace(QUIET, silence=30, patience=60))
    world.server.silent = True
    began = time.monotonic()
    later(0.2, lambda: store.hurry(0.3))
    with pytest.raises(StateError, match="cannot be reached"):
        store.write([row("a")])
    with pytest.raises(StateError, match="cannot be reached"):
        store.begin_run(begun("1"))
    store.close()
    assert time.monotonic() - began < 5
    world.server.silent = False
    # What became of the commit is not known: the lock is not given back before its time.
    assert lease_of(world).token


def test_storage_that_goes_away_is_waited_for(world: World) -> None:
    """Every commit of before and after is there, once."""
    store = world.held()
    store.write([row("a")])
    world.server.gone = True
    later(0.5, lambda: setattr(world.server, "gone", False))
    store.write([row("b")])
    assert [one.op for one in store.read()] == ["a", "b"]
    assert world.ops() == ["a", "b"]


def lease_of(world: World) -> Any:
    """The lease as it is."""
    lease = read_lease(Bucket(world.place, QUIET))
    assert lease is not None
    return lease
