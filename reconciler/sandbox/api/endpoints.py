"""The API itself: which route a request takes, who may take it, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from reconciler.sandbox.api.listing import read_query
from reconciler.sandbox.api.rows import (
    KIND_FIELDS,
    WORKLOAD_FIELDS,
    project_fields,
    write_kind,
    write_project,
    write_workload,
)
from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.faults.rules import Route
from reconciler.sandbox.http import Refusal, Request, SandboxResponse, json_response
from reconciler.sandbox.ledger import Effect
from reconciler.sandbox.settings import AfterDelete, Credential, Settings
from reconciler.sandbox.world.kinds import KINDS
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.store import Store
from reconciler.sandbox.world.submission import read_submission
from reconciler.sandbox.world.workload import (
    NO_WORKLOAD_FAULTS,
    Phase,
    Workload,
    WorkloadFaults,
    write_sync_info,
)

WORKLOADS_PATH = "/api/v2/workloads"
COUNT_PATH = "/api/v1/workloads/count"
MARKER = "workload-reconciler/op"


class Outcome(NamedTuple):
    """What carrying out a request came to: the honest response and the change of the world."""

    response: SandboxResponse
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
        self._routes = {
            "/api/v1/token": (Route.TOKEN, {"POST"}),
            "/api/v1/workload-types": (Route.TYPES, {"GET"}),
            "/api/v1/org-unit/projects": (Route.PROJECTS, {"GET"}),
            WORKLOADS_PATH: (Route.WORKLOADS, {"POST"}),
        }
        if settings.listing:
            self._routes["/api/v1/workloads"] = (Route.LIST, {"GET"})
            self._routes[COUNT_PATH] = (Route.LIST, {"GET"})
        self._lists = 0

    def route(self, method: str, path: str) -> Route:
        """Find the route; raises Refusal, 404 for no such path and 405 for a wrong method."""
        route, methods = self._routes.get(path, (None, {"GET", "DELETE"}))
        if route is None and _id_in(path) is not None:
            route = Route.WORKLOADS
        if route is None:
            raise Refusal(404, f"no such path: {path}")
        if method not in methods:
            allow = ", ".join(sorted(methods)).encode()
            raise Refusal(405, f"{method} is not allowed here", headers=((b"allow", allow),))
        return route

    def authenticate(self, request: Request, route: Route) -> Credential | None:
        """Find whom the request speaks for; None on the way to a token. Raises Refusal (401)."""
        if route is Route.TOKEN:
            return None
        return self._tokens.caller(request.headers.get(b"authorization"))

    def perform(
        self,
        request: Request,
        route: Route,
        caller: Credential | None,
        faults: WorkloadFaults = NO_WORKLOAD_FAULTS,
    ) -> Outcome:
        """Carry out a routed request; raises Refusal."""
        if request.method == "POST" and request.media_type != b"application/json":
            raise Refusal(415, "Content-Type must be application/json")
        if caller is None:
            return Outcome(response=json_response(200, self._tokens.grant(request.body)))
        match route:
            case Route.LIST:
                return Outcome(response=self._list_workloads(request, caller))
            case Route.TYPES:
                query, cluster_id = read_query(request.query), self._settings.cluster_id
                kinds = query.select(KINDS, KIND_FIELDS)
                rows = [write_kind(kind, cluster_id) for kind in kinds]
                return Outcome(response=json_response(200, {"types": rows}))
            case Route.PROJECTS:
                return Outcome(response=self._list_projects(request, caller))
            case _ if request.method == "POST":
                return self._create(request, caller, faults)
        workload = self.addressed(request.path)
        if workload is None:
            raise _not_found(_id_in(request.path) or "")
        if request.method == "GET":
            self._require_right(caller, workload.project_id)
            return self._read(workload)
        self._require_right(caller, workload.project_id, writing=True)
        return self._delete(workload, caller, faults)

    def addressed(self, path: str) -> Workload | None:
        """Find the workload that a path names."""
        workload_id = _id_in(path)
        return None if workload_id is None else self._store.get(workload_id.lower())

    def _create(self, request: Request, caller: Credential, faults: WorkloadFaults) -> Outcome:
        submission = read_submission(request.body, self._settings)
        self._require_right(caller, submission.project_id, writing=True)
        workload = self._store.create(submission, caller.client_id, faults)
        marker = submission.annotations.get(MARKER)
        return Outcome(
            response=self._accepted(workload),
            workload=workload,
            effect=Effect.CREATED,
            marker=marker if isinstance(marker, str) else None,
        )

    def _read(self, workload: Workload) -> Outcome:
        after_delete = self._settings.after_delete
        phase = workload.phase(self._clock())
        if phase is Phase.DELETED and after_delete is AfterDelete.MISSING:
            raise _not_found(workload.id)
        bare = phase is Phase.DELETED and after_delete is AfterDelete.BARE
        sync_info = b"" if bare else write_sync_info(workload, phase)
        # Spliced, not encoded: the manifests are stored as JSON, and are most of the response.
        body = b'{"workload":%b%b}' % (self._store.render(workload, phase), sync_info)
        return Outcome(response=SandboxResponse(status=200, body=body), workload=workload)

    def _delete(self, workload: Workload, caller: Credential, faults: WorkloadFaults) -> Outcome:
        if workload.is_gone(self._clock()):
            raise _not_found(workload.id)
        deleted = self._store.delete(workload, caller.client_id, faults)
        # The store hands back the same value where a deletion was already under way.
        effect = None if deleted is workload else Effect.DELETED
        return Outcome(response=self._accepted(deleted), workload=deleted, effect=effect)

    def _accepted(self, workload: Workload) -> SandboxResponse:
        body = self._store.render(workload, workload.phase(self._clock()))
        return SandboxResponse(status=202, body=body)

    def _require_right(self, caller: Credential, project_id: str, *, writing: bool = False) -> None:
        allowed = caller.may_see(project_id) and self._projects.exists(project_id)
        if not allowed or (writing and not caller.writes):
            raise Refusal(403, "You do not have sufficient permissions.")

    def _list_workloads(self, request: Request, caller: Credential) -> SandboxResponse:
        query, now = read_query(request.query), self._clock()
        project_id, name = query.pinned("projectId"), query.pinned("name")
        # A client that looks for one name does so for each of its workloads: no scan of all.
        candidates = (
            self._store.namesakes(project_id, name)
            if project_id is not None and name is not None
            else self._store.all()
        )
        listed = (
            w
            for w in candidates
            if w.listed_at <= now
            and w.is_gone(now) == query.deleted
            and caller.may_see(w.project_id)
        )
        selected = query.select(listed, WORKLOAD_FIELDS)
        if request.path == COUNT_PATH:
            return json_response(200, {"count": len(selected)})
        if query.sort_by is None:
            # Nothing is promised of an order that nobody asks for, not even from page to page.
            self._lists += 1
            random = Random(f"{self._settings.seed}:{self._lists}")  # noqa: S311 - repeatable
            random.shuffle(selected)
        cluster_id = self._settings.cluster_id
        page = query.page("workloads", selected, lambda w: write_workload(w, now, cluster_id))
        return json_response(200, page)

    def _list_projects(self, request: Request, caller: Credential) -> SandboxResponse:
        query, cluster_id = read_query(request.query), self._settings.cluster_id
        visible = (p for p in self._projects.listed if caller.may_see(p.id))
        selected = query.select(visible, project_fields(cluster_id))
        page = query.page("projects", selected, lambda p: write_project(p, cluster_id))
        return json_response(200, page)


def _id_in(path: str) -> str | None:
    """The last segment of a path below the workloads, None for any other path."""
    parent, _, last = path.rpartition("/")
    return last if parent == WORKLOADS_PATH and last else None


def _not_found(workload_id: str) -> Refusal:
    return Refusal(404, f"workload {workload_id} not found")
