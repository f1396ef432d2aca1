"""An opponent in memory: it keeps the assumptions A1 to A5, and nothing else is to be relied on.

It keeps its own book of every request, with its time and its effect; the client is never asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from random import Random
from typing import Any

from proof.simulation.weather import (
    CALM,
    Fate,
    Said,
    Weather,
    draw_lag,
    draw_read,
    draw_write,
)
from reconciler.core.model import Address, Json, LastSeen, Remote
from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    Conflict,
    Listed,
    NotFound,
    NotSent,
    Refused,
    TooManyRequests,
    Unavailable,
)
from reconciler.core.protocol.marker import Marker, read_marker, unmark
from tests.support.timing import EPOCH, Timeline

_NEVER = float("inf")


@dataclass(slots=True, eq=False)
class Workload:
    """A workload, alive or gone; instants are seconds on the timeline."""

    id: str
    address: Address
    metadata: Json
    manifest: Json
    marker: Marker | None
    ours: bool
    born: float
    visible: float
    listed: float
    synced: float
    refused: bool = False
    delete_at: float = _NEVER
    gone: float = _NEVER
    delete_fails: float = _NEVER
    unlisted: float = _NEVER
    reserves: float = 0.0
    keeps_body: bool = False

    @property
    def has_mark(self) -> bool:
        """Whether its manifest still says who made it; `marker` is what it said at first."""
        return read_marker(self.manifest) is not None

    def lives(self, now: float) -> bool:
        """Whether it holds its name."""
        return now < self.gone

    def seen(self, now: float) -> LastSeen:
        """What syncInfo says."""
        if now >= self.gone:
            return LastSeen.DELETED
        if now >= self.delete_fails:
            return LastSeen.FAILED
        if now >= self.delete_at:
            return LastSeen.DELETING
        if now >= self.synced:
            return LastSeen.FAILED if self.refused else LastSeen.SYNCED
        return LastSeen.QUEUED if now < (self.born + self.synced) / 2 else LastSeen.APPLYING


@dataclass(slots=True, eq=False)
class Entry:
    """One request in the book; `done` is when it was carried out, `effect` what that changed.

    `result` is what the server made of it, `answer` what the client heard if `heard` says so.
    """

    seq: int
    at: float
    process: int
    method: str
    target: str
    op: str | None = None
    said: Said = Said.ANSWER
    result: ApiResult | None = None
    answer: ApiResult | None = None
    done: float | None = None
    effect: str = ""
    heard: bool = False

    def __str__(self) -> str:
        done = "" if self.done is None else f" done at {self.done:.3f}"
        heard = type(self.answer).__name__ if self.heard else "nothing"
        words = f"{self.method} {self.target} {self.op or ''}".rstrip()
        return (
            f"{self.seq} {words}: {self.said}{done}"
            f"{' ' + self.effect if self.effect else ''}; heard {heard}"
        )


@dataclass(slots=True, eq=False)
class _Order:
    """What the server has received and has not carried out yet."""

    entry: Entry
    body: Mapping[str, Any] | None


@dataclass(eq=False)
class Server:
    """The world behind the API, its weather, and its book.

    `names` decides which names stay taken for a while after a delete; those dice are its own, so
    that the rest of a history does not depend on them.
    `on_birth` is told of every workload that a request made, at the moment at which it is made.
    `resumed_at` is when the machine of the clients last went on after it had stood still.
    `hidden` is a project that stands empty for who asks from `hidden_since` on, as one that was
    moved to another cluster: nothing in it is found, and its names are free (against A1).
    """

    timeline: Timeline
    rng: Random
    names: Random = field(default_factory=lambda: Random(0))
    names_holder: bool = False
    ours: Callable[[Marker], bool] = lambda _: False
    on_birth: Callable[[Workload], None] = lambda _: None
    weather: Weather = CALM
    resumed_at: float = 0.0
    hidden: str = ""
    hidden_since: float = 0.0
    book: list[Entry] = field(default_factory=list)
    workloads: dict[str, Workload] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._holders: dict[Address, Workload] = {}
        self._by_name: dict[Address, list[Workload]] = {}
        self._covered: list[Workload] = []
        self._orders: list[tuple[float, int, Callable[[float], None]]] = []
        self._counter = 0
        self._reserved = self.names.random() * 0.5 if self.names.random() < 0.2 else 0.0

    def at(self, when: float, happen: Callable[[float], None]) -> None:
        """Let something happen at an instant; nothing notices it before."""
        self._counter += 1
        heapq.heappush(self._orders, (when, self._counter, happen))

    def catch_up(self) -> None:
        """Let happen what is due."""
        while self._orders and self._orders[0][0] <= self.timeline.now:
            when, _, happen = heapq.heappop(self._orders)
            happen(when)

    def live(self) -> list[Workload]:
        """Everything that holds a name now."""
        self.catch_up()
        now = self.timeline.now
        return [w for w in (*self._holders.values(), *self._covered) if w.lives(now)]

    def holder(self, address: Address, now: float) -> Workload | None:
        """Who holds a name."""
        held = self._holders.get(address)
        return held if held is not None and held.lives(now) else None

    def _reserving(self, address: Address, now: float) -> Workload | None:
        """Who is gone and keeps the name from others all the same, for a while."""
        gone = self._holders.get(address)
        return gone if gone is not None and now < gone.reserves else None

    def vanish(self, address: Address, now: float) -> None:
        """Somebody deletes a workload, at once."""
        held = self.holder(address, now)
        if held is not None:
            held.gone = held.delete_at = now
            held.unlisted = now

    @contextmanager
    def hiding(self, project: str) -> Iterator[None]:
        """Let a project stand empty within a block."""
        self.hidden, self.hidden_since = project, self.timeline.now
        try:
            yield
        finally:
            self.hidden = ""

    def strip(self, address: Address, workload_id: str) -> None:
        """Somebody overwrites a workload, and our mark with it."""
        held = self.holder(address, self.timeline.now)
        if held is not None and held.id == workload_id:
            held.manifest = unmark(held.manifest)

    def squat(self, address: Address, marker: Mapping[str, str], now: float) -> None:
        """Somebody else takes a free name."""
        if self.holder(address, now) is None:
            manifest = {"kind": "Deployment", "metadata": {"annotations": dict(marker)}}
            self._bear(address, {}, manifest, now, ours=False)

    def receive(
        self,
        process: int,
        method: str,
        target: str,
        *,
        op: str | None = None,
        body: Mapping[str, Any] | None = None,
        address: Address | None = None,
    ) -> tuple[Entry, Fate]:
        """Take a request in, and decide what will become of it.

        Its answer is given when it is due, and waits there for a client that does not read it yet.
        """
        self.catch_up()
        now = self.timeline.now
        draw = draw_read if method in ("GET", "LIST") else draw_write
        fate = draw(self.rng, self.weather)
        entry = Entry(len(self.book), now, process, method, target, op, fate.said)
        self.book.append(entry)
        if method in ("POST", "DELETE") and fate.done is not None:
            order = _Order(entry, body)
            if fate.done == 0.0:
                self._carry_out(order, now)
            else:
                self.at(now + fate.done, lambda when: self._carry_out(order, when))
        self.at(now + fate.heard, lambda when: self._give_answer(entry, address, when))
        return entry, fate

    def hear(self, entry: Entry) -> ApiResult:
        """What the client reads when it gets to it."""
        self.catch_up()
        assert entry.answer is not None
        entry.heard = True
        return entry.answer

    def _give_answer(self, entry: Entry, address: Address | None, now: float) -> None:
        entry.answer = self._answer(entry, address, now)

    def _answer(self, entry: Entry, address: Address | None, now: float) -> ApiResult:
        date = date_at(int(now))
        match entry.said:
            case Said.BUSY:
                return Unavailable(message="busy", date=date)
            case Said.SLOW_DOWN:
                return TooManyRequests(message="slow down", date=date)
            case Said.ERROR:
                return Ambiguous(status=500, message="error", date=date)
            case Said.LOST | Said.TIMEOUT:
                return Ambiguous(message=entry.said.value)
            case Said.NO:
                return Refused(status=422, message="refused", date=date)
            case Said.UNSENT:
                return NotSent(message="connection refused")
            case Said.MUTE if entry.method == "POST":
                return Ambiguous(status=202, message=entry.said.value, date=date)
            case Said.MUTE if isinstance(entry.result, Accepted):
                return Acknowledged(date=date)
            case Said.PAGE:
                return NotFound(trusted=False, message="HTTP 404 with a page", date=date)
            case _:
                pass
        if entry.method == "GET":
            return self._read(entry.target, now)
        if entry.method == "LIST" and address is not None:
            return self._list(address, now)
        # Writes were answered when they were carried out.
        assert entry.result is not None
        return entry.result

    def _carry_out(self, order: _Order, now: float) -> None:
        entry = order.entry
        entry.done = now
        if entry.method == "POST":
            assert order.body is not None
            entry.result = self._create(entry, order.body, now)
        else:
            entry.result = self._delete(entry, now)

    def _create(self, entry: Entry, body: Mapping[str, Any], now: float) -> ApiResult:
        metadata, manifest = body["metadata"], body["manifest"]
        address = Address(project=metadata["projectId"], name=metadata["name"])
        date = date_at(int(now))
        held = self.holder(address, now) or self._reserving(address, now)
        if held is not None and address.project == self.hidden and entry.at >= self.hidden_since:
            self._covered.append(held)
        elif held is not None:
            entry.effect = "conflict"
            hint = f" (id {held.id})" if self.names_holder else ""
            return Conflict(message=f"{address.name} exists already{hint}", date=date)
        born = self._bear(address, metadata, manifest, now, ours=True)
        entry.effect = f"created {born.id}"
        self.on_birth(born)
        return Accepted(remote=_remote(born, LastSeen.UNKNOWN), date=date)

    def _delete(self, entry: Entry, now: float) -> ApiResult:
        found = self.workloads.get(entry.target)
        date = date_at(int(now))
        if found is None or not found.lives(now) or now < found.visible:
            return NotFound(trusted=True, message="no such workload", date=date)
        if not (found.delete_at <= now < found.delete_fails):
            self._begin_delete(found, now)
            entry.effect = f"deleted {found.address}"
        return Accepted(remote=_remote(found, LastSeen.DELETING), date=date)

    def _begin_delete(self, found: Workload, now: float) -> None:
        rng, weather = self.rng, self.weather
        found.delete_at, found.delete_fails, found.gone = now, _NEVER, _NEVER
        takes = rng.random() * 0.5
        if weather.lingering_deletes and rng.random() < weather.lingering_deletes:
            takes = rng.uniform(5.0, 120.0)
        if weather.failing_deletes and rng.random() < weather.failing_deletes:
            found.delete_fails = now + takes
        else:
            found.gone = now + takes
            found.unlisted = found.gone + draw_lag(rng, weather.list_lag)
            if weather is not CALM and self.names.random() < self._reserved:
                found.reserves = found.gone + self.names.uniform(1.0, 120.0)

    def _read(self, workload_id: str, now: float) -> ApiResult:
        date = date_at(int(now))
        found = self.workloads.get(workload_id)
        unseen = found is None or now < found.visible or found.address.project == self.hidden
        if found is None or unseen or (now >= found.gone and not found.keeps_body):
            return NotFound(trusted=True, message="no such workload", date=date)
        return Accepted(remote=_remote(found, found.seen(now)), date=date)

    def _list(self, address: Address, now: float) -> ApiResult:
        date = date_at(int(now))
        if not self.weather.listing:
            return Listed(ids=(), trusted=False, message="no list", date=date)
        if address.project in (*self.weather.blind, self.hidden):
            return Listed(ids=(), date=date)
        wanted = self._by_name.get(address, ())
        return Listed(ids=tuple(w.id for w in wanted if w.listed <= now < w.unlisted), date=date)

    def list_project(self, project: str) -> ApiResult:
        """What the list shows of a whole project."""
        self.catch_up()
        date, now = date_at(int(self.timeline.now)), self.timeline.now
        if not self.weather.listing:
            return Listed(ids=(), trusted=False, message="no list", date=date)
        if project in (*self.weather.blind, self.hidden):
            return Listed(ids=(), date=date)
        found = (w for w in self.workloads.values() if w.address.project == project)
        return Listed(ids=tuple(w.id for w in found if w.listed <= now < w.unlisted), date=date)

    def _bear(
        self, address: Address, metadata: Json, manifest: Json, now: float, *, ours: bool
    ) -> Workload:
        rng, weather = self.rng, self.weather
        visible = now + draw_lag(rng, weather.lag)
        born = Workload(
            id=f"{len(self.workloads) + 1:08x}-0000-4000-8000-{rng.getrandbits(48):012x}",
            address=address,
            metadata=metadata,
            manifest=manifest,
            marker=read_marker(manifest),
            ours=ours,
            born=now,
            visible=visible,
            listed=max(visible, now + draw_lag(rng, weather.list_lag)),
            synced=now + (rng.random() if rng.random() < 0.9 else rng.random() * 60.0),
            refused=bool(weather.failing_syncs) and rng.random() < weather.failing_syncs,
            keeps_body=rng.random() < 0.5,
        )
        self.workloads[born.id] = born
        self._holders[address] = born
        self._by_name.setdefault(address, []).append(born)
        return born


@lru_cache(maxsize=4096)
def date_at(second: int) -> str:
    """A Date header has whole seconds."""
    return (EPOCH + timedelta(seconds=second)).isoformat()


def _remote(found: Workload, seen: LastSeen) -> Remote:
    return Remote(
        id=found.id,
        address=found.address,
        metadata=found.metadata,
        raw_manifest=found.manifest,
        desired_phase="Running",
        seen=seen,
        message="admission denied" if seen is LastSeen.FAILED else "",
        tenant_id=1,
    )
