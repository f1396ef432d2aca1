"""The API itself: which route a request takes, who may take it, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from reconciler.sandbox.api.listing import WORKLOAD_FIELDS, Field, read_query, write_workload
from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.faults.rules import Route
from reconciler.sandbox.http import Refusal, SandboxResponse, reply
from reconciler.sandbox.ledger import Effect
from reconciler.sandbox.settings import AfterDelete, Credential, Project, Settings
from reconciler.sandbox.world.kinds import KINDS, PRIORITIES, Kind
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.store import Store
from reconciler.sandbox.world.submission import read_submission
from reconciler.sandbox.world.workload import (
    STRAIGHT,
    Phase,
    Twist,
    Workload,
    write_sync_info,
)

WORKLOADS_PATH = "/api/v2/workloads"
COUNT_PATH = "/api/v1/workloads/count"
_NOT_ALLOWED = "You do not have sufficient permissions."
MARKER = "workload-reconciler/op"


class Request(NamedTuple):
    """One request, its body read."""

    # Tuples, here and below: a frozen dataclass takes twice as long to make, for every request.
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes = b""


class Outcome(NamedTuple):
    """What carrying out a request came to: the honest answer and the change of the world."""

    answer: SandboxResponse
    workload: Workload | None = None
    effect: Effect | None = None
    marker: str | None = None


class Api:
    """Carries out requests against the store; every refusal is a Refusal with its status."""

    def __init__(
        self, settings: Settings, store: Store, tokens: Tokens, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._projects = Projects(settings.projects)
        self._fixed = {
            "/api/v1/token": (Route.TOKEN, {"POST"}),
            "/api/v1/workload-types": (Route.TYPES, {"GET"}),
            "/api/v1/org-unit/projects": (Route.PROJECTS, {"GET"}),
            WORKLOADS_PATH: (Route.WORKLOADS, {"POST"}),
        }
        if settings.listing:
            self._fixed["/api/v1/workloads"] = (Route.LIST, {"GET"})
            self._fixed[COUNT_PATH] = (Route.LIST, {"GET"})
        self._lists = 0

    def route(self, method: str, path: str) -> Route:
        """Find the route; raises Refusal, 404 for no such path and 405 for a wrong method."""
        route, methods = self._fixed.get(path, (None, {"GET", "DELETE"}))
        if route is None and _id_in(path) is not None:
            route = Route.WORKLOADS
        if route is None:
            raise Refusal(404, f"no such path: {path}")
        if method not in methods:
            allow = ", ".join(sorted(methods))
            raise Refusal(
                405, f"{method} is not allowed here", headers=((b"allow", allow.encode()),)
            )
        return route

    def authenticate(self, request: Request, route: Route) -> Credential | None:
        """Whom the request speaks for; None on the way to a token. Raises Refusal (401)."""
        if route is Route.TOKEN:
            return None
        return self._tokens.caller(request.headers.get(b"authorization"))

    def perform(
        self, request: Request, route: Route, caller: Credential | None, twist: Twist = STRAIGHT
    ) -> Outcome:
        """Carry out a routed request; raises Refusal."""
        if request.method == "POST":
            _check_content_type(request)
        if caller is None:
            return Outcome(answer=reply(200, self._tokens.grant(request.body)))
        match route:
            case Route.LIST:
                return Outcome(answer=self._list(request, caller))
            case Route.TYPES:
                return Outcome(answer=self._list_types(request))
            case Route.PROJECTS:
                return Outcome(answer=self._list_projects(request, caller))
            case _:
                return self._perform_on_workload(request, caller, twist)

    def addressed(self, path: str) -> Workload | None:
        """The workload that a path names, if there is one."""
        workload_id = _id_in(path)
        return None if workload_id is None else self._store.get(workload_id.lower())

    def _perform_on_workload(self, request: Request, caller: Credential, twist: Twist) -> Outcome:
        if request.method == "POST":
            return self._create(request, caller, twist)
        workload = self._find(request.path)
        self._require(caller, workload.project_id)
        if request.method == "GET":
            return self._read(workload)
        return self._delete(workload, caller, twist)

    def _create(self, request: Request, caller: Credential, twist: Twist) -> Outcome:
        submission = read_submission(request.body, self._settings)
        self._require(caller, submission.project_id, writing=True)
        workload = self._store.create(submission, caller.client_id, twist)
        marker = submission.annotations.get(MARKER)
        return Outcome(
            answer=SandboxResponse(status=202, body=self._render(workload)),
            workload=workload,
            effect=Effect.CREATED,
            marker=marker if isinstance(marker, str) else None,
        )

    def _read(self, workload: Workload) -> Outcome:
        now = self._clock()
        after_delete = self._settings.after_delete
        phase = workload.phase(now)
        if phase is Phase.DELETED and after_delete is AfterDelete.MISSING:
            raise _not_found(workload.id)
        bare = phase is Phase.DELETED and after_delete is AfterDelete.BARE
        sync_info = b"" if bare else write_sync_info(workload, phase)
        body = b'{"workload":%b%b}' % (self._store.render(workload, phase), sync_info)
        return Outcome(answer=SandboxResponse(status=200, body=body), workload=workload)

    def _delete(self, workload: Workload, caller: Credential, twist: Twist) -> Outcome:
        self._require(caller, workload.project_id, writing=True)
        if workload.is_gone(self._clock()):
            raise _not_found(workload.id)
        deleted = self._store.delete(workload, caller.client_id, twist)
        return Outcome(
            answer=SandboxResponse(status=202, body=self._render(deleted)),
            workload=deleted,
            effect=None if deleted is workload else Effect.DELETED,
        )

    def _find(self, path: str) -> Workload:
        workload = self.addressed(path)
        if workload is None:
            raise _not_found(_id_in(path) or "")
        return workload

    def _require(self, caller: Credential, project_id: str, *, writing: bool = False) -> None:
        allowed = caller.may_see(project_id) and self._projects.exists(project_id)
        if not allowed or (writing and not caller.writes):
            raise Refusal(403, _NOT_ALLOWED)

    def _render(self, workload: Workload) -> bytes:
        return self._store.render(workload, workload.phase(self._clock()))

    def _list(self, request: Request, caller: Credential) -> SandboxResponse:
        query, now = read_query(request.query), self._clock()
        project_id, name = query.wants("projectId"), query.wants("name")
        rows = (
            self._store.namesakes(project_id, name)
            if project_id is not None and name is not None
            else self._store.all()
        )
        shown = (
            w
            for w in rows
            if w.listed_at <= now
            and w.is_gone(now) == query.deleted
            and caller.may_see(w.project_id)
        )
        chosen = query.select(shown, WORKLOAD_FIELDS)
        if request.path == COUNT_PATH:
            return reply(200, {"count": len(chosen)})
        if query.sort_by is None:
            # Nothing is promised of an order that nobody asks for, not even from page to page.
            self._lists += 1
            Random(f"{self._settings.seed}:{self._lists}").shuffle(chosen)  # noqa: S311 - repeatable
        cluster_id = self._settings.cluster_id
        page = query.page("workloads", chosen, lambda w: write_workload(w, now, cluster_id))
        return reply(200, page)

    def _list_types(self, request: Request) -> SandboxResponse:
        query = read_query(request.query)
        fields: dict[str, Field[Kind]] = {
            "name": lambda k: k.name,
            "group": lambda k: k.group,
        }
        chosen = query.select(KINDS, fields)
        return reply(200, {"types": [_write_kind(k, self._settings.cluster_id) for k in chosen]})

    def _list_projects(self, request: Request, caller: Credential) -> SandboxResponse:
        query = read_query(request.query)
        fields: dict[str, Field[Project]] = {
            "id": lambda p: p.id,
            "name": lambda p: p.name,
            "clusterId": lambda _: self._settings.cluster_id,
        }
        seen = (p for p in self._projects.listed if caller.may_see(p.id))
        chosen = query.select(seen, fields)
        page = query.page(
            "projects", chosen, lambda p: _write_project(p, self._settings.cluster_id)
        )
        return reply(200, page)


def _id_in(path: str) -> str | None:
    """The last segment of a path below the workloads, None for any other path."""
    parent, _, last = path.rpartition("/")
    return last if parent == WORKLOADS_PATH and last else None


def _not_found(workload_id: str) -> Refusal:
    return Refusal(404, f"workload {workload_id} not found")


def _check_content_type(request: Request) -> None:
    given = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if given != b"application/json":
        raise Refusal(415, "Content-Type must be application/json")


def _write_kind(kind: Kind, cluster_id: str) -> dict[str, Any]:
    return {
        "id": _stable_id(f"{kind.group}/{kind.name}"),
        "name": kind.name,
        "group": kind.group,
        "categoryId": None if kind.category is None else _stable_id(kind.category),
        "categoryName": kind.category,
        "priorityId": None if kind.priority is None else PRIORITIES[kind.priority],
        "priorityName": kind.priority,
        "resourceInterfaces": [
            {"version": version, "resourceInterface": {}} for version in kind.versions
        ],
        "clusterStatuses": [
            {"clusterId": cluster_id, "version": version, "phase": "Ready", "conditions": []}
            for version in kind.versions
        ],
    }


def _write_project(project: Project, cluster_id: str) -> dict[str, Any]:
    namespace = f"runai-{project.name}"
    return {
        "id": project.id,
        "name": project.name,
        "clusterId": cluster_id,
        "parentId": "1",
        "requestedNamespace": None,
        "enforceRunaiScheduler": True,
        "status": {"namespace": namespace, "phase": "Ready"},
    }


def _stable_id(text: str) -> str:
    return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest(), version=4))
