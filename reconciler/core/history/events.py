"""The events of an apply, as values; reports are views of them."""

from __future__ import annotations

from dataclasses import field

from reconciler.core.history.outcome import Outcome
from reconciler.core.history.provenance import UNKNOWN_PROVENANCE, Provenance
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """An apply begins; `at` is RFC 3339 in UTC, as in every event."""

    at: str
    run: str
    actions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionStarted:
    """Work on one workload begins."""

    at: str
    address: Address
    action: str
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRetried:
    """A request will be sent again after `delay` seconds, because of `reason`.

    `is_news` says that the server gives a reason for which no event was made before.
    """

    at: str
    address: Address
    method: str
    attempt: int
    delay: float
    reason: str
    is_news: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """All requests are slowed down: for `delay` seconds, to `limit` at a time, or both."""

    at: str
    address: Address
    delay: float
    reason: str
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAwaited:
    """What is to be recorded waits for where the state is kept; nothing new is sent meanwhile."""

    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionEnded:
    """An action came to an end, whichever it was; `took` in seconds."""

    at: str
    address: Address
    action: str
    outcome: Outcome
    took: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an apply did, by number of workloads.

    Each workload is counted once, except in `down`, `refused` (by the cluster), `finished` and
    `expired` (ended by their lifecycle): it is counted by its outcome as well.
    """

    created: int = 0
    deleted: int = 0
    replaced: int = 0
    updated: int = 0
    adopted: int = 0
    forgotten: int = 0
    recorded: int = 0
    failed: int = 0
    skipped: int = 0
    down: int = 0
    refused: int = 0
    finished: int = 0
    expired: int = 0
    in_doubt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """An apply ends; `took` in seconds, `stopped_by` is what ended it before its work was done.

    `provenance` is where the specs came from.
    """

    at: str
    run: str
    took: float
    summary: Summary = field(default_factory=Summary)
    stopped_by: StopReason = StopReason.NOTHING
    provenance: Provenance = UNKNOWN_PROVENANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded:
    """One request came back, `took` seconds after it was sent; too frequent to be an event.

    `limit` is how many requests of its lane may be in flight from now on.
    """

    at: str
    address: Address
    method: str
    took: float
    answer: str
    limit: int = 0


Event = (
    RunStarted
    | ActionStarted
    | RequestRetried
    | Throttled
    | StateAwaited
    | ActionEnded
    | RunFinished
)
