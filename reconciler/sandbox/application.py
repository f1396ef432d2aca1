"""The ASGI application: every request passes the rules, the API, the ledger and the connection."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from reconciler.sandbox.api.control import PREFIX, Control
from reconciler.sandbox.api.endpoints import Api, Outcome
from reconciler.sandbox.connection import (
    ClientGoneError,
    Connection,
    Receive,
    Scope,
    Send,
    Sleep,
    drip,
    gzip_padded,
    padded,
)
from reconciler.sandbox.faults.injection import inject, peek
from reconciler.sandbox.faults.plan import NO_FAULT, FaultPlan, FaultTarget, InjectedFault
from reconciler.sandbox.faults.rules import Fault, FaultRule, Route
from reconciler.sandbox.http import Header, Refusal, Request, SandboxResponse
from reconciler.sandbox.ledger import Entry, Ledger
from reconciler.sandbox.settings import Credential, Settings

_WITH_BODY = frozenset({"POST", "PUT"})


# A value that grows: each step of a request fills in what it has found out, and the ledger shows
# as much as is filled in, also of a request that was cancelled half-way.
@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request on its way through the sandbox."""

    seq: int
    arrived: float
    in_flight: int
    connection: Connection
    request: Request
    route: Route | None = None
    caller: Credential | None = None
    injected: InjectedFault = NO_FAULT
    outcome: Outcome | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, order=True)
class _HeldRequest:
    """A request that will be carried out when it is due, whether or not its client still waits."""

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
        faults: FaultPlan,
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
        self._held: list[_HeldRequest] = []
        self._in_flight = 0
        # Formatting a date costs more than the rest of the headers: once a second is enough.
        self._dated: tuple[int, Header] = (-1, (b"date", b""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the start and stop of a server."""
        if scope["type"] == "lifespan":
            stopped = False
            while not stopped:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                stopped = message["type"] == "lifespan.shutdown"
            return
        # Counted from the first byte: a slow answer is in flight until it has gone out.
        self._in_flight += 1
        try:
            await self._serve(scope, Connection(scope, receive, send))
        except ClientGoneError:
            pass
        finally:
            self._in_flight -= 1

    def settle(self, until: float | None = None) -> None:
        """Carry out the held requests that are due by now, or by a given instant."""
        horizon = self._clock() if until is None else until
        while self._held and self._held[0].due <= horizon:
            exchange = heapq.heappop(self._held).exchange
            outcome = exchange.outcome = self._perform(exchange)
            # An entry is there already when the client has left: it says that nothing was heard,
            # and what is done now is an entry of its own.
            if exchange.entry is None:
                self._write(exchange, outcome, status=outcome.response.status)
            else:
                self._write(exchange, outcome, status=None, told=False, cause=exchange.seq)

    async def _serve(self, scope: Scope, connection: Connection) -> None:
        now = self._clock()
        # Nothing ticks in here: held requests come true before the next one looks at the world.
        self.settle(now)
        exchange = _Exchange(
            seq=0,
            arrived=now,
            in_flight=self._in_flight,
            connection=connection,
            request=Request(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=dict(scope["headers"]),
            ),
        )
        if self._control is not None and exchange.request.path.startswith(PREFIX):
            try:
                response = self._control.perform(await self._read_body(exchange))
            except Refusal as refusal:
                response = refusal.to_response()
            await self._send(exchange, response)
            return
        exchange.seq = self._ledger.number()
        try:
            await self._serve_api(exchange)
        finally:
            if exchange.entry is None:
                # Cancelled or hung up before the outcome: the ledger still shows the request.
                self._write(exchange, None, status=None)

    async def _serve_api(self, exchange: _Exchange) -> None:
        """Route a request, let the rules strike it, and respond to it."""
        try:
            request = exchange.request
            exchange.route = self._api.route(request.method, request.path)
            if request.method in _WITH_BODY:
                exchange.request = await self._read_body(exchange)
        except Refusal as refusal:
            await self._respond(exchange, Outcome(response=refusal.to_response()))
            return
        if self._faults:
            project, name, kind = self._subject(exchange)
            target = FaultTarget(
                method=request.method,
                route=exchange.route,
                path=request.path,
                project=project,
                name=name,
                kind=kind,
                in_flight=exchange.in_flight,
            )
            exchange.injected = self._faults.decide(target, self._clock())
        # Latency comes before the request is carried out: the world may change meanwhile.
        delay = self._settings.latency + exchange.injected.delay
        if delay > 0:
            await self._sleep(delay)
        rule = exchange.injected.rule
        if rule is None:
            await self._respond(exchange, self._perform(exchange))
        else:
            await self._respond_with_fault(exchange, rule)

    async def _respond_with_fault(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Respond to a request in the way of the rule that struck it."""
        match rule.fault:
            case Fault.STATUS | Fault.CAP | Fault.RATE | Fault.REDIRECT:
                outcome = self._perform(exchange) if rule.executed else None
                response = inject(rule, self._clock())
                self._write(exchange, outcome, status=response.status, told=outcome is None)
                await self._send(exchange, response)
            case Fault.DROP:
                # Written before the connection dies: in process that raises.
                self._write(exchange, None, status=None)
                await exchange.connection.kill()
            case Fault.LOST:
                self._write(exchange, self._perform(exchange), status=None, told=False)
                await exchange.connection.kill()
            case Fault.LATE:
                await self._hold(exchange, rule)
            case Fault.SLOW | Fault.DRIP:
                await self._respond_slowly(exchange, rule)
            case _:
                await self._respond_spoiled(exchange, rule)

    async def _respond(self, exchange: _Exchange, outcome: Outcome) -> None:
        # The ledger first: a client that has its response finds the entry there.
        self._write(exchange, outcome, status=outcome.response.status)
        await self._send(exchange, outcome.response)

    async def _hold(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out later, even if by then nobody waits for the response."""
        try:
            # A bad token is refused at once; only what would be done is held back.
            if exchange.route is not None:
                exchange.caller = self._api.authenticate(exchange.request, exchange.route)
        except Refusal as refusal:
            await self._respond(exchange, Outcome(response=refusal.to_response()))
            return
        held = _HeldRequest(self._clock() + rule.amount, exchange.seq, exchange)
        heapq.heappush(self._held, held)
        if rule.hangup:
            self._record_unheard(exchange)
            await exchange.connection.kill()
        elif await self._client_waits(exchange, rule.amount):
            self.settle(held.due)
            if exchange.outcome is not None:
                await self._send(exchange, exchange.outcome.response)
            return
        # No later request may come by to carry it out, so this one stays until it is due.
        await self._sleep(max(0.0, held.due - self._clock()))
        self.settle(held.due)

    async def _respond_slowly(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out now; the response takes its time."""
        outcome = self._perform(exchange)
        response = outcome.response
        self._write(exchange, outcome, status=response.status)
        if rule.fault is Fault.SLOW:
            if await self._client_waits(exchange, rule.amount):
                await self._send(exchange, response)
            return
        heard = False
        # A client that hangs up cancels this coroutine, so only `finally` notices it.
        try:
            parts = drip(response.body, rule.chunk, rule.amount, self._sleep)
            await exchange.connection.stream(response.status, self._headers(response), parts)
            heard = True
        finally:
            if not heard:
                self._record_unheard(exchange)

    async def _client_waits(self, exchange: _Exchange, seconds: float) -> bool:
        """Let time pass; say whether the client has waited, and record it if not."""
        patient = False
        try:
            patient = await exchange.connection.outlasts(self._sleep, seconds)
        finally:
            if not patient:
                self._record_unheard(exchange)
        return patient

    def _record_unheard(self, exchange: _Exchange) -> None:
        """Record that the client left before it heard anything."""
        if exchange.entry is None:
            self._write(exchange, None, status=None)
        else:
            self._ledger.correct(exchange.entry)

    async def _respond_spoiled(self, exchange: _Exchange, rule: FaultRule) -> None:
        """Carry the request out and send its response in a form that nobody can use."""
        outcome = self._perform(exchange)
        response, size, connection = outcome.response, int(rule.amount), exchange.connection
        self._write(exchange, outcome, status=response.status, told=False)
        headers = self._headers(response)
        match rule.fault:
            case Fault.TRUNCATE:
                await connection.cut(response, size)
            case Fault.OVERSIZE:
                await connection.stream(response.status, headers, padded(response.body, size))
            case Fault.BOMB:
                packed = (*headers, (b"content-encoding", b"gzip"))
                await connection.stream(response.status, packed, gzip_padded(response.body, size))
            case _:
                # No UTF-8 and no JSON, whatever a reader is willing to forgive.
                broken = response.body[: len(response.body) // 2] + b"\xff\x00<"
                await self._send(exchange, response._replace(body=broken))

    def _perform(self, exchange: _Exchange) -> Outcome:
        """Carry out a request at one instant; a refusal is an outcome like any other."""
        route = exchange.route or Route.WORKLOADS
        try:
            if exchange.caller is None:
                exchange.caller = self._api.authenticate(exchange.request, route)
            return self._api.perform(
                exchange.request, route, exchange.caller, exchange.injected.workload
            )
        except Refusal as refusal:
            return Outcome(response=refusal.to_response())

    async def _read_body(self, exchange: _Exchange) -> Request:
        request = exchange.request
        declared = request.headers.get(b"content-length")
        body = await exchange.connection.read_body(declared, self._settings.max_body)
        return request._replace(body=body)

    def _subject(self, exchange: _Exchange) -> tuple[str | None, str | None, str | None]:
        """Project, name and kind of the workload that a request is about, as far as it is clear."""
        request = exchange.request
        if exchange.route is Route.WORKLOADS and request.method == "POST":
            return peek(request.body)
        workload = self._api.addressed(request.path)
        return (None, None, None) if workload is None else (*workload.address, workload.kind)

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
        project_id, name = self._subject(exchange)[:2] if workload is None else workload.address
        entry = Entry(
            seq=exchange.seq if cause is None else self._ledger.number(),
            cause=cause,
            arrived=exchange.arrived,
            decided=self._clock(),
            method=exchange.request.method,
            path=exchange.request.path,
            caller=None if exchange.caller is None else exchange.caller.client_id,
            project_id=project_id,
            name=name,
            id=None if workload is None else workload.id,
            marker=None if outcome is None else outcome.marker,
            status=status,
            effect=None if outcome is None else outcome.effect,
            fault=exchange.injected.label,
            in_flight=exchange.in_flight,
            told=told,
            update=None if outcome is None else outcome.update,
        )
        exchange.entry = entry
        self._ledger.write(entry)

    async def _send(self, exchange: _Exchange, response: SandboxResponse) -> None:
        await exchange.connection.send(response.status, response.body, self._headers(response))

    def _headers(self, response: SandboxResponse) -> tuple[Header, ...]:
        """Add the date by the sandbox's own clock, written once a second."""
        now = int(self._clock())
        if self._dated[0] != now:
            self._dated = (now, (b"date", formatdate(now, usegmt=True).encode()))
        return (*response.headers, self._dated[1])
