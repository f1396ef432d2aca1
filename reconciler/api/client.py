"""The control plane over HTTP, as `ports.WorkloadApi` describes it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from reconciler.api.connection.transport import make_transport
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
    ResultFields,
    classify_response,
    result_fields,
    unreadable_response,
)
from reconciler.api.wire.exchange import Call, Exchange, RawResponse
from reconciler.api.wire.headers import server_date
from reconciler.api.wire.listing import NO_LIST, ids_in_order, list_call, read_list_page
from reconciler.api.wire.payloads import (
    ListItem,
    WireError,
    address_of,
    read_cluster_versions,
    read_count,
    read_get_response,
    read_workload,
)
from reconciler.core.diff.update import find_marks
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

T = TypeVar("T")

# A server that ignores the filter would have us read its whole list.
_MOST_PAGES = 20
_MOST_PAGES_OF_A_PROJECT = 400
_FILTERABLE = re.compile(r"[A-Za-z0-9._-]+")
_ENCODER = json.JSONEncoder(allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the client needs to know; `request_timeout` in seconds bounds one call in total.

    `rules` say what is taken out of the server's words; `has_v2_token` is False for a server of
    which it is known that it only has the old login.
    """

    url: str
    credentials: Credentials
    ca_file: Path | None = None
    concurrency: int = 32
    request_timeout: float = 30.0
    rules: RedactionRules = BUILT_IN
    has_v2_token: bool = True


class HttpWorkloadApi:
    """Workloads V2 over HTTP: one request per call, every outcome a value, no retries.

    The exception is a 401, which is replayed once where another token is to be had. Building it
    raises InvalidInputError for a URL or CA file that cannot be used.
    """

    def __init__(
        self,
        settings: ApiSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.url = normalise_url(settings.url)
        self.issuer: str | None = None
        self.date: str | None = None
        self._exchange = Exchange(
            self.url,
            transport
            or make_transport(self.url, concurrency=settings.concurrency, ca_file=settings.ca_file),
            request_timeout=settings.request_timeout,
            rules=settings.rules,
        )
        self._rules = settings.rules
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
        """Get a token without using it, so that `issuer` is known; an answer says why not."""
        bearer = await self._in_time(self._tokens.current(), self._exchange.deadline())
        return None if isinstance(bearer, BearerToken) else bearer

    async def create(
        self, body: Json, before_send: BeforeSend | None = None, *, dry_run: bool = False
    ) -> ApiResult:
        """POST a workload; Accepted only where the reply carries our name and project.

        What passed a dry run need not be described: no document says what a server answers then.
        """
        call = self._call_with("POST", WORKLOADS_PATH, body, before_send)
        if isinstance(call, NotSent):
            return call
        if dry_run:
            reply = await self._ask(
                replace(call, params={"dryRun": "true"}), self._exchange.deadline()
            )
            if isinstance(reply, ApiResult):
                return reply
            is_silent = reply.is_empty and 200 <= reply.status < 300
            refusal = None if is_silent else classify_response(reply)
            return refusal or DryRunPassed(id=_id_in(reply), **_silent(reply))
        wanted = address_of(body)
        return await self._answer(call, read_workload, lambda remote: _is_named(remote, wanted))

    async def update(
        self,
        workload_id: str,
        body: Json,
        before_send: BeforeSend | None = None,
        *,
        declared: Json | None = None,
    ) -> ApiResult:
        """PUT a workload; Accepted only where the reply carries the id that was asked for."""
        if not is_workload_id(workload_id):
            return NotSent(message=f"{workload_id!r} is not a workload id", permanent=True)
        call = self._call_with("PUT", workload_path(workload_id), body, before_send)
        if isinstance(call, NotSent):
            return call
        if find_marks(_readable(body), declared or {}):
            # The engine does not get here: what it merges it takes from the spec and the server.
            return Refused(status=422, message="it holds stand-ins of secrets, and was not sent")
        return await self._answer(call, read_workload, lambda remote: _has_id(remote, workload_id))

    async def read(self, workload_id: str) -> ApiResult:
        """GET a workload by id."""
        return await self._about("GET", workload_id, read_get_response)

    async def delete(self, workload_id: str) -> ApiResult:
        """DELETE a workload by id; what is accepted is under way, never already absence."""
        answer = await self._about("DELETE", workload_id, read_workload)
        if isinstance(answer, Accepted):
            return replace(answer, remote=replace(answer.remote, seen=LastSeen.DELETING))
        return answer

    async def find(self, address: Address) -> ApiResult:
        """List live workloads of exactly that name in that project (v1 list, all its pages)."""
        if not (_FILTERABLE.fullmatch(address.project) and _FILTERABLE.fullmatch(address.name)):
            return Listed(
                ids=(), trusted=False, message=f"{address} cannot be written as a list filter"
            )
        filter_by = f"projectId=={address.project},name=={address.name}"
        return await self._pages(str(address), filter_by, lambda item: item.address == address)

    async def find_all(self, project: str) -> ApiResult:
        """List the live workloads of one project (v1 list, all its pages), and have them counted.

        Pages of a list without an order may show one workload twice and another one never.
        """
        if not _FILTERABLE.fullmatch(project):
            return Listed(ids=(), trusted=False, message=f"{project} cannot be written as a filter")
        filter_by = f"projectId=={project}"
        listed = await self._pages(
            f"project {project}",
            filter_by,
            lambda item: item.address.project == project,
            most=_MOST_PAGES_OF_A_PROJECT,
            order={"sortBy": "name", "sortOrder": "asc"},
        )
        if not isinstance(listed, Listed) or not listed.trusted:
            return listed
        counted = await self._count(filter_by)
        return counted if isinstance(counted, ApiResult) else replace(listed, counted=counted)

    async def find_cluster_versions(self) -> ApiResult:
        """List the versions of the clusters, which are those of the server or older."""
        reply = await self._ask(Call(method="GET", path=CLUSTERS_PATH), self._exchange.deadline())
        if isinstance(reply, ApiResult):
            return reply
        if reply.status in NO_LIST:
            return ClusterVersions(**result_fields(reply))
        if reply.status != 200 or reply.rows is None:
            refusal = classify_response(reply)
            return refusal or unreadable_response(reply, "it is not a list of clusters")
        try:
            versions = read_cluster_versions(reply.rows)
        except WireError as error:
            return unreadable_response(reply, str(error))
        return ClusterVersions(versions=versions, **_silent(reply))

    async def _count(self, filter_by: str) -> int | ApiResult | None:
        """How many the server counts; None where it has no count."""
        call = Call(method="GET", path=COUNT_PATH, params={"filterBy": filter_by})
        reply = await self._ask(call, self._exchange.deadline())
        if isinstance(reply, ApiResult):
            return reply
        if reply.status in NO_LIST:
            return None
        refusal = classify_response(reply)
        if refusal is not None:
            return refusal
        try:
            return read_count(reply.data)
        except WireError as error:
            return unreadable_response(reply, str(error))

    def _call_with(
        self, method: str, path: str, body: Json, before_send: BeforeSend | None
    ) -> Call | NotSent:
        """A request with a body, whose secrets are taken out of whatever the server says to it."""
        try:
            content = _ENCODER.encode(body).encode()
        except (TypeError, ValueError) as error:
            return NotSent(message=f"the spec cannot be written as JSON: {error}", permanent=True)
        return Call(
            method=method,
            path=path,
            content=content,
            before_send=before_send,
            hide=lambda words: blank(
                words, find_secrets(_readable(body), self._rules), self._rules
            ),
        )

    async def _about(
        self, method: str, workload_id: str, reader: Callable[[object], Remote]
    ) -> ApiResult:
        if not is_workload_id(workload_id):
            return NotSent(message=f"{workload_id!r} is not a workload id", permanent=True)
        call = Call(method=method, path=workload_path(workload_id))
        return await self._answer(call, reader, lambda remote: _has_id(remote, workload_id))

    async def _answer(
        self,
        call: Call,
        reader: Callable[[object], Remote],
        check: Callable[[Remote], None],
    ) -> ApiResult:
        reply = await self._ask(call, self._exchange.deadline())
        if isinstance(reply, ApiResult):
            return reply
        if call.method == "DELETE" and reply.is_empty and 200 <= reply.status < 300:
            # What is deleted need not be described; of anything else an empty answer says nothing.
            return Acknowledged(**_silent(reply))
        refusal = classify_response(reply)
        if refusal is not None:
            return refusal
        try:
            remote = reader(reply.data)
            check(remote)
        except WireError as error:
            return unreadable_response(reply, str(error))
        if remote.message:
            # A cluster may repeat what it could not run, its environment included.
            remote = replace(remote, message=blank(remote.message, rules=self._rules))
        return Accepted(remote=remote, **_silent(reply))

    async def _pages(
        self,
        what: str,
        filter_by: str,
        match: Callable[[ListItem], bool],
        *,
        most: int = _MOST_PAGES,
        order: Mapping[str, str] | None = None,
    ) -> ApiResult:
        found: list[ListItem] = []
        offset = 0
        for _ in range(most):
            call = list_call(filter_by, offset, order or {})
            reply = await self._ask(call, self._exchange.deadline())
            if isinstance(reply, ApiResult):
                return reply
            page = read_list_page(reply)
            if isinstance(page, ApiResult):
                return page
            found += (item for item in page.items if item.deleted_at is None and match(item))
            if page.next is None:
                ids = ids_in_order(found)
                return Listed(ids=ids, repeated=len(ids) < len(found), **_silent(reply))
            if page.next <= offset:
                return unreadable_response(reply, "next does not lead on")
            offset = page.next
        return Ambiguous(message=f"the list of {what} did not end within {most} pages")

    async def _ask(self, call: Call, deadline: float) -> RawResponse | ApiResult:
        bearer = await self._in_time(self._tokens.current(), deadline)
        if isinstance(bearer, ApiResult):
            return bearer
        reply = await self._exchange.send(call, deadline=deadline, bearer=bearer.token)
        if not (isinstance(reply, RawResponse) and reply.status == 401):
            return reply
        fresh = await self._in_time(self._tokens.renew(bearer), deadline)
        if fresh is None or isinstance(fresh, ApiResult):
            return fresh or reply
        return await self._exchange.send(call, deadline=deadline, bearer=fresh.token)

    async def _in_time(self, token: Awaitable[T], deadline: float) -> T | NotSent:
        try:
            async with asyncio.timeout_at(deadline):
                found = await token
        except TimeoutError:
            return NotSent(message="no token in time")
        if isinstance(found, BearerToken):
            self.issuer = found.issuer
        return found

    async def _send_login(self, call: Call, hide: Secret) -> RawResponse | NotSent | Ambiguous:
        call = replace(call, hide=hide.hide_in)
        reply = await self._exchange.send(call, deadline=self._exchange.deadline())
        if isinstance(reply, RawResponse) and reply.status == 200:
            self.date = server_date(reply.headers)
        return reply


def _readable(body: Json) -> Json:
    """A create request whose manifest can be searched for secrets."""
    encoded = body.get("manifestBase64Encoded")
    return {**body, "manifest": json.loads(base64.b64decode(encoded))} if encoded else body


def _id_in(reply: RawResponse) -> str | None:
    try:
        return read_workload(reply.data).id
    except WireError:
        return None


def _is_named(remote: Remote, wanted: Address) -> None:
    if remote.address != wanted:
        raise WireError(f"it describes {remote.address}, asked for was {wanted}")


def _has_id(remote: Remote, wanted: str) -> None:
    if remote.id.lower() != wanted.lower():
        raise WireError(f"it describes workload {remote.id}, asked for was {wanted}")


def _silent(reply: RawResponse) -> ResultFields:
    # What the words of a success would be is "HTTP 202: no message".
    words = result_fields(reply)
    words["message"] = ""
    return words
