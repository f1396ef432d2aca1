"""An apply's events as times of actions and requests, bounded however long it runs."""

from __future__ import annotations

from dataclasses import field, replace
from datetime import datetime
from typing import TypeVar

from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestEnded,
    RequestRetried,
    RunFinished,
    RunStarted,
    StateAwaited,
    Throttled,
)
from reconciler.core.history.outcome import NAMES, Failed, Outcome, Succeeded
from reconciler.core.model import Address
from reconciler.core.shorten import shorten
from reconciler.values import dataclass

T = TypeVar("T")

# More than these are only counted: in an outage a run repeats its requests until its deadline.
MOST_RETRIES_EACH = 20
MOST_RETRIES = 20_000
MOST_REQUESTS_EACH = 30
MOST_REQUESTS = 200_000
MOST_PAUSES = 2_000
LONGEST_MESSAGE = 1_000
LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """A request that is sent again: when its response came, and the seconds waited after that."""

    at: float
    method: str
    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request from its send to its response."""

    began: float
    ended: float
    method: str
    response: str


@dataclass(slots=True, kw_only=True)
class ActionTimeline:
    """One action of an apply; times in seconds since the run began.

    `began` is None where no request was sent, `ended` and `outcome` where no event ended it, and
    `accepted` where the server accepted no create. `requests` are the first of `sent`, `resends`
    the first of `sent_again`.
    """

    address: Address
    action: str
    began: float | None = None
    ended: float | None = None
    accepted: float | None = None
    outcome: Outcome | None = None
    id: str | None = None
    requests: list[SentRequest] = field(default_factory=list)
    sent: int = 0
    resends: list[Resend] = field(default_factory=list)
    sent_again: int = 0

    @property
    def word(self) -> str:
        """Its outcome in a word; empty where none is known."""
        return "" if self.outcome is None else NAMES[type(self.outcome)].word

    @property
    def took(self) -> float:
        """Seconds from its first request to its end; nothing where it had none."""
        if self.began is None or self.ended is None:
            return 0.0
        return self.ended - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """All requests were slowed down: for `delay` seconds, to `limit` at a time, or both."""

    at: float
    delay: float
    limit: int | None
    reason: str


class Timeline:
    """Listens to one apply and remembers when its actions and requests began and ended.

    `request_spans` are the times from and to which a request of any action was under way. `dropped`
    counts the events beyond the bounds, `planning` the resends before the run began.
    """

    def __init__(self) -> None:
        self.actions: list[ActionTimeline] = []
        self.slowdowns: list[Slowdown] = []
        self.request_spans: list[tuple[float, float]] = []
        self.duration = 0.0
        self.started = ""
        self.dropped = self.planning = 0
        self._zero: float | None = None
        self._resends = 0
        self._open: dict[Address, ActionTimeline] = {}

    def add(self, event: Event) -> None:
        """Remember one event; they come in the order in which things happen."""
        if isinstance(event, RunStarted):
            self._zero, self.started = _seconds(event.at), event.at
        if self._zero is None:
            self.planning += isinstance(event, RequestRetried)
            return
        # The wall clock may be set back while a run lasts; a report must not run backwards.
        at = max(0.0, _seconds(event.at) - self._zero)
        self.duration = max(self.duration, at)
        match event:
            case ActionStarted(address=address, action=kind, id=id_):
                self._open[address] = self._new(address, kind, id_=id_, began=at)
            case RequestRetried(address=address) if address in self._open:
                self._add_resend(self._open[address], event, at)
            case Throttled() if len(self.slowdowns) < MOST_PAUSES:
                reason = shorten(event.reason, LONGEST_REASON)
                self.slowdowns.append(
                    Slowdown(at=at, delay=event.delay, limit=event.limit, reason=reason)
                )
            case Throttled():
                self.dropped += 1
            case ActionEnded():
                self._end_action(event, at)
            case RunStarted() | RequestRetried() | StateAwaited() | RunFinished():
                pass

    def trace(self, request: RequestEnded) -> None:
        """Remember one request; many times as frequent as events."""
        if self._zero is None:
            return
        ended = max(0.0, _seconds(request.at) - self._zero)
        began = max(0.0, ended - request.took)
        self.duration = max(self.duration, ended)
        if len(self.request_spans) == MOST_REQUESTS:
            self.dropped += 1
            return
        self.request_spans.append((began, ended))
        action = self._open.get(request.address)
        if action is None:
            return
        action.sent += 1
        if request.method == "POST" and request.answer == "Accepted":
            action.accepted = ended
        if len(action.requests) < MOST_REQUESTS_EACH:
            action.requests.append(
                SentRequest(
                    began=began, ended=ended, method=request.method, response=request.answer
                )
            )

    def ended_as(self, kind: type[T]) -> list[tuple[ActionTimeline, T]]:
        """The actions with one kind of outcome, in the order in which they began."""
        return [(a, a.outcome) for a in self.actions if isinstance(a.outcome, kind)]

    def _new(
        self, address: Address, kind: str, *, id_: str | None = None, began: float | None = None
    ) -> ActionTimeline:
        action = ActionTimeline(address=address, action=kind, id=id_, began=began)
        self.actions.append(action)
        return action

    def _add_resend(self, action: ActionTimeline, event: RequestRetried, at: float) -> None:
        action.sent_again += 1
        if len(action.resends) == MOST_RETRIES_EACH or self._resends == MOST_RETRIES:
            self.dropped += 1
            return
        self._resends += 1
        action.resends.append(
            Resend(
                at=at,
                method=event.method,
                attempt=event.attempt,
                delay=event.delay,
                reason=shorten(event.reason, LONGEST_REASON),
            )
        )

    def _end_action(self, event: ActionEnded, at: float) -> None:
        action = self._open.get(event.address)
        if action is None or action.action != event.action:
            # One that was skipped, or failed before its first request, was never begun.
            action = self._new(event.address, event.action)
        else:
            del self._open[event.address]
        action.ended, outcome = at, event.outcome
        if isinstance(outcome, Succeeded | Failed):
            action.id = outcome.id
        if isinstance(outcome, Succeeded):
            action.outcome = replace(outcome, detail=shorten(outcome.detail, LONGEST_MESSAGE))
        else:
            message = shorten(outcome.message, LONGEST_MESSAGE)
            hint = shorten(outcome.hint, LONGEST_MESSAGE)
            action.outcome = replace(outcome, message=message, hint=hint)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
