"""One connection to a control plane, with everything that sends through it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.connection.client_certificate import ClientCertificate
from reconciler.api.connection.proxies import proxy_for
from reconciler.api.connection.transport import make_transport
from reconciler.api.login.credentials import Credentials, credentials_from
from reconciler.app.applying.request_stats import CountingDispatcher, RequestStats
from reconciler.app.settings import Settings
from reconciler.app.target import (
    CheckedServer,
    ConfirmServer,
    PinnedTarget,
    check_server,
    need_same_target,
)
from reconciler.core.model import Target
from reconciler.core.protocol.api_results import (
    ApiResult,
    Listed,
    Method,
    NotSent,
    Unauthorised,
    is_from_elsewhere,
)
from reconciler.core.protocol.retry import SendCounts
from reconciler.engine.refresh import probe, unless_ended
from reconciler.engine.requests.clock import SystemClock
from reconciler.engine.requests.dispatcher import Dispatcher, StopSignal
from reconciler.engine.requests.servertime import ServerTime
from reconciler.errors import UnreachableError
from reconciler.ports import Clock, EventListener, WorkloadApi
from reconciler.values import dataclass

if TYPE_CHECKING:
    import httpx

    from reconciler.api.wire.direct import DirectTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A logged-in client and the dispatcher in front of it.

    `target` is what the login has shown of the server, and `pin` what the state was used with
    before. `deadline` is a time of the monotonic clock.
    """

    target: Target
    pin: PinnedTarget | None
    api: WorkloadApi
    dispatcher: Dispatcher
    halt: StopSignal
    clock: Clock
    rng: random.Random
    deadline: float
    say: EventListener

    def need_tenant(self, tenant_id: int | None) -> None:
        """Raise GuardError for workloads of another tenant than the state's.

        No login names a tenant: only a workload that was read does, so each reading asks this.
        """
        # This is asked of every workload that is read, so equal ones are not compared further.
        if self.pin is not None and tenant_id not in (None, self.pin.target.tenant_id):
            need_same_target(self.pin, replace(self.target, tenant_id=tenant_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """Opens sessions; a test gives its own transport and clock.

    `confirm` asks a person about a server, where there is one to ask. `traffic` counts what all
    of them send and meet.
    """

    environ: Mapping[str, str]
    clock: Clock
    confirm: ConfirmServer | None = None
    transport: Callable[[], httpx.AsyncBaseTransport] | None = None
    seed: int | None = None
    traffic: RequestStats = field(default_factory=RequestStats)

    @classmethod
    def system(cls, environ: Mapping[str, str], confirm: ConfirmServer | None = None) -> Connector:
        """The one that talks to the network in real time."""
        return cls(environ=environ, clock=SystemClock(), confirm=confirm)

    def check(self, settings: Settings, pin: PinnedTarget | None) -> CheckedServer:
        """The server that may be spoken to; raises as `check_server` does."""
        return check_server(settings, pin, environ=self.environ, confirm=self.confirm)

    def check_login(
        self, settings: Settings, pin: PinnedTarget | None, api: HttpWorkloadApi
    ) -> Target:
        """The target of a run after its login; raises GuardError for another than the state's."""
        target = Target(url=api.url, stack=settings.stack, issuer=api.issuer)
        need_same_target(pin, target)
        return target

    @asynccontextmanager
    async def open_session(
        self, settings: Settings, pin: PinnedTarget | None, say: EventListener
    ) -> AsyncIterator[Session]:
        """Log in to the server that a state belongs to; without a state, `pin` is None.

        Raises GuardError for another server, login or stack than the state's, before anything is
        sent to it, and for a server that nobody has confirmed; UnreachableError when it cannot be
        reached, is not the API, or does not let us in.
        """
        server = self.check(settings, pin)
        clock = self.clock
        rng = random.Random(self.seed)  # noqa: S311 - jitter needs independence, not secrecy
        # The deadline is that of the whole command, and reading the specs has used a part of it.
        deadline = clock.monotonic() + settings.deadline - settings.spent
        halt, server_time = StopSignal(), ServerTime(clock)

        def dispatcher(*, reached: bool) -> Dispatcher:
            return CountingDispatcher(
                self.traffic,
                clock=clock,
                ceiling=settings.concurrency,
                rng=rng,
                halt=halt,
                deadline=deadline,
                max_rps=settings.max_rps,
                server=server_time,
                reached=reached,
            )

        credentials = credentials_from(self.environ, settings.token_file)
        async with self.client(server, settings, credentials) as api:
            # Dispatchers of their own: a token at hand is a login that has reached no server.
            with unless_ended():
                await _log_in(api, dispatcher(reached=False))
                # A token at hand says who issued it before anybody is shown it.
                target = self.check_login(settings, pin, api)
                await probe(api=api, dispatcher=dispatcher(reached=False))
            session = Session(
                target=target,
                pin=pin,
                api=api,
                dispatcher=dispatcher(reached=True),
                halt=halt,
                clock=clock,
                rng=rng,
                deadline=deadline,
                say=say,
            )
            try:
                yield session
            finally:
                session.dispatcher.close()

    def client(
        self, server: CheckedServer, settings: Settings, credentials: Credentials
    ) -> HttpWorkloadApi:
        """A client that nobody has logged in yet; raises a ReconcilerError for bad settings."""
        transport: DirectTransport | httpx.AsyncBaseTransport
        if self.transport is not None:
            transport = self.transport()
        else:
            certificate, key = settings.client_cert, settings.client_key
            transport = make_transport(
                server.url,
                concurrency=settings.concurrency,
                ca_file=settings.ca_file,
                identity=ClientCertificate(certificate=certificate, key=key)
                if certificate
                else None,
                # A proxy sees where the credentials go, so a variable that somebody left set
                # must not decide about one.
                proxy=proxy_for(server.url, self.environ) if settings.use_env_proxy else None,
            )
        return HttpWorkloadApi(
            ApiSettings(
                url=server.url,
                credentials=credentials,
                request_timeout=settings.request_timeout,
                rules=settings.rules.strict,
                has_v2_token=settings.capabilities.has_v2_token,
            ),
            transport=transport,
            monotonic=self.clock.monotonic,
            on_request=self.traffic.sent,
        )


async def _log_in(api: HttpWorkloadApi, dispatcher: Dispatcher) -> None:
    """Find out at once whether the server is there and lets us in; a busy one is asked again."""

    async def attempt(_: SendCounts) -> ApiResult:
        # A login that succeeded has no result of its own; the dispatcher needs one with its date.
        return await api.login() or Listed(ids=(), date=api.date)

    response = await dispatcher.send(Method.GET, attempt)
    if isinstance(response, Listed):
        return
    if isinstance(response, Unauthorised):
        raise UnreachableError(
            f"{api.url} does not accept the credentials: {response.description}",
            hint="check RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET, RUNAI_TOKEN or --token-file",
        )
    if is_from_elsewhere(response):
        raise UnreachableError(
            f"{api.url} does not speak the API: {response.description}",
            hint="check --url; nothing was changed",
        )
    is_unreached = isinstance(response, NotSent) and not response.answered
    reason = "cannot be reached" if is_unreached else "cannot be logged in to"
    raise UnreachableError(
        f"{api.url} {reason}: {response.description}",
        hint="check --url and the network; nothing was changed",
    )
