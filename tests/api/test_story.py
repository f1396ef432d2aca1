"""The client and the sandbox, which share no code, understand each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reconciler.api.client import ApiSettings, HttpWorkloadApi
from reconciler.api.login.credentials import ClientCredentials
from reconciler.api.secret import Secret
from reconciler.core.model import LastSeen
from reconciler.core.protocol.api_results import (
    Accepted,
    Ambiguous,
    ApiResult,
    Conflict,
    Listed,
    NotFound,
    Refused,
    TooManyRequests,
    Unauthorised,
    Unavailable,
)
from reconciler.core.protocol.body import create_body
from reconciler.sandbox import (
    DEMO_CLIENT_ID,
    DEMO_SECRET,
    AfterDelete,
    ConnectionLostError,
    Project,
    Sandbox,
    Settings,
)
from tests.api.factories import ADDRESS, BODY, MANIFEST, METADATA

DEMO = ClientCredentials(client_id=DEMO_CLIENT_ID, client_secret=Secret(value=DEMO_SECRET))
PROJECTS = (Project(id="4501", name="team-a"),)
NOON = 1_772_539_200.0

Tell = Callable[[HttpWorkloadApi, Sandbox], Awaitable[Any]]


class Hands:
    """One clock for both sides, moved by the test."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """What the clock shows."""
        return self.now


class Line(httpx.ASGITransport):
    """An in-process line, on which a lost connection looks as it does on a socket."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        try:
            return await super().handle_async_request(request)
        except ConnectionLostError:
            raise httpx.ReadError("the connection was lost") from None


def story(
    tell: Tell,
    *,
    clock: Hands | None = None,
    credentials: ClientCredentials = DEMO,
    settings: Settings | None = None,
) -> Any:
    """Run calls of one client against one sandbox."""
    now = clock or Hands()
    sandbox = Sandbox(settings or Settings(projects=PROJECTS), clock=now)

    async def run() -> Any:
        wanted = ApiSettings(url="http://127.0.0.1", credentials=credentials)
        line = Line(sandbox.app)
        async with HttpWorkloadApi(wanted, transport=line, monotonic=now) as api:
            return await tell(api, sandbox)

    try:
        return asyncio.run(run())
    finally:
        sandbox.close()


@pytest.mark.parametrize("encoded", [False, True])
def test_a_workload_lives_and_is_gone(encoded: bool) -> None:
    """Created, refused a second time, found, read, deleted, and then trustedly absent."""

    async def tell(api: HttpWorkloadApi, _sandbox: Sandbox) -> None:
        body = create_body(METADATA, MANIFEST, encoded=encoded)
        created = await api.create(body)
        assert isinstance(created, Accepted), created
        workload_id = created.remote.id
        assert created.remote.address == ADDRESS
        assert created.remote.raw_manifest == MANIFEST
        assert created.date == "2026-03-03T12:00:00Z"
        assert isinstance(await api.create(body), Conflict)
        found = await api.find(ADDRESS)
        assert isinstance(found, Listed)
        assert (found.ids, found.trusted) == ((workload_id,), True)
        read = await api.read(workload_id)
        assert isinstance(read, Accepted)
        assert read.remote == replace(created.remote, seen=LastSeen.SYNCED)
        assert (read.remote.tenant_id, read.remote.desired_phase) == (1, "Running")
        deleted = await api.delete(workload_id)
        assert isinstance(deleted, Accepted)
        assert (deleted.remote.seen, deleted.remote.is_gone) == (LastSeen.DELETING, False)
        gone = await api.read(workload_id)
        assert isinstance(gone, NotFound)
        assert gone.trusted
        nothing = await api.find(ADDRESS)
        assert isinstance(nothing, Listed)
        assert (nothing.ids, nothing.trusted) == ((), True)

    story(tell)


@pytest.mark.parametrize("after", [AfterDelete.BODY, AfterDelete.BARE])
def test_a_deletion_may_leave_a_body_that_says_so(after: AfterDelete) -> None:
    """Absence is proven by the sync status or by a deletion time without one."""

    async def tell(api: HttpWorkloadApi, _sandbox: Sandbox) -> None:
        created = await api.create(BODY)
        assert isinstance(created, Accepted)
        await api.delete(created.remote.id)
        left = await api.read(created.remote.id)
        assert isinstance(left, Accepted)
        assert left.remote.is_gone

    story(tell, settings=Settings(projects=PROJECTS, after_delete=after))


def test_tokens_expire_in_the_middle_and_nothing_is_lost() -> None:
    """Each is renewed before its end, so that no call meets a 401."""
    clock = Hands()

    async def tell(api: HttpWorkloadApi, sandbox: Sandbox) -> None:
        for number in range(20):
            clock.now += 25
            named = {**METADATA, "name": f"wl-{number}"}
            assert isinstance(await api.create(create_body(named, MANIFEST)), Accepted)
        logins = [entry for entry in sandbox.ledger.entries if entry.path == "/api/v2/token"]
        assert 5 <= len(logins) <= 10
        assert {entry.status for entry in sandbox.ledger.entries} == {200, 202}
        assert api.issuer == sandbox.settings.issuer

    story(tell, clock=clock, settings=Settings(projects=PROJECTS, token_lifetime=100.0))


def test_a_401_is_survived_once() -> None:
    """A fresh token and one replay; a second 401 in a row is final."""

    async def tell(api: HttpWorkloadApi, sandbox: Sandbox) -> list[ApiResult]:
        answers = []
        for times, name in ((1, "a"), (2, "b")):
            sandbox.set_faults(f"401 on=POST at=workloads times={times}")
            answers.append(await api.create(create_body({**METADATA, "name": name}, MANIFEST)))
        return answers

    assert [type(answer) for answer in story(tell)] == [Accepted, Unauthorised]


def test_the_wrong_secret_and_a_foreign_project_are_told_apart() -> None:
    """One stops the run, the other is this workload's own failure."""

    async def tell(api: HttpWorkloadApi, _sandbox: Sandbox) -> ApiResult:
        return await api.create(create_body({"name": "a", "projectId": "9"}, MANIFEST))

    wrong = ClientCredentials(client_id=DEMO_CLIENT_ID, client_secret=Secret(value="wrong"))
    assert isinstance(story(tell, credentials=wrong), Unauthorised)
    refused = story(tell)
    assert isinstance(refused, Refused)
    assert refused.status == 403


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        ("503 retry-after=7s", Unavailable),
        ("503 page=html retry-after=7s", Unavailable),
        ("429 retry-after=7s", TooManyRequests),
        ("500", Ambiguous),
        ("drop", Ambiguous),
        ("lost", Ambiguous),
        ("oversize", Ambiguous),
        ("bomb", Ambiguous),
        ("garble", Ambiguous),
        ("redirect", Refused),
    ],
)
def test_a_fault_is_sorted_by_what_it_proves(rule: str, answer: type[ApiResult]) -> None:
    """Whatever the sandbox does to a POST, the client knows how much it knows."""

    async def tell(api: HttpWorkloadApi, sandbox: Sandbox) -> ApiResult:
        sandbox.set_faults(f"{rule} on=POST at=workloads")
        return await api.create(BODY)

    given = story(tell)
    assert type(given) is answer
    assert getattr(given, "retry_after", 7.0) == 7.0


def test_a_server_without_a_list_proves_no_absence() -> None:
    """Discovery is optional, and its absence is no evidence."""

    async def tell(api: HttpWorkloadApi, _sandbox: Sandbox) -> ApiResult:
        return await api.find(ADDRESS)

    found = story(tell, settings=Settings(projects=PROJECTS, listing=False))
    assert isinstance(found, Listed)
    assert (found.ids, found.trusted) == ((), False)
