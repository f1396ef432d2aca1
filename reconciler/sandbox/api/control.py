"""The control API: read the ledger, change the rules and the workloads while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.faults.plan import FaultPlan, read_life
from reconciler.sandbox.faults.quantities import read_duration
from reconciler.sandbox.faults.rules import FaultRule, read_rule
from reconciler.sandbox.faults.scenarios import SCENARIOS, find_scenario
from reconciler.sandbox.http import (
    Refusal,
    Request,
    SandboxResponse,
    json_response,
    read_json_object,
)
from reconciler.sandbox.ledger import Ledger, to_record
from reconciler.sandbox.settings import NodePool, Project, SandboxError
from reconciler.sandbox.world.running import RunPhase, moments_of
from reconciler.sandbox.world.store import SOMEBODY_ELSE, Store
from reconciler.sandbox.world.workload import Workload

PREFIX = "/sandbox/"
# What each order may say; a key that is misspelt would change nothing unnoticed.
_ORDERS = {
    "plant": {"request", "by", "life", "age", "native"},
    "vanish": {"id"},
    "edit": {"id", "manifest", "priority", "category"},
    "fail-sync": {"id", "message"},
    "run": {"id", "phase", "message", "reason"},
}
_PROJECT_ORDERS = {
    "put": {"id", "name", "phase", "namespace", "cluster", "pools"},
    "remake": {"id", "as"},
}
_Handler = Callable[[Request], Any]


class Control:
    """Answers below `/sandbox/`; its requests meet no faults and are not in the ledger.

    It asks for no token. Changes must be sent as application/json, which a web page on another
    origin cannot do without asking first, and nobody here says yes to that.
    """

    def __init__(
        self,
        store: Store,
        faults: FaultPlan,
        ledger: Ledger,
        tokens: Tokens,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._faults = faults
        self._ledger = ledger
        self._tokens = tokens
        self._clock = clock
        self._handlers: dict[str, dict[str, _Handler]] = {
            "ledger": {"GET": self._read_ledger},
            # One handler for all: every change answers with the rules that are then in force.
            "faults": dict.fromkeys(("GET", "PUT", "POST", "DELETE"), self._serve_faults),
            "scenarios": {"GET": _list_scenarios},
            "workloads": {"GET": self._read_workloads, "POST": self._change_workload},
            "projects": {"POST": self._change_project},
            "revocations": {"POST": self._revoke},
        }

    def perform(self, request: Request) -> SandboxResponse:
        """Carry out one request; raises Refusal."""
        handlers = self._handlers.get(request.path.removeprefix(PREFIX))
        if handlers is None:
            raise Refusal(404, f"no such path: {request.path}")
        handler = handlers.get(request.method)
        if handler is None:
            allow = ", ".join(sorted(handlers)).encode()
            raise Refusal(405, "method not allowed here", headers=((b"allow", allow),))
        if request.method != "GET" and request.media_type != b"application/json":
            raise Refusal(415, "Content-Type must be application/json")
        return json_response(200, handler(request))

    def _read_ledger(self, request: Request) -> Any:
        since = parse_qs(request.query).get("since", ["0"])[-1]
        if not (since.isascii() and since.isdigit()):
            raise Refusal(400, "since must be a number")
        return {"entries": [to_record(entry) for entry in self._ledger.since(int(since))]}

    def _serve_faults(self, request: Request) -> Any:
        """Change the rules as the method asks, and list those that are then in force."""
        now = self._clock()
        match request.method:
            case "PUT":
                self._faults.replace(_read_rules(request), now)
            case "POST":
                for rule in _read_rules(request):
                    self._faults.add(rule, now)
            case "DELETE":
                self._faults.replace((), now)
            case _:
                pass
        return {"faults": [rule.text for rule in self._faults.rules]}

    def _read_workloads(self, request: Request) -> Any:
        """List all workloads in short, or one by `?id=` with what it declares and what runs."""
        now = self._clock()
        workload_id = parse_qs(request.query).get("id", [""])[-1]
        if not workload_id:
            return {"workloads": [_describe(workload, now) for workload in self._store.all()]}
        workload = self._store.workload(self._read_id({"id": workload_id}))
        details = {
            "runPhase": moments_of(workload, now)[-1].phase,
            "updatedBy": workload.updated_by,
            "priority": workload.priority,
            "category": workload.category,
            "preemptibility": workload.preemptibility,
            "mnnvl": workload.mnnvl,
            "rawManifest": self._store.manifest(workload_id),
            "running": self._store.running(workload_id),
        }
        return {"workloads": [_describe(workload, now) | details]}

    def _change_workload(self, request: Request) -> Any:
        """Carry out an order of the kind `{"do": "vanish", "id": …}`, out of band."""
        order = read_json_object(request.body)
        name = order.pop("do", None)
        _need_known(order, _ORDERS.get(str(name), order.keys()))
        match name:
            case "plant":
                workload = self._plant(order)
            case "vanish":
                workload = self._store.vanish(self._read_id(order))
            case "edit":
                workload = self._store.edit(
                    self._read_id(order),
                    manifest=order.get("manifest"),
                    priority=order.get("priority"),
                    category=order.get("category"),
                )
            case "fail-sync":
                message = str(order.get("message", "admission denied"))
                workload = self._store.fail_sync(self._read_id(order), message)
            case "run":
                workload = self._store.change_run(
                    self._read_id(order),
                    _read_phase(order.get("phase")),
                    message=str(order.get("message", "")),
                    code=order.get("reason"),
                )
            case other:
                names = "plant, vanish, edit, fail-sync or run"
                raise Refusal(400, f"do must be {names}, not '{other}'")
        return _describe(workload, self._clock())

    def _plant(self, order: dict[str, Any]) -> Workload:
        """Create what somebody else has, as long ago as the order says."""
        try:
            faults = read_life(order.get("life", ()))
            age = read_duration(order["age"]) if "age" in order else 0.0
        except (SandboxError, ValueError, TypeError, AttributeError) as exc:
            raise Refusal(400, f"life or age cannot be read: {exc}") from None
        return self._store.plant(
            order.get("request") or {},
            by=str(order.get("by", SOMEBODY_ELSE)),
            age=age,
            faults=faults,
            native=order.get("native"),
        )

    def _revoke(self, request: Request) -> Any:
        order = read_json_object(request.body)
        _need_known(order, {"client_id"})
        return {"revoked": self._tokens.revoke(order.get("client_id"))}

    def _change_project(self, request: Request) -> Any:
        """Carry out an order of the kind `{"do": "remake", "id": "4501", "as": "4502"}`."""
        order, projects = read_json_object(request.body), self._store.projects
        _need_known(order, {"do"} | _PROJECT_ORDERS.get(str(order.get("do")), order.keys()))
        project_id, new_id = str(order.get("id", "")), str(order.get("as", ""))
        match order.get("do"):
            case "put" if project_id:
                projects.put(_read_project(order, projects.get(project_id)))
            case "remake" if projects.get(project_id) is None:
                raise Refusal(404, f"project {project_id} not found")
            case "remake" if new_id:
                self._store.remake_project(project_id, new_id)
            case other:
                raise Refusal(400, f"do must be put, or remake with an id in as, not '{other}'")
        return {
            "projects": [{"id": p.id, "name": p.name, "phase": p.phase} for p in projects.listed]
        }

    def _read_id(self, order: dict[str, Any]) -> str:
        workload_id = order.get("id")
        if not isinstance(workload_id, str) or self._store.phase(workload_id) is None:
            raise Refusal(404, f"workload {workload_id} not found")
        return workload_id


def _list_scenarios(_: Request) -> Any:
    return {"scenarios": [{"name": s.name, "story": s.story, "rules": s.rules} for s in SCENARIOS]}


def _read_project(order: dict[str, Any], old: Project | None) -> Project:
    """A project with what an order says of it; raises Refusal (400)."""
    project_id = str(order["id"])
    project = old or Project(id=project_id, name=project_id)
    texts = {"name": "name", "phase": "phase", "namespace": "namespace", "cluster": "cluster_id"}
    changes: dict[str, Any] = {texts[key]: str(order[key]) for key in texts.keys() & order.keys()}
    try:
        if "pools" in order:
            changes["pools"] = tuple(
                NodePool(
                    name=name,
                    deserved=float(quota["deserved"]),
                    limit=None if quota.get("limit") is None else float(quota["limit"]),
                )
                for name, quota in order["pools"].items()
            )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refusal(400, 'say {"pools": {"default": {"deserved": 8, "limit": 16}}}') from None
    return replace(project, **changes)


def _read_phase(text: object) -> RunPhase:
    try:
        return RunPhase(str(text))
    except ValueError:
        raise Refusal(400, f"phase must be one of {', '.join(RunPhase)}, not '{text}'") from None


def _describe(workload: Workload, now: float) -> dict[str, Any]:
    return {
        "id": workload.id,
        "projectId": workload.project_id,
        "name": workload.name,
        "kind": workload.kind,
        "phase": workload.phase(now),
        "createdBy": workload.created_by,
    }


def _read_rules(request: Request) -> tuple[FaultRule, ...]:
    """Rules from `{"faults": [text…]}` or `{"scenario": name}`; raises Refusal (400)."""
    order = read_json_object(request.body)
    _need_known(order, {"faults", "scenario"})
    try:
        texts = find_scenario(order["scenario"]).rules if "scenario" in order else order["faults"]
        return tuple(read_rule(text) for text in texts)
    except (KeyError, TypeError, AttributeError):
        raise Refusal(400, 'say {"faults": ["503 p=30%"]} or {"scenario": "storm"}') from None
    except SandboxError as exc:
        raise Refusal(400, str(exc)) from None


def _need_known(order: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = sorted(order.keys() - set(known))
    if unknown:
        raise Refusal(400, f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(known))}")
