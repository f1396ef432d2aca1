"""The control API: read the ledger, change the rules and meddle with workloads while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from reconciler.sandbox.api.endpoints import Request
from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.faults.plan import Faults
from reconciler.sandbox.faults.rules import FaultRule, read_rule
from reconciler.sandbox.faults.scenarios import SCENARIOS, find_scenario
from reconciler.sandbox.http import Refusal, SandboxResponse, reply
from reconciler.sandbox.ledger import Ledger, to_record
from reconciler.sandbox.settings import SandboxError
from reconciler.sandbox.world.store import Store
from reconciler.sandbox.world.submission import read_json
from reconciler.sandbox.world.workload import Workload

PREFIX = "/sandbox/"
_Handler = Callable[[Request], Any]


class Control:
    """Answers below `/sandbox/`; its requests meet no faults and are not in the ledger.

    It asks for no token. Changes must be sent as application/json, which a web page on another
    origin cannot do without asking first, and nobody here says yes to that.
    """

    def __init__(
        self,
        store: Store,
        faults: Faults,
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
            "faults": {
                "GET": self._read_faults,
                "PUT": self._replace_faults,
                "POST": self._add_faults,
                "DELETE": self._drop_faults,
            },
            "scenarios": {"GET": self._read_scenarios},
            "workloads": {"GET": self._read_workloads, "POST": self._meddle},
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
        if request.method != "GET":
            _require_json(request)
        return reply(200, handler(request))

    def _read_ledger(self, request: Request) -> Any:
        since = parse_qs(request.query).get("since", ["0"])[-1]
        if not (since.isascii() and since.isdigit()):
            raise Refusal(400, "since must be a number")
        return {"entries": [to_record(entry) for entry in self._ledger.since(int(since))]}

    def _read_faults(self, _: Request) -> Any:
        return {"faults": [rule.text for rule in self._faults.rules]}

    def _replace_faults(self, request: Request) -> Any:
        self._faults.replace(_read_rules(request), self._clock())
        return self._read_faults(request)

    def _add_faults(self, request: Request) -> Any:
        for rule in _read_rules(request):
            self._faults.add(rule, self._clock())
        return self._read_faults(request)

    def _drop_faults(self, request: Request) -> Any:
        self._faults.replace((), self._clock())
        return self._read_faults(request)

    def _read_scenarios(self, _: Request) -> Any:
        return {
            "scenarios": [{"name": s.name, "story": s.story, "rules": s.rules} for s in SCENARIOS]
        }

    def _read_workloads(self, _: Request) -> Any:
        now = self._clock()
        return {"workloads": [_describe(workload, now) for workload in self._store.all()]}

    def _meddle(self, request: Request) -> Any:
        order = _read_order(request)
        match order.pop("do", None):
            case "plant":
                workload = self._store.plant(order.get("request") or {})
            case "vanish":
                workload = self._store.vanish(self._known(order))
            case "edit":
                workload = self._store.edit(
                    self._known(order),
                    manifest=order.get("manifest"),
                    priority=order.get("priority"),
                    category=order.get("category"),
                )
            case "fail-sync":
                message = str(order.get("message", "admission denied"))
                workload = self._store.fail_sync(self._known(order), message)
            case other:
                raise Refusal(400, f"do must be plant, vanish, edit or fail-sync, not '{other}'")
        return _describe(workload, self._clock())

    def _known(self, order: dict[str, Any]) -> str:
        workload_id = order.get("id")
        if not isinstance(workload_id, str) or self._store.phase(workload_id) is None:
            raise Refusal(404, f"workload {workload_id} not found")
        return workload_id

    def _revoke(self, request: Request) -> Any:
        return {"revoked": self._tokens.revoke(_read_order(request).get("client_id"))}


def _describe(workload: Workload, now: float) -> dict[str, Any]:
    return {
        "id": workload.id,
        "projectId": workload.project_id,
        "name": workload.name,
        "kind": workload.kind,
        "phase": workload.phase(now),
        "createdBy": workload.created_by,
    }


def _read_order(request: Request) -> dict[str, Any]:
    order = read_json(request.body)
    if not isinstance(order, dict):
        raise Refusal(400, "request body must be a JSON object")
    return order


def _read_rules(request: Request) -> tuple[FaultRule, ...]:
    """Rules from `{"faults": [text…]}` or `{"scenario": name}`; raises Refusal (400)."""
    order = _read_order(request)
    try:
        texts = find_scenario(order["scenario"]).rules if "scenario" in order else order["faults"]
        return tuple(read_rule(text) for text in texts)
    except (KeyError, TypeError, AttributeError):
        raise Refusal(400, 'say {"faults": ["503 p=30%"]} or {"scenario": "storm"}') from None
    except SandboxError as exc:
        raise Refusal(400, str(exc)) from None


def _require_json(request: Request) -> None:
    if request.headers.get(b"content-type", b"").partition(b";")[0] != b"application/json":
        raise Refusal(415, "Content-Type must be application/json")
