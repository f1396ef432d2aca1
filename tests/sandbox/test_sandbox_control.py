from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox import find_scenario
from tests.sandbox.rigs import JOB, WORKLOADS, Rig, request

SOMEBODY = f"{WORKLOADS}/5d1f0000-0000-4000-8000-000000000000"


@pytest.fixture
def rig() -> Rig:
    """A sandbox whose control API is open."""
    return Rig(control=True)


def order(rig: Rig, path: str, body: Any, method: str = "POST") -> Any:
    """Send an order without a token and return the answer's document."""
    return rig.ask(method, f"/sandbox/{path}", json=body, token=None).json()


def test_rules_change_while_it_runs(rig: Rig) -> None:
    """Rules are replaced, added, read and dropped; a scenario is a set of rules."""
    storm = list(find_scenario("storm").rules)
    assert order(rig, "faults", {"faults": ["503"]}, "PUT") == {"faults": ["503"]}
    assert rig.ask("GET", SOMEBODY).status_code == 503
    assert order(rig, "faults", {"scenario": "storm"}) == {"faults": ["503", *storm]}
    assert rig.ask("GET", "/sandbox/faults", token=None).json() == {"faults": ["503", *storm]}
    assert order(rig, "faults", {}, "DELETE") == {"faults": []}
    assert rig.ask("GET", SOMEBODY).status_code == 404


def test_scenarios_are_listed(rig: Rig) -> None:
    """The list says what each one does."""
    listed = rig.ask("GET", "/sandbox/scenarios", token=None).json()["scenarios"]
    assert listed[0]["name"] == "storm"
    assert listed[0]["rules"] == list(find_scenario("storm").rules)


def test_the_ledger_can_be_read_from_a_number_on(rig: Rig) -> None:
    """Control requests are not in it."""
    rig.create("a")
    rig.create("b")
    entries = rig.ask("GET", "/sandbox/ledger?since=1", token=None).json()["entries"]
    assert [(entry["seq"], entry["name"]) for entry in entries] == [(2, "b")]


def test_workloads_are_planted_edited_failed_and_removed(rig: Rig) -> None:
    """The same meddling that tests do in process."""
    planted = order(rig, "workloads", {"do": "plant", "request": request()})
    workload_id = planted["id"]
    assert planted == {
        "id": workload_id,
        "projectId": "4501",
        "name": "a",
        "kind": "Job",
        "phase": "Synced",
        "createdBy": "somebody-else",
    }
    changed = {**JOB, "spec": {}}
    order(rig, "workloads", {"do": "edit", "id": workload_id, "manifest": changed})
    assert rig.get(workload_id).json()["workload"]["rawManifest"] == changed
    order(rig, "workloads", {"do": "fail-sync", "id": workload_id, "message": "no quota"})
    assert rig.get(workload_id).json()["syncInfo"]["message"] == "no quota"
    assert order(rig, "workloads", {"do": "vanish", "id": workload_id})["phase"] == "Deleted"
    listed = rig.ask("GET", "/sandbox/workloads", token=None).json()["workloads"]
    assert [(w["id"], w["phase"]) for w in listed] == [(workload_id, "Deleted")]


def test_tokens_are_revoked(rig: Rig) -> None:
    """Every token in circulation is worthless afterwards."""
    token = rig.token()
    assert order(rig, "revocations", {"client_id": "demo"}) == {"revoked": 2}
    assert rig.ask("GET", SOMEBODY, token=token).status_code == 401


@pytest.mark.parametrize(
    ("where", "body", "status", "message"),
    [
        ("GET nowhere", None, 404, "no such path: /sandbox/nowhere"),
        ("DELETE ledger", {}, 405, "method not allowed here"),
        ("GET ledger?since=x", None, 400, "since must be a number"),
        ("POST faults", [], 400, "request body must be a JSON object"),
        ("POST faults", {"scenario": "sunshine"}, 400, "no scenario is called 'sunshine'"),
        ("POST faults", {"faults": ["explode"]}, 400, "fault rule 'explode'"),
        ("POST faults", {"faults": [1]}, 400, 'say {"faults":'),
        ("PUT faults", {}, 400, 'say {"faults":'),
        ("POST workloads", {"do": "dance"}, 400, "do must be plant, vanish"),
        ("POST workloads", {"do": "vanish", "id": "x"}, 404, "workload x not found"),
        ("POST workloads", {"do": "vanish"}, 404, "workload None not found"),
        ("POST workloads", {"do": "plant"}, 400, "metadata is required"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    rig: Rig, where: str, body: Any, status: int, message: str
) -> None:
    """The control API answers in the same Error bodies."""
    method, path = where.split(" ")
    answer = rig.ask(method, f"/sandbox/{path}", json=body, token=None)
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)


def test_a_web_page_elsewhere_cannot_give_orders(rig: Rig) -> None:
    """Only application/json is taken, which a browser does not send across origins unasked."""
    answer = rig.ask("DELETE", "/sandbox/faults", content=b"{}", token=None)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("path", "body", "unknown"),
    [
        ("workloads", {"do": "plant", "request": {}, "kind": "Job"}, "kind"),
        ("workloads", {"do": "vanish", "id": "x", "when": 1}, "when"),
        ("workloads", {"do": "edit", "id": "x", "manifst": {}}, "manifst"),
        ("workloads", {"do": "fail-sync", "id": "x", "mesage": "no"}, "mesage"),
        ("workloads", {"do": "run", "id": "x", "phse": "Running", "msg": ""}, "msg, phse"),
        ("projects", {"do": "put", "id": "4501", "pool": {}}, "pool"),
        ("projects", {"do": "remake", "id": "4501", "to": "4502"}, "to"),
        ("faults", {"faults": ["503"], "fault": ["404"]}, "fault"),
        ("revocations", {"clientId": "x"}, "clientId"),
    ],
)
def test_a_key_that_is_not_known_is_refused(
    rig: Rig, path: str, body: dict[str, Any], unknown: str
) -> None:
    """A misspelt key would change nothing, and nobody would hear of it."""
    answer = rig.ask("POST", f"/sandbox/{path}", json=body, token=None)
    message = answer.json()["message"]
    assert (answer.status_code, message.partition("; known are ")[0]) == (
        400,
        f"unknown: {unknown}",
    )
    assert rig.ask("GET", "/sandbox/faults", token=None).json() == {"faults": []}
