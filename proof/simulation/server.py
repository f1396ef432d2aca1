"""An opponent in memory: it keeps the assumptions A1 to A5, and nothing else is to be relied on.

It keeps its own book of every request, with its time and its effect; the client is never asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from random import Random
from typing import Any

from proof.simulation.forms import Form, drop, merge, seen_status, shown_form
from proof.simulation.weather import (
    CALM,
    LONGEST_STALE,
    Fate,
    Said,
    Weather,
    draw_lag,
    draw_read,
    draw_update,
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
    forms: list[Form]
    marker: Marker | None
    ours: bool
    born: float
    visible: float
    listed: float
    delete_at: float = _NEVER
    gone: float = _NEVER
    delete_fails: float = _NEVER
    unlisted: float = _NEVER
    reserves: float = 0.0
    keeps_body: bool = False

    @property
    def manifest(self) -> Json:
        """What it really is, whether a GET shows it yet or not."""
        return self.forms[-1].manifest

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
        return seen_status(self.forms, now)

    def edit(self, now: float, **changes: Any) -> None:
        """Somebody changes what it is; that can be seen at once, whatever the status says."""
        self.forms.append(replace(self.forms[-1], born=now, shown=now, **changes))


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
    body: Mapping[str, Any] | None = None

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
    It `merges` updates or replaces what was there; what it `drops` of their annotations is nothing,
    the rev, or all.
    """

    timeline: Timeline
    rng: Random
    names: Random = field(default_factory=lambda: Random(0))
    names_holder: bool = False
    ours: Callable[[Marker], bool] = lambda _: False
    on_birth: Callable[[Workload], None] = lambda _: None
    merges: bool = False
    drops: str = ""
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
            held.edit(self.timeline.now, manifest=unmark(held.manifest))

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
        fate = self.draw_fate(method)
        entry = Entry(len(self.book), now, process, method, target, op, fate.said)
        entry.body = body if method == "PUT" else None
        self.book.append(entry)
        if method in ("POST", "PUT", "DELETE") and fate.done is not None:
            order = _Order(entry, body)
            if fate.done == 0.0:
                self._carry_out(order, now)
            else:
                self.at(now + fate.done, lambda when: self._carry_out(order, when))
        self.at(now + fate.heard, lambda when: self._give_answer(entry, address, when))
        return entry, fate

    def draw_fate(self, method: str) -> Fate:
        """What becomes of a request that has just arrived."""
        draw = {"GET": draw_read, "LIST": draw_read, "PUT": draw_update}.get(method, draw_write)
        return draw(self.rng, self.weather)

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
        if entry.said in _FAULTS:
            return _FAULTS[entry.said](date)
        if entry.said is Said.MUTE:
            if entry.method in ("POST", "PUT"):
                return Ambiguous(status=202, message=entry.said.value, date=date)
            if isinstance(entry.result, Accepted):
                return Acknowledged(date=date)
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
        elif entry.method == "PUT":
            assert order.body is not None
            entry.result = self._update(entry, order.body, now)
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
        return Accepted(remote=_remote(born, LastSeen.UNKNOWN, born.forms[-1]), date=date)

    def _update(self, entry: Entry, body: Mapping[str, Any], now: float) -> ApiResult:
        """It changes what lives, and never makes or revives anything (assumption A9)."""
        found, date = self.workloads.get(entry.target), date_at(int(now))
        if found is None or not found.lives(now) or now < found.visible or now >= found.delete_at:
            return NotFound(trusted=True, message="no such workload", date=date)
        old, rng, weather = found.forms[-1], self.rng, self.weather
        sent = {key: value for key, value in body["metadata"].items() if value is not None}
        manifest = merge(old.manifest, body["manifest"]) if self.merges else body["manifest"]
        stale = rng.uniform(0.0, LONGEST_STALE) if rng.random() < weather.stale else 0.0
        takes = rng.random() if rng.random() < 0.9 else rng.random() * 60.0
        shown = max(old.shown, now + draw_lag(rng, weather.lag))
        spoken_of = max(old.spoken_of, now + stale)
        found.forms.append(
            Form(
                metadata={**old.metadata, **sent},
                manifest=drop(manifest, self.drops),
                born=now,
                synced=spoken_of + takes,
                shown=shown,
                spoken_of=spoken_of,
                refused=bool(weather.failing_syncs) and rng.random() < weather.failing_syncs,
            )
        )
        entry.effect = f"updated {found.address}"
        return Accepted(remote=_remote(found, found.seen(now), found.forms[-1]), date=date)

    def _delete(self, entry: Entry, now: float) -> ApiResult:
        found = self.workloads.get(entry.target)
        date = date_at(int(now))
        if found is None or not found.lives(now) or now < found.visible:
            return NotFound(trusted=True, message="no such workload", date=date)
        if not (found.delete_at <= now < found.delete_fails):
            self._begin_delete(found, now)
            entry.effect = f"deleted {found.address}"
        return Accepted(remote=_remote(found, LastSeen.DELETING, found.forms[-1]), date=date)

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
        return Accepted(
            remote=_remote(found, found.seen(now), shown_form(found.forms, now)), date=date
        )

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
            marker=read_marker(manifest),
            ours=ours,
            born=now,
            visible=visible,
            listed=max(visible, now + draw_lag(rng, weather.list_lag)),
            forms=[
                Form(
                    metadata=metadata,
                    manifest=manifest,
                    born=now,
                    synced=now + (rng.random() if rng.random() < 0.9 else rng.random() * 60.0),
                    refused=bool(weather.failing_syncs) and rng.random() < weather.failing_syncs,
                )
            ],
            keeps_body=rng.random() < 0.5,
        )
        self.workloads[born.id] = born
        self._holders[address] = born
        self._by_name.setdefault(address, []).append(born)
        return born


_FAULTS: Mapping[Said, Callable[[str], ApiResult]] = {
    Said.BUSY: lambda date: Unavailable(message="busy", date=date),
    Said.SLOW_DOWN: lambda date: TooManyRequests(message="slow down", date=date),
    Said.ERROR: lambda date: Ambiguous(status=500, message="error", date=date),
    Said.LOST: lambda _: Ambiguous(message=Said.LOST.value),
    Said.TIMEOUT: lambda _: Ambiguous(message=Said.TIMEOUT.value),
    Said.NO: lambda date: Refused(status=422, message="refused", date=date),
    Said.UNSENT: lambda _: NotSent(message="connection refused"),
    Said.NO_CALL: lambda date: Refused(status=405, own=True, message="no such call", date=date),
    Said.NO_CALL_PAGE: lambda date: Ambiguous(status=405, message="a page", date=date),
    Said.PAGE: lambda date: NotFound(trusted=False, message="HTTP 404 with a page", date=date),
}


@lru_cache(maxsize=4096)
def date_at(second: int) -> str:
    """A Date header has whole seconds."""
    return (EPOCH + timedelta(seconds=second)).isoformat()


def _remote(found: Workload, seen: LastSeen, form: Form) -> Remote:
    return Remote(
        id=found.id,
        address=found.address,
        metadata=form.metadata,
        raw_manifest=form.manifest,
        desired_phase="Running",
        seen=seen,
        message="admission denied" if seen is LastSeen.FAILED else "",
        tenant_id=1,
    )
