"""The protocols behind which the world lies: a control plane, a state, a history, a clock."""

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
    """A control plane, one request per call; the caller retries, since it records every send."""

    async def create(
        self, body: Json, before_send: BeforeSend | None = None, *, dry_run: bool = False
    ) -> ApiResult:
        """POST a workload: Accepted, or why not.

        `before_send` is awaited right before bytes leave: after the token was fetched and the
        connection was made, which may take a while. With `dry_run` the server is asked to check
        and not to create: DryRunPassed, or why not.
        """
        ...

    async def read(self, workload_id: str) -> ApiResult:
        """GET a workload by id: Accepted, NotFound, or why neither is known."""
        ...

    async def update(
        self,
        workload_id: str,
        body: Json,
        before_send: BeforeSend | None = None,
        *,
        declared: Json | None = None,
    ) -> ApiResult:
        """PUT the whole content of a workload: Accepted, or why not; `before_send` as in create.

        A body with the stand-in of a secret that is not in `declared`, the spec, is not sent.
        """
        ...

    async def delete(self, workload_id: str) -> ApiResult:
        """DELETE a workload by id: Accepted, NotFound, or why not."""
        ...

    async def find(self, address: Address) -> ApiResult:
        """List the ids of live workloads of that name: Listed, or why not."""
        ...

    async def find_all(self, project: str) -> ApiResult:
        """List the ids of all live workloads of a project: Listed, or why not."""
        ...

    async def find_cluster_versions(self) -> ApiResult:
        """List the versions of the clusters: ClusterVersions, or why not."""
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
        """Record what has been learnt of the target; durable when it returns."""
        ...


class Clock(Protocol):
    """Time as the shell sees it, so that tests need no waiting."""

    def monotonic(self) -> float:
        """Seconds that never go back, and that pass while the machine sleeps as well.

        For durations, deadlines, and the age of records made before a request.
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
    """One run in a state's history: an apply, or an edit of the record.

    Times are RFC 3339 in UTC, `took` is in seconds. Without `finished` the run was killed or is
    still going on. `counts` are workloads by outcome, without zeros; `plan` is the id of the saved
    plan that it carried out, empty for none.
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
    """One action of a run; `seconds` is None where it was not begun."""

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
        """Record that a run began, and delete the oldest ones."""
        ...

    def add_actions(self, run_id: str, actions: Sequence[ActionEntry]) -> None:
        """Append actions to a run."""
        ...

    def end_run(self, run: RunEntry) -> None:
        """Record how a run ended."""
        ...

    def runs(self) -> Sequence[RunEntry]:
        """Every run on record, the newest first."""
        ...

    def actions(self, run_id: str) -> Sequence[ActionEntry]:
        """The actions of one run, in the order in which they ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFlaw:
    """One defect of a state, and the way out of it."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The result of checking a whole state.

    `in_doubt` is not a flaw: the next apply looks again. `under_way` counts the operations that
    another run has begun and will settle itself.
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
