from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from reconciler import __version__
from reconciler.core.model import Address
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    Listed,
    Method,
    NotSent,
    Refused,
)
from reconciler.core.protocol.body import create_body
from reconciler.ports import WorkloadApi
from tests.api.factories import (
    ADDRESS,
    BODY,
    ID,
    METADATA,
    TOKEN,
    URL,
    ask,
    ask_by,
    error,
    reply,
    stamped,
    workload,
)


def test_the_requests_are_the_documented_ones() -> None:
    """Method, path, query and headers of each call, the token included."""
    seen: list[tuple[str, str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["user-agent"] == f"workload-reconciler/{__version__}"
        assert request.headers["accept"] == "application/json"
        assert request.headers["accept-encoding"] == "gzip"
        seen.append((request.method, str(request.url), json.loads(request.content or b"null")))
        return reply(503, error(503))(request)

    for method in Method:
        ask_by(handler, method)
    ask(handler, lambda api: api.find(ADDRESS))
    listed = f"{URL}/api/v1/workloads?filterBy=projectId%3D%3D4501%2Cname%3D%3Dfinetune&limit=500"
    assert seen == [
        ("POST", f"{URL}/api/v2/workloads", BODY),
        ("GET", f"{URL}/api/v2/workloads/{ID}", None),
        ("PUT", f"{URL}/api/v2/workloads/{ID}", BODY),
        ("DELETE", f"{URL}/api/v2/workloads/{ID}", None),
        ("GET", listed, None),
    ]


@pytest.mark.parametrize("method", [Method.GET, Method.PUT, Method.DELETE])
@pytest.mark.parametrize("workload_id", ["..", "", "a/../b", "a?x=1"])
def test_an_id_that_would_change_the_path_is_not_sent(method: Method, workload_id: str) -> None:
    """A DELETE of `..` would name the collection."""

    async def call(api: WorkloadApi) -> ApiResult:
        if method is Method.PUT:
            return await api.update(workload_id, BODY)
        return await (api.read(workload_id) if method is Method.GET else api.delete(workload_id))

    def handler(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    assert ask(handler, call) == NotSent(
        message=f"{workload_id!r} is not a workload id", permanent=True
    )


def test_a_body_that_is_no_json_is_not_sent() -> None:
    """A NaN in a manifest is found here at the latest."""
    body = {"metadata": METADATA, "manifest": {"replicas": float("nan")}}
    answer = ask(reply(202, workload()), lambda api: api.create(body))
    assert isinstance(answer, NotSent)
    assert answer.permanent


def item(**fields: Any) -> dict[str, Any]:
    """An entry of the list."""
    return {**METADATA, "id": ID, "sourceApi": "WorkloadsV2", **fields}


def test_find_keeps_exact_live_matches_and_puts_ours_first() -> None:
    """A native workload may hold the same name; a deleted one or a longer name is another."""
    items = [
        item(id="native", sourceApi="V1"),
        item(id="old", sourceApi=None),
        item(id="gone", deletedAt="2026-03-03T10:00:00Z"),
        item(id="longer", name="finetune-2"),
        item(id="elsewhere", projectId="1"),
        item(id="ours", projectId=4501),
        item(id="ours"),
    ]
    answer = ask(reply(200, {"workloads": items}), lambda api: api.find(ADDRESS))
    assert answer == stamped(Listed(ids=("old", "ours", "native"), repeated=True))


def test_find_reads_every_page() -> None:
    """`next` is the offset of the following page."""
    pages = {
        None: ({"workloads": [item(id="a")], "next": 500}),
        "500": {"workloads": [item(id="b")]},
    }

    def handler(request: httpx.Request) -> httpx.Response:
        return reply(200, pages[request.url.params.get("offset")])(request)

    assert ask(handler, lambda api: api.find(ADDRESS)) == stamped(Listed(ids=("a", "b")))


@pytest.mark.parametrize("status", [404, 405, 501])
@pytest.mark.parametrize("media", ["text/html", "application/json"])
def test_a_server_without_a_list_proves_no_absence(status: int, media: str) -> None:
    """An empty list that is not to be trusted."""
    answer = ask(reply(status, b"{}", media=media), lambda api: api.find(ADDRESS))
    assert (type(answer), getattr(answer, "trusted", None)) == (Listed, False)


def test_an_address_that_no_filter_can_hold_proves_no_absence() -> None:
    """A comma would begin another filter; nothing is sent."""
    odd = Address(project="1,name=~", name="x")
    answer = ask(reply(500, b""), lambda api: api.find(odd))
    assert answer == Listed(
        ids=(), trusted=False, message="1,name=~/x cannot be written as a list filter"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"workloads": [], "next": 0}, "its next offset does not increase"),
        ({"workloads": [{}]}, "workloads[0].id: is missing"),
        ({}, "workloads: is missing"),
    ],
)
def test_a_list_that_cannot_be_read_is_ambiguous(content: Any, problem: str) -> None:
    """Nothing may be concluded from half a list."""
    assert ask(reply(200, content), lambda api: api.find(ADDRESS)) == stamped(
        Ambiguous(status=200, message=f"HTTP 200 with an unusable body: {problem}")
    )


def test_a_list_without_an_end_is_given_up() -> None:
    """A server that ignores the filter would have us read everything it has."""

    def handler(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params.get("offset", "0"))
        return reply(200, {"workloads": [], "next": offset + 1})(request)

    assert ask(handler, lambda api: api.find(ADDRESS)) == Ambiguous(
        message="the list of 4501/finetune did not end within 20 pages"
    )


@pytest.mark.parametrize("encoded", [False, True])
def test_an_update_with_the_stand_in_of_a_secret_never_leaves(encoded: bool) -> None:
    """Unless the spec itself holds that text: then its author means it."""
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return reply(503, error(503))(request)

    manifest = {"kind": "Job", "spec": {"a": "(sensitive 0123456789abcdef)"}}
    body = create_body({"priority": "low"}, manifest, encoded=encoded)
    assert ask(handler, lambda api: api.update(ID, body)) == Refused(
        status=422, message="it has stand-ins of secrets, and was not sent"
    )
    assert seen == []
    ask(handler, lambda api: api.update(ID, body, declared={"manifest": manifest}))
    assert seen == ["PUT"]
