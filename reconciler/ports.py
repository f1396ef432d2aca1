"""The protocols that the shell is written against: a control plane, a state, a clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from reconciler.core.events import Event, RequestEnded
from reconciler.core.model import Address, Header, Json, Recorded, Target
from reconciler.core.protocol.api_results import ApiResult

EventListener = Callable[[Event], None]
RequestListener = Callable[[RequestEnded], None]
BeforeSend = Callable[[], Awaitable[None]]


class WorkloadApi(Protocol):
    """A control plane, one request per call; retries are the caller's, who journals them."""

    async def create(self, body: Json, before_send: BeforeSend | None = None) -> ApiResult:
        """POST a workload: Accepted, or why not.

        `before_send` is awaited each time when the next thing to happen is that bytes leave:
        after a token was fetched and a connection was made, which may take a while.
        """
        ...

    async def read(self, workload_id: str) -> ApiResult:
        """GET a workload by id: Accepted, NotFound, or why it cannot be told."""
        ...

    async def update(
        self,
        workload_id: str,
        body: Json,
        before_send: BeforeSend | None = None,
        *,
        declared: Json | None = None,
    ) -> ApiResult:
        """PUT the whole content of a workload: Accepted once it is taken, or why not.

        `before_send` as with a create: a late PUT has no 409 to stop it. A body that holds a
        stand-in of a secret which `declared`, the spec, does not hold is refused before it leaves.
        """
        ...

    async def delete(self, workload_id: str) -> ApiResult:
        """DELETE a workload by id: Accepted, NotFound, or why not."""
        ...

    async def find(self, address: Address) -> ApiResult:
        """List the ids of live workloads of that name: Listed, or why it cannot be told."""
        ...

    async def find_all(self, project: str) -> ApiResult:
        """List the ids of all live workloads of a project: Listed, or why it cannot be told."""
        ...


class StateStore(Protocol):
    """The durable record of every operation that may exist on the server."""

    @property
    def header(self) -> Header:
        """Identity, serial and target of this state."""
        ...

    def read(self) -> Sequence[Recorded]:
        """Every operation that is not GONE, in a stable order."""
        ...

    def write(self, rows: Sequence[Recorded]) -> None:
        """Insert or replace rows by operation; durable, all or nothing, when it returns."""
        ...

    def pin(self, target: Target) -> None:
        """Remember what has been learnt of the target; durable when it returns."""
        ...


class Clock(Protocol):
    """Time as the shell sees it, so that tests need no waiting."""

    def monotonic(self) -> float:
        """Seconds that never go back, and that pass while the machine sleeps as well.

        For durations, deadlines, and the age of what was written down before a request.
        """
        ...

    def now(self) -> datetime:
        """The wall clock in UTC; for records and reports."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run in a state's history: an apply, or a surgery on the record.

    Times are RFC 3339 in UTC, `took` is in seconds. Without `finished` the run was killed or is
    still going on. `counts` says what was done to how many workloads, without zeros; `plan` is
    the id of the saved plan that it carried out, if it was one.
    """

    id: str
    command: str
    user: str
    host: str
    started: str
    finished: str | None = None
    took: float | None = None
    stopped_by: str = ""
    exit_code: int | None = None
    plan: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEntry:
    """What one run did to one workload; `seconds` is None where nothing was begun."""

    address: str
    action: str
    outcome: str
    reason: str = ""
    message: str = ""
    id: str | None = None
    seconds: float | None = None


class RunHistory(Protocol):
    """The runs that a state remembers; every write is durable when it returns."""

    def begin_run(self, run: RunEntry) -> None:
        """Remember that a run began, and forget the oldest ones."""
        ...

    def add_actions(self, run_id: str, actions: Sequence[ActionEntry]) -> None:
        """Remember what a run did, after what it did before."""
        ...

    def end_run(self, run: RunEntry) -> None:
        """Remember how a run ended."""
        ...

    def runs(self) -> Sequence[RunEntry]:
        """Every run that is remembered, the newest first."""
        ...

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """What one run did, in the order in which it ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFlaw:
    """Something wrong with a state, and the way out of it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look at all of a state found; `in_doubt` is no flaw, the next apply looks again.

    `under_way` is what another run is at work on at this moment, and is about to settle itself.
    """

    path: str
    format: int
    # Empty where the header is damaged.
    lineage: str
    records: int
    in_doubt: int
    runs: int
    backups: int
    under_way: int = 0
    flaws: tuple[StateFlaw, ...] = ()
