"""The events of an apply, as values; reports are views of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.core.model import Address


class Cause(StrEnum):
    """Who or what made an action fail."""

    SERVER = "refused-by-server"
    DENIED = "permission-denied"
    CLUSTER = "refused-by-cluster"
    HELD = "held"
    OUTDATED = "not-as-approved"
    GIVEN_UP = "deletion-given-up"
    UNPROVEN = "absence-unproven"
    OTHER = "other"


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
class ActionSucceeded:
    """Done, and durable in the state; `took` in seconds.

    `counted_as` names its count in the summary: a create may turn out to find its workload there.
    """

    at: str
    address: Address
    action: str
    id: str | None = None
    took: float = 0.0
    detail: str = ""
    counted_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFailed:
    """Not done, and why, in the server's words where it sent any.

    `down` says that a declared workload which once ran is not known to run any more; `deleted` is
    the id that this run deleted to make room for it. The same in all events of actions below.
    """

    at: str
    address: Address
    action: str
    message: str
    id: str | None = None
    hint: str = ""
    cause: Cause = Cause.OTHER
    deleted: str | None = None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSkipped:
    """Not begun or not ended: the run stopped or ran out of time, or an earlier wave failed."""

    at: str
    address: Address
    action: str
    message: str
    deleted: str | None = None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The server may or may not have this workload, and no evidence settles it yet."""

    at: str
    address: Address
    action: str
    message: str
    hint: str = ""
    deleted: str | None = None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What an apply did, by number of workloads.

    Each workload is counted once, except in `down` and `refused` (by the cluster): it is counted by
    its outcome as well.
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
    in_doubt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """An apply ends; `took` in seconds, `stopped_by` names a signal, a deadline or a lost login."""

    at: str
    run: str
    took: float
    summary: Summary = field(default_factory=Summary)
    stopped_by: str = ""


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
    | ActionSucceeded
    | ActionFailed
    | ActionSkipped
    | InDoubt
    | RunFinished
)
