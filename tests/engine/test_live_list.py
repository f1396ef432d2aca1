"""A project's list in pages: whole, or said not to be, or why nobody can look."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reconciler.core.model import Address
from reconciler.core.protocol.api_results import Ambiguous, ApiResult, NotShown
from reconciler.core.protocol.live import LiveWorkload
from reconciler.engine.requests.dispatcher import Dispatcher, StopSignal
from reconciler.engine.requests.live_list import LiveList, list_live
from tests.api.factories import AT, client, error, reply, stamped
from tests.support.timing import Timeline, VirtualClock, run

Page = Callable[[Mapping[str, str]], Any]


def row(name: str, project: str = "1", **fields: Any) -> dict[str, Any]:
    """A row of the list; its id is its name."""
    return {"id": name, "name": name, "projectId": project, **fields}


def live(*names: str) -> tuple[LiveWorkload, ...]:
    """What rows of these names read as."""
    return tuple(
        LiveWorkload(id=name, address=Address(project="1", name=name), is_v2=False)
        for name in names
    )


def listed(pages: Page, *, count: int | None = None, **options: Any) -> tuple[Any, list[str]]:
    """The result of a list, and the requests for it: the offset of a page, or `count`."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        is_count = request.url.path.endswith("/count")
        asked.append("count" if is_count else params.get("offset", "0"))
        if is_count and count is None:
            return reply(404, error(404))(request)
        return reply(200, {"count": count} if is_count else pages(params))(request)

    async def look(timeline: Timeline) -> LiveList | ApiResult:
        dispatcher = Dispatcher(
            clock=VirtualClock(timeline),
            ceiling=8,
            rng=random.Random(1),  # noqa: S311 - jitter needs no secrecy
            halt=StopSignal(),
            deadline=60.0,
        )
        try:
            async with client(handler) as api:
                return await list_live(dispatcher, api.live, "1", **options)
        finally:
            dispatcher.close()

    timeline = Timeline()
    return run(look(timeline), timeline), asked


def test_one_page_is_one_request() -> None:
    """It is a look of one moment, and needs no count."""
    result, asked = listed(lambda _: {"workloads": [row("b"), row("a")]})
    assert result == LiveList(workloads=live("a", "b"), is_whole=True, date=AT)
    assert asked == ["0"]


def test_rows_that_nobody_asked_for_are_left_out() -> None:
    """An old server may ignore a filter that it does not know."""
    rows = [
        row("a"),
        row("b"),
        row("a", project="2"),
        row("gone", deletedAt="2026-03-03T09:00:00Z"),
    ]
    assert listed(lambda _: {"workloads": rows}, name="a") == (
        LiveList(workloads=live("a"), is_whole=True, date=AT),
        ["0"],
    )


def test_the_deleted_ones_are_a_list_of_their_own() -> None:
    """With `deleted`, a row that lives is the one too much."""
    at = "2026-03-03T09:00:00Z"
    result, _ = listed(
        lambda params: (
            {"workloads": [row("a"), row("b", deletedAt=at)]} if params["deleted"] == "true" else {}
        ),
        deleted=True,
    )
    (gone,) = live("b")
    assert result == LiveList(workloads=(replace(gone, deleted_at=at),), is_whole=True, date=AT)


TWO_PAGES = {
    "0": {"workloads": [row("a"), row("b")], "next": 2},
    "2": {"workloads": [row("c")]},
}


@pytest.mark.parametrize("count", [3, None])
def test_pages_are_read_once_each_and_counted(count: int | None) -> None:
    """A server without a count is believed."""
    result, asked = listed(lambda params: TWO_PAGES[params.get("offset", "0")], count=count)
    assert result == LiveList(workloads=live("a", "b", "c"), is_whole=True, date=AT)
    assert asked == ["0", "count", "2"]


def test_a_list_that_holds_fewer_than_the_server_counts_is_not_whole() -> None:
    """It is read once more, and then said to be incomplete."""
    result, asked = listed(lambda params: TWO_PAGES[params.get("offset", "0")], count=4)
    assert result == LiveList(workloads=live("a", "b", "c"), is_whole=False, date=AT)
    assert asked == ["0", "count", "2", "0", "count", "2"]


def test_a_list_that_repeats_itself_is_read_again() -> None:
    """Something was created between two pages: the second begins with the end of the first."""
    walks = iter(
        [
            {"workloads": [row("a"), row("b")], "next": 2},
            {"workloads": [row("b"), row("c")]},
            {"workloads": [row("a"), row("aa")], "next": 2},
            {"workloads": [row("b"), row("c")]},
        ]
    )
    result, asked = listed(lambda _: next(walks), count=4)
    assert result == LiveList(workloads=live("a", "aa", "b", "c"), is_whole=True, date=AT)
    assert asked == ["0", "count", "2", "0", "count", "2"]


def test_a_later_page_that_cannot_be_read_is_no_list() -> None:
    """Half a list would look like a list."""
    result, _ = listed(
        lambda params: {} if params.get("offset") else {"workloads": [row("a")], "next": 1}
    )
    message = "HTTP 200 with an unusable body: workloads: is missing"
    assert result == stamped(NotShown(status=200, message=message))


def test_a_list_without_an_end_is_given_up() -> None:
    """After 400 pages, which hold 200,000 workloads."""
    result, asked = listed(
        lambda params: {"workloads": [], "next": int(params.get("offset", "0")) + 1}
    )
    assert result == Ambiguous(message="the list did not end within 400 pages")
    assert len(asked) == 401  # one of them is the count


def test_pages_after_the_first_are_asked_for_at_once() -> None:
    """The server counts them; a list that has grown since is followed to its end."""
    names = [f"w{number}" for number in range(9)]

    def page(params: Mapping[str, str]) -> Any:
        start = int(params.get("offset", "0"))
        rows = [row(name) for name in names[start : start + 2]]
        return {"workloads": rows} | ({"next": start + 2} if start + 2 < len(names) else {})

    result, asked = listed(page, count=5)
    assert asked == ["0", "count", "2", "4", "6", "8", "0", "count", "2", "4", "6", "8"]
    assert result == LiveList(workloads=live(*names), is_whole=False, date=AT)
