"""The protocols behind which the world lies: a control plane, a state, a history, a clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.core.history.provenance import Provenance
from reconciler.errors import StateError
from reconciler.values import dataclass

if TYPE_CHECKING:
    # Whoever reads a state needs nothing of what is planned, sent or answered.
    from reconciler.core.history.events import Event, RequestEnded
    from reconciler.core.model import Address, Header, Json, Recorded, Target
    from reconciler.core.protocol.api_results import ApiResult
    from reconciler.core.redact import Redactor
    from reconciler.core.states.places import StatePlace

EventListener = Callable[["Event"], None]
RequestListener = Callable[["RequestEnded"], None]
BeforeSend = Callable[[], Awaitable[None]]


class LiveApi(Protocol):
    """What runs, beside Workloads V2: calls of v1, which may be missing or forbidden.

    Each is one request. Where the server does not let us look the result is NotShown, which
    says why and is not worth a retry.
    """

    async def list_page(
        self, project: str, *, offset: int = 0, name: str = "", deleted: bool = False
    ) -> ApiResult:
        """List up to 500 workloads of a project, by name: WorkloadPage, or why not.

        With `name` only those of this name; with `deleted` those deleted of late instead.
        """
        ...

    async def count(self, project: str, *, name: str = "", deleted: bool = False) -> ApiResult:
        """Count what `list_page` lists: WorkloadCount, or why not."""
        ...

    async def describe(self, workload_id: str) -> ApiResult:
        """Read one workload with why it is pending: Described, or why not."""
        ...

    async def read_history(self, workload_id: str) -> ApiResult:
        """Read its latest changes of phase and events: Occurrences, or why not."""
        ...

    async def read_events(self, workload_id: str) -> ApiResult:
        """Read its latest Kubernetes events: Occurrences, or why not."""
        ...

    async def list_projects(self, *, offset: int = 0) -> ApiResult:
        """List up to 500 projects, by name, with their quotas: ProjectPage, or why not."""
        ...

    async def list_clusters(self) -> ApiResult:
        """List the clusters: ClusterList, or why not; a server of 2.23 does not show them."""
        ...

    async def read_project(self, project: str) -> ApiResult:
        """Read one project by its id: ProjectPage with this one, or why not."""
        ...

    async def list_types(self) -> ApiResult:
        """List the kinds of workloads with what the server fills in: TypeList, or why not."""
        ...


class WorkloadApi(Protocol):
    """A control plane, one request per call; the caller retries, since it records every send."""

    @property
    def live(self) -> LiveApi:
        """What runs, in the words of v1."""
        ...

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


class RecordStore(Protocol):
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


# In a column that all formats of the state have; no address of a job has a blank before it.
_COMMIT = "commit:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEntry:
    """One run in a state's history: an apply, or an edit of the record.

    Times are RFC 3339 in UTC, `took` is in seconds. Without `finished` the run was killed or is
    still going on. `counts` are workloads by outcome, without zeros; `plan` is the id of the saved
    plan that it carried out. `link` is the address of the CI job that it was, and behind it the
    commit that it was made from (`commit:HASH`, with `+` where files differed from it). All are
    empty for none.
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
    link: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def provenance(self) -> Provenance:
        """The CI job and the commit of the link."""
        job, _, commit = self.link.partition(_COMMIT)
        return Provenance(job=job.rstrip(), commit=commit)


def link_of(provenance: Provenance) -> str:
    """What `RunEntry.link` holds of a job and a commit."""
    job, commit = provenance.job, provenance.commit
    return f"{job} {_COMMIT}{commit}".lstrip() if commit else job


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


LossListener = Callable[[StateError], None]
"""Told that the lock of a state is lost, and to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCopy:
    """A copy that a state keeps of itself; `taken_at` is RFC 3339 in UTC, `name` where it is."""

    name: str
    taken_at: str
    serial: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transit:
    """Why a state is not in use: it is being moved here, or has moved elsewhere.

    `moved_to` names the other place and the day; both texts are empty for a state in use.
    """

    arriving_from: str = ""
    moved_to: str = ""


IN_USE = Transit()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateContent:
    """All of a state, as it moves: every operation, also a GONE one, and every run, oldest first.

    Operations are in their order, and each run has its actions.
    """

    header: Header
    rows: tuple[Recorded, ...]
    runs: tuple[tuple[RunEntry, tuple[ActionEntry, ...]], ...]


class StateStore(RecordStore, RunHistory, Protocol):
    """A state that is open; every write needs `hold`, and is all or nothing.

    A write raises StateError, and LockLostError once somebody else may have taken the lock.
    """

    @property
    def place(self) -> StatePlace:
        """Where it is kept."""
        ...

    def read_by_address(self, *, checked: bool = False) -> Iterator[Recorded]:
        """Every operation that is not GONE by address, those of one by age; raises StateError.

        For who shows thousands: not all are in memory. Unless they are `checked`, their documents
        are not read, in which damage that fits their checksum is not noticed.
        """
        ...

    def has_records(self) -> bool:
        """Whether there is any operation that is not GONE."""
        ...

    def amend(
        self,
        run: RunEntry,
        actions: Sequence[ActionEntry],
        *,
        rows: Sequence[Recorded] = (),
        without: Iterable[str] = (),
        target: Target | None = None,
        lineage: str | None = None,
    ) -> None:
        """Edit the record and add the edit to the history, in one durable transaction.

        `rows` are written, the operations of `without` are deleted, `target` is pinned. `lineage`
        replaces the state's own, which only a state that has never written may do.
        """
        ...

    def renew(self, redactor: Redactor) -> None:
        """Write anew what other redaction rules wrote, so that it holds no secret by these."""
        ...

    def hold(self, command: str, timeout: float = 0.0) -> None:
        """Take the lock in the name of a command, and prove that the state can be written.

        Raises LockedError, which names the holder, after `timeout` seconds.
        """
        ...

    def watch(self, *, lost: LossListener, silent: Callable[[], None]) -> None:
        """Be told, from any thread, what happens while the lock is held.

        `lost` is called once where somebody else has taken it, `silent` for each long wait for an
        answer of where the state is kept.
        """
        ...

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for an answer; any thread may say so."""
        ...

    def writer(self) -> str:
        """The other process that has the lock, and its command; empty where there is none."""
        ...

    def release(self) -> None:
        """Give the lock back, if it is held."""
        ...

    def close(self) -> None:
        """Release and close."""
        ...

    def back_up(self, to: Path | None = None) -> Path | str:
        """Copy the state: to a new SQLite file, or to where it keeps the last few copies.

        Returns where the copy is, as `StateCopy.name` has it. Raises StateError where `to` exists.
        """
        ...

    @property
    def transit(self) -> Transit:
        """Why it is not in use, as of when it was opened or held."""
        ...

    def set_transit(self, transit: Transit) -> None:
        """Take the state out of use, or into it; durable when it returns."""
        ...

    def content(self) -> StateContent:
        """All of the state; raises StateError on damage."""
        ...

    def fill(self, content: StateContent) -> None:
        """Replace all of a state that is not in use, identity and history with it."""
        ...

    def copies(self) -> Sequence[StateCopy]:
        """The copies that the state keeps of itself, the newest first."""
        ...

    def read_copy(self, copy: StateCopy) -> Sequence[Recorded]:
        """Every operation in a copy that is not GONE; raises StateError for a damaged one."""
        ...
