"""The calls that check and look before anything is done: dry runs, and versions of clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    ClusterVersions,
    Conflict,
    DryRunPassed,
    Refused,
    Unavailable,
)
from tests.api.factories import BODY, ID, URL, ask, error, reply, workload


def check(handler: Callable[[httpx.Request], httpx.Response]) -> ApiResult:
    """Ask for a dry run."""
    return ask(handler, lambda api: api.create(BODY, dry_run=True))


def test_a_dry_run_is_the_create_with_a_query() -> None:
    """Nothing else of the request differs, so what is checked is what would be sent."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return reply(202, workload())(request)

    check(handler)
    ask(handler, lambda api: api.create(BODY))
    dry, real = seen
    assert str(dry.url) == f"{URL}/api/v2/workloads?dryRun=true"
    assert str(real.url) == f"{URL}/api/v2/workloads"
    assert (dry.method, dry.headers, dry.content) == (real.method, real.headers, real.content)


@pytest.mark.parametrize(
    ("status", "data", "workload_id"),
    [
        (202, workload(), ID),
        (200, workload(name="another"), ID),
        (200, {}, None),
        (200, {"metadata": {"name": "finetune"}}, None),
    ],
)
def test_a_dry_run_that_passes(status: int, data: dict[str, Any], workload_id: str | None) -> None:
    """Any 2xx in JSON will do: no document says what it holds. An id in it is kept."""
    passed = check(reply(status, data))
    assert isinstance(passed, DryRunPassed)
    assert (passed.id, passed.message) == (workload_id, "")


def test_a_dry_run_that_passes_without_a_word() -> None:
    """204 has no body."""
    assert isinstance(check(lambda _: httpx.Response(204)), DryRunPassed)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (reply(400, error(400, "unknown priority")), Refused),
        (reply(409, error(409)), Conflict),
        (reply(503, error(503)), Unavailable),
        (lambda _: httpx.Response(200, html="<title>login</title>"), Ambiguous),
        (lambda _: httpx.Response(302, headers={"location": "/login"}), Refused),
    ],
)
def test_a_dry_run_that_does_not(
    handler: Callable[[httpx.Request], httpx.Response], kind: type[ApiResult]
) -> None:
    """It is sorted as the answer to a create is; a login page is no word of the server's."""
    assert type(check(handler)) is kind


def clusters(handler: Callable[[httpx.Request], httpx.Response]) -> ApiResult:
    """Ask for the versions of the clusters."""
    return ask(handler, lambda api: api.find_cluster_versions())


def test_the_versions_of_the_clusters() -> None:
    """A bare list, in which a cluster that never connected has no version."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url}")
        rows = [{"version": "2.24.1"}, {"name": "new", "version": None}, {"version": ""}, {}]
        return httpx.Response(200, json=rows)

    found = clusters(handler)
    assert isinstance(found, ClusterVersions)
    assert found.versions == ("2.24.1",)
    assert seen == [f"GET {URL}/api/v1/clusters/minimal"]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (reply(404, error(404)), ClusterVersions),
        (lambda _: httpx.Response(404, html="x"), ClusterVersions),
        (reply(405, error(405)), ClusterVersions),
        (reply(403, error(403)), Refused),
        (reply(503, error(503)), Unavailable),
        (reply(200, {"clusters": []}), Ambiguous),
        (lambda _: httpx.Response(200, json=["2.24"]), Ambiguous),
        (lambda _: httpx.Response(200, json=[{"version": 2.24}]), Ambiguous),
    ],
)
def test_versions_that_cannot_be_told(
    handler: Callable[[httpx.Request], httpx.Response], expected: type[ApiResult]
) -> None:
    """A server without the list tells none; anything else is no answer."""
    found = clusters(handler)
    assert type(found) is expected
    assert getattr(found, "versions", ()) == ()
