"""Finds out whether an apply from here could work, and changes nothing."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.login.credentials import (
    ClientCredentials,
    Credentials,
    FixedToken,
    credentials_from,
)
from reconciler.api.secret import Secret
from reconciler.app.repositories import read_config
from reconciler.app.session import Connector
from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.app.state.beside_server import pin_of
from reconciler.app.state.states import inspect, read_state
from reconciler.app.status.api_version import check_api_version
from reconciler.app.status.environment_report import (
    connection_facts,
    credentials_facts,
    list_settings,
    list_versions,
    normalised,
)
from reconciler.app.target import CheckedServer, PinnedTarget
from reconciler.core.diagnostics import has_errors
from reconciler.core.model import Address
from reconciler.core.protocol.api_results import (
    Accepted,
    Ambiguous,
    ApiResult,
    Listed,
    NotFound,
    NotSent,
    Refused,
    TooManyRequests,
    Unauthorised,
    Unavailable,
    is_from_elsewhere,
)
from reconciler.core.states.places import FilePlace, ObjectPlace, PostgresPlace, StatePlace
from reconciler.errors import InvalidInputError, ReconcilerError, UnreachableError
from reconciler.report.text.doctor import Check, DoctorReport, Level
from reconciler.specs.config import Config
from reconciler.state.places import is_there, report_storage, summarize_state, try_lock
from reconciler.values import dataclass

T = TypeVar("T")

# A server that is only busy for a moment has nothing wrong with it.
ATTEMPTS = 3
PAUSE = 1.0
# What each question gets even if the time of the whole is over: all of them are asked.
LEAST_PATIENCE = 0.5
# A Date has no fractions, and a response takes its time.
MOST_SKEW = 5.0
# A name that no workload has: the response shows whether the list may be asked, and holds nothing.
NOBODY = "reconciler-doctor"

_PASSING = (Ambiguous, NotSent, TooManyRequests, Unavailable)
_UNREACHED = UnreachableError.exit_code
_ROLE = "give the account a role that may read workloads in the projects of these specs"


@dataclass(kw_only=True)
class _Doctor:
    """Looks at one thing after the other; what goes wrong becomes a check with a problem.

    `ends` is a time of the monotonic clock after which no response is waited for.
    """

    connector: Connector
    ends: float
    checks: list[Check] = field(default_factory=list)
    skew: float | None = None

    def say(self, name: str, level: Level, message: str, hint: str = "", code: int = 0) -> None:
        """Note down the result of one check."""
        self.checks.append(
            Check(name=name, level=level, message=message, hint=hint, exit_code=code)
        )

    def ok(self, name: str, message: str) -> None:
        """Nothing is wrong with it."""
        self.say(name, Level.OK, message)

    def skip(self, *names: str, reason: str) -> None:
        """Note down checks that nobody could make."""
        for name in names:
            self.say(name, Level.SKIPPED, reason)

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """The result of the work; an error is the problem of this check."""
        try:
            return work()
        except ReconcilerError as error:
            self.say(name, Level.PROBLEM, error.message, error.hint, error.exit_code)
            return None

    async def ask(self, send: Callable[[], Awaitable[ApiResult | None]]) -> ApiResult | None:
        """Send, and again if that may help; remembers how far the server's clock is from ours."""
        response: ApiResult | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                if self.connector.clock.monotonic() + PAUSE > self.ends:
                    break
                await self.connector.clock.sleep(PAUSE)
            began = self.connector.clock.now()
            remaining = self.ends - self.connector.clock.monotonic()
            try:
                async with asyncio.timeout(max(remaining, LEAST_PATIENCE)):
                    response = await send()
            except TimeoutError:
                return NotSent(message="no answer within the --deadline")
            if response is not None and response.date:
                # The server wrote its Date somewhere between the question and its response.
                middle = began + (self.connector.clock.now() - began) / 2
                self.skew = (datetime.fromisoformat(response.date) - middle).total_seconds()
            if not isinstance(response, _PASSING) or getattr(response, "permanent", False):
                break
            if is_from_elsewhere(response):
                break
        return response

    def refused(self, name: str, response: ApiResult | None) -> None:
        """Note down a response that no apply could work with, and what to do about it."""
        message = response.description if response else "no answer"
        if isinstance(response, Unauthorised):
            hint = "check RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET, RUNAI_TOKEN or --token-file"
        elif response is not None and is_from_elsewhere(response):
            message, hint = f"the server does not speak the API: {message}", "check --url"
        elif isinstance(response, NotSent):
            hint = "check --url, the network, --ca-file and --use-env-proxy"
        else:
            hint = "an apply goes on trying until its --deadline"
        self.say(name, Level.PROBLEM, message, hint, _UNREACHED)


async def examine(
    folder: Path, flags: Flags, *, environ: Mapping[str, str], connector: Connector
) -> DoctorReport:
    """Look at everything that an apply of a folder needs; nothing is raised or changed."""
    doctor = _Doctor(connector=connector, ends=connector.clock.monotonic() + flags.deadline)

    def read() -> tuple[Path, Config]:
        if not folder.exists():
            raise InvalidInputError(f"there is nothing at {folder}", hint="give an existing folder")
        return read_config(folder, flags)

    repository = doctor.attempt("configuration", read)
    if repository is None:
        return DoctorReport(checks=doctor.checks, versions=list_versions())
    root, config = repository
    _check_config(doctor, config)
    settings = doctor.attempt(
        "settings", lambda: resolve_settings(flags, config, root=root, environ=environ)
    )
    if settings is None:
        return DoctorReport(checks=doctor.checks, versions=list_versions())
    pin = _check_machine(doctor, settings)
    await _check_network(doctor, settings, environ, pin)
    return DoctorReport(
        checks=doctor.checks,
        settings=tuple(list_settings(settings, config, environ)),
        versions=list_versions(),
    )


def _check_config(doctor: _Doctor, config: Config) -> None:
    diagnostics = config.diagnostics
    if not diagnostics:
        doctor.ok("configuration", str(config.path) if config.path else "no reconciler.yaml")
        return
    first, *others = diagnostics
    count = f" (and {len(others)} more)" if others else ""
    doctor.say(
        "configuration",
        Level.PROBLEM if has_errors(diagnostics) else Level.WARNING,
        f"{first.where}: {first.message}{count}",
        first.hint or "'reconciler validate' shows all findings",
        InvalidInputError.exit_code if has_errors(diagnostics) else 0,
    )


def _check_machine(doctor: _Doctor, settings: Settings) -> PinnedTarget | None:
    """What an apply meets before the network: the address, the state and its lock."""
    url = doctor.attempt("server", lambda: normalised(settings))
    if url is not None:
        doctor.ok("server", url)
    match settings.state:
        case PostgresPlace():
            _check_storage(doctor, "database", settings.state)
        case ObjectPlace():
            _check_storage(doctor, "bucket", settings.state)
        case FilePlace():
            pass
    exists = doctor.attempt("state", lambda: is_there(settings.state))
    if exists is False:
        doctor.say(
            "state",
            Level.WARNING,
            f"there is none at {settings.state}",
            "if the repository is new, the first apply makes one with --init; otherwise restore "
            "it first, or run 'reconciler state recover'",
        )
    if not exists:
        doctor.skip("lock", reason="there is no state to lock")
        return None
    pin = doctor.attempt("state", lambda: _check_state(doctor, settings.state))

    def lock() -> None:
        try_lock(settings.state, "reconciler doctor")
        doctor.ok("lock", "it can be taken: no other run has it")

    doctor.attempt("lock", lock)
    return pin


def _check_storage(doctor: _Doctor, name: str, place: PostgresPlace | ObjectPlace) -> None:
    """Who serves the state, by which way, and what this account may do there."""
    report = doctor.attempt(name, lambda: report_storage(place))
    if report is None:
        return
    doctor.ok(name, report.facts)
    for flaw in report.flaws:
        doctor.say(name, Level.WARNING, flaw.message, flaw.hint)


def _check_state(doctor: _Doctor, place: StatePlace) -> PinnedTarget | None:
    with read_state(place) as store:
        header, pin = store.header, pin_of(store)
        copies = "" if isinstance(place, FilePlace) else f", {len(store.copies())} copies"
    flaws, recorded = inspect(place).flaws, summarize_state(place)
    doubts = recorded.in_doubt
    facts = (
        f"{place}: {sum(recorded.owned.values())} recorded, {doubts} in doubt, "
        f"lineage {header.lineage}, serial {header.serial}{copies}"
    )
    if flaws:
        doctor.say("state", Level.WARNING, f"{facts}; {flaws[0].message}", flaws[0].hint)
    elif isinstance(place, FilePlace) and not os.access(place.path, os.W_OK):
        hint = "an apply writes to it: let this user do so"
        doctor.say("state", Level.PROBLEM, f"{facts}; it is not writable", hint, 1)
    elif doubts:
        hint = "the next apply looks for them; 'reconciler state list' names them"
        doctor.say("state", Level.WARNING, facts, hint)
    else:
        doctor.ok("state", facts)
    return pin


async def _check_network(
    doctor: _Doctor, settings: Settings, environ: Mapping[str, str], pin: PinnedTarget | None
) -> None:
    """What an apply meets on the network: who we are, the route, the login, the rights."""
    server = _check_server(doctor, settings, pin)
    credentials = doctor.attempt(
        "credentials", lambda: credentials_from(environ, settings.token_file)
    )
    if credentials is not None:
        doctor.ok("credentials", credentials_facts(credentials, settings))
    api, clusters = None, None
    if server is not None:
        # Whether the files and the proxy can be used does not depend on who we are.
        user = credentials or FixedToken(token=Secret(value=""))
        api = doctor.attempt("connection", lambda: doctor.connector.client(server, settings, user))
    if api is not None:
        doctor.ok("connection", connection_facts(api.url, settings, environ))
    if api is None or credentials is None:
        reason = "not tried, because of the problems above"
        doctor.skip("login", "read", "list", "clock", reason=reason)
    else:
        if await _check_rights(doctor, api, settings, pin, credentials):
            clusters = await doctor.ask(api.find_cluster_versions)
        if doctor.skew is None:
            doctor.skip("clock", reason="no response had the server's time")
        elif abs(doctor.skew) > MOST_SKEW:
            direction = "ahead of" if doctor.skew < 0 else "behind"
            doctor.say(
                "clock",
                Level.WARNING,
                f"this machine is {abs(doctor.skew):.0f} s {direction} the server",
                "records go by the server's time; logs, tokens and certificates do not: use NTP",
            )
        else:
            doctor.ok("clock", f"within {MOST_SKEW:.0f} s of the server's")
    if api is not None:
        await api.aclose()
    doctor.checks.append(check_api_version(settings, pin, clusters))


def _check_server(
    doctor: _Doctor, settings: Settings, pin: PinnedTarget | None
) -> CheckedServer | None:
    """Whether anything may be sent there at all, asked before anything is."""
    server = None
    try:
        normalised(settings)
    except ReconcilerError:
        # The check of the server has told why.
        doctor.skip("target", reason="there is no address to connect to")
    else:
        server = doctor.attempt("target", lambda: doctor.connector.check(settings, pin))
    if server is None:
        doctor.skip("connection", reason="there is no server that may be connected to")
    elif pin is None:
        doctor.skip("target", reason="there is no state to compare with")
    elif not pin.binds:
        doctor.ok("target", "the state records nothing yet, so it binds no run to another server")
    else:
        doctor.ok("target", f"the state belongs to this server and to stack {settings.stack}")
    return server


async def _check_rights(
    doctor: _Doctor,
    api: HttpWorkloadApi,
    settings: Settings,
    pin: PinnedTarget | None,
    credentials: Credentials,
) -> bool:
    """Whether the API answers us at all comes out of it."""
    response = await doctor.ask(api.login)
    if response is not None:
        doctor.refused("login", response)
        doctor.skip("read", "list", reason="not tried without a login")
        return False
    if not doctor.attempt("login", lambda: doctor.connector.check_login(settings, pin, api)):
        doctor.skip("read", "list", reason="not tried with a token of another login")
        return False
    # An id that no workload has: the response shows what may be read, and holds nothing.
    response = await doctor.ask(lambda: api.read(str(uuid.uuid4())))
    is_api = response is not None and not is_from_elsewhere(response)
    token = f"there is a token{f', issued by {api.issuer}' if api.issuer else ''}"
    # A token at hand was sent to nobody for the login: only a reading shows that it is accepted.
    is_accepted = is_api and isinstance(response, Accepted | NotFound | Refused)
    if isinstance(credentials, ClientCredentials) or is_accepted:
        doctor.ok("login", token)
    elif isinstance(response, Unauthorised):
        doctor.refused("login", response)
        doctor.skip("read", "list", reason="not tried without a login")
        return False
    else:
        doctor.skip("login", reason=f"{token}; no response has shown yet that it is accepted")
    match response:
        case NotFound(trusted=True) | Accepted():
            doctor.ok(
                "read",
                "workloads may be read (an unknown id was answered with 404); whether they may be "
                "created and deleted is not tried",
            )
        case Refused() if is_api:
            message = f"workloads may not be read: {response.message}"
            doctor.say("read", Level.PROBLEM, message, _ROLE, _UNREACHED)
        case _:
            doctor.refused("read", response)
    if not is_api:
        doctor.skip("list", reason="not tried with a server that does not speak the API")
    elif not settings.discovery:
        doctor.ok("list", f"not asked for (discovery: off, from {settings.origins['discovery']})")
    else:
        await _check_listing(doctor, api, settings, pin)
    return is_api


async def _check_listing(
    doctor: _Doctor, api: HttpWorkloadApi, settings: Settings, pin: PinnedTarget | None
) -> None:
    # A project that these specs are about, as far as the state or the limits know one.
    recorded = summarize_state(settings.state).addresses if pin is not None else ()
    projects = [address.partition("/")[0] for address in recorded[:1]]
    project = next(iter((*projects, *settings.allowed_projects)), "0")
    response = await doctor.ask(lambda: api.find(Address(project=project, name=NOBODY)))
    match response:
        case Listed(trusted=True):
            doctor.ok("list", f"workloads may be listed by name (asked for project {project})")
        case Listed() | NotFound():
            hint = "creates in doubt then need 'reconciler state resolve'; set discovery: off"
            doctor.say("list", Level.WARNING, "the server has no list of workloads", hint)
        case Refused(is_redirect=False):
            message = f"workloads of project {project} may not be listed: {response.message}"
            doctor.say("list", Level.WARNING, message, f"{_ROLE}, or set discovery: off")
        case _:
            reason = response.message if response else ""
            hint = "lost answers are looked up there; try again, or set discovery: off"
            if response is not None and is_from_elsewhere(response):
                reason = f"the answer does not come from the API: {reason}"
                hint = "let the list through to the API as well, or set discovery: off"
            doctor.say("list", Level.WARNING, f"the list could not be read: {reason}", hint)
