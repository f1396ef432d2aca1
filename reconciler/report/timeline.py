"""Keeps of an apply's events what its report needs, however long it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.events import (
    ActionFailed,
    ActionSkipped,
    ActionStarted,
    ActionSucceeded,
    Cause,
    Event,
    InDoubt,
    RequestEnded,
    RequestRetried,
    RunFinished,
    RunStarted,
    Throttled,
)
from reconciler.core.model import Address
from reconciler.ports import Say
from reconciler.report.text.escape import shorten

DONE, FAILED, IN_DOUBT, SKIPPED = "done", "failed", "in doubt", "skipped"

# What is beyond is counted: a run in an outage repeats its requests for as long as it may last.
MOST_RETRIES_EACH = 20
MOST_RETRIES = 20_000
MOST_REQUESTS_EACH = 30
MOST_REQUESTS = 200_000
MOST_PAUSES = 2_000
WORDS = 1_000
REASON = 200

_Ended = ActionSucceeded | ActionFailed | ActionSkipped | InDoubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """A request that had to be sent again: when it was answered, and how long was waited then."""

    at: float
    method: str
    attempt: int
    delay: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request from its send to its answer."""

    began: float
    ended: float
    method: str
    answer: str


@dataclass(slots=True, kw_only=True)
class ActionTimeline:
    """The way of one action through an apply; times in seconds since the run began.

    `began` is None where no request was sent, `ended` where nothing more was heard of it, and
    `accepted` where the server has not taken a create. `deleted` is the id of what had to go for a
    successor that was not accepted, `down` says that nothing is known to run there. `requests` are
    the first of `sent`, `resends` the first of `sent_again`; `waited` is the sum of all their
    delays.
    """

    address: Address
    action: str
    began: float | None = None
    ended: float | None = None
    accepted: float | None = None
    outcome: str = ""
    cause: Cause = Cause.OTHER
    id: str | None = None
    deleted: str | None = None
    down: bool = False
    words: str = ""
    hint: str = ""
    requests: list[Sent] = field(default_factory=list)
    sent: int = 0
    resends: list[Resend] = field(default_factory=list)
    sent_again: int = 0
    waited: float = 0.0

    @property
    def took(self) -> float:
        """Seconds from its first request to its end; nothing where it had none."""
        if self.began is None or self.ended is None:
            return 0.0
        return self.ended - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """Everyone held back: for `delay` seconds, or to `limit` requests at a time, or both."""

    at: float
    delay: float
    limit: int | None
    reason: str


class Timeline:
    """Listens to one apply and remembers its course.

    `flights` are the times from and to which a request was under way, whoever's. `dropped` counts
    what was too much to keep one by one, `planning` the requests that had to be sent again before
    the run began.
    """

    def __init__(self) -> None:
        self.courses: list[ActionTimeline] = []
        self.slowdowns: list[Slowdown] = []
        self.flights: list[tuple[float, float]] = []
        self.span = 0.0
        self.started = ""
        self.dropped = self.planning = 0
        self._zero: float | None = None
        self._kept = 0
        self._open: dict[Address, ActionTimeline] = {}

    def listening(self, say: Say) -> Say:
        """The same `say`, heard by this time line as well."""

        def heard(event: Event) -> None:
            say(event)
            self.add(event)

        return heard

    def add(self, event: Event) -> None:
        """Remember one event; they come in the order in which things happen."""
        if isinstance(event, RunStarted):
            self._zero, self.started = _seconds(event.at), event.at
        if self._zero is None:
            self.planning += isinstance(event, RequestRetried)
            return
        # The wall clock may be set back while a run lasts; a report must not run backwards.
        at = max(0.0, _seconds(event.at) - self._zero)
        self.span = max(self.span, at)
        match event:
            case ActionStarted(address=address, action=kind, id=id_):
                self._open[address] = self._new(address, kind, id_, began=at)
            case RequestRetried():
                self._resend(event, at)
            case Throttled():
                self._slow_down(event, at)
            case ActionSucceeded() | ActionFailed() | ActionSkipped() | InDoubt():
                self._end(event, at)
            case RunStarted() | RunFinished():
                pass

    def trace(self, request: RequestEnded) -> None:
        """Remember one request; many times as frequent as events."""
        if self._zero is None:
            return
        ended = max(0.0, _seconds(request.at) - self._zero)
        began = max(0.0, ended - request.took)
        self.span = max(self.span, ended)
        if len(self.flights) == MOST_REQUESTS:
            self.dropped += 1
            return
        self.flights.append((began, ended))
        course = self._open.get(request.address)
        if course is None:
            return
        course.sent += 1
        if request.method == "POST" and request.answer == "Accepted":
            course.accepted = ended
        if len(course.requests) < MOST_REQUESTS_EACH:
            course.requests.append(
                Sent(began=began, ended=ended, method=request.method, answer=request.answer)
            )

    def ended_as(self, outcome: str) -> list[ActionTimeline]:
        """The courses with one outcome, in the order in which they began."""
        return [course for course in self.courses if course.outcome == outcome]

    def _new(
        self, address: Address, kind: str, id_: str | None, began: float | None
    ) -> ActionTimeline:
        course = ActionTimeline(address=address, action=kind, id=id_, began=began)
        self.courses.append(course)
        return course

    def _resend(self, event: RequestRetried, at: float) -> None:
        course = self._open.get(event.address)
        if course is None:
            return
        course.sent_again += 1
        course.waited += event.delay
        if len(course.resends) == MOST_RETRIES_EACH or self._kept == MOST_RETRIES:
            self.dropped += 1
            return
        self._kept += 1
        course.resends.append(
            Resend(
                at=at,
                method=event.method,
                attempt=event.attempt,
                delay=event.delay,
                reason=shorten(event.reason, REASON),
            )
        )

    def _slow_down(self, event: Throttled, at: float) -> None:
        if len(self.slowdowns) == MOST_PAUSES:
            self.dropped += 1
            return
        self.slowdowns.append(
            Slowdown(
                at=at, delay=event.delay, limit=event.limit, reason=shorten(event.reason, REASON)
            )
        )

    def _end(self, event: _Ended, at: float) -> None:
        course = self._open.get(event.address)
        if course is None or course.action != event.action:
            course = self._new(event.address, event.action, None, began=None)
        else:
            del self._open[event.address]
        course.ended = at
        if not isinstance(event, ActionSucceeded):
            course.deleted, course.down = event.deleted, event.down
        match event:
            case ActionSucceeded(id=id_, detail=words):
                course.outcome, course.id, course.words = DONE, id_, shorten(words, WORDS)
            case ActionFailed(id=id_, message=words, hint=hint, cause=cause):
                course.outcome, course.id, course.cause = FAILED, id_, cause
                course.words, course.hint = shorten(words, WORDS), shorten(hint, WORDS)
            case InDoubt(message=words, hint=hint):
                course.outcome = IN_DOUBT
                course.words, course.hint = shorten(words, WORDS), shorten(hint, WORDS)
            case ActionSkipped(message=words):
                course.outcome, course.words = SKIPPED, shorten(words, WORDS)


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
