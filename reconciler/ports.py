"""The protocols that the shell is written against: a control plane, a state, a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from reconciler.core.answers import Answer
from reconciler.core.events import Event
from reconciler.core.model import Address, Header, Json, Recorded, Target

Say = Callable[[Event], None]


class WorkloadApi(Protocol):
    """A control plane, one request per call; retries are the caller's, who journals them."""

    async def create(self, body: Json) -> Answer:
        """POST a workload: Accepted, or why not."""
        ...

    async def read(self, workload_id: str) -> Answer:
        """GET a workload by id: Accepted, NotFound, or why it cannot be told."""
        ...

    async def delete(self, workload_id: str) -> Answer:
        """DELETE a workload by id: Accepted, NotFound, or why not."""
        ...

    async def find(self, address: Address) -> Answer:
        """List the ids of live workloads of that name: Listed, or why it cannot be told."""
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
        """Seconds that never go back; for durations and deadlines."""
        ...

    def now(self) -> datetime:
        """The wall clock in UTC; for records and reports."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...
