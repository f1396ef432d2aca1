"""All workloads of one project as they run now, from as few pages as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    Method,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.core.protocol.live import LiveWorkload
from reconciler.engine.requests.dispatcher import Dispatcher
from reconciler.ports import LiveApi
from reconciler.values import dataclass

# So often a list is read whose pages overlap, or hold fewer than the server counts.
_WALKS = 2
_MAX_PAGES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveList:
    """The workloads of one project, each once, by name.

    Without `is_whole` some may be missing, since the list changed while it was read: then nothing
    follows from what is not in it. `date` is the server's clock at the first page.
    """

    workloads: tuple[LiveWorkload, ...]
    is_whole: bool
    date: str | None = None

    @property
    def by_id(self) -> Mapping[str, LiveWorkload]:
        """The workloads by their ids."""
        return {workload.id: workload for workload in self.workloads}


async def list_live(
    dispatcher: Dispatcher, api: LiveApi, project: str, *, name: str = "", deleted: bool = False
) -> LiveList | ApiResult:
    """Read a project's list, one request a page: the workloads, or why we cannot look.

    With `name` only those of this name; with `deleted` those that were deleted in the last two
    weeks instead of those that live. Raises StoppedError.
    """

    async def read(offset: int) -> ApiResult:
        return await dispatcher.send(
            Method.GET,
            lambda _: api.list_page(project, offset=offset, name=name, deleted=deleted),
        )

    async def count() -> ApiResult:
        return await dispatcher.send(
            Method.GET, lambda _: api.count(project, name=name, deleted=deleted)
        )

    result: LiveList | ApiResult = Ambiguous()
    for _ in range(_WALKS):
        walk = await _walk(read, count)
        if isinstance(walk, ApiResult):
            return walk
        pages = walk.pages
        rows = [
            row
            for page in pages
            for row in page.workloads
            # Looked at once more: an old server may ignore a filter that it does not know.
            if row.address.project == project
            and (not name or row.address.name == name)
            and (row.deleted_at is not None) == deleted
        ]
        once = {row.id: row for row in rows}
        is_whole = len(once) == len(rows)
        # One page is one look at the list. Of several, each is a look of its own, and what is
        # created or deleted in between shifts the next one.
        if walk.counted is not None:
            is_whole = is_whole and walk.counted == len(rows)
        result = LiveList(
            workloads=tuple(sorted(once.values(), key=lambda row: (row.address, row.id))),
            is_whole=is_whole,
            date=pages[0].date,
        )
        if is_whole:
            break
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """Every page of a list, and how many workloads it has by the server's count, if it has one."""

    pages: list[WorkloadPage]
    counted: int | None = None


async def _walk(
    read: Callable[[int], Awaitable[ApiResult]], count: Callable[[], Awaitable[ApiResult]]
) -> _Walk | ApiResult:
    """Every page of a list, or the first result that is none.

    Where the server counts, the pages after the first are asked for at the same time: each is a
    look of its own in any case, and one after the other they would take as many round trips.
    """
    first = await read(0)
    if not isinstance(first, WorkloadPage):
        return first
    pages, size = [first], first.next
    if size is None:
        return _Walk(pages=pages)
    response = await count()
    counted = response.count if isinstance(response, WorkloadCount) else None
    if counted is not None and counted <= size * _MAX_PAGES:
        others = await asyncio.gather(*map(read, range(size, counted, size)))
        for page in others:
            if not isinstance(page, WorkloadPage):
                return page
            pages.append(page)
    # What the count has not foreseen: a list that has grown, or a server without a count.
    while (offset := pages[-1].next) is not None:
        if len(pages) >= _MAX_PAGES:
            return Ambiguous(message=f"the list did not end within {_MAX_PAGES} pages")
        page = await read(offset)
        if not isinstance(page, WorkloadPage):
            return page
        pages.append(page)
    return _Walk(pages=pages, counted=counted)
