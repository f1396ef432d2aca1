"""What all the work of one run shares, and the thread of one action through it."""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from reconciler.core.history.events import (
    ActionStarted,
    Event,
    RequestEnded,
    RequestRetried,
    Throttled,
)
from reconciler.core.history.provenance import UNKNOWN_PROVENANCE, Provenance
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address, Own, Recorded
from reconciler.core.planning.actions import Hold, Keep
from reconciler.core.protocol.api_results import (
    NOBODY,
    Accepted,
    ApiResult,
    Conflict,
    Method,
    NotFound,
    NotSent,
    Unauthorised,
    is_from_elsewhere,
)
from reconciler.core.protocol.marker import Marker
from reconciler.core.protocol.retry import SendCounts
from reconciler.core.protocol.transitions import Evidence, advance, outlived_by
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.engine.journal import Journal
from reconciler.engine.requests.dispatcher import Dispatcher, Retry, StopSignal
from reconciler.engine.requests.polling import PhaseWatch
from reconciler.engine.requests.surge import SurgeGate
from reconciler.errors import LockLostError, StateError
from reconciler.ports import Clock, EventListener, RequestListener, WorkloadApi
from reconciler.values import dataclass

NOT_THE_API = "apply again once the server speaks the API"
UNSENT = "the run ended before it was sent"
CUT_SHORT = "accepted; the run ended before it was Synced"
UNDER_WAY = "the deletion is under way; the next run finishes it"


class WaitFor(StrEnum):
    """What an apply waits for: that the cluster took a workload, that it runs, that it is over."""

    SYNCED = "synced"
    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How an apply behaves; durations in seconds.

    `wait_for` counts with `wait` only. `discovery` says whether the server's list may be asked, and
    `dry_run` whether it knows dry runs: then it is asked about a replacement before anything is
    deleted. `max_surge_gpus` bounds the GPUs that are asked for at one time, beyond those before.
    What was in `gone_projects` is gone with them.
    """

    wait: bool = True
    wait_for: WaitFor = WaitFor.SYNCED
    wait_timeout: float = 900.0
    fail_fast: bool = False
    discovery: bool = True
    dry_run: bool = False
    max_surge_gpus: float | None = None
    gone_projects: frozenset[str] = frozenset()
    drain: float = 5.0


@dataclass(kw_only=True)
class ApplyContext:
    """One apply in progress: its ports, its identity, and what it has learnt of the server.

    `known` is what the state holds at this moment, by operation; `alive` the ids that the server
    has shown in this run. `listeners` are told every event, and `tracers` every request, which is
    for those who draw them. `api_is_gone` says that something else answers in the API's place by
    now, such as a login page; `keeps_removed` that the server has kept a field which an update no
    longer had.
    """

    id: str
    lineage: str
    stack: str
    api: WorkloadApi
    journal: Journal
    dispatcher: Dispatcher
    halt: StopSignal
    clock: Clock
    rng: random.Random
    listeners: Sequence[EventListener]
    tracers: Sequence[RequestListener] = ()
    options: ApplyOptions = field(default_factory=ApplyOptions)
    known: dict[str, Recorded] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    tenant_id: int | None = None
    api_is_gone: bool = False
    keeps_removed: bool = False
    rules: RedactionRules = BUILT_IN
    provenance: Provenance = UNKNOWN_PROVENANCE

    def __post_init__(self) -> None:
        self.redactor = Redactor(self.lineage, self.rules)
        self.surge = SurgeGate(self.options.max_surge_gpus)
        self.phases = PhaseWatch(self.dispatcher, self.api)
        self._second_look = asyncio.Lock()
        self._at: dict[Address, dict[str, Recorded]] = {}
        for row in self.known.values():
            self._at.setdefault(row.address, {})[row.op] = row
        self._owners = {row.id: (row.op, row.address) for row in self.known.values() if row.id}

    def say(self, event: Event) -> None:
        """Tell everyone who listens."""
        for listener in self.listeners:
            listener(event)

    def remember(self, row: Recorded) -> None:
        """Take note of a row that has become durable."""
        if row.own is Own.GONE:
            self.known.pop(row.op, None)
            self._at.get(row.address, {}).pop(row.op, None)
        else:
            self.known[row.op] = row
            self._at.setdefault(row.address, {})[row.op] = row

    async def commit(self, *rows: Recorded) -> None:
        """Make records durable at one instant, and remember them; raises StateError."""
        if rows:
            await self.journal.commit(*rows)
        for row in rows:
            self.remember(row)

    def rows_at(self, address: Address) -> list[Recorded]:
        """What the state holds under one address, oldest first."""
        rows = self._at.get(address, {})
        return [rows[op] for op in sorted(rows)]

    def replaced_at(self, address: Address) -> Recorded | None:
        """What was deleted under this address for a successor that has not been accepted yet."""
        return next((row for row in self.rows_at(address) if row.former_id), None)

    def ended_by(self, row: Recorded) -> list[Recorded]:
        """The records under its address that end with this one."""
        return outlived_by(row, self.rows_at(row.address), self.server_time())

    def claim(self, workload_id: str, row: Recorded) -> Address | None:
        """Tie an id to an operation; returns whose it is if another one has it already."""
        # The first answer with an id has it; another one with the same id proves nothing.
        op, address = self._owners.setdefault(workload_id, (row.op, row.address))
        return None if op == row.op else address

    def at(self) -> str:
        """Now, by our own clock, as events carry it."""
        return self.clock.now().isoformat(timespec="milliseconds")

    def server_time(self) -> datetime:
        """Now by the server's clock, at least: what is over by this is over."""
        return self.dispatcher.server.earliest()

    def latest_server_time(self) -> datetime:
        """Now by the server's clock, at most: what was sent by now was sent before this."""
        return self.dispatcher.server.latest()

    def mint_op(self) -> str:
        """A new operation id, from the injected clock."""
        return mint_op(self.clock.now(), self.rng)

    def marker(self, op: str) -> Marker:
        """What a workload made by this operation carries."""
        return Marker(lineage=self.lineage, op=op, stack=self.stack)

    def owns(self, marker: Marker) -> bool:
        """Whether a workload that carries this marker is ours: this state's and this stack's."""
        return marker.is_of(self.lineage, self.stack)

    def observe(self, answer: ApiResult) -> None:
        """Learn what lives and whose it is, and stop the run where going on is pointless."""
        match answer:
            case Accepted(remote=remote):
                self.alive.add(remote.id)
                self.tenant_id = self.tenant_id or remote.tenant_id
            case Unauthorised():
                self.halt.pull(StopReason.UNAUTHORISED)
            case NotSent(permanent=True):
                self.halt.pull(StopReason.UNREACHABLE)
            case _:
                pass

    def stop_for(self, error: StateError) -> None:
        """Stop the run: where a result cannot be recorded, no intent can be (I4)."""
        is_lost = isinstance(error, LockLostError)
        self.halt.pull(StopReason.LOCK if is_lost else StopReason.STATE)

    async def check_api(self, answer: ApiResult) -> None:
        """Stop the run where something answers that is not the API, and a second look agrees.

        One such answer may be an accident on the way; a login page stays, and takes everything.
        """
        if not is_from_elsewhere(answer):
            return
        # All that are in flight meet the page at once: the first of them looks for the others.
        async with self._second_look:
            if not self.halt and is_from_elsewhere(await self.api.read(NOBODY)):
                self.api_is_gone = True
                self.halt.pull(StopReason.UNREACHABLE)


def mint_op(now: datetime, rng: random.Random) -> str:
    """An operation id: a UUIDv7, so that ids sort by age."""
    # 48 bits of time first, so that the order of ids is the order of operations (RFC 9562).
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    random_bits = rng.getrandbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random_bits >> 62) << 64
    return str(uuid.UUID(int=value | 0b10 << 62 | (random_bits & (2**62 - 1))))


class ActionContext:
    """One action of a run: sends its requests, says what happens to them.

    `asked_at` is the server's time at which the last look at its name began: what was read may be
    as old as that. `deleted` is the id of what it has deleted to make room for a successor,
    `refusal` what the server last answered to its create, if that was a no.
    """

    def __init__(
        self, run: ApplyContext, address: Address, kind: str, workload_id: str | None
    ) -> None:
        self.run = run
        self.address = address
        self._kind = kind
        self._id = workload_id
        # Nothing is begun with what is only waited for.
        self._started = kind in (Keep.kind, Hold.kind)
        self.durable: Recorded | None = None
        self.deleted: str | None = None
        self.refusal = ""
        self._last_conflict = ""
        self.asked_at = run.server_time()

    async def commit(self, row: Recorded, *others: Recorded) -> None:
        """Make a record durable, and remember it as `durable`; raises StateError.

        The `others` become durable at the same instant.
        """
        try:
            await self.run.commit(row, *others)
        except asyncio.CancelledError:
            # Let go while it was written, which goes on: what is told must fit what is recorded.
            await self.run.journal.settle()
            if row.op not in self.run.journal.unsaved:
                self.durable = row
            raise
        self.durable = row

    async def install(self, row: Recorded) -> None:
        """Record a workload by its id, and at the same instant the end of what it has outlived.

        Until then the old record stays: nothing else would point to what had the name before.
        """
        await self.commit(row, *self.run.ended_by(row))

    async def advance(self, row: Recorded, evidence: Evidence, **facts: Any) -> Recorded:
        """Make what the evidence does to a record durable, and return it; raises StateError."""
        moved = advance(row, evidence, **facts)
        await self.commit(moved)
        return moved

    async def send(
        self,
        method: Method,
        attempt: Callable[[SendCounts], Awaitable[ApiResult]],
        *,
        conflict_for: float = math.inf,
    ) -> ApiResult:
        """Send through the dispatcher until there is a final answer; raises StoppedError."""

        async def observed(tries: SendCounts) -> ApiResult:
            # At the first send and not before: what never gets its turn was never begun.
            if not self._started:
                self._started = True
                at, address = self.run.at(), self.address
                self.run.say(ActionStarted(at=at, address=address, action=self._kind, id=self._id))
            began = self.run.clock.monotonic()
            answer = await attempt(tries)
            self._trace(method, answer, self.run.clock.monotonic() - began)
            self.run.observe(answer)
            await self.run.check_api(answer)
            return answer

        answer = await self.run.dispatcher.send(
            method, observed, self._tell_retry, conflict_for=conflict_for
        )
        # The dispatcher has tried for as long as it is worth: nobody else would get through.
        if isinstance(answer, NotSent):
            self.run.halt.pull(StopReason.UNREACHABLE)
        # A 404 that is not the API's, to a POST: this is the wrong endpoint for all of them.
        if method is Method.POST and isinstance(answer, NotFound) and not answer.trusted:
            self.run.halt.pull(StopReason.UNREACHABLE)
        return answer

    async def read(self, workload_id: str) -> ApiResult:
        """GET one workload."""
        return await self.send(Method.GET, lambda _: self.run.api.read(workload_id))

    async def find(self, address: Address) -> ApiResult:
        """List the ids under one name."""
        return await self.send(Method.GET, lambda _: self.run.api.find(address))

    def _trace(self, method: Method, answer: ApiResult, took: float) -> None:
        if not self.run.tracers:
            return
        request = RequestEnded(
            at=self.run.at(),
            address=self.address,
            method=method.value,
            took=took,
            answer=type(answer).__name__,
            limit=self.run.dispatcher.limit_of(method),
        )
        for tracer in self.run.tracers:
            tracer(request)

    def _tell_retry(self, retry: Retry) -> None:
        reason = retry.answer.description
        if retry.everyone or retry.slowed_to is not None:
            self.run.say(
                Throttled(
                    at=self.run.at(),
                    address=self.address,
                    delay=retry.delay if retry.everyone else 0.0,
                    reason=reason,
                    limit=retry.slowed_to,
                )
            )
        # A 409 may be repeated for minutes; only another reason for it is worth a line.
        conflict = reason if isinstance(retry.answer, Conflict) else self._last_conflict
        is_news, self._last_conflict = conflict != self._last_conflict, conflict
        self.tell_retry(
            retry.method, retry.tries.sends, delay=retry.delay, reason=reason, is_news=is_news
        )

    def tell_retry(
        self, method: Method, attempt: int, *, delay: float, reason: str, is_news: bool = False
    ) -> None:
        """Say that a request will be sent again after so many seconds, and why."""
        self.run.say(
            RequestRetried(
                at=self.run.at(),
                address=self.address,
                method=method.value,
                attempt=attempt,
                delay=delay,
                reason=reason,
                is_news=is_news,
            )
        )
