"""The ASGI application: every request passes the rules, the API, the ledger and the wire."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from reconciler.sandbox.api.control import PREFIX, Control
from reconciler.sandbox.api.endpoints import Api, Outcome, Request
from reconciler.sandbox.connection import (
    ClientGoneError,
    Receive,
    Scope,
    Send,
    Sleep,
    Wire,
    bomb,
    drip,
    pad,
)
from reconciler.sandbox.faults.injection import inject, peek
from reconciler.sandbox.faults.plan import SPARED, Asked, Faults, InjectedFault
from reconciler.sandbox.faults.rules import Fault, FaultRule, Route
from reconciler.sandbox.http import Header, Refusal, SandboxResponse
from reconciler.sandbox.ledger import Entry, Ledger
from reconciler.sandbox.settings import Credential, Settings
from reconciler.sandbox.world.workload import Twist

_NO_CALLER = Credential(client_id="", client_secret="")


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request on its way through the sandbox."""

    seq: int
    arrived: float
    in_flight: int
    wire: Wire
    request: Request
    route: Route | None = None
    caller: Credential | None = None
    verdict: InjectedFault = SPARED
    outcome: Outcome | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, order=True)
class _Late:
    """A request that will be carried out when its time has come, whoever still listens."""

    due: float
    seq: int
    exchange: _Exchange = field(compare=False)


class App:
    """The sandbox as a plain ASGI application."""

    def __init__(
        self,
        *,
        settings: Settings,
        api: Api,
        faults: Faults,
        ledger: Ledger,
        control: Control | None,
        clock: Callable[[], float],
        sleep: Sleep,
    ) -> None:
        self._settings = settings
        self._api = api
        self._faults = faults
        self._ledger = ledger
        self._control = control
        self._clock = clock
        self._sleep = sleep
        self._late: list[_Late] = []
        self._in_flight = 0
        self._dated: tuple[int, Header] = (-1, (b"date", b""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and stop of a server."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        self._in_flight += 1
        try:
            await self._serve(scope, Wire(scope, receive, send))
        except ClientGoneError:
            pass
        finally:
            self._in_flight -= 1

    def settle(self, until: float | None = None) -> None:
        """Carry out the late requests that are due by now, or by a given instant."""
        horizon = self._clock() if until is None else until
        while self._late and self._late[0].due <= horizon:
            exchange = heapq.heappop(self._late).exchange
            outcome = exchange.outcome = self._perform(exchange, exchange.verdict.twist)
            if exchange.entry is None:
                self._write(exchange, outcome, status=outcome.answer.status)
            else:
                self._write(exchange, outcome, status=None, told=False, cause=exchange.seq)

    async def _serve(self, scope: Scope, wire: Wire) -> None:
        now = self._clock()
        self.settle(now)
        exchange = _Exchange(
            seq=0,
            arrived=now,
            in_flight=self._in_flight,
            wire=wire,
            request=Request(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=dict(scope["headers"]),
            ),
        )
        if self._control is not None and exchange.request.path.startswith(PREFIX):
            await self._serve_control(exchange, self._control)
            return
        exchange.seq = self._ledger.number()
        try:
            await self._handle(exchange)
        finally:
            if exchange.entry is None:
                # Cancelled or hung up before the outcome: the book still has to show the request.
                self._write(exchange, None, status=None)

    async def _serve_control(self, exchange: _Exchange, control: Control) -> None:
        try:
            request = await self._read_body(exchange)
            answer = control.perform(request)
        except Refusal as refusal:
            answer = refusal.answer()
        await self._send(exchange, answer)

    async def _handle(self, exchange: _Exchange) -> None:
        try:
            request = exchange.request
            exchange.route = self._api.route(request.method, request.path)
            if request.method == "POST":
                exchange.request = await self._read_body(exchange)
        except Refusal as refusal:
            await self._tell(exchange, Outcome(answer=refusal.answer()))
            return
        if self._faults:
            asked = self._ask(exchange, exchange.route)
            exchange.verdict = self._faults.judge(asked, self._clock())
        delay = self._settings.latency + exchange.verdict.delay
        if delay > 0:
            await self._sleep(delay)
        await self._answer(exchange, exchange.verdict.answer)

    async def _answer(self, exchange: _Exchange, rule: FaultRule | None) -> None:
        if rule is None:
            await self._tell(exchange, self._perform(exchange, exchange.verdict.twist))
            return
        match rule.fault:
            case Fault.STATUS | Fault.CAP | Fault.RATE | Fault.REDIRECT:
                await self._tell_instead(exchange, rule)
            case Fault.DROP:
                self._write(exchange, None, status=None)
                await exchange.wire.kill()
            case Fault.LOST:
                outcome = self._perform(exchange, exchange.verdict.twist)
                self._write(exchange, outcome, status=None, told=False)
                await exchange.wire.kill()
            case Fault.LATE:
                await self._answer_late(exchange, rule)
            case Fault.SLOW | Fault.DRIP:
                await self._answer_slowly(exchange, rule)
            case _:
                await self._spoil(exchange, rule)

    async def _tell(self, exchange: _Exchange, outcome: Outcome) -> None:
        self._write(exchange, outcome, status=outcome.answer.status)
        await self._send(exchange, outcome.answer)

    async def _tell_instead(self, exchange: _Exchange, rule: FaultRule) -> None:
        outcome = self._perform(exchange, exchange.verdict.twist) if rule.executed else None
        answer = inject(rule, self._clock())
        self._write(exchange, outcome, status=answer.status, told=outcome is None)
        await self._send(exchange, answer)

    async def _answer_late(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out later, even if by then nobody waits for the answer."""
        try:
            if exchange.route is not None:
                exchange.caller = self._api.authenticate(exchange.request, exchange.route)
        except Refusal as refusal:
            await self._tell(exchange, Outcome(answer=refusal.answer()))
            return
        late = _Late(self._clock() + rule.amount, exchange.seq, exchange)
        heapq.heappush(self._late, late)
        if rule.hangup:
            self._miss(exchange)
            await exchange.wire.kill()
        elif await self._is_awaited(exchange, rule.amount):
            self.settle(late.due)
            if exchange.outcome is not None:
                await self._send(exchange, exchange.outcome.answer)
            return
        # Nobody else may come by to carry it out when its time has come.
        await self._sleep(max(0.0, late.due - self._clock()))
        self.settle(late.due)

    async def _is_awaited(self, exchange: _Exchange, seconds: float) -> bool:
        """Let time pass, and say whether the client has waited; notes it if not."""
        patient = False
        try:
            patient = await exchange.wire.outlasts(self._sleep, seconds)
        finally:
            if not patient:
                self._miss(exchange)
        return patient

    async def _answer_slowly(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out now; the answer takes its time."""
        outcome = self._perform(exchange, exchange.verdict.twist)
        answer = outcome.answer
        self._write(exchange, outcome, status=answer.status)
        if rule.fault is Fault.SLOW:
            if await self._is_awaited(exchange, rule.amount):
                await self._send(exchange, answer)
            return
        heard = False
        try:
            parts = drip(answer.body, rule.chunk, rule.amount, self._sleep)
            await exchange.wire.stream(answer.status, self._headers(answer), parts)
            heard = True
        finally:
            if not heard:
                self._miss(exchange)

    def _miss(self, exchange: _Exchange) -> None:
        """Note that the client left before it heard anything."""
        if exchange.entry is None:
            self._write(exchange, None, status=None)
        else:
            self._ledger.correct(exchange.entry)

    async def _spoil(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out and send its answer in a form that nobody can use."""
        outcome = self._perform(exchange, exchange.verdict.twist)
        answer, size, wire = outcome.answer, int(rule.amount), exchange.wire
        self._write(exchange, outcome, status=answer.status, told=False)
        headers = self._headers(answer)
        match rule.fault:
            case Fault.TRUNCATE:
                await wire.cut(answer, size)
            case Fault.OVERSIZE:
                await wire.stream(answer.status, headers, pad(answer.body, size))
            case Fault.BOMB:
                packed = (*headers, (b"content-encoding", b"gzip"))
                await wire.stream(answer.status, packed, bomb(answer.body, size))
            case _:
                broken = answer.body[: len(answer.body) // 2] + b"\xff\x00<"
                await self._send(exchange, SandboxResponse(status=answer.status, body=broken))

    def _perform(self, exchange: _Exchange, twist: Twist) -> Outcome:
        """Carry out a request at one instant; a refusal is an outcome like any other."""
        route = exchange.route or Route.WORKLOADS
        try:
            if exchange.caller is None:
                exchange.caller = self._api.authenticate(exchange.request, route)
            return self._api.perform(exchange.request, route, exchange.caller, twist)
        except Refusal as refusal:
            return Outcome(answer=refusal.answer())

    async def _read_body(self, exchange: _Exchange) -> Request:
        request = exchange.request
        declared = request.headers.get(b"content-length")
        body = await exchange.wire.read_body(declared, self._settings.max_body)
        return request._replace(body=body)

    def _ask(self, exchange: _Exchange, route: Route) -> Asked:
        """Describe a request to the rules."""
        request = exchange.request
        subject: tuple[str | None, ...] = (None, None, None)
        if route is Route.WORKLOADS:
            if request.method == "POST":
                subject = peek(request.body)
            elif (workload := self._api.addressed(request.path)) is not None:
                subject = (workload.project_id, workload.name, workload.kind)
        project, name, kind = subject
        return Asked(
            method=request.method,
            route=route,
            path=request.path,
            project=project,
            name=name,
            kind=kind,
            in_flight=exchange.in_flight,
        )

    def _subject(self, exchange: _Exchange) -> tuple[str | None, str | None]:
        """Which workload a request was about that came to nothing."""
        request = exchange.request
        if exchange.route is Route.WORKLOADS and request.method == "POST":
            return peek(request.body)[:2]
        workload = self._api.addressed(request.path)
        return (None, None) if workload is None else workload.address

    def _write(
        self,
        exchange: _Exchange,
        outcome: Outcome | None,
        *,
        status: int | None,
        told: bool = True,
        cause: int | None = None,
    ) -> None:
        """Enter a request into the ledger; from here on its outcome is decided."""
        workload = None if outcome is None else outcome.workload
        project_id, name = self._subject(exchange) if workload is None else workload.address
        caller = exchange.caller or _NO_CALLER
        entry = Entry(
            seq=exchange.seq if cause is None else self._ledger.number(),
            cause=cause,
            arrived=exchange.arrived,
            decided=self._clock(),
            method=exchange.request.method,
            path=exchange.request.path,
            caller=caller.client_id or None,
            project_id=project_id,
            name=name,
            id=None if workload is None else workload.id,
            marker=None if outcome is None else outcome.marker,
            status=status,
            effect=None if outcome is None else outcome.effect,
            fault=exchange.verdict.label,
            in_flight=exchange.in_flight,
            told=told,
        )
        exchange.entry = entry
        self._ledger.write(entry)

    async def _send(self, exchange: _Exchange, answer: SandboxResponse) -> None:
        headers = self._headers(answer)
        await exchange.wire.send(answer.status, answer.body, headers)

    def _headers(self, answer: SandboxResponse) -> tuple[Header, ...]:
        """Add the date by the sandbox's own clock, written once a second."""
        now = int(self._clock())
        if self._dated[0] != now:
            self._dated = (now, (b"date", formatdate(now, usegmt=True).encode()))
        return (*answer.headers, self._dated[1])


async def _live(receive: Receive, send: Send) -> None:
    """Follow the server's start and stop; nothing hangs on either."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
