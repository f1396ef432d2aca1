"""The state of one stack in object storage, as `ports.StateStore` describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from reconciler.core.model import Header, Own, Recorded
from reconciler.core.states.places import ObjectPlace
from reconciler.errors import StateError
from reconciler.ports import ActionEntry, LossListener, RunEntry, StateCopy, Transit
from reconciler.state.objects import log
from reconciler.state.objects.bucket import Bucket
from reconciler.state.objects.holding import HeldLog, take_lock
from reconciler.state.objects.lease import LeaseObject, read_lease
from reconciler.state.objects.replica import Replica
from reconciler.state.objects.segments import COPIES
from reconciler.state.rows import read_records, storable
from reconciler.state.shared import timings
from reconciler.state.shared.commit import MAX_COPIES, Commit
from reconciler.state.shared.copies import pack, unpack
from reconciler.state.shared.store import SharedStore
from reconciler.state.state_errors import naming_state, refuse_transit

Entry = TypeVar("Entry", RunEntry, ActionEntry)

_STAMP = "%Y%m%dT%H%M%S.%fZ"
# What the clocks of this machine and of the storage may differ by, where it is only for a note.
_CLOCKS = timedelta(seconds=30)


class ObjectStore(SharedStore):
    """A state in object storage that is open; made by `open_state` or `create_state`.

    Reading needs no lock. Every write creates the next object of a log, which succeeds once: it is
    the commit, its order and the proof that the lock is still held.
    """

    def __init__(
        self,
        place: ObjectPlace,
        *,
        waits: timings.Timings | None = None,
        in_transit: bool = False,
    ) -> None:
        super().__init__()
        self._place = place
        self._in_transit = in_transit
        self._timings = waits or timings.DEFAULT
        self._silent: Callable[[], None] | None = None
        self._bucket = self._connect()
        self._held: HeldLog | None = None
        self._replica = Replica()
        self._look(self._bucket)

    @property
    def place(self) -> ObjectPlace:
        """Where it is kept."""
        return self._place

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state, as of the last read or write."""
        return self._replica.header

    @property
    def transit(self) -> Transit:
        """Why the state is not in use, as of the last read or write."""
        return self._replica.transit

    def has_records(self) -> bool:
        """Whether there is any operation that is not GONE."""
        return bool(self._select_values())

    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""
        entries = [run.entry for run in self._newest().runs.values() if run.entry is not None]
        return sorted(entries, key=lambda entry: entry.started)[::-1]

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""
        return list(self._actions(self._newest(), storable(run_id)).values())

    def copies(self) -> Sequence[StateCopy]:
        """The copies that the state keeps of itself, the newest first."""
        copies = []
        for key in reversed(self._bucket.names(COPIES)):
            stamp, _, serial = key.rpartition("/")[2].partition("-serial-")
            taken_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).isoformat()
            copies.append(StateCopy(name=key, taken_at=taken_at, serial=int(serial)))
        return copies

    def read_copy(self, copy: StateCopy) -> Sequence[Recorded]:
        """Every operation in a copy that is not GONE; raises StateError for a damaged one."""
        blob = self._bucket.get(copy.name)
        if blob is None:
            raise StateError(
                f"the state {self._place.title} has no copy of {copy.taken_at}",
                hint="only the last few are kept",
            )
        with naming_state(self._place.title):
            rows = read_records(unpack(blob.content))
        return [row for row in rows if row.own is not Own.GONE]

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Take the lock, and date what a holder that was replaced may have sent since.

        Raises LockedError, which names the holder, after `timeout` seconds.
        """
        self._held = take_lock(self._connect, self._look, command, timeout=timeout)
        try:
            if self._held.was_forced:
                self._date_what_was_begun()
        except BaseException:
            self.release()
            raise

    def writer(self) -> str:
        """The other process that has the lock, and its command; empty where there is none."""
        if self._held is not None:
            return ""
        lease = read_lease(self._bucket)
        return str(lease.holder) if lease is not None and may_be_held(lease) else ""

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for the storage; any thread may say so."""
        if self._held is not None:
            self._held.bucket.hurry(seconds)

    def watch(self, *, lost: LossListener, silent: Callable[[], None]) -> None:
        """Be told, from any thread, of the loss of the lock and of each long wait."""
        self._silent = silent
        if self._held is not None:
            self._held.watch(lost)

    def release(self) -> None:
        """Give the lock back, if it is held."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def close(self) -> None:
        """Release and close."""
        self.release()

    @property
    def _lock(self) -> HeldLog:
        if self._held is None:
            raise AssertionError("a state is written only while it is held: call hold() first")
        return self._held

    def _write_commit(self, commit: Commit) -> None:
        lock = self._lock
        if not all(isinstance(values[0], str) for values in commit.rows):
            raise StateError(f"the state {self._place.title} takes no record without an operation")
        lock.commit(
            replace(
                commit,
                runs=[_storable(run) for run in commit.runs],
                actions=[
                    (storable(run), number, _storable(action))
                    for run, number, action in commit.actions
                ],
            )
        )

    def _select_values(self, *, ended: bool = False) -> Sequence[Sequence[Any]]:
        return self._newest().values(ended=ended)

    def _remove_former(self) -> None:
        self._lock.compact()

    def _messages(self) -> Sequence[tuple[str, int, str]]:
        return [
            (id_, number, action.message)
            for id_ in self._replica.runs
            for number, action in self._actions(self._replica, id_).items()
        ]

    def _last_number(self, run_id: str) -> int:
        return max(self._actions(self._replica, storable(run_id)), default=-1)

    def _rules(self) -> str:
        return str(self._replica.header_fields["rules"])

    def _keep_copy(self, rows: Sequence[Sequence[Any]]) -> str:
        bucket = self._lock.bucket
        key = f"{COPIES}/{datetime.now(UTC).strftime(_STAMP)}-serial-{self.header.serial}"
        bucket.put_new(key, pack(rows))
        # The new one stays, whatever its clock says.
        older = [name for name in bucket.names(COPIES) if name != key]
        bucket.delete(older[: max(0, len(older) - (MAX_COPIES - 1))])
        return key

    def _actions(self, replica: Replica, run_id: str) -> Mapping[int, ActionEntry]:
        run = replica.runs.get(run_id)
        return run.merged(log.read_actions(self._bucket, run.stored)) if run else {}

    def _newest(self) -> Replica:
        """All of the state as it is now; whoever holds it has all of it."""
        return self._look(self._bucket) if self._held is None else self._replica

    def _look(self, bucket: Bucket) -> Replica:
        """Read what is new; raises StateError where there is no state, NotInUseError for a move."""
        if not self._replica.number or log.catch_up(bucket, self._replica):
            self._replica = log.load_existing(bucket)
        if not self._in_transit:
            refuse_transit(self._place.title, self._replica.transit)
        return self._replica

    def _connect(self) -> Bucket:
        return Bucket(self._place, self._timings, on_wait=self._tell_waiting)

    def _tell_waiting(self) -> None:
        if self._silent is not None:
            self._silent()


def may_be_held(lease: LeaseObject) -> bool:
    """Whether somebody seems to have the lock, for a note; only taking it tells for certain."""
    return lease.left(datetime.now(UTC) - _CLOCKS) > 0


def _storable(entry: Entry) -> Entry:
    """An entry of the history whose texts every store takes."""
    values = ((one.name, getattr(entry, one.name)) for one in fields(entry))
    texts: dict[str, Any] = {name: storable(text) for name, text in values if isinstance(text, str)}
    return replace(entry, **texts)
