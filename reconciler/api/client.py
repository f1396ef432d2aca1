"""The control plane over HTTP, as `ports.WorkloadApi` describes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from reconciler.api.live_calls import HttpLiveApi
from reconciler.api.login.credentials import Credentials
from reconciler.api.login.tokens import BearerToken, Monotonic, make_token_source
from reconciler.api.secret import Secret
from reconciler.api.urls import (
    CLUSTERS_PATH,
    COUNT_PATH,
    WORKLOADS_PATH,
    is_workload_id,
    normalise_url,
    workload_path,
)
from reconciler.api.wire.classification import (
    classify_response,
    result_fields,
    success_fields,
    unreadable_response,
)
from reconciler.api.wire.direct import DirectTransport
from reconciler.api.wire.exchange import Call, Exchange, OnRequest, RawResponse
from reconciler.api.wire.headers import server_date
from reconciler.api.wire.listing import (
    BY_NAME,
    NO_LIST,
    ids_in_order,
    is_filterable,
    list_call,
    read_list_page,
)
from reconciler.api.wire.payloads import (
    ListItem,
    WireError,
    read_cluster_versions,
    read_get_response,
    read_workload,
    read_workload_count,
    requested_address,
)
from reconciler.api.wire.request_body import readable_body, readable_text, write_body
from reconciler.core.model import Address, Json, LastSeen, Remote
from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    ClusterVersions,
    DryRunPassed,
    Listed,
    NotSent,
    Refused,
)
from reconciler.core.redact import blank, find_secrets
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.ports import BeforeSend
from reconciler.values import dataclass

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

# On a server that ignores the filter a search would read the whole list.
_MAX_PAGES = 20
_MAX_PAGES_OF_A_PROJECT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of the client; `request_timeout` in seconds bounds one call in total.

    `rules` redact messages of the server; `has_v2_token` is False for a server that only has the
    old login.
    """

    url: str
    credentials: Credentials
    request_timeout: float = 30.0
    rules: RedactionRules = BUILT_IN
    has_v2_token: bool = True


class HttpWorkloadApi:
    """Workloads V2 over HTTP: one request per call, every outcome a value, no retries.

    Only after a 401 it sends a request again, once, if there is another token. `on_request` is told
    of each, logins included. Building it raises InvalidInputError for a URL that cannot be used.
    """

    def __init__(
        self,
        settings: ApiSettings,
        *,
        transport: DirectTransport | httpx.AsyncBaseTransport,
        monotonic: Monotonic = time.monotonic,
        on_request: OnRequest | None = None,
    ) -> None:
        self.url = normalise_url(settings.url)
        self.issuer: str | None = None
        self.date: str | None = None
        self._exchange = Exchange(
            self.url,
            transport,
            request_timeout=settings.request_timeout,
            rules=settings.rules,
            on_request=on_request,
        )
        self._rules = settings.rules
        self.live = HttpLiveApi(self._send, self._hide)
        self._tokens = make_token_source(
            settings.credentials,
            send=self._send_login,
            monotonic=monotonic,
            has_v2_token=settings.has_v2_token,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop a token fetch under way and close every connection."""
        await self._tokens.aclose()
        await self._exchange.aclose()

    async def login(self) -> ApiResult | None:
        """Get a token without using it, so that `issuer` is known; returns why there is none."""
        bearer = await self._in_time(self._tokens.current(), self._exchange.deadline())
        return None if isinstance(bearer, BearerToken) else bearer

    async def create(
        self, body: Json, before_send: BeforeSend | None = None, *, dry_run: bool = False
    ) -> ApiResult:
        """POST a workload; Accepted only where the response carries our name and project."""
        call = self._call_with("POST", WORKLOADS_PATH, body, before_send)
        if isinstance(call, NotSent):
            return call
        if dry_run:
            call = replace(call, params={"dryRun": "true"})
            response = await self._send(call)
            if isinstance(response, ApiResult):
                return response
            # No document says what a server answers to a dry run: any 2xx will do.
            is_empty = response.is_empty and 200 <= response.status < 300
            if not is_empty and (failure := classify_response(response)) is not None:
                return failure
            workload_id = None
            with suppress(WireError):
                workload_id = read_workload(response.data).id
            return DryRunPassed(id=workload_id, **success_fields(response))
        address = requested_address(body)

        def check(remote: Remote) -> None:
            if remote.address != address:
                raise WireError(f"it describes {remote.address}, requested was {address}")

        return await self._send_and_read(call, read_workload, check)

    async def update(
        self,
        workload_id: str,
        body: Json,
        before_send: BeforeSend | None = None,
        *,
        declared: Json | None = None,
    ) -> ApiResult:
        """PUT a workload; Accepted only where the response carries its id."""
        if not is_workload_id(workload_id):
            return NotSent(message=f"{workload_id!r} is not a workload id", permanent=True)
        call = self._call_with("PUT", workload_path(workload_id), body, before_send)
        if isinstance(call, NotSent):
            return call
        # Only here: a plan reads, and need not load what merges.
        from reconciler.core.diff.update import find_marks

        text = readable_text(body, call.content or b"")
        if find_marks(text, {} if declared is None else declared):
            # A last guard: the engine takes every value from the spec or from the server.
            return Refused(status=422, message="it has stand-ins of secrets, and was not sent")
        return await self._send_and_read(
            call, read_workload, lambda remote: _check_id(remote, workload_id)
        )

    async def read(self, workload_id: str) -> ApiResult:
        """GET a workload by id."""
        return await self._send_for_id("GET", workload_id, read_get_response)

    async def delete(self, workload_id: str) -> ApiResult:
        """DELETE a workload by id; Accepted says that the delete is under way, never absence."""
        result = await self._send_for_id("DELETE", workload_id, read_workload)
        if isinstance(result, Accepted):
            # The response has no syncInfo, which beside its deletion time would prove absence.
            return replace(result, remote=replace(result.remote, seen=LastSeen.DELETING))
        return result

    async def find(self, address: Address) -> ApiResult:
        """List live workloads of exactly this name in this project (v1 list, all its pages)."""
        if not (is_filterable(address.project) and is_filterable(address.name)):
            return Listed(
                ids=(), trusted=False, message=f"{address} cannot be written as a list filter"
            )
        filter_by = f"projectId=={address.project},name=={address.name}"
        return await self._pages(str(address), filter_by, lambda item: item.address == address)

    async def find_all(self, project: str) -> ApiResult:
        """List the live workloads of one project (v1 list, all its pages), with their count."""
        if not is_filterable(project):
            return Listed(ids=(), trusted=False, message=f"{project} cannot be written as a filter")
        filter_by = f"projectId=={project}"
        listed = await self._pages(
            f"project {project}",
            filter_by,
            lambda item: item.address.project == project,
            max_pages=_MAX_PAGES_OF_A_PROJECT,
            order=BY_NAME,
        )
        if not isinstance(listed, Listed) or not listed.trusted:
            return listed
        call = Call(method="GET", path=COUNT_PATH, params={"filterBy": filter_by})
        response = await self._send(call)
        if isinstance(response, ApiResult):
            return response
        if response.status in NO_LIST:
            return listed
        failure = classify_response(response)
        if failure is not None:
            return failure
        try:
            return replace(listed, counted=read_workload_count(response.data))
        except WireError as error:
            return unreadable_response(response, str(error))

    async def find_cluster_versions(self) -> ApiResult:
        """List the versions of the clusters, which are those of the server or older."""
        call = Call(method="GET", path=CLUSTERS_PATH)
        response = await self._send(call)
        if isinstance(response, ApiResult):
            return response
        if response.status in NO_LIST:
            return ClusterVersions(**result_fields(response))
        if response.status != 200 or response.rows is None:
            failure = classify_response(response)
            return failure or unreadable_response(response, "it is not a list of clusters")
        try:
            versions = read_cluster_versions(response.rows)
        except WireError as error:
            return unreadable_response(response, str(error))
        return ClusterVersions(versions=versions, **success_fields(response))

    def _call_with(
        self, method: str, path: str, body: Json, before_send: BeforeSend | None
    ) -> Call | NotSent:
        """A request with a body, and its secrets to be blanked in the server's messages."""
        try:
            content = write_body(body)
        except (TypeError, ValueError) as error:
            return NotSent(message=f"the spec cannot be written as JSON: {error}", permanent=True)
        return Call(
            method=method,
            path=path,
            content=content,
            before_send=before_send,
            # Only a message of the server is worth the search for secrets in the body.
            hide=lambda text: blank(
                text, find_secrets(readable_body(body), self._rules), self._rules
            ),
        )

    async def _send_for_id(
        self, method: str, workload_id: str, reader: Callable[[object], Remote]
    ) -> ApiResult:
        if not is_workload_id(workload_id):
            return NotSent(message=f"{workload_id!r} is not a workload id", permanent=True)
        call = Call(method=method, path=workload_path(workload_id))
        return await self._send_and_read(
            call, reader, lambda remote: _check_id(remote, workload_id)
        )

    async def _send_and_read(
        self,
        call: Call,
        reader: Callable[[object], Remote],
        check: Callable[[Remote], None],
    ) -> ApiResult:
        response = await self._send(call)
        if isinstance(response, ApiResult):
            return response
        if call.method == "DELETE" and response.is_empty and 200 <= response.status < 300:
            # A deleted workload need not be described. To any other request an empty response
            # proves nothing.
            return Acknowledged(**success_fields(response))
        failure = classify_response(response)
        if failure is not None:
            return failure
        try:
            remote = reader(response.data)
            check(remote)
        except WireError as error:
            return unreadable_response(response, str(error))
        if remote.message:
            remote = replace(remote, message=self._hide(remote.message))
        return Accepted(remote=remote, **success_fields(response))

    async def _pages(
        self,
        label: str,
        filter_by: str,
        match: Callable[[ListItem], bool],
        *,
        max_pages: int = _MAX_PAGES,
        order: Mapping[str, str] | None = None,
    ) -> ApiResult:
        items: list[ListItem] = []
        offset = 0
        for _ in range(max_pages):
            call = list_call(filter_by, offset, order or {})
            response = await self._send(call)
            if isinstance(response, ApiResult):
                return response
            page = read_list_page(response)
            if isinstance(page, ApiResult):
                return page
            # Matched here once more: an old server may ignore a filter that it does not know.
            items += (item for item in page.items if item.deleted_at is None and match(item))
            if page.next is None:
                ids = ids_in_order(items)
                fields = success_fields(response)
                return Listed(ids=ids, repeated=len(ids) < len(items), **fields)
            if page.next <= offset:
                return unreadable_response(response, "its next offset does not increase")
            offset = page.next
        return Ambiguous(message=f"the list of {label} did not end within {max_pages} pages")

    def _hide(self, text: str) -> str:
        # A cluster may quote the container that it could not run, with its environment.
        return blank(text, rules=self._rules)

    async def _send(self, call: Call) -> RawResponse | ApiResult:
        deadline = self._exchange.deadline()
        # Nearly every request finds one at hand, and needs no timer to wait for it.
        bearer: BearerToken | ApiResult | None = self._tokens.held()
        if bearer is None:
            bearer = await self._in_time(self._tokens.current(), deadline)
        if isinstance(bearer, ApiResult):
            return bearer
        response = await self._exchange.send(call, deadline=deadline, bearer=bearer.token)
        if not (isinstance(response, RawResponse) and response.status == 401):
            return response
        # A 401 certainly carried nothing out, so even a create may be sent again; the deadline is
        # that of the whole call.
        fresh = await self._in_time(self._tokens.renew(bearer), deadline)
        if fresh is None or isinstance(fresh, ApiResult):
            return fresh or response
        return await self._exchange.send(call, deadline=deadline, bearer=fresh.token)

    async def _in_time(self, token: Awaitable[T], deadline: float) -> T | NotSent:
        try:
            async with asyncio.timeout_at(deadline):
                bearer = await token
        except TimeoutError:
            return NotSent(message="no token in time")
        if isinstance(bearer, BearerToken):
            self.issuer = bearer.issuer
        return bearer

    async def _send_login(self, call: Call, secret: Secret) -> RawResponse | NotSent | Ambiguous:
        call = replace(call, hide=secret.hide_in)
        response = await self._exchange.send(call, deadline=self._exchange.deadline())
        if isinstance(response, RawResponse) and response.status == 200:
            self.date = server_date(response.headers)
        return response


def _check_id(remote: Remote, workload_id: str) -> None:
    # In any case: servers write UUIDs in either.
    if remote.id.lower() != workload_id.lower():
        raise WireError(f"it describes workload {remote.id}, requested was {workload_id}")
