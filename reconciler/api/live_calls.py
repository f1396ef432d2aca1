"""What runs, over HTTP, as `ports.LiveApi` describes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from reconciler.api.urls import (
    CLUSTERS_PATH,
    COUNT_PATH,
    LIST_PATH,
    PROJECTS_PATH,
    TYPES_PATH,
    is_workload_id,
)
from reconciler.api.wire.classification import (
    classify_response,
    result_fields,
    success_fields,
    unreadable_response,
)
from reconciler.api.wire.exchange import Call, RawResponse
from reconciler.api.wire.listing import BY_NAME, PAGE_SIZE, is_filterable
from reconciler.api.wire.live_payloads import (
    read_clusters,
    read_history,
    read_live_workload,
    read_project_page,
    read_server_project,
    read_workload_events,
    read_workload_page,
    read_workload_types,
)
from reconciler.api.wire.payloads import WireError, read_workload_count
from reconciler.core.model import is_project_id
from reconciler.core.protocol.api_results import (
    ApiResult,
    ClusterList,
    Conflict,
    Described,
    NotFound,
    NotShown,
    Occurrences,
    ProjectPage,
    Refused,
    TypeList,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.core.protocol.live import LiveWorkload

Send = Callable[[Call], Awaitable[RawResponse | ApiResult]]

# An explanation quotes the latest only.
_LATEST = "100"


class HttpLiveApi:
    """The v1 calls about what runs: one request each, every outcome a value."""

    def __init__(self, send: Send, hide: Callable[[str], str]) -> None:
        self._send = send
        self._hide = hide

    async def list_page(
        self, project: str, *, offset: int = 0, name: str = "", deleted: bool = False
    ) -> ApiResult:
        """GET one page of a project's workloads."""
        return await self._list(
            LIST_PATH,
            {"projectId": project, "name": name},
            lambda data: _check_next(read_workload_page(data), offset),
            limit=PAGE_SIZE,
            **BY_NAME,
            deleted="true" if deleted else "",
            offset=str(offset or ""),
        )

    async def count(self, project: str, *, name: str = "", deleted: bool = False) -> ApiResult:
        """GET how many workloads `list_page` lists."""
        return await self._list(
            COUNT_PATH,
            {"projectId": project, "name": name},
            lambda data: WorkloadCount(count=read_workload_count(data)),
            deleted="true" if deleted else "",
        )

    async def list_projects(self, *, offset: int = 0) -> ApiResult:
        """GET one page of the projects."""
        return await self._list(
            PROJECTS_PATH,
            {},
            lambda data: _check_next(read_project_page(data), offset),
            limit=PAGE_SIZE,
            **BY_NAME,
            offset=str(offset or ""),
        )

    async def list_clusters(self) -> ApiResult:
        """GET the clusters."""
        return await self._get(
            CLUSTERS_PATH, {}, lambda data: ClusterList(clusters=read_clusters(data))
        )

    async def read_project(self, project: str) -> ApiResult:
        """GET one project."""
        if not is_project_id(project) or set(project) == {"."}:
            return NotShown(message=f"{project!r} is not a project id")
        path = f"{PROJECTS_PATH}/{quote(project)}"
        return await self._get(
            path, {}, lambda data: ProjectPage(projects=(read_server_project(data),))
        )

    async def list_types(self) -> ApiResult:
        """GET the types of workloads."""
        return await self._get(
            TYPES_PATH, {}, lambda data: TypeList(types=read_workload_types(data))
        )

    async def describe(self, workload_id: str) -> ApiResult:
        """GET one workload as v1 has it."""
        return await self._get_for_id(
            workload_id, "", {}, lambda data: Described(workload=read_live_workload(data))
        )

    async def read_history(self, workload_id: str) -> ApiResult:
        """GET the history of one workload."""
        return await self._get_for_id(
            workload_id,
            "/history",
            {"limit": _LATEST},
            lambda data: Occurrences(occurrences=read_history(data)),
        )

    async def read_events(self, workload_id: str) -> ApiResult:
        """GET the events of one workload."""
        return await self._get_for_id(
            workload_id,
            "/events",
            {"limit": _LATEST, "sortOrder": "desc"},
            lambda data: Occurrences(occurrences=read_workload_events(data)),
        )

    async def _get_for_id(
        self,
        workload_id: str,
        suffix: str,
        params: Mapping[str, str],
        read: Callable[[object], ApiResult],
    ) -> ApiResult:
        if not is_workload_id(workload_id):
            return NotShown(message=f"{workload_id!r} is not a workload id")
        return await self._get(f"{LIST_PATH}/{workload_id}{suffix}", params, read)

    async def _list(
        self,
        path: str,
        conditions: Mapping[str, str],
        read: Callable[[object], ApiResult],
        **params: str,
    ) -> ApiResult:
        """GET a list; conditions and parameters that are empty are left out."""
        filters = {field: value for field, value in conditions.items() if value}
        for value in filters.values():
            if not is_filterable(value):
                return NotShown(message=f"{value!r} cannot be written as a list filter")
        if filters:
            params["filterBy"] = ",".join(f"{field}=={value}" for field, value in filters.items())
        return await self._get(path, {key: text for key, text in params.items() if text}, read)

    async def _get(
        self, path: str, params: Mapping[str, str], read: Callable[[object], ApiResult]
    ) -> ApiResult:
        response = await self._send(Call(method="GET", path=path, params=params or None))
        if isinstance(response, ApiResult):
            return response
        # One call answers with a bare array, which is no JSON object as all others have it.
        is_array = response.status == 200 and response.rows is not None
        failure = None if is_array else classify_response(response)
        if failure is None:
            data = response.rows if is_array else response.data
            try:
                result = replace(read(data), **success_fields(response))
            except WireError as error:
                fields = result_fields(response)
                fields["message"] = unreadable_response(response, str(error)).message
                return NotShown(status=response.status, **fields)
            return self._redact(result)
        # A page never becomes the list by asking again, unless a gateway asks for patience.
        is_page = response.is_page and response.status not in (429, 500, 502, 503, 504)
        if is_page or isinstance(failure, Refused | NotFound | Conflict) or response.status == 501:
            return NotShown(status=response.status, **result_fields(response))
        return failure

    def _redact(self, result: ApiResult) -> ApiResult:
        """Blank the secrets in every text that a cluster has put together."""
        match result:
            case WorkloadPage(workloads=workloads):
                return replace(result, workloads=tuple(map(self._redact_workload, workloads)))
            case Described(workload=workload):
                return replace(result, workload=self._redact_workload(workload))
            case Occurrences(occurrences=occurrences):
                hidden = (replace(item, message=self._hide(item.message)) for item in occurrences)
                return replace(result, occurrences=tuple(hidden))
            case _:
                return result

    def _redact_workload(self, workload: LiveWorkload) -> LiveWorkload:
        # Most have no message: a copy of each of 100,000 rows would be felt.
        if not workload.phase_message and not workload.pending:
            return workload
        return replace(
            workload,
            phase_message=self._hide(workload.phase_message),
            pending=tuple(
                replace(reason, message=self._hide(reason.message)) for reason in workload.pending
            ),
        )


def _check_next(page: WorkloadPage | ProjectPage, offset: int) -> ApiResult:
    if page.next is not None and page.next <= offset:
        raise WireError("its next offset does not increase")
    return page
