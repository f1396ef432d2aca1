"""The calls of v1 and their like that only look: lists, and what is told of one workload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

from reconciler.sandbox.api.listing import Query, read_query
from reconciler.sandbox.api.rows import (
    CLUSTER_FIELDS,
    KIND_FIELDS,
    NODE_POOL_FIELDS,
    list_node_pools,
    project_fields,
    workload_fields,
    write_cluster,
    write_details,
    write_events,
    write_history,
    write_kind,
    write_node_pool,
    write_pods,
    write_project,
    write_workload,
)
from reconciler.sandbox.faults.rules import Route
from reconciler.sandbox.http import Refusal, Request, SandboxResponse, json_response
from reconciler.sandbox.settings import Cluster, Credential, Settings
from reconciler.sandbox.world.kinds import KINDS
from reconciler.sandbox.world.store import RETENTION_SECONDS, Store
from reconciler.sandbox.world.workload import Workload

LIST_PATH = "/api/v1/workloads"
COUNT_PATH = "/api/v1/workloads/count"
PROJECTS_PATH = "/api/v1/org-unit/projects"
# The calls about one workload, by what stands behind its id.
_DETAILS = ("", "history", "events", "pods")


class Reads:
    """Answers the calls that change nothing; raises Refusal."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._lists = 0
        self._clusters = (Cluster(id=settings.cluster_id, name="sandbox"), *settings.clusters)

    def perform(self, request: Request, route: Route, caller: Credential) -> SandboxResponse:
        """Answer one routed request."""
        # These have no parameters, so one that is sent along is ignored, as unknown ones are.
        if route is Route.PROJECTS and request.path != PROJECTS_PATH:
            return self._read_project(request, caller)
        details = split_details(request.path) if route is Route.DETAILS else None
        query = read_query("" if details is not None and not details[1] else request.query)
        match route:
            case Route.TYPES:
                kinds = query.select(KINDS, KIND_FIELDS)
                rows = [write_kind(kind, self._settings.cluster_id) for kind in kinds]
                return json_response(200, {"types": rows})
            case Route.CLUSTERS:
                version = self._settings.cluster_version or f"{self._settings.api_version}.0"
                tenant_id = self._settings.tenant_id
                clusters = query.select(self._clusters, CLUSTER_FIELDS)
                rows = [write_cluster(cluster, version, tenant_id) for cluster in clusters]
                # A bare array, where every other list is in an object.
                return json_response(200, rows[query.offset : query.offset + query.limit])
            case Route.NODE_POOLS:
                pools = list_node_pools(self._store.projects, self._clusters)
                selected = query.select(pools, NODE_POOL_FIELDS)
                tenant_id = self._settings.tenant_id
                page = selected[query.offset : query.offset + query.limit]
                # The only list in an object without a `next`.
                rows = [write_node_pool(pool, tenant_id) for pool in page]
                return json_response(200, {"nodepools": rows})
            case Route.PROJECTS:
                return self._list_projects(query, caller)
            case Route.DETAILS:
                return self._read_details(request, query, caller)
            case _:
                return self._list_workloads(request, query, caller)

    def addressed(self, path: str) -> Workload | None:
        """The workload, native or not, that a call of v1 names."""
        workload_id, _ = split_details(path) or ("", "")
        workload = self._store.known(workload_id.lower())
        return None if workload is None or workload.listed_at > self._clock() else workload

    def _list_workloads(
        self, request: Request, query: Query, caller: Credential
    ) -> SandboxResponse:
        now, projects = self._clock(), self._store.projects
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
            and not (query.deleted and w.is_gone(now - RETENTION_SECONDS))
            and caller.may_see(w.project_id)
        )
        selected = query.select(listed, workload_fields(now, projects))
        if request.path == COUNT_PATH:
            return json_response(200, {"count": len(selected)})
        if query.sort_by is None:
            # Nothing is promised of an order that nobody asks for, not even from page to page.
            self._lists += 1
            random = Random(f"{self._settings.seed}:{self._lists}")  # noqa: S311 - not a secret
            random.shuffle(selected)
        tenant_id = self._settings.tenant_id
        page = query.page(
            "workloads", selected, lambda w: write_workload(w, now, projects, tenant_id)
        )
        return json_response(200, page)

    def _read_details(self, request: Request, query: Query, caller: Credential) -> SandboxResponse:
        """Tell one workload, or its history, its events or its pods."""
        now, projects, tenant_id = self._clock(), self._store.projects, self._settings.tenant_id
        workload_id, part = split_details(request.path) or ("", "")
        workload = self.addressed(request.path)
        if workload is None or workload.is_gone(now - RETENTION_SECONDS):
            raise Refusal(404, f"workload {workload_id} not found")
        if not (caller.may_see(workload.project_id) and projects.exists(workload.project_id)):
            raise Refusal(403, "You do not have sufficient permissions.")
        rows: list[dict[str, Any]]
        match part:
            case "history":
                key, rows = "records", write_history(workload, now)
            case "events":
                key, rows = "events", write_events(workload, now, projects)
                # The document's default for this list alone: the newest first.
                if query.descending or not query.has_order:
                    rows.reverse()
            case "pods":
                key, rows = "pods", write_pods(workload, now, projects, tenant_id)
                rows = [] if query.deleted else rows
            case _:
                return json_response(200, write_details(workload, now, projects, tenant_id))
        return json_response(200, query.page(key, rows, lambda row: row))

    def _list_projects(self, query: Query, caller: Credential) -> SandboxResponse:
        now, projects = self._clock(), self._store.projects
        visible = (p for p in projects.listed if caller.may_see(p.id))
        by_project: dict[str, list[Workload]] = defaultdict(list)
        for workload in self._store.live():
            by_project[workload.project_id].append(workload)
        selected = query.select(visible, project_fields(projects, now, by_project))
        page = query.page(
            "projects", selected, lambda p: write_project(p, now, projects, by_project[p.id])
        )
        return json_response(200, page)

    def _read_project(self, request: Request, caller: Credential) -> SandboxResponse:
        project_id = request.path.removeprefix(f"{PROJECTS_PATH}/")
        project = self._store.projects.get(project_id)
        if project is None:
            raise Refusal(404, f"project {project_id} not found")
        if not caller.may_see(project_id):
            raise Refusal(403, "You do not have sufficient permissions.")
        workloads = [w for w in self._store.live() if w.project_id == project_id]
        row = write_project(project, self._clock(), self._store.projects, workloads)
        return json_response(200, row)


def split_details(path: str) -> tuple[str, str] | None:
    """The id and the part that a call of v1 about one workload names, None for another path."""
    parent, _, rest = path.partition(f"{LIST_PATH}/")
    workload_id, _, part = rest.partition("/")
    is_one = parent == "" and workload_id != "" and part in _DETAILS
    return (workload_id, part) if is_one and not path.endswith("/") else None


def is_project(path: str) -> bool:
    """Whether a path names one project."""
    parent, _, project_id = path.rpartition("/")
    return parent == PROJECTS_PATH and project_id != ""
