"""The API itself: which route a request takes, who may take it, and what it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qs

from reconciler.sandbox.api.reads import (
    COUNT_PATH,
    LIST_PATH,
    PROJECTS_PATH,
    Reads,
    is_project,
    split_details,
)
from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.faults.rules import Route
from reconciler.sandbox.http import Refusal, Request, SandboxResponse, json_response
from reconciler.sandbox.ledger import Effect, UpdateRecord
from reconciler.sandbox.settings import AfterDelete, Credential, Settings
from reconciler.sandbox.versions import find_version
from reconciler.sandbox.world.store import Store
from reconciler.sandbox.world.submission import read_annotation, read_submission, read_update
from reconciler.sandbox.world.workload import (
    NO_WORKLOAD_FAULTS,
    Phase,
    Workload,
    WorkloadFaults,
    write_sync_info,
)

WORKLOADS_PATH = "/api/v2/workloads"
MARKER = "workload-reconciler/op"
REVISION = "workload-reconciler/rev"


class Outcome(NamedTuple):
    """What carrying out a request came to: the honest response and the change of the world."""

    response: SandboxResponse
    workload: Workload | None = None
    effect: Effect | None = None
    marker: str | None = None
    update: UpdateRecord | None = None


class Api:
    """Carries out requests against the store; every refusal is a Refusal with its status."""

    def __init__(
        self, settings: Settings, store: Store, tokens: Tokens, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._version = find_version(settings.api_version)
        self._store = store
        self._tokens = tokens
        self._clock = clock
        self._reads = Reads(settings, store, clock)
        # Where PUT does not exist it is a 405, as of a server that knows the path: by that and by
        # the 404 for an unknown id a client tells the versions apart.
        self._item_methods = {"GET", "DELETE"} | ({"PUT"} if self._version.updates else set())
        routes = (
            ("/api/v1/token", Route.TOKEN_V1, "POST", settings.v1_token),
            ("/api/v2/token", Route.TOKEN_V2, "POST", self._version.token_v2),
            ("/api/v1/workload-types", Route.TYPES, "GET", True),
            (PROJECTS_PATH, Route.PROJECTS, "GET", True),
            ("/api/v1/node-pools", Route.NODE_POOLS, "GET", True),
            ("/api/v1/clusters/minimal", Route.CLUSTERS, "GET", self._version.clusters_minimal),
            (LIST_PATH, Route.LIST, "GET", settings.listing),
            (COUNT_PATH, Route.LIST, "GET", settings.listing),
            (WORKLOADS_PATH, Route.WORKLOADS, "POST", True),
        )
        self._routes = {
            path: (route, {method}) for path, route, method, offered in routes if offered
        }

    def route(self, method: str, path: str) -> Route:
        """Find the route; raises Refusal, 404 for no such path and 405 for a wrong method."""
        route, methods = self._routes.get(path, (None, self._item_methods))
        # Whether the id is a UUID is not asked: one that is none names nothing, which is a 404.
        if route is None and _id_in(path) is not None:
            route = Route.WORKLOADS
        if route is None and is_project(path):
            route, methods = Route.PROJECTS, {"GET"}
        if route is None and self._settings.listing and split_details(path) is not None:
            route, methods = Route.DETAILS, {"GET"}
        if route is None:
            raise Refusal(404, f"no such path: {path}")
        if method not in methods:
            allow = ", ".join(sorted(methods)).encode()
            raise Refusal(405, f"{method} is not allowed here", headers=((b"allow", allow),))
        return route

    def authenticate(self, request: Request, route: Route) -> Credential | None:
        """Find whom the request speaks for; None on the way to a token. Raises Refusal (401)."""
        # Whoever logs in has no token, and one that is sent along is not looked at.
        if route in (Route.TOKEN_V1, Route.TOKEN_V2):
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
        if route is Route.TOKEN_V2:
            grant = self._tokens.grant_oauth(request.body, request.media_type)
            no_store = ((b"cache-control", b"no-store"),)
            return Outcome(response=json_response(200, grant, headers=no_store))
        if request.method in ("POST", "PUT") and request.media_type != b"application/json":
            raise Refusal(415, "Content-Type must be application/json")
        if caller is None:
            return Outcome(response=json_response(200, self._tokens.grant(request.body)))
        if route is not Route.WORKLOADS:
            return Outcome(response=self._reads.perform(request, route, caller))
        if request.method == "POST":
            return self._create(request, caller, faults)
        # Found before it is allowed: the rights hang on the project of the workload.
        workload = self.addressed(request.path)
        if workload is None:
            raise _not_found(_id_in(request.path) or "")
        if request.method == "GET":
            self._require_right(caller, workload.project_id)
            return self._read(workload)
        self._require_right(caller, workload.project_id, writing=True)
        if request.method == "PUT":
            return self._update(workload, request, caller, faults)
        return self._delete(workload, caller, faults)

    def addressed(self, path: str) -> Workload | None:
        """Find the workload that a path names."""
        if split_details(path) is not None:
            return self._reads.addressed(path)
        workload_id = _id_in(path)
        # UUIDs are the same in either case, and some clients write them in capitals.
        return None if workload_id is None else self._store.get(workload_id.lower())

    def _create(self, request: Request, caller: Credential, faults: WorkloadFaults) -> Outcome:
        submission = read_submission(request.body, self._settings, self._store.projects)
        self._require_right(caller, submission.project_id, writing=True)
        # After the rights: a dry run must not tell what a create would not.
        if self._is_dry_run(request) and not faults.ignores_dry_run:
            preview = self._store.preview(submission, caller.client_id)
            return Outcome(response=self._accepted(preview))
        workload = self._store.create(submission, caller.client_id, faults)
        return Outcome(
            response=self._accepted(workload),
            workload=workload,
            effect=Effect.CREATED,
            marker=read_annotation(submission.manifest, MARKER),
        )

    def _is_dry_run(self, request: Request) -> bool:
        """Whether a create is only to be checked; a server that does not know it creates."""
        if not self._version.dry_run:
            return False
        value = parse_qs(request.query, keep_blank_values=True).get("dryRun", ["false"])[-1]
        if value not in ("true", "false"):
            raise Refusal(400, "dryRun must be true or false")
        return value == "true"

    def _update(
        self, workload: Workload, request: Request, caller: Credential, faults: WorkloadFaults
    ) -> Outcome:
        if workload.is_gone(self._clock()):
            raise _not_found(workload.id)
        if workload.delete_at is not None:
            # An update never revives: what is to be deleted is gone already, or in conflict.
            if faults.conflicts_while_deleting:
                raise Refusal(409, f"workload {workload.id} is being deleted")
            raise _not_found(workload.id)
        # The id decides before the body does: a probe with an empty body gets its 404 either way.
        asked = read_update(request.body, self._settings, workload.gvk)
        updated, content = self._store.update(workload, asked, caller.client_id, faults)
        manifest = asked.manifest or {}
        record = UpdateRecord(
            body=sha256(request.body).hexdigest(),
            rev=read_annotation(manifest, REVISION),
            live_rev=read_annotation(content.manifest, REVISION),
            replaced_rev=read_annotation(json.loads(workload.raw), REVISION),
            replaced_by=workload.updated_by,
            changed=content.changed,
            refused=content.effect.refused,
            without_effect=content.effect.without_effect,
        )
        return Outcome(
            response=self._accepted(updated),
            workload=updated,
            effect=Effect.UPDATED,
            marker=read_annotation(manifest, MARKER),
            update=record,
        )

    def _read(self, workload: Workload) -> Outcome:
        after_delete, now = self._settings.after_delete, self._clock()
        phase = workload.phase(now)
        if phase is Phase.DELETED and after_delete is AfterDelete.MISSING:
            raise _not_found(workload.id)
        bare = phase is Phase.DELETED and after_delete is AfterDelete.BARE
        sync_info = b"" if bare else write_sync_info(workload, phase, now)
        # Spliced, not encoded: the manifests are stored as JSON, and are most of the response.
        document = self._store.render(workload.shown(now), phase)
        body = b'{"workload":%b%b}' % (document, sync_info)
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
        allowed = caller.may_see(project_id) and self._store.projects.exists(project_id)
        if not allowed or (writing and not caller.writes):
            raise Refusal(403, "You do not have sufficient permissions.")


def _id_in(path: str) -> str | None:
    """The last segment of a path below the workloads, None for any other path."""
    parent, _, last = path.rpartition("/")
    return last if parent == WORKLOADS_PATH and last else None


def _not_found(workload_id: str) -> Refusal:
    return Refusal(404, f"workload {workload_id} not found")
